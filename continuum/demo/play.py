"""Runs the demo: a throw-away stack (or a folder's), the stories, and what they left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape
from temporalio.client import Client

from activities.clinics import calendar_of
from care.calendar import Calendar
from care.journey import Stage
from continuum import output
from continuum.demo.player import Player, Row
from continuum.demo.repertoire import STORIES
from continuum.demo.stories import Story
from continuum.embedded.folder import temporary_folder
from continuum.embedded.mail import read_mail
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records import journeys
from records.database import Database
from records.directory import clinic_of
from workflows.connection import connect

LETTERS_SHOWN = 12


class Demo:
    """One evening at the theatre: stories played one after the other on one stack."""

    def __init__(
        self, stack: Supervisor, client: Client, database: Database, calendar: Calendar, *, quiet: bool
    ) -> None:
        self._stack = stack
        self._client = client
        self._database = database
        self._calendar = calendar
        self._quiet = quiet

    def player(self, name: str) -> Player:
        """Somebody to play a journey."""
        tenant = EXAMPLE_CLINIC.tenant
        return Player(name, self._client, self._database, self._calendar, tenant=tenant, narrate=self._tell)

    async def play(self, story: Story) -> Row:
        """Play one story and say how it ended."""
        self._say(f"\n[bold]{story.title}[/]\n")
        player = self.player(story.name)
        await story.play(player)
        return await self._row(player, expected=(story.stage, story.outcome))

    async def refer(self, name: str, raw: bytes) -> Row:
        """A referral brought along: taken in as any other, and left for people to act on."""
        self._say(f"\n[bold]{escape(name)}[/]\n")
        player = self.player(name)
        received = await player.refer(raw, source="demo-visitor")
        if received.journey is None:
            self._say(f"  refused: {received.reason} (at {received.path})")
            return {"story": name, "outcome": "refused", "reason": received.reason, "as_written": True}
        return await self._row(player, expected=None)

    async def _row(self, player: Player, *, expected: tuple[Stage, str] | None) -> Row:
        record = await player.record()
        stages = [r["stage"] for r in record["journal"] if r["kind"] == "entered"]
        began, ended = record["journal"][0]["at"], record["journal"][-1]["at"]
        return {
            "story": player.name,
            "journey": record["id"],
            "patient": record["patient"],
            "pathway": record["pathway"],
            "stages": stages,
            "entered": [r["at"].isoformat() for r in record["journal"] if r["kind"] == "entered"],
            "status": record["status"],
            "outcome": record["outcome"],
            "days": (ended - began).days,
            "rows": len(record["journal"]),
            "notices": dict(Counter(n["status"] for n in record["notices"])),
            "replies": len(record["replies"]),
            "as_written": expected is None or (record["stage"], record["outcome"]) == expected,
        }

    def _tell(self, _: str, row: Row) -> None:
        local = self._calendar.local(row["at"])
        who = "" if row["role"] == "system" else row["role"].replace("_", " ")
        mark = {"entered": "bold cyan", "red_flag": "bold red", "escalated": "yellow", "reminded": "yellow"}.get(
            row["kind"]
        )
        text = escape(row["text"])
        self._say(f"  [dim]{local:%a %d %b %Y %H:%M}[/]  {who:<13} {f'[{mark}]{text}[/]' if mark else text}")

    def _say(self, line: str) -> None:
        if not self._quiet:
            output.console.print(line, highlight=False, soft_wrap=True)


async def perform(
    *,
    folder: Path | None,
    keep: bool,
    referrals: list[tuple[str, bytes]],
    json_: bool,
    stories: tuple[Story, ...] = STORIES,
) -> int:
    """Play, show what there is to see, and say with the exit code whether every journey ended as written."""
    async with _stack(folder, quiet=json_) as stack:
        database = await Database.open(stack.dsn("app"), size=4)
        try:
            client = await connect(stack.stack.temporal_address)
            clinic = await clinic_of(database, EXAMPLE_CLINIC.tenant) or EXAMPLE_CLINIC
            calendar = calendar_of(clinic, datetime.now(UTC).date())
            demo = Demo(stack, client, database, calendar, quiet=json_)
            rows = [await demo.play(story) for story in stories]
            rows += [await demo.refer(name, raw) for name, raw in referrals]
            if json_:
                output.as_json(rows)
            else:
                await _epilogue(rows, stack, database, keep=keep)
        finally:
            await database.close()
        if keep:
            await _until_told_to_stop(stack, json_)
    return 0 if all(row["as_written"] for row in rows) else 1


@asynccontextmanager
async def _stack(folder: Path | None, *, quiet: bool) -> AsyncIterator[Supervisor]:
    def progress(step: str) -> None:
        if not quiet:
            print(f"  {step}", file=sys.stderr, flush=True)

    def options(path: Path) -> Options:
        return Options(
            folder=path, migrate=bring_up_to_date, worker_env={"CONTINUUM_DIGEST_SECONDS": "1"}, time_skipping=True
        )

    if folder is not None:
        async with running(options(folder), progress) as stack:
            yield stack
    else:
        with temporary_folder() as path:
            async with running(options(path), progress) as stack:
                yield stack


async def _epilogue(rows: list[Row], stack: Supervisor, database: Database, *, keep: bool) -> None:
    output.console.print()
    output.table(
        "How the journeys ended",
        ("Story", "Patient", "Stages", "Ended", "Days", "Journal", "Notices", "As written"),
        (
            (
                row["story"],
                row.get("patient"),
                " > ".join(row.get("stages", [])),
                row["outcome"] or row.get("status"),
                row.get("days"),
                row.get("rows"),
                ", ".join(f"{n} {status}" for status, n in row.get("notices", {}).items()),
                "yes" if row["as_written"] else "NO",
            )
            for row in rows
        ),
        empty="",
    )
    letters = read_mail(stack.folder.mail)
    output.console.print()
    output.table(
        f"Mail: the last {min(LETTERS_SHOWN, len(letters))} of {len(letters)} messages",
        ("No.", "To", "Subject", "First line"),
        ((m.number, ", ".join(m.to), m.subject, _first_line(m.body)) for m in letters[-LETTERS_SHOWN:]),
        empty="No mail.",
    )
    if letters:
        last = letters[-1]
        output.console.print(
            f"\n[bold]No. {last.number}[/]  to {', '.join(last.to)}: {last.subject}\n", highlight=False
        )
        output.console.print(escape(last.body.strip()), highlight=False)
    waiting = await journeys.tasks(database, EXAMPLE_CLINIC.tenant)
    if waiting:
        output.console.print()
        output.tasks(waiting)
    output.console.print(f"\nTemporal's Web UI: {stack.stack.ui_url}", soft_wrap=True, highlight=False)
    if not keep:
        output.console.print("It ends now; to look around: continuum demo --keep", highlight=False)


def _first_line(body: str) -> str:
    lines = [line for line in body.splitlines() if line and not line.startswith(("Dear ", "Hello,"))]
    return lines[0][:70] if lines else ""


async def _until_told_to_stop(stack: Supervisor, json_: bool) -> None:
    if not json_:
        folder = stack.folder.root
        for command in ("journeys", "mail", "show ID"):
            output.console.print(f"  continuum {command} --dir {folder}", soft_wrap=True, highlight=False)
        output.console.print("Ctrl-C ends it.")
        sys.stdout.flush()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
