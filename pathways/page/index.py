"""The index of all pathways, by service line."""

from __future__ import annotations

from collections.abc import Iterable

from care.pathway import Pathway
from pathways import words
from pathways.page.evidence import entries
from pathways.page.markdown import Lines, join, one_line, section, table


def index(pathways: Iterable[Pathway], written_by: str) -> str:
    """All of them, with how far each is checked."""
    lines: dict[str, list[Pathway]] = {}
    for pathway in sorted(pathways, key=lambda p: (p.service_line, p.name)):
        lines.setdefault(pathway.service_line, []).append(pathway)
    known = [one for found in lines.values() for one in found]
    signed = sum(one.status == "signed_off" for one in known)
    told = [
        f"{len(known)} pathways, {signed} signed by a clinician. What is not signed is not for care.",
        "A page is written from the pathway itself: what stands there is what runs.",
    ]
    parts = [section(words.plain(line).capitalize(), _table(found)) for line, found in lines.items()]
    return join([["# Pathways"], [written_by], told, *parts])


def _table(pathways: Iterable[Pathway]) -> Lines:
    rows = []
    for one in pathways:
        found = [entry.basis for _, entry in entries(one)]
        rows.append(
            (
                f"[{one_line(one.name)}]({one.id}.md)",
                str(one.version),
                one.status.replace("_", " "),
                f"{found.count('verified')} of {len(found)}",
                str(len(one.gaps)),
                f"[picture]({one.id}.svg)",
            )
        )
    return table(("Pathway", "Version", "Status", "Entries verified", "Gaps named", ""), rows)
