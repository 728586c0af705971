"""An application that reads what it gets, served as the gateway is: for what the limits do, whatever the routes are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response

from continuum.embedded.ports import free_port
from gateway import answers, limits
from gateway.access_log import AccessLog
from gateway.limits import Bounds, RequestLimits
from gateway.serving import Address, Certificate, serve_http


class Said(BaseModel):
    word: str


@dataclass
class Echo:
    """A served application, and what it is asked to wait for."""

    port: int
    limits: RequestLimits
    gate: asyncio.Event
    stop: asyncio.Event
    waiting: int = 0


@asynccontextmanager
async def echo(bounds: Bounds, certificate: Certificate | None = None) -> AsyncIterator[Echo]:
    """Serve it on a port of its own."""
    app = FastAPI()
    answers.install(app)
    limits.install(app)
    limited = RequestLimits(app, bounds)
    found = Echo(free_port([]), limited, asyncio.Event(), asyncio.Event())

    @app.post("/fhir/length")
    @app.post("/length")
    async def length(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    @app.post("/said")
    async def said(said: Said) -> dict[str, int]:
        return {"length": len(said.word)}

    @app.get("/health")
    async def health() -> dict[str, bool]:
        return {"lives": True}

    @app.get("/named/{name}")
    async def named(name: str) -> dict[str, bool]:
        return {"lives": True}

    @app.get("/wait")
    async def wait() -> dict[str, bool]:
        found.waiting += 1
        try:
            await found.gate.wait()
        finally:
            found.waiting -= 1
        return {"waited": True}

    @app.get("/large")
    async def large() -> Response:
        return Response(bytes(20_000_000))

    listening = asyncio.Event()
    serving = asyncio.create_task(
        serve_http(
            AccessLog(limited),
            Address("127.0.0.1", found.port),
            stop=found.stop,
            certificate=certificate,
            listening=listening.set,
        )
    )
    asking = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({serving, asking}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield found
    finally:
        found.gate.set()
        found.stop.set()
        asking.cancel()
        await serving
