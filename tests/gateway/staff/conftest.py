"""The staff API in this process: the real application, guard and record; only the identity provider is a stand-in."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import jwt
import pytest
from fastapi import FastAPI

from continuum.demo.player import Player
from gateway.access.caller import Caller, CallerRole
from gateway.access.guard import Access
from gateway.access.links import mint_link
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from records.database import Database
from tests.conftest import House
from tests.integration.tools import PATIENT, message, order

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
    settings = GatewaySettings(tenant="clinic", base_url=BASE, must_be_signed=False)
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
