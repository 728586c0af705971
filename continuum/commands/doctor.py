"""`continuum doctor`: whether the record, Temporal and what leaves the house agree."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from continuum import output
from continuum.commands.common import Dir, Json, Mistake, mistaken, run
from continuum.site import Site

if TYPE_CHECKING:
    from continuum.doctor.mismatch import Mismatch
    from continuum.doctor.repairing import Outcome

ROUNDS = 4
"""One repair may bring the next to light: a journal that is whole again shows that its workflow is missing."""


def doctor(
    folder: Dir = None,
    json_: Json = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what is safe, and write down what was done.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="List what was put right so far.")] = False,
    restored: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="First say that this database was restored from a copy taken then (ISO 8601, with its zone).",
        ),
    ] = None,
    sent_log: Annotated[
        Path | None, typer.Option(help="With --restored: the sent.log, as it was lost.", metavar="FILE")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds between two looks.", min=0, max=600)] = 3.0,
) -> None:
    """Compare the record with Temporal, journey by journey, and list every mismatch. Exit code 0: there is none."""
    taken_at = _moment(restored) if restored is not None else None
    if sent_log is not None and taken_at is None:
        raise SystemExit(mistaken("--sent-log goes with --restored"))

    async def work(here: Site) -> int:
        if history:
            return await _history(here, json_)
        if taken_at is not None:
            await _mark(here, taken_at, sent_log, json_)
        return await _examine(here, repair=repair, json_=json_, wait=wait)

    run(work, folder)


async def _examine(here: Site, *, repair: bool, json_: bool, wait: float) -> int:
    from continuum.doctor.examining import examine
    from continuum.doctor.repairing import ORDER, Repairs

    client = await here.temporal()
    found = await examine(client, here.database, again_after=wait)
    outcomes: list[Outcome] = []
    if repair:
        repairs = Repairs(client, here.database)
        tried: set[tuple[str, str, str]] = set()
        for _ in range(ROUNDS):
            todo = [m for m in found if m.safe and m.key not in tried]
            if not todo:
                break
            for mismatch in sorted(todo, key=lambda m: ORDER.index(m.kind)):
                tried.add(mismatch.key)
                outcomes.append(await repairs.repair(mismatch))
            found = await examine(client, here.database, again_after=wait)
    _say(found, outcomes, json_)
    return 1 if found else 0


def _say(left: list[Mismatch], outcomes: list[Outcome], json_: bool) -> None:
    if json_:
        done = [{**o.mismatch.plain(), "done": o.done, "why_not": o.why_not} for o in outcomes]
        output.as_json({"mismatches": [m.plain() for m in left], "repairs": done})
        return
    for o in outcomes:
        print(f"{o.mismatch.journey or '-'}  {o.mismatch.kind}: {o.done or f'not put right: {o.why_not}'}")
    if not left:
        print("The record, Temporal and what leaves the house agree.")
        return
    rows = (
        (m.journey or "-", m.kind, m.detail, ("--repair: " if m.safe else "") + str(m.plain()["repair"])) for m in left
    )
    output.table(
        "1 mismatch" if len(left) == 1 else f"{len(left)} mismatches",
        ("Journey", "Kind", "What", "What puts it right"),
        rows,
        empty="",
    )


async def _history(here: Site, json_: bool) -> int:
    from records import doctor as stored

    rows = await stored.repairs(here.database)
    if json_:
        output.as_json(rows)
    else:
        output.table(
            output.count(rows, "repair"),
            ("When", "Journey", "Kind", "What was found", "What was done"),
            ((output.when(r["recorded_at"]), r["journey"] or "-", r["kind"], r["detail"], r["done"]) for r in rows),
            empty="Nothing was ever put right here.",
        )
    return 0


async def _mark(here: Site, taken_at: datetime, sent_log: Path | None, json_: bool) -> None:
    from channels.sent_log import left_since
    from records import doctor as stored

    left = None
    if sent_log is not None:
        try:
            with sent_log.open("rb") as lines:
                left = left_since(lines, taken_at)
        except OSError as error:
            raise Mistake(f"{sent_log}: cannot be read ({error.strerror})") from None
    held = await stored.restored(here.database, taken_at, left)
    if not json_:
        print(f"Marked as restored; {held} message(s) that were waiting are not sent by themselves any more.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except ValueError:
        pass
    raise SystemExit(mistaken("--restored is a time with its zone, such as 2026-11-29T02:30:00+00:00"))
