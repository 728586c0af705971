"""Pathways as they are: listed, read, checked, and what a signature names. Registered with `continuum pathways`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from care.pathway import Pathway
from continuum import output
from continuum.commands.common import Folder, Json, Mistake, PathwayId, one_pathway
from pathways import loader
from pathways.lint import lint as findings_of
from pathways.page import page
from pathways.source import PathwayError

WRITTEN = "This page is written from the content: what stands here is what runs."


def list_(folder: Folder = None, json_: Json = False) -> None:
    """List pathways in their latest version: what state each is in, and who signed it."""
    try:
        found = sorted(loader.latest(folder).values(), key=lambda p: (p.service_line, p.id))
    except PathwayError as error:
        raise Mistake(f"{error}; continuum pathways lint says all that is wrong") from None
    if json_:
        output.as_json([_summary(one) for one in found])
        return
    output.table(
        output.count(found, "pathway"),
        ("Pathway", "Name", "Service line", "Status", "Signed by"),
        (
            (p.label, p.name, p.service_line.replace("_", " "), p.status.replace("_", " "), _signer(p) or "nobody")
            for p in found
        ),
        empty="There are no pathways in this folder.",
    )


def show(id: PathwayId, folder: Folder = None, json_: Json = False) -> None:  # noqa: A002 - the argument's own word
    """Show everything about a pathway: the page that a clinician reads before signing it."""
    pathway = one_pathway(id, folder)
    if json_:
        output.as_json(pathway)
    elif output.console.is_terminal:
        output.console.print(Markdown(page(pathway, WRITTEN)))
    else:
        print(page(pathway, WRITTEN), end="")


def lint(
    folder: Annotated[Path | None, typer.Argument(help="A folder of pathways (default: our own).")] = None,
    json_: Json = False,
) -> int:
    """Find mistakes, one on a line: file, line, where in it, and what would be right.

    Exit code 0: none found. 2: there are some.
    """
    findings = findings_of(folder)
    if json_:
        output.as_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{output.count(loader.files(folder), 'pathway')}, no problem found. This is no clinical sign-off.")
    return 2 if findings else 0


def digest(id: PathwayId, folder: Folder = None, json_: Json = False) -> None:  # noqa: A002 - the argument's own word
    """Print what a signature names: the digest of a pathway's content, its measures and red flags included."""
    pathway = one_pathway(id, folder)
    if json_:
        output.as_json({"pathway": pathway.label, "digest": pathway.digest})
    else:
        print(pathway.digest)


def _signer(pathway: Pathway) -> str | None:
    signed = pathway.signed_off
    return f"{signed.by}, {signed.on}" if signed else None


def _summary(pathway: Pathway) -> output.Row:
    signed = pathway.signed_off
    return {
        "pathway": pathway.label,
        "id": pathway.id,
        "version": pathway.version,
        "name": pathway.name,
        "service_line": pathway.service_line,
        "status": pathway.status,
        "signed_off": signed.model_dump(mode="json") if signed else None,
        "digest": pathway.digest,
        "gaps": len(pathway.gaps),
    }
