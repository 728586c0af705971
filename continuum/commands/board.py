"""`continuum board`: the numbers of a site, what they mean, and links to views of Temporal's page."""

from __future__ import annotations

import csv
import os
import sys
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

import typer

from care.score import Measure
from continuum import output
from continuum.board.page import definitions
from continuum.board.views import saving, views
from continuum.commands.common import Dir, Json, Mistake, run
from continuum.site import Site
from pathways import loader
from pathways.source import PathwayError
from records import board as reading
from records import directory as stored
from records import journeys
from records.board import BY, Asked, By
from records.numbers import BY_NAME, NUMBERS, Column, Number

Row = dict[str, Any]
UI = "http://127.0.0.1:8233"
"""Where docker-compose.yml has Temporal's page."""


def board(
    name: Annotated[str | None, typer.Argument(help="One number (default: all).", metavar="NAME")] = None,
    folder: Dir = None,
    json_: Json = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Answer in CSV; needs NAME.")] = False,
    since: Annotated[str | None, typer.Option("--from", help="From this day on.", metavar="YYYY-MM-DD")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Until before this day.", metavar="YYYY-MM-DD")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Split by clinic, pathway or month; repeatable.")] = None,
    links: Annotated[bool, typer.Option("--links", help="Print links to views of Temporal's page.")] = False,
    console: Annotated[
        bool, typer.Option("--console", help="With --links: a line for the browser's console that saves them there.")
    ] = False,
    ui: Annotated[str | None, typer.Option(help=f"Where that page is (default: the stack's, else {UI}).")] = None,
    explain: Annotated[bool, typer.Option("--definitions", help="Print what each number means.")] = False,
) -> None:
    """Show the numbers of a site: waits, unanswered referrals, what is overdue, missed visits, outcomes."""
    if explain:
        print(definitions(), end="")
        return
    if csv_ and json_:
        raise Mistake("--csv and --json are two forms of answer: give one")
    if csv_ and name is None and not links:
        raise Mistake(f"--csv answers with one table; name one: {', '.join(BY_NAME)}")
    if console and not links:
        raise Mistake("--console goes with --links")
    numbers = _named(name)
    split = _split(by or [])
    first, last = _day(since, "--from"), _day(until, "--to")
    if first is not None and last is not None and first >= last:
        raise Mistake("--from lies before --to")

    async def work(here: Site) -> int:
        if links:
            return await _links(here, ui, json_=json_, console=console)
        zone = ZoneInfo(here.timezone)
        asked = Asked(
            here.tenant,
            as_of=_midnight(last, zone) if last else await _now(here),
            since=_midnight(first, zone) if first else None,
            zone=here.timezone,
            by=split,
        )
        found = [(number, await reading.counted(here.database, number, asked, _measure)) for number in numbers]
        _say(found, asked, json_=json_, csv_=csv_)
        return 0

    run(work, folder)


def _say(found: list[tuple[Number, list[Row]]], asked: Asked, *, json_: bool, csv_: bool) -> None:
    if json_:
        output.as_json(
            {
                "from": asked.since,
                "as_of": asked.as_of,
                "numbers": [{"name": number.name, **_meaning(number), "rows": rows} for number, rows in found],
            }
        )
        return
    if csv_:
        for number, rows in found:
            columns = [*asked.by, "what", *(column.name for column in number.columns)]
            writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return
    begun = f"from {output.when(asked.since)} " if asked.since else ""
    output.console.print(f"Numbers {begun}as of {output.when(asked.as_of)}. A blank stands for too few.\n")
    for number, rows in found:
        _table(number, rows, asked.by)


def _table(number: Number, rows: list[Row], by: tuple[By, ...]) -> None:
    heads = (
        *(word.capitalize() for word in by),
        number.by.capitalize(),
        *(c.words.capitalize() for c in number.columns),
    )
    body = [
        (*(row[b] for b in by), str(row["what"]).split(":", 1)[-1], *(_figure(c, row[c.name]) for c in number.columns))
        for row in rows
    ]
    output.table(number.title, heads, body, empty=f"[bold]{number.title}[/]: none.")
    for word, words in _meaning(number).items():
        output.console.print(f"  [dim]{word}: {words}[/]", highlight=False)
    output.console.print()


def _meaning(number: Number) -> dict[str, str]:
    return {"counts": number.counts, "start": number.start, "stop": number.stop, "pause": number.pause}


def _figure(column: Column, value: float | None) -> str:
    if value is None:
        return ""
    if column.kind == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.1f}" if column.kind == "days" else f"{value:g}"


async def _links(here: Site, ui: str | None, *, json_: bool, console: bool) -> int:
    directory = await stored.load(here.database, here.tenant)
    held = await journeys.journeys(here.database, here.tenant, status="on_hold")
    namespace = here.stack.temporal_namespace if here.stack else os.environ.get("TEMPORAL_NAMESPACE", "default")
    where = ui or (here.stack.ui_url if here.stack else UI)
    found = views(
        queues=sorted({queue.id for queue in directory.queues}),
        clinics=[clinic.id for clinic in directory.clinics],
        on_hold=[row["id"] for row in held],
        now=await _now(here),
        zone=here.timezone,
    )
    if console:
        print(saving(found, namespace))
        return 0
    if json_:
        output.as_json([{"name": v.name, "query": v.query, "link": v.link(where, namespace)} for v in found])
        return 0
    for view in found:
        output.console.print(f"{view.name:<28} {view.link(where, namespace)}", soft_wrap=True, highlight=False)
    return 0


def _named(name: str | None) -> tuple[Number, ...]:
    if name is None:
        return NUMBERS
    if name not in BY_NAME:
        raise Mistake(f"there is no number {name!r}; there are: {', '.join(BY_NAME)}")
    return (BY_NAME[name],)


def _split(by: list[str]) -> tuple[By, ...]:
    if wrong := [word for word in by if word not in BY]:
        raise Mistake(f"--by {wrong[0]}: one of {', '.join(BY)}")
    return tuple(cast(By, word) for word in dict.fromkeys(by))


def _day(text: str | None, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise Mistake(f"{option} is a day, as 2026-12-01") from None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


async def _now(here: Site) -> datetime:
    """The machine's time, or that of the journey furthest on: a demo's clocks were moved."""
    now, latest = datetime.now(UTC), await reading.latest(here.database, here.tenant)
    return now if latest is None else max(now, latest)


@cache
def _measures(pathway: str) -> dict[str, Measure]:
    name, _, version = pathway.partition("@")
    try:
        return {measure.id: measure for measure in loader.load(name, int(version)).measures}
    except (PathwayError, ValueError):
        return {}


def _measure(pathway: str, measure: str) -> Measure | None:
    return _measures(pathway).get(measure)
