"""Pathways in other forms: as FHIR, out and in, and as a picture. Registered with `continuum pathways`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from care.pathway import Pathway
from continuum import output
from continuum.commands.common import Folder, Json, Mistake, PathwayId, mistaken, one_pathway, printable, read, write
from gateway.fhir.decode import decode_object
from gateway.fhir.refusal import RefusedError
from pathways import loader
from pathways.diagram import diagram as drawn
from pathways.exchange import files
from pathways.exchange.export import bundle, key, resources
from pathways.exchange.reading import read as read_in
from pathways.exchange.result import Imported, Refused
from pathways.source import PathwayError

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Pathways by id; ID@VERSION for an older one.")]


def export(
    ids: Ids = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them, in their latest version.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder: one Bundle for each pathway (default: print one Bundle).")
    ] = None,
    separate: Annotated[bool, typer.Option("--files", help="With --out: each resource in a file of its own.")] = False,
    folder: Folder = None,
    json_: Json = False,
) -> int:
    """Write pathways as FHIR R4: PlanDefinition, ActivityDefinition and Questionnaire."""
    if bool(ids) == all_:
        raise Mistake("name the pathways to export, or give --all; not both")
    if separate and out is None:
        raise Mistake("--files needs --out: the folder for the files")
    found = _found(ids, folder)
    if out is None:
        print(_text(bundle(found)))
        return 0
    texts = {f"{one.id}-v{one.version}.bundle.json": bundle([one]) for one in found}
    if separate:
        texts = {f"{key(resource)}.json": resource for one in found for resource in resources(one)}
    _folder(out)
    for name, resource in texts.items():
        write(out / name, f"{_text(resource)}\n".encode())
    if json_:
        output.as_json({"files": [str(out / name) for name in texts]})
    else:
        print(f"{output.count(found, 'pathway')} in {output.count(list(texts), 'file')} under {printable(out)}")
    return 0


def import_(
    given: Annotated[list[Path], typer.Argument(metavar="FILE...", help="FHIR R4 in JSON: resources or Bundles.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="A folder for the YAML (default: only say what would come of it).")
    ] = None,
    json_: Json = False,
) -> int:
    """Read PlanDefinitions: our own export unchanged, others' as a sketch with gaps, or say why not.

    Exit code 0: all read. 1: some were refused. 2: nothing came of it, or a file is wrong.
    """
    results = read_in((_resource(path) for path in given), loader.library())
    if not results:
        raise Mistake("there is no PlanDefinition in these files; a pathway is one, alone or in a Bundle")
    taken = [one for one in results if isinstance(one, Imported)]
    refused = [one for one in results if isinstance(one, Refused)]
    written = _written([one.pathway for one in taken], out) if out is not None and taken else []
    if json_:
        output.as_json(_as_data(taken, refused, written))
    else:
        for one in taken:
            _say(one)
        for path in written:
            print(f"wrote {printable(path)}")
        if taken and out is None:
            print("Nothing was written; --out FOLDER writes it as YAML.")
    for no in refused:
        for reason in no.reasons:
            mistaken(f"{no.title}: {reason}")
    return 0 if not refused else 1 if taken else 2


def diagram(
    id: PathwayId,  # noqa: A002 - the argument's own word
    out: Annotated[Path | None, typer.Option("--out", help="A file (default: print it).", metavar="FILE")] = None,
    folder: Folder = None,
    json_: Json = False,
) -> int:
    """Draw the journey on a pathway as SVG."""
    pathway = one_pathway(id, folder)
    picture = drawn(pathway)
    if out is not None:
        write(out, picture.encode())
    if json_:
        output.as_json({"pathway": pathway.label, "file": str(out) if out else None, "svg": None if out else picture})
    else:
        print(picture if out is None else f"wrote {printable(out)}", end="" if out is None else "\n")
    return 0


# --- what they share

LARGER = 10
"""A Bundle of all our pathways is larger than a message, and comes from whoever runs this command."""


def _found(ids: list[str] | None, folder: Path | None) -> list[Pathway]:
    """The pathways asked for, each once; all of them where none is named."""
    if ids:
        return [one_pathway(asked, folder) for asked in dict.fromkeys(ids)]
    try:
        return list(loader.latest(folder).values())
    except PathwayError as error:
        raise Mistake(str(error)) from None


def _text(resource: dict[str, Any]) -> str:
    return json.dumps(resource, indent=2, ensure_ascii=False)


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{printable(out)}: no folder can be made there ({error.strerror})") from None


def _resource(path: Path) -> dict[str, Any]:
    try:
        return decode_object(read(path), times=LARGER)
    except RefusedError as error:
        raise Mistake(f"{printable(path)}: {error.refusal.reason} (at {error.refusal.path})") from None


def _written(pathways: list[Pathway], out: Path) -> list[Path]:
    _folder(out)
    try:
        return files.write(pathways, out)
    except (files.FilesError, PathwayError) as error:
        raise Mistake(str(error)) from None
    except OSError as error:
        raise Mistake(f"{printable(out)}: cannot be written to ({error.strerror})") from None


def _say(one: Imported) -> None:
    pathway = one.pathway
    if one.unchanged:
        print(f"{pathway.label}: unchanged")
    else:
        print(f"{pathway.label}: a sketch with {output.count(pathway.gaps, 'gap')}")
        for gap in pathway.gaps:
            print(f"  - {gap}")
    for note in one.notes:
        print(f"  {note}")


def _as_data(taken: list[Imported], refused: list[Refused], written: list[Path]) -> dict[str, Any]:
    return {
        "imported": [
            {
                "pathway": one.pathway.label,
                "unchanged": one.unchanged,
                "status": one.pathway.status,
                "gaps": list(one.pathway.gaps),
                "notes": list(one.notes),
            }
            for one in taken
        ],
        "refused": [
            {"title": no.title, "reasons": [{"where": r.where, "what": r.what} for r in no.reasons]} for no in refused
        ],
        "files": [str(path) for path in written],
    }
