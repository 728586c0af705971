"""The staff API in this process: the real application, guard and record; only the identity provider is a stand-in."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import jwt
import pytest
from fastapi import FastAPI
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework

from continuum.demo.player import Player
from gateway.access.caller import Caller, CallerRole
from gateway.access.guard import Access
from gateway.access.links import mint_link
from gateway.access.settings import AccessSettings
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from records.database import Database
from tests.conftest import House
from tests.integration.tools import PATIENT, Ran, command, message, order

OFTEN = AccessSettings(failures_per_minute=1_000_000)
"""These tests come without a token more often than anybody may."""
BASE = "https://continuum.example"
PROVIDER = "https://sign-in.example"
KEY = b"a key that only these tests know"


class Provider:
    """Says who somebody is, as an identity provider would."""

    issuer = PROVIDER

    async def caller(self, token: str) -> tuple[Caller, float]:
        said = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_aud": False})
        caller = Caller(
            tenant=said["tenant"], kind="person", id=said["sub"], roles=frozenset(said["roles"]), email=said["email"]
        )
        return caller, float(said["exp"])


@dataclass
class Desk:
    """The API and those who use it."""

    house: House
    app: FastAPI
    http: httpx.AsyncClient

    def token(
        self, *roles: CallerRole, person: str | None = None, tenant: str = "clinic", email: str | None = None
    ) -> str:
        """A person's token."""
        named = person or f"p-{roles[0]}"
        said = {"iss": PROVIDER, "sub": named, "tenant": tenant, "roles": list(roles), "email": email}
        return jwt.encode({**said, "exp": int(time.time()) + 600}, KEY, algorithm="HS256")

    def patient(self, journey: str, tenant: str = "clinic", days: float = 1) -> str:
        """A patient's link."""
        access = cast(Access, self.app.state.access)
        return mint_link(access.keyring, tenant, journey, datetime.now(UTC) + timedelta(days=days))

    async def ask(
        self, method: str, path: str, token: str | None = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """One request."""
        bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.request(method, path, headers={**bearer, **(headers or {})}, **more)

    async def act(
        self, journey: str, name: str, token: str | None = None, *, headers: dict[str, str] | None = None, **data: Any
    ) -> httpx.Response:
        """An action, by default of a coordinator."""
        path = f"/api/journeys/{journey}/actions/{name}"
        return await self.ask("POST", path, token or self.token("coordinator"), headers=headers, json=data)


def built(house: House, temporal: Any = None, database: Database | None = None) -> FastAPI:
    """The application as it is served."""
    settings = GatewaySettings(tenant="clinic", base_url=BASE, must_be_signed=False, access=OFTEN)
    app = create_app(Gateway(database or house.database, temporal or ConnectedTemporal(house.client), settings))
    cast(Access, app.state.access).authentication._people = Provider()
    return app


def opened(app: FastAPI) -> httpx.AsyncClient:
    """A client of it."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


@pytest.fixture(scope="session")
async def desk(house: House) -> AsyncIterator[Desk]:
    """The API over the house."""
    app = built(house)
    async with opened(app) as http:
        yield Desk(house, app, http)


@pytest.fixture
async def begun(house: House) -> Player:
    """A journey in intake."""
    player = house.player(f"staff {secrets.token_hex(4)}")
    await player.refer(message(order(patient=PATIENT)), source=player.name)
    return player


@dataclass
class Served:
    """The API on a port of this machine."""

    url: str
    app: FastAPI
    house: House
    token: Path

    async def both(self, *arguments: str) -> tuple[Ran, Ran]:
        """A command over the record, and over the API."""
        return await command(*arguments, "--dir", self.house.stack.folder.root), await self.over(*arguments)

    async def over(self, *arguments: str) -> Ran:
        return await command(*arguments, "--api", self.url, "--token-file", self.token)


@pytest.fixture(scope="session")
async def served(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The application of the other tests, served over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = config.errorlog = None
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(cast(ASGIFramework, desk.app), config, shutdown_trigger=stop.wait))
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(desk.token("coordinator", "therapist", person="p-lead") + "\n")
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.05)
    writer.close()
    yield Served(f"http://127.0.0.1:{port}", desk.app, desk.house, token)
    stop.set()
    await serving
