"""A stack whose worker and gateway send their traces to a collector of ours."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from temporalio.client import Client

from activities.clinics import calendar_of
from continuum.demo.player import Player
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from tests.conftest import FIXTURES
from tests.integration.tools import command, until
from tests.tools.collector import Collector, Span, connected
from workflows.connection import connect

QUICK = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
A_COLLECTOR_WAITED_FOR = 8.0
"""Seconds. Whoever waits for a silent collector waits for ten: that is OpenTelemetry's own patience."""
OF_THE_MACHINE = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
"""What others may have set for all that runs on a machine: FastAPI would begin to send requests as they came."""


@dataclass
class Traced:
    """The stack, and what it told."""

    stack: Supervisor
    database: Database
    client: Client
    collector: Collector
    http: httpx.AsyncClient

    def player(self, name: str) -> Player:
        """Somebody whose own doing is not traced."""
        return Player(
            name,
            self.client,
            self.database,
            calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date()),
            tenant=EXAMPLE_CLINIC.tenant,
            narrate=lambda who, row: None,
        )

    async def token(self, person: str) -> dict[str, str]:
        """The headers of somebody who is signed in."""
        ran = await command("token", "--as", person, "--json", "--dir", self.stack.folder.root)
        return {"Authorization": f"Bearer {ran.json['access_token']}"}

    async def act(self, journey: str, name: str, **data: Any) -> str:
        """An action over HTTP, by a coordinator; the request's id."""
        answer = await self.http.post(
            f"/api/journeys/{journey}/actions/{name}", json=data, headers=await self.token("p-coordinator")
        )
        assert answer.status_code == 200, answer.text
        return answer.headers["X-Request-Id"]

    async def hl7(self, name: str, **changed: str) -> bytes:
        """A message, and what is answered."""
        assert self.stack.stack.hl7_address is not None
        host, _, port = self.stack.stack.hl7_address.rpartition(":")
        raw = (FIXTURES / "hl7" / f"{name}.hl7").read_bytes()
        for was, now in changed.items():
            raw = re.sub(was.encode(), now.encode(), raw)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x0b" + raw + b"\x1c\r")
        await writer.drain()
        answer = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 30)
        writer.close()
        return answer

    async def trace(self, of: Callable[[Span], bool], *names: str) -> list[Span]:
        """The trace with a span like this, when it has all these and is connected: what began first arrives last."""

        async def found() -> list[Span] | None:
            for span in self.collector.spans:
                if of(span):
                    trace = self.collector.trace(span.trace)
                    if set(names) <= {one.name for one in trace} and connected(trace):
                        return trace
            return None

        try:
            return cast(list[Span], await until(found))
        except BaseException:
            traces = {span.trace for span in self.collector.spans}
            print(json.dumps({id_: [one.name for one in self.collector.trace(id_)] for id_ in traces}, indent=1))
            raise


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """It hears all that the stack tells."""
    with Collector().running() as found:
        yield found


@pytest.fixture(scope="session")
async def traced(collector: Collector) -> AsyncIterator[Traced]:
    """A stack of its own."""
    told = {
        "CONTINUUM_TRACES_ENDPOINT": collector.endpoint,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.base,
        **QUICK,
        **OF_THE_MACHINE,
    }
    with temporary_folder() as folder:
        options = Options(
            folder=folder, time_skipping=True, migrate=bring_up_to_date, worker_env=told, gateway_env=told
        )
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            client = await connect(stack.stack.temporal_address)
            async with httpx.AsyncClient(base_url=stack.stack.gateway_url or "", timeout=20) as http:
                try:
                    yield Traced(stack, database, client, collector, http)
                finally:
                    await database.close()
