"""A client that is not ours, over HTTP: fhirpy reads, searches, includes and walks through pages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from hypercorn.asyncio import serve
from hypercorn.config import Config

from gateway.access.guard import Access
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from tests.gateway.fhir_server.conftest import TENANT, Lived, Server


@pytest.fixture(scope="module")
async def client(server: Server, lived: Lived) -> AsyncIterator[AsyncFHIRClient]:
    """fhirpy, signed in as the system that sent the referral, at a server on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = GatewaySettings(tenant=TENANT, base_url=base, must_be_signed=False)
    app: FastAPI = create_app(Gateway(server.house.database, ConnectedTemporal(server.house.client), settings))
    cast(Access, app.state.access).authentication = server.known  # type: ignore[assignment]
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = 1
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(cast(Any, app), config, shutdown_trigger=cast(Any, stop.wait)))
    token = server.system(lived.sender.removeprefix("client:")).token
    try:
        yield AsyncFHIRClient(f"{base}/fhir", authorization=f"Bearer {token}")
    finally:
        stop.set()
        await serving


async def test_it_reads(client: AsyncFHIRClient, lived: Lived) -> None:
    task = await client.reference("Task", lived.journey).to_resource()
    assert task["status"] == "completed"
    order = await client.resources("ServiceRequest").search(_id=lived.journey).get()
    assert order.id == lived.journey
    with pytest.raises(ResourceNotFound):
        await client.reference("Task", "j1").to_resource()


async def test_it_searches(client: AsyncFHIRClient, lived: Lived) -> None:
    tasks = client.resources("Task").search(patient=f"Patient/{lived.patient}", status="completed", code="fulfill")
    assert await tasks.count() == 1
    (found,) = await tasks.fetch()
    assert found.id == lived.journey
    with pytest.raises(OperationOutcome) as refused:
        await client.resources("Task").search(shoe_size=43).fetch()
    assert "business-status" in str(refused.value)


async def test_it_walks_through_pages(client: AsyncFHIRClient, lived: Lived) -> None:
    scores = client.resources("Observation").search(based_on=f"ServiceRequest/{lived.journey}")
    everything = await scores.limit(100).fetch()
    page_by_page = await scores.limit(2).fetch_all()
    assert len(everything) > 2
    assert [one.id for one in page_by_page] == [one.id for one in everything]


async def test_it_gets_what_belongs_together(client: AsyncFHIRClient, lived: Lived) -> None:
    bundle = await client.resources("Task").search(_id=lived.journey).include("Task", "patient").fetch_raw()
    kinds = {entry.resource["resourceType"] for entry in bundle.entry}
    assert kinds == {"Task", "Patient"}


async def test_it_learns_what_the_server_can_do(client: AsyncFHIRClient) -> None:
    statement = await client.execute("metadata", method="get")
    assert statement["resourceType"] == "CapabilityStatement"
