"""`continuum import`: a clinic that begins with Continuum brings its open patients, each where they stand.

Exit codes: 0 everything was accepted (or is there already), 2 a row was refused or the command was called wrongly.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from continuum import output
from continuum.commands.common import Dir, Json, Mistake, printable, read, run
from continuum.site import Site
from gateway import caseload
from gateway.caseload import Import, Outcome
from records.directory import load

SHOWN_EVERY = 50
REFUSED = 2
SOURCE = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}")


def import_(
    file: Annotated[Path | None, typer.Argument(help="CSV or JSON lines, UTF-8.", metavar="FILE")] = None,
    folder: Dir = None,
    json_: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    source: Annotated[
        str, typer.Option(help="What your list is called; its ids are unique within it.")
    ] = "spreadsheet",
    person: Annotated[str | None, typer.Option("--as", help="Who takes the caseload over, by directory id.")] = None,
    all_or_nothing: Annotated[bool, typer.Option(help="Store nothing when any row is refused.")] = False,
    template: Annotated[bool, typer.Option(help="Print a CSV header with two example rows.")] = False,
) -> None:
    """Take over a caseload: open patients, each in the stage and at the dates where they stand."""
    if template:
        print(caseload.template(), end="")
        raise SystemExit(0)
    if not SOURCE.fullmatch(source):
        raise Mistake("--source is a short name: small letters, digits, . and _")
    if file is None:
        raise Mistake("name the file, or ask for --template")
    content = read(file)

    async def work(here: Site) -> int:
        people = [p.id for p in (await load(here.database, here.tenant)).people]
        if person is not None and person not in people:
            raise Mistake(f"--as is a person of the directory: {', '.join(people) or 'there is nobody yet'}")
        try:
            rows = caseload.read(content)
        except caseload.BadFile as bad:
            raise Mistake(f"{printable(file)}: {bad}") from None
        what = Import(
            tenant=here.tenant,
            source=source,
            by=person,
            now=datetime.now(UTC),
            must_be_signed=here.must_be_signed,
        )
        _progress(f"{output.count(rows, 'journey')} read; each is tried")
        checked = await caseload.check(here.database, rows, what)
        refused = any(one.outcome.status == "refused" for one in checked)
        stored = not dry_run and not (all_or_nothing and refused)
        if stored:
            outcomes = await caseload.store(here.database, checked, lambda done: _stored(done, len(checked)))
        else:
            outcomes = [one.outcome for one in checked]
        if json_:
            _as_json(outcomes, stored=stored)
        else:
            _as_table(printable(file), outcomes, stored=stored)
        return REFUSED if refused else 0

    run(work, folder)


def _progress(words: str) -> None:
    print(f"  {words}", file=sys.stderr, flush=True)


def _stored(done: int, total: int) -> None:
    if done % SHOWN_EVERY == 0 or done == total:
        _progress(f"{done} of {total} done")


# --- the report


def summary(outcomes: list[Outcome], *, stored: bool) -> dict[str, Any]:
    """What was taken over, by stage and clinic, and what the first day brings."""
    taken = [o for o in outcomes if o.taken is not None]
    clocks = [clock for o in taken if o.taken for clock in o.taken.clocks]
    return {
        "stored": stored,
        "rows": len(outcomes),
        "by_status": dict(sorted(Counter(o.status for o in outcomes).items())),
        "by_stage": dict(sorted(Counter(o.taken.stage.label for o in taken if o.taken).items())),
        "by_clinic": dict(sorted(Counter(o.clinic for o in taken if o.clinic).items())),
        "clocks": dict(sorted(Counter(c.policy for c in clocks).items())),
        "spread_by_day": dict(
            sorted(Counter(output.day(c.at) for c in clocks if c.policy == "spread" and c.at is not None).items())
        ),
        "first_day_messages": sum(o.taken.first_day for o in taken if o.taken),
        "first_day_to_patients": sum(o.taken.to_patient for o in taken if o.taken),
    }


def _as_json(outcomes: list[Outcome], *, stored: bool) -> None:
    for o in outcomes:
        row = {
            "line": o.line,
            "status": o.status,
            "journey": o.journey,
            "stage": o.taken.stage.value if o.taken else None,
            "clinic": o.clinic,
            "clocks": [c.model_dump(mode="json") for c in o.taken.clocks] if o.taken else [],
            "notes": list(o.notes),
            "problems": [{"line": p.line, "column": p.column, "what": p.what} for p in o.problems],
        }
        print(json.dumps(row))
    print(json.dumps({"summary": summary(outcomes, stored=stored)}), flush=True)


def _as_table(file: str, outcomes: list[Outcome], *, stored: bool) -> None:
    for o in outcomes:
        for p in o.problems:
            column = f", {p.column}" if p.column else ""
            print(f"{file}: line {p.line}{column}: {p.what}")
        for note in o.notes:
            print(f"{file}: line {o.line}: note: {note}")
    told = summary(outcomes, stored=stored)
    policies = {"skip": "skipped: long past", "do_now": "start now", "spread": "spread over the next open days"}
    rows: list[tuple[str, str, int]] = [
        *_group("Rows", told["by_status"]),
        *_group("Stage", told["by_stage"]),
        *_group("Clinic", told["by_clinic"]),
        *_group("Clocks that had run out", {policies[p]: n for p, n in told["clocks"].items()}),
        *_group("Spread to", told["spread_by_day"]),
        ("First day", "messages, about", told["first_day_messages"]),
        ("", "of these to patients", told["first_day_to_patients"]),
    ]
    output.table(output.count(outcomes, "journey"), ("", "", "Count"), rows, empty="")
    if not stored:
        print("Nothing was stored.")


def _group(name: str, counts: dict[str, int]) -> Iterable[tuple[str, str, int]]:
    return ((name if n == 0 else "", word, number) for n, (word, number) in enumerate(counts.items()))
