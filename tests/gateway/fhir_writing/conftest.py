"""The writing routes in this process, behind the real guard and over the real record; tokens are made up."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from gateway import answers
from gateway.access import guard
from gateway.access.caller import Caller, CallerRole
from gateway.access.edge import Edge
from gateway.access.guard import Access
from gateway.access.settings import AccessSettings
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings, TemporalAway
from gateway.direct import DirectlyReached
from gateway.fhir_server import routes as reading
from gateway.fhir_server.writing import routes
from records.database import Database
from tests.conftest import House
from tests.gateway.known import Known

BASE = "https://continuum.example"
TENANT = "clinic"
PLACER = "https://hospital.example.org/orders"
MRN = "https://hospital.example.org/mrn"
Resource = dict[str, Any]


class NoTemporal:
    """Temporal is away."""

    async def client(self) -> Any:
        raise TemporalAway("Temporal cannot be reached")


@dataclass
class Sender:
    """Somebody who writes."""

    http: httpx.AsyncClient
    caller: Caller
    token: str

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A request with a resource, or with bytes as they are."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json", **(headers or {})}
        return await self.http.request(method, f"/fhir{path}", content=content, headers=given)

    async def get(self, path: str) -> httpx.Response:
        """What is there, by a path or by the address that was given for it."""
        path = path.removeprefix(f"{BASE}/fhir")
        return await self.http.get(f"/fhir{path}", headers={"Authorization": f"Bearer {self.token}"})

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.send("POST", path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.send("PUT", path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})


@dataclass
class Door:
    """The application and its callers."""

    house: House
    app: FastAPI
    http: httpx.AsyncClient
    known: Known = field(default_factory=Known)

    def sender(self, caller: Caller) -> Sender:
        """A token for somebody."""
        token = secrets.token_hex(8)
        self.known.callers[token] = caller
        return Sender(self.http, caller, token)

    def system(self, scopes: str = "system/*.cruds", id_: str | None = None, tenant: str = TENANT) -> Sender:
        """A hospital's record system of its own."""
        return self.sender(
            Caller(
                tenant=tenant,
                kind="system",
                id=id_ or f"c-{secrets.token_hex(4)}",
                roles=frozenset({"system"}),
                scopes=frozenset(scopes.split()),
            )
        )

    def person(self, role: CallerRole, id_: str | None = None, email: str | None = None) -> Sender:
        """Somebody who signed in."""
        return self.sender(
            Caller(tenant=TENANT, kind="person", id=id_ or f"p-{role}", roles=frozenset({role}), email=email)
        )

    async def row(self, sql: str, *args: Any) -> Any:
        """A row of the record."""
        return await self.house.database.row(sql, *args)

    async def count(self, sql: str, *args: Any) -> int:
        """A number out of the record."""
        return int(await self.house.database.value(sql, *args))


def built(house: House, known: Known, temporal: Any = None, database: Database | None = None) -> FastAPI:
    """The routes that write, behind the guard."""
    settings = GatewaySettings(
        tenant=TENANT,
        base_url=BASE,
        must_be_signed=False,
        access=AccessSettings(requests_per_minute=1_000_000),
    )
    app = DirectlyReached(openapi_url=None)
    app.state.gateway = Gateway(database or house.database, temporal or ConnectedTemporal(house.client), settings)
    answers.install(app)
    app.include_router(routes.router)
    app.include_router(reading.router)
    guard.install(app, app.state.gateway)
    app.reach_directly(routes.router.routes, partial(Edge, https=True))
    cast(Access, app.state.access).authentication = known  # type: ignore[assignment]
    return app


def opened(app: FastAPI) -> httpx.AsyncClient:
    """A client of it."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, timeout=60)


@pytest.fixture(scope="session")
async def door(house: House) -> AsyncIterator[Door]:
    """Over the house with worker and relay."""
    known = Known()
    app = built(house, known)
    async with opened(app) as http:
        yield Door(house, app, http, known)


def patient(mrn: str, **more: Any) -> Resource:
    """An invented patient."""
    return {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": MRN, "value": mrn}],
        "name": [{"family": "Quillfeather", "given": ["Ottoline"]}],
        "birthDate": "1971-03-09",
        "gender": "female",
        **more,
    }


def order(number: str, **more: Any) -> Resource:
    """An order with its patient contained."""
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": PLACER, "value": number}],
        "status": "active",
        "intent": "order",
        "subject": {"reference": "#p"},
        "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "279039007"}]}],
        "contained": [patient(f"M-{number}")],
        **more,
    }


def new_number() -> str:
    """A number that no order had."""
    return f"SR-{secrets.token_hex(5)}"
