"""A stack whose worker and gateway say how they are, with a journey in it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import pytest
from temporalio.client import Client

from activities.clinics import calendar_of
from care.journey import Stage
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.child import Child
from continuum.embedded.folder import temporary_folder
from continuum.embedded.ports import LOOPBACK, free_port
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from tests.conftest import FIXTURES
from tests.integration.tools import until
from workflows.connection import connect

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, dict[str, str], float]


def samples(text: str) -> list[Sample]:
    """What a scrape holds: name, labels, value."""
    return [(name, dict(LABEL.findall(labels or "")), float(value)) for name, labels, value in SAMPLE.findall(text)]


@dataclass
class Watched:
    """The stack, and where it is scraped."""

    before: list[Sample]
    """What the worker said before it was started again: a new one begins with no history of its own."""

    stack: Supervisor
    database: Database
    client: Client
    worker: str
    gateway: str
    journey: str

    async def scrape(self, of: str) -> list[Sample]:
        """What one process says now."""
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://{of}/metrics", timeout=10)
        assert answer.status_code == 200
        return samples(answer.text)

    async def all(self) -> list[Sample]:
        """What both say, and the worker before."""
        return self.before + await self.scrape(self.worker) + await self.scrape(self.gateway)


AT_REST = """
    select (select count(*) from continuum.journey) = (select count(*) from continuum.referral)
        and not exists (select from continuum.ask where status = 'waiting')
"""
"""What was sent has been taken up: the numbers change no more."""


async def send_hl7(address: str, name: str) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"\x0b" + (FIXTURES / "hl7" / f"{name}.hl7").read_bytes() + b"\x1c\r")
    await writer.drain()
    await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 30)
    writer.close()


@asynccontextmanager
async def _watched() -> AsyncIterator[Watched]:
    with temporary_folder() as folder:
        backups = folder.with_name(f"{folder.name}-backups")
        backups.mkdir()
        (backups / "cluster-1").touch()
        first = free_port([])
        of_worker, of_gateway = f"{LOOPBACK}:{first}", f"{LOOPBACK}:{free_port([first])}"
        options = Options(
            folder=folder,
            time_skipping=True,
            migrate=bring_up_to_date,
            worker_env={"CONTINUUM_METRICS_ADDRESS": of_worker, "CONTINUUM_BACKUP_FOLDER": str(backups)},
            gateway_env={"CONTINUUM_METRICS_ADDRESS": of_gateway},
        )
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            client = await connect(stack.stack.temporal_address)
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
            player = Player(
                "watched", client, database, calendar, tenant=EXAMPLE_CLINIC.tenant, narrate=lambda who, row: None
            )
            await player.refer(referrals.back_pain())
            await stories.intake(player, "low_back_pain")
            await player.until_stage(Stage.THERAPY)
            leaving = player.companion("watched end")
            await leaving.refer(referrals.knee_replacement())
            await leaving.act("withdraw", reason="found_elsewhere")  # what ends a journey, a regular activity writes
            await leaving.until_closed()
            address = stack.stack.hl7_address
            assert address is not None
            for message in ("ref_i12_v2_5_1", "refused_type", "adt_a08_update"):
                await send_hl7(address, message)
            async with httpx.AsyncClient(base_url=stack.stack.gateway_url or "") as http:
                await http.get("/health")
                await http.get(f"/fhir/Task/{player.journey}")
                await http.get("/no-such-door/Ivo%20Fernsby")
            await until(lambda: database.value(AT_REST))
            watched = Watched([], stack, database, client, of_worker, of_gateway, player.journey)
            watched.before = await watched.scrape(of_worker)
            # The numbers of the site are read when a worker starts, and then every half minute.
            worker = stack.child("worker")
            os.kill(worker.pid, signal.SIGTERM)
            await until(lambda: _again(watched, worker))
            try:
                yield watched
            finally:
                await database.close()
                shutil.rmtree(backups)


@pytest.fixture(scope="session")
async def watched() -> AsyncIterator[Watched]:
    """A stack of its own: its worker is the only one."""
    async with _watched() as found:
        yield found


async def _again(found: Watched, before: Child) -> bool:
    with suppress(KeyError):
        return found.stack.child("worker") is not before and await _polls(found)
    return False


async def _polls(found: Watched) -> bool:
    """The worker has looked at itself, and at the record."""
    try:
        said = {name: value for name, _, value in await found.scrape(found.worker)}
    except httpx.TransportError:
        return False
    return said.get("continuum_worker_polling") == 1 and "continuum_site_read_time_seconds" in said
