"""Reads every JSON file of a folder of sample messages and tells, by source, what became of it.

python tests/tools/survey_inputs.py <folder of samples> > docs/integrators/inputs-survey.md
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from gateway.fhir import IncomingReferral, Refusal, read_referral

Outcome = tuple[Path, IncomingReferral | Refusal]

HEADER = """\
# What became of public sample messages

The FHIR reader is tried on 1,902 public sample messages by others, not part of this repository; {files:,} of them
are JSON. This page is written by `tests/tools/survey_inputs.py`, and a test fails when it and the code disagree.

Accepted is a ServiceRequest, or a Bundle of type message, transaction or collection with one order in it, whose
intent is an order and whose status is active or draft; England's Booking and Referral Standard sends its referrals
with intent plan, in a message, and these are accepted too.
"""


def outcomes(folder: Path) -> Iterator[Outcome]:
    for file in sorted(folder.rglob("*.json")):
        yield file.relative_to(folder), read_referral(file.read_bytes())


def survey(folder: Path) -> str:
    """The page, as committed."""
    read = list(outcomes(folder))
    accepted = [(file, got) for file, got in read if isinstance(got, IncomingReferral)]
    refused = [(file, got) for file, got in read if isinstance(got, Refusal)]
    return "\n".join(
        [
            HEADER.format(files=len(read)),
            *_by_source(read, accepted),
            *_by_reason(refused),
            *_by_kind(accepted),
            *_identities(accepted),
        ]
    )


def _table(title: str, columns: list[str], rows: list[list[object]]) -> list[str]:
    lines = [f"## {title}", "", _row(columns), _row(["---"] * len(columns))]
    return [*lines, *map(_row, rows), ""]


def _row(cells: list[object] | list[str]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _by_source(read: list[Outcome], accepted: list[tuple[Path, IncomingReferral]]) -> list[str]:
    total = Counter(file.parts[0] for file, _ in read)
    taken = Counter(file.parts[0] for file, _ in accepted)
    rows: list[list[object]] = [
        [source, total[source], taken[source], total[source] - taken[source]] for source in sorted(total)
    ]
    rows.append(["all", total.total(), taken.total(), total.total() - taken.total()])
    return _table("By source", ["source", "JSON files", "accepted", "refused"], rows)


def _by_reason(refused: list[tuple[Path, Refusal]]) -> list[str]:
    count = Counter((got.code, got.reason) for _, got in refused)
    sources: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for file, got in refused:
        sources[got.code, got.reason][file.parts[0]] += 1
    rows: list[list[object]] = [
        [many, code, reason, ", ".join(f"{name} {n}" for name, n in sorted(sources[code, reason].items()))]
        for (code, reason), many in sorted(count.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _table("Refused, by reason", ["files", "code", "reason", "sources"], rows)


def _by_kind(accepted: list[tuple[Path, IncomingReferral]]) -> list[str]:
    count = Counter((got.kind, got.intent, got.status, got.patient.matched_by_message) for _, got in accepted)
    rows: list[list[object]] = [
        [many, kind, intent, status, "in the message" if matched else "to be matched"]
        for (kind, intent, status, matched), many in sorted(count.items())
    ]
    return _table("Accepted, by kind", ["files", "kind", "intent", "status", "patient"], rows)


def _identities(accepted: list[tuple[Path, IncomingReferral]]) -> list[str]:
    """Files that name the same referral of the same source, if all come in by one door under one name."""
    named: defaultdict[tuple[str, str], list[tuple[Path, IncomingReferral]]] = defaultdict(list)
    for file, got in accepted:
        named[got.source, got.referral_id].append((file, got))
    rows: list[list[object]] = [
        [", ".join(file.as_posix() for file, _ in same), _relation([got for _, got in same])]
        for same in named.values()
        if len(same) > 1
    ]
    again = len(accepted) - len(named)
    return [
        *_table("One referral in several files", ["files", "why"], rows),
        f"Sent in turn into one empty database, {len(accepted) - again} of the {len(accepted)} accepted files "
        f"are new referrals; those that repeat or change one already known: {again}.",
        "",
    ]


def _relation(same: list[IncomingReferral]) -> str:
    if len({got.sha256 for got in same}) == 1:
        return "the same bytes"
    return "a reply repeats the order" if any(got.in_reply_to for got in same) else "the same order, changed"


if __name__ == "__main__":
    sys.stdout.write(survey(Path(sys.argv[1])))
