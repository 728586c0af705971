"""`continuum upgrade --check`: what this build would do to the journeys that are open here."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from continuum import output
from continuum.commands.common import Dir, Json, Mistake, run
from continuum.site import Site
from continuum.upgrade.checking import Changed, Report, check
from continuum.upgrade.surroundings import Schema

SHOWN = 20
"""So many journeys are shown of each kind; with --json all of them."""


def upgrade(
    check_: Annotated[bool, typer.Option("--check", help="Look at what would happen; nothing is changed.")] = False,
    folder: Dir = None,
    json_: Json = False,
) -> None:
    """Go through every open journey with this build, before it is put in the place of the one that runs.

    Exit code 0: nothing would break or change. 1: something would. 2: a mistake, or a service that does not answer.
    """
    if not check_:
        raise Mistake("say --check: that is all this does; docs/runbooks/upgrade.md has the upgrade itself")

    async def work(here: Site) -> int:
        def progress(done: int, of: int) -> None:
            if not json_ and sys.stderr.isatty():
                print(f"\r  {done} of about {of} open journeys", end="", file=sys.stderr, flush=True)

        report = await check(await here.temporal(), here.database, os.environ, progress)
        if json_:
            output.as_json(report)
        else:
            if sys.stderr.isatty():
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            _show(report)
        return 0 if report.harmless else 1

    run(work, folder)


def _show(report: Report) -> None:
    out = output.console.print
    versions = report.servers
    out(
        f"Continuum {versions.continuum}, Temporal {versions.temporal}, PostgreSQL {versions.postgresql}",
        highlight=False,
    )
    for trouble in versions.troubles:
        out(f"  {trouble}", highlight=False)
    _schema(report.migrations)
    for setting in report.settings:
        close = f"; is it {setting.close}?" if setting.close else ""
        out(f"  {setting.name} is set, and this build does not read it{close}", highlight=False)
    out(f"{report.journeys} open journeys gone through, {report.clean} of them go on unchanged", highlight=False)
    if report.wedged:
        output.table(
            f"Would stand still: {len(report.wedged)}",
            ("Journey", "Stage", "Why"),
            [(one.journey, one.stage, one.why) for one in report.wedged[:SHOWN]],
            empty="",
        )
    if report.changed:
        output.table(
            f"Would change: {len(report.changed)}",
            ("Journey", "Stage", "What", "In the record", "Under this build"),
            [row for one in report.changed[:SHOWN] for row in _rows(one)],
            empty="",
        )
    if report.uncompared:
        output.table(
            f"Go on, but could not be compared: {len(report.uncompared)}",
            ("Journey", "Stage", "Why"),
            [(one.journey, one.stage, one.why) for one in report.uncompared[:SHOWN]],
            empty="",
        )
    if max(len(report.wedged), len(report.changed), len(report.uncompared)) > SHOWN:
        out("There are more: --json has all of them", highlight=False)
    out("Harmless." if report.harmless else "Not harmless: docs/runbooks/upgrade.md says what to do", highlight=False)


def _schema(found: Schema) -> None:
    out = output.console.print
    if not found.pending and not found.troubles:
        out("The database's schema is that of this build", highlight=False)
    for one in found.pending:
        out(f"  to be applied: {one.name}, {'adds only' if one.additive else 'does more than add'}", highlight=False)
        for remark in one.remarks:
            out(f"    {remark.verdict}: {remark.statement}\n      {remark.why}", highlight=False, markup=False)
    for trouble in found.troubles:
        out(f"  {trouble}", highlight=False)


def _rows(one: Changed) -> list[tuple[str, str, str, str, str]]:
    return [
        (one.journey, one.stage, f"{change.what}: {change.about}", _said(change.recorded), _said(change.then))
        for change in one.changes
    ]


def _said(value: str | None) -> str:
    return "nothing" if value is None else value
