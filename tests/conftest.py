"""The house that the tests live in: real PostgreSQL, real Temporal, real SMTP, and a worker in this process."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id
from temporalio.client import Client

import worker
from activities.clinics import calendar_of
from care.calendar import Calendar
from continuum.collecting import settle
from continuum.demo.player import Player, Row
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.settings import Settings
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from workflows.connection import connect

CACHED_JOURNEYS = 100
"""Few: those of tests that are over need no place in memory."""
FIXTURES = Path(__file__).parent / "fixtures"


@dataclass
class House:
    """Everything a test may need, running."""

    stack: Supervisor
    client: Client
    database: Database
    settings: Settings
    calendar: Calendar
    told: list[Row]

    def player(self, name: str) -> Player:
        """Somebody to play a journey; what the journal says is collected in `told`."""
        return Player(
            name,
            self.client,
            self.database,
            self.calendar,
            tenant=EXAMPLE_CLINIC.tenant,
            narrate=lambda who, row: self.told.append({"who": who, **row}),
        )


@asynccontextmanager
async def built() -> AsyncIterator[House]:
    """The house without a worker."""
    with temporary_folder() as path:
        options = Options(folder=path, time_skipping=True, migrate=bring_up_to_date)
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=10)
            client = await connect(stack.stack.temporal_address)
            settings = Settings(
                smtp_host=stack.stack.smtp_host,
                smtp_port=stack.stack.smtp_port,
                digest_seconds=1,
                pathways_must_be_signed=False,
                worker_cached_journeys=CACHED_JOURNEYS,
            )
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
            try:
                yield House(stack, client, database, settings, calendar, [])
            finally:
                await database.close()


@asynccontextmanager
async def staffed(house: House) -> AsyncIterator[House]:
    """The house with worker and relay."""
    stop, nudge = asyncio.Event(), asyncio.Event()
    async with worker.build(house.client, house.database, house.settings, nudge=nudge):
        beside = worker.loops(house.client, house.database, house.settings, stop, nudge)
        try:
            yield house
        finally:
            stop.set()
            await asyncio.gather(*beside)


@pytest.fixture(scope="session")
async def quiet_house() -> AsyncIterator[House]:
    """The house without a worker: for tests that start their own."""
    async with built() as house:
        yield house


@pytest.fixture(scope="session")
async def house(quiet_house: House) -> AsyncIterator[House]:
    """The house with worker and relay."""
    async with staffed(quiet_house):
        yield quiet_house


@pytest.fixture
def fhir() -> Callable[[str], bytes]:
    """A FHIR message of ours, by name."""
    return lambda name: (FIXTURES / "fhir" / f"{name}.json").read_bytes()


def pytest_sessionstart() -> None:
    """What is collected stays: nobody looks for garbage meanwhile."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor afterwards among that: it took up to two seconds, of everybody in the process; a workflow has two."""
    settle()
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps a group on one worker: pytest-xdist 3.8 names groups in an attribute that pytest 9.2 no longer has.

    To be dropped with the first pytest-xdist that groups by itself.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None and not item.nodeid.endswith(f"@{mark.args[0]}"):
            item._id = coerce_node_id(f"{item.nodeid}@{mark.args[0]}")
