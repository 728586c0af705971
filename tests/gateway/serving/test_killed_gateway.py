"""Gateways, PostgreSQL and Temporal are killed or stopped under senders that retry: what was acknowledged is stored.

The whole storm of a thousand messages and twenty kills: `python -m tests.tools.kill_gateway`, or CONTINUUM_STORM=full.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from pathlib import Path

import pytest

from continuum.embedded.ports import free_port
from tests.conftest import House
from tests.embedded.machine import eventually
from tests.integration.tools import Proxy
from tests.tools import retrying_sender
from tests.tools.gateway_process import GatewayProcess
from tests.tools.kill_gateway import storm
from tests.tools.retrying_sender import Message, Sender

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.timeout(900)]

FULL = os.environ.get("CONTINUUM_STORM") == "full"
MESSAGES, KILLS = (1000, 20) if FULL else (80, 3)


async def test_two_gateways_are_killed_again_and_again(house: House, tmp_path: Path) -> None:
    gateways = [GatewayProcess(house.stack, tmp_path) for _ in range(2)]
    try:
        await asyncio.gather(*(gateway.start() for gateway in gateways))
        done = await storm(house.stack, house.database, gateways, messages=MESSAGES, kills=KILLS)
        print(done.figures())
        assert done.kills == KILLS
        done.check()
        assert all(gateway.lines() for gateway in gateways), "every line of the log is JSON: no traceback"
    finally:
        for gateway in gateways:
            gateway.kill()


async def test_a_gateway_that_is_told_to_stop_loses_nothing(house: House, tmp_path: Path) -> None:
    gateway = GatewayProcess(house.stack, tmp_path)
    try:
        await gateway.start()
        client = await gateway.register(house.database)
        run = secrets.token_hex(4)
        made = [(retrying_sender.fhir, retrying_sender.hl7)[n % 2](f"S{run}{n:04}") for n in range(40)]
        sender = Sender([gateway], lambda: gateway.mint(client))
        half = asyncio.Event()

        def taken() -> None:
            if len(sender.log.taken) == len(made) // 2:
                half.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(sender.send_all(made, taken=taken))
            await half.wait()
            gateway.send(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait) == 0
            await gateway.start()
        found = await retrying_sender.stored(house.database, made)
        assert found.keys() == {message.id for message in made}
        assert {len(journeys) for journeys in found.values()} == {1}
    finally:
        gateway.kill()


class Line:
    """The way to PostgreSQL, which can be cut: nobody listens any more, and what was open breaks."""

    def __init__(self, target: int) -> None:
        self.port = free_port([])
        self._proxy = Proxy(target)
        self._server: asyncio.Server | None = None

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._proxy.serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._proxy.end()
            await asyncio.sleep(0)


async def test_what_it_needs_may_be_away(house: House, tmp_path: Path) -> None:
    """Without Temporal everything is taken, and begins later. Without PostgreSQL nothing is, and everybody is told."""
    line = Line(house.stack.stack.postgres_port)
    await line.mend()
    url = f"postgresql://app@127.0.0.1:{line.port}/continuum"
    gateway = GatewayProcess(house.stack, tmp_path, CONTINUUM_DATABASE_URL=url)
    try:
        await gateway.start()
        client = await gateway.register(house.database)
        sender = Sender([gateway], lambda: gateway.mint(client))
        run = secrets.token_hex(4)

        def pair(name: str) -> list[Message]:
            return [retrying_sender.fhir(f"{name}F{run}"), retrying_sender.hl7(f"{name}H{run}")]

        async def begin(messages: list[Message]) -> None:
            found = await retrying_sender.stored(house.database, messages)
            journeys = {journey for one in found.values() for journey in one}
            assert len(journeys) == len(messages)

            async def begun() -> bool | None:
                return await retrying_sender.begun(house.database, journeys) == len(messages) or None

            await eventually(begun, timeout=60)

        temporal = house.stack.child("temporal").pid
        without_temporal = pair("T")
        os.kill(temporal, signal.SIGSTOP)
        try:
            assert [await sender.attempt(message) for message in without_temporal] == ["taken", "taken"]
        finally:
            os.kill(temporal, signal.SIGCONT)
        await begin(without_temporal)

        without_postgres = pair("P")
        await line.cut()
        heard = [await sender.attempt(message) for message in without_postgres]
        assert heard == ["again", "again"], "503 with Retry-After, and AE"
        await line.mend()
        await asyncio.wait_for(sender.send_all(without_postgres), 60)
        await begin(without_postgres)
    finally:
        gateway.kill()
        await line.cut()
