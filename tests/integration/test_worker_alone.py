"""The worker as a process of its own, against services that the environment names."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from care.journey import Stage
from continuum.embedded.folder import Folder, temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running, worker_environment
from continuum.site import bring_up_to_date
from gateway.acting import perform
from gateway.referring import receive
from records import journeys
from records.database import Database
from tests.integration.tools import PATIENT, ROOT, at, coordinator, environment, message, order, until
from workflows.connection import connect

COMMANDS = {"module": ("-m", "worker"), "command": ("-m", "continuum", "worker")}
EXIT_SECONDS = 25


@dataclass
class Process:
    """A worker that was started, its output and its sign that it works."""

    popen: subprocess.Popen[bytes]
    ready_file: Path
    log: Path

    @property
    def ready(self) -> bool:
        return self.ready_file.exists()

    async def works(self) -> None:
        async def probe() -> bool:
            assert self.popen.poll() is None, self.log.read_text()
            return self.ready

        await until(probe, seconds=60)

    async def stop(self) -> int:
        self.popen.terminate()
        return await asyncio.to_thread(self.popen.wait, EXIT_SECONDS)


def start(way: str, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, *COMMANDS[way]],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )


@asynccontextmanager
async def working(way: str, stack_env: dict[str, str], tmp_path: Path, **more: str) -> AsyncIterator[Process]:
    ready, log = tmp_path / "ready", tmp_path / "log"
    popen = start(way, environment(**{**stack_env, "CONTINUUM_READY_FILE": str(ready), **more}), log)
    try:
        yield Process(popen, ready, log)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.wait()


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Supervisor]:
    with temporary_folder() as path:
        async with running(Options(folder=path, migrate=bring_up_to_date)) as supervisor:
            yield supervisor


@pytest.fixture
async def database(stack: Supervisor) -> AsyncIterator[Database]:
    opened = await Database.open(stack.dsn("app"), size=4)
    yield opened
    await opened.close()


def env_of(stack: Supervisor) -> dict[str, str]:
    return {k: v for k, v in worker_environment(stack.stack, stack.folder).items() if k != "CONTINUUM_DIR"}


async def refer(database: Database) -> str:
    received = await receive(
        database, message(order(patient=PATIENT)), tenant="clinic", source="alone", now=datetime.now(UTC)
    )
    assert received.journey is not None
    return received.journey


async def begun(database: Database, journey: str) -> None:
    async def probe() -> bool:
        row = await journeys.journey_row(database, "clinic", journey)
        return row is not None and row["seq"] > 0

    await until(probe, seconds=60)


@pytest.mark.parametrize("way", COMMANDS)
async def test_it_works_and_stops_in_order(way: str, stack: Supervisor, database: Database, tmp_path: Path) -> None:
    journey = await refer(database)
    async with working(way, env_of(stack), tmp_path) as process:
        await process.works()
        await begun(database, journey)
        assert await process.stop() == 0
        log = process.log.read_text()
    assert '"worker_ready"' in log
    assert '"worker_stopped"' in log
    assert "Traceback" not in log
    assert all(line.startswith("{") for line in log.splitlines()), "one event, one line of JSON"


async def test_sigterm_lets_a_letter_end_that_is_on_its_way(
    stack: Supervisor, database: Database, tmp_path: Path
) -> None:
    taking = asyncio.Event()

    class Slow:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
            taking.set()
            await asyncio.sleep(2)
            return "250 ok"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Slow(), loop=loop), "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    journey = await refer(database)
    async with working("module", env_of(stack), tmp_path, CONTINUUM_SMTP_PORT=port) as process:
        await process.works()
        await begun(database, journey)
        client = await connect(stack.stack.temporal_address)
        await perform(
            client,
            database,
            journey=journey,
            name="ask_referrer",
            data={"about": "imaging"},
            actor=coordinator(),
            expected=at(Stage.INTAKE),
        )
        await asyncio.wait_for(taking.wait(), 30)
        assert await process.stop() == 0
    server.close()
    status = await database.value("select status from continuum.notice where journey = $1", journey)
    assert status == "sent", "not cut off: nobody has to find out whether it left"


async def test_it_waits_for_what_is_still_away(tmp_path: Path) -> None:
    with temporary_folder() as path:
        options = Options(folder=path, migrate=bring_up_to_date)
        async with running(options) as first:  # so that the folder has its ports and passwords
            env = worker_environment(first.stack, Folder(path))
        async with working("module", env, tmp_path) as process:

            async def said_so() -> bool:
                return '"waiting"' in process.log.read_text()

            await until(said_so)
            assert process.popen.poll() is None
            assert not process.ready
            async with running(options) as second:
                await process.works()
                database = await Database.open(second.dsn("app"), size=2)
                await begun(database, await refer(database))
                await database.close()
                assert await process.stop() == 0


async def test_it_stops_while_it_waits(tmp_path: Path) -> None:
    nowhere = {"CONTINUUM_DATABASE_URL": "postgresql://app@127.0.0.1:1/continuum", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    async with working("module", nowhere, tmp_path) as process:

        async def said_so() -> bool:
            return '"waiting"' in process.log.read_text()

        await until(said_so)
        assert await process.stop() == 0
        assert not process.ready
        assert "Traceback" not in process.log.read_text()


async def test_it_waits_for_temporal_with_the_database_there(stack: Supervisor, tmp_path: Path) -> None:
    async with working("command", {**env_of(stack), "TEMPORAL_ADDRESS": "127.0.0.1:1"}, tmp_path) as process:

        async def said_so() -> bool:
            return '"waiting"' in process.log.read_text()

        await until(said_so)
        assert not process.ready
        assert await process.stop() == 0


async def test_it_stops_while_temporal_is_silent(stack: Supervisor, database: Database, tmp_path: Path) -> None:
    async with working("module", env_of(stack), tmp_path) as process:
        await process.works()
        temporal = stack.child("temporal")
        temporal.send(signal.SIGSTOP)
        try:
            journey = await refer(database)
            await asyncio.sleep(2)  # the relay is at it
            assert await process.stop() in (0, 1), "perhaps without goodbye, but in time"
        finally:
            temporal.send(signal.SIGCONT)
    async with working("module", env_of(stack), tmp_path) as another:
        await begun(database, journey)
        assert await another.stop() == 0


async def test_a_second_worker_may_join_and_leave(stack: Supervisor, database: Database, tmp_path: Path) -> None:
    """Two relays start one journey once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        working("module", env_of(stack), tmp_path / "a") as one,
        working("module", env_of(stack), tmp_path / "b") as two,
    ):
        await asyncio.gather(one.works(), two.works())
        several = await asyncio.gather(*(refer(database) for _ in range(10)))
        assert await one.stop() == 0
        await asyncio.gather(*(begun(database, journey) for journey in several))
        assert await two.stop() == 0
    client = await connect(stack.stack.temporal_address)
    for journey in several:
        assert len([run async for run in client.list_workflows(f"WorkflowId = '{journey}'")]) == 1
