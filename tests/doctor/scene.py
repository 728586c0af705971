"""Journeys on a stack of their own, whose stores a test may put back to an earlier moment."""

from __future__ import annotations

import asyncio
import email
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client

from activities.clinics import calendar_of
from care.journey import Stage
from continuum.demo.player import Player
from continuum.demo.stories import nothing_found
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records import doctor
from records.database import Database
from tests.integration.tools import PATIENT, Ran, message, order, process, until
from workflows.connection import connect

TENANT = EXAMPLE_CLINIC.tenant


@dataclass
class Scene:
    """A running stack with its worker."""

    stack: Supervisor
    client: Client
    database: Database
    players: dict[str, Player] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.stack.folder.root

    def player(self, name: str, journey: str = "") -> Player:
        """Somebody to play a journey, a new one or one that was begun before a restore."""
        calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
        found = Player(name, self.client, self.database, calendar, tenant=TENANT, narrate=None)
        found.journey = journey
        return found

    async def begin(self, *names: str) -> list[Player]:
        """Journeys that have begun."""

        async def one(name: str) -> Player:
            player = self.player(name)
            await player.refer(message(order(patient=PATIENT)))
            self.players[name] = player
            return player

        return [await one(name) for name in names]

    async def quiet(self) -> None:
        """Until nothing waits to leave, and no workflow task is under way."""

        async def nothing() -> bool:
            return not await self.database.value(
                "select count(*) from continuum.notice where status in ('queued', 'sending') and send_after <= now()"
            )

        await until(nothing, seconds=60)

    async def doctor(self, *options: str) -> tuple[Ran, list[dict[str, Any]]]:
        """`continuum doctor`, and the mismatches that it leaves."""
        ran = await process("doctor", "--json", "--dir", self.folder, "--wait", "1.5", *options)
        assert ran.code in (0, 1), ran
        return ran, ran.json["mismatches"]

    async def told_to_look(self) -> list[dict[str, Any]]:
        """Journeys that a worker, when it started, found behind and told so."""
        return [r for r in await doctor.repairs(self.database) if r["done"].startswith("told it to look")]

    async def rows(self, table: str, columns: str, order: str) -> list[tuple[Any, ...]]:
        found = await self.database.fetch(f"select {columns} from continuum.{table} order by {order}")
        return [tuple(row) for row in found]

    def mail(self) -> Counter[str]:
        """Message-IDs that the sink has taken, and how often."""
        return letters(self.folder)


def letters(folder: Path) -> Counter[str]:
    """Message-IDs that a folder's sink has taken, and how often."""
    files = sorted((folder / "mail").glob("*.eml"))
    return Counter(str(email.message_from_bytes(f.read_bytes())["Message-ID"]) for f in files)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """The stack of a folder, running until the end of the block."""
    options = Options(
        folder=folder, time_skipping=True, migrate=bring_up_to_date, worker_env={"CONTINUUM_DIGEST_SECONDS": "1"}
    )
    async with running(options) as stack:
        database = await Database.open(stack.dsn("app"), size=4)
        try:
            yield Scene(stack, await connect(stack.stack.temporal_address), database)
        finally:
            await database.close()


async def step(player: Player, n: int) -> None:
    """One of a few steps on the way into therapy and out of it."""
    match n:
        case 0:
            await player.act("record_consent", messages=True)
        case 1:
            await player.act("screen", answers=nothing_found("low_back_pain"))
            await player.until_stage(Stage.REFERRAL)
        case 2:
            await player.act("accept", "therapist", clinician="p-therapist")
            await player.until_stage(Stage.THERAPY)
        case 3:
            await player.act("withdraw", reason="patient_declined")
        case _:
            raise ValueError(n)


async def walk(player: Player, first: int, last: int) -> None:
    """Steps one after the other."""
    for n in range(first, last):
        await step(player, n)


async def all_at_once(*work: Any) -> None:
    await asyncio.gather(*work)
