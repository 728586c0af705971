"""Two gateways of two tenants over one record, everybody who may come to them, and every operation that they have.

Operations are read from the application as it is built, so that a route which is added is in the matrix by itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast, get_args
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.types import Message, Scope

from care.directory import Directory, Person, StaffRole
from continuum.embedded.ports import free_port
from continuum.embedded.sign_in.issuing import ALGORITHM, AUDIENCE, Issuer
from continuum.embedded.sign_in.server import Provider
from gateway.access.caller import Caller, CallerRole
from gateway.access.guard import Access
from gateway.access.links import mint_link
from gateway.access.policy import Policy, policy_of
from gateway.access.settings import AccessSettings, OidcSettings
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from gateway.fhir.incoming import IncomingReferral
from gateway.fhir.referral import read_referral
from gateway.inbound import About, Ask, Asked, Envelope, NewReferral, take_in
from gateway.serving import Address, serve_http
from records import clients, journeys
from records import directory as stored
from records.clients import RegisteredClient
from records.database import Database
from tests.conftest import House
from tests.integration.tools import PATIENT, order, until

EVERYTHING = "system/*.cruds"
NOTHING = ""
PEOPLE: dict[CallerRole, StaffRole] = {
    "physician": "physician",
    "coordinator": "coordinator",
    "therapist": "therapist",
    "author": "author",
    "auditor": "auditor",
    "operator": "operator",
}
_PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    method: str
    path: str
    policy: Policy

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def at(self, ids: Ids) -> str:
        """A path with ids in it."""
        return _PLACE.sub(lambda place: ids.of(self.path[: place.start()], place[1]), self.path)


@dataclass(frozen=True)
class Ids:
    """One of each thing: of somebody's, or of nobody's."""

    journey: str
    patient: str
    message: str
    ask: str
    client: str

    def of(self, before: str, name: str) -> str:
        """What goes in a place of a path, by its name and by what stands before it."""
        kind = before.rstrip("/").rpartition("/")[2]
        if name == "patient" or kind == "Patient":
            return self.patient
        if name == "ask" or kind == "asks":
            return self.ask
        if name in ("message", "inbound") or kind in ("messages", "inbound"):
            return self.message
        if name == "client" or kind == "clients":
            return self.client
        return "1" if name in ("seq", "version", "vid", "number") else self.journey

    def hidden(self, text: str) -> str:
        """A text without them."""
        for id_ in sorted({self.journey, self.patient, self.message, self.ask, self.client}, key=len, reverse=True):
            text = text.replace(id_, "ID")
        return text


def nobodys() -> Ids:
    """Ids that look right, of nothing."""
    return Ids(
        journey=secrets.token_hex(16),
        patient=str(uuid4()),
        message=str(uuid4()),
        ask=f"ask-{secrets.token_hex(16)}",
        client=f"c-{secrets.token_hex(4)}",
    )


def operations(app: FastAPI) -> Iterator[Operation]:
    """All of them."""
    for context in iter_route_contexts(app.routes):
        assert isinstance(context.original_route, APIRoute), f"{context.path} is no route of FastAPI's"
        policy = policy_of(context.endpoint)
        assert policy is not None, f"{context.path} has no policy"
        for method in sorted(context.methods or ()):
            yield Operation(method, str(context.path), policy)


@dataclass
class Tenancy:
    """One tenant, its gateway, and the tokens of all who come."""

    tenant: str
    gateway: Gateway
    app: FastAPI
    issuer: Issuer
    clients: dict[str, str] = field(default_factory=dict)

    @property
    def access(self) -> Access:
        return cast(Access, self.app.state.access)

    def person(self, id_: str, email: str | None = None) -> str:
        """A person's token."""
        return self.issuer.token(Person(id=id_, name=id_, email=email))

    def system(self, which: str, scopes: str, *, now: float | None = None) -> str:
        """A client's token."""
        return self.access.tokens.mint(self.tenant, self.clients[which], frozenset(scopes.split()), now=now)

    def patient(self, journey: str) -> str:
        """A link's token."""
        return mint_link(self.access.keyring, self.tenant, journey, datetime.now(UTC) + timedelta(hours=1))

    async def ask(self, operation: Operation, ids: Ids, token: str | None, request_id: str) -> tuple[int, str]:
        """Status and text of one request, straight into the application: a client would cost as much again."""
        headers = [(b"host", b"continuum.example"), (b"x-request-id", request_id.encode())]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        body = b"" if operation.method in ("GET", "DELETE", "HEAD") else b"{}"
        if body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"2")]
        path, status, text = operation.at(ids), 0, b""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, text
            status, text = message.get("status", status), text + message.get("body", b"")

        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": operation.method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 1),
            "server": ("continuum.example", 443),
        }
        await self.app(scope, receive, send)
        return status, text.decode()

    def callers(self, journey: str) -> dict[str, tuple[str, Caller]]:
        """Everybody who is known here: token, and what the policy has to judge."""
        found: dict[str, tuple[str, Caller]] = {}
        for role in PEOPLE:
            caller = Caller(tenant=self.tenant, kind="person", id=f"p-{role}", roles=frozenset({role}))
            found[role] = self.person(f"p-{role}"), caller
        patient = Caller(tenant=self.tenant, kind="patient", id=journey, roles=frozenset({"patient"}), journey=journey)
        found["patient"] = self.patient(journey), patient
        for name, scopes in (("a system with every scope", EVERYTHING), ("a system without a scope", "system/None.r")):
            caller = Caller(
                tenant=self.tenant,
                kind="system",
                id=self.clients["sender"],
                roles=frozenset({"system"}),
                scopes=frozenset(scopes.split()),
            )
            found[name] = self.system("sender", scopes), caller
        assert {r for _, c in found.values() for r in c.roles} == set(get_args(CallerRole))
        return found


@dataclass
class World:
    """Both of them, and what the first one has."""

    here: Tenancy
    elsewhere: Tenancy
    ids: Ids
    database: Database


@asynccontextmanager
async def world(house: House) -> AsyncIterator[World]:
    """Build it."""
    provider, stop, ready = free_port(avoid=[]), asyncio.Event(), asyncio.Event()
    issuer = Issuer(f"http://127.0.0.1:{provider}", ec.generate_private_key(ec.SECP256R1()))

    async def nobody() -> Directory:
        return Directory()

    served = asyncio.create_task(
        serve_http(
            Provider(issuer, nobody, "https://continuum.example").application(),
            Address("127.0.0.1", provider),
            stop=stop,
            listening=ready.set,
        )
    )
    await ready.wait()
    try:
        here, elsewhere = [await _tenant(house, issuer) for _ in range(2)]
        yield World(here, elsewhere, await _ids(house.database, here), house.database)
    finally:
        stop.set()
        await served


async def _tenant(house: House, issuer: Issuer) -> Tenancy:
    tenant = f"t{secrets.token_hex(5)}"
    gateway = Gateway(
        house.database,
        ConnectedTemporal(house.client),
        GatewaySettings(
            tenant=tenant,
            base_url="https://continuum.example",
            access=AccessSettings(
                oidc=OidcSettings(issuer.url, AUDIENCE, person_claim="sub", algorithms=(ALGORITHM,)),
                failures_per_minute=1_000_000,
                requests_per_minute=1_000_000,
            ),
        ),
    )
    made = Tenancy(tenant, gateway, create_app(gateway), issuer)
    await _people(house.database, tenant)
    for name in ("sender", "another"):
        made.clients[name] = f"{name}-{tenant}"
        client = RegisteredClient(tenant=tenant, id=made.clients[name], name=name, scopes=EVERYTHING)
        await clients.add(house.database, client)
    return made


async def _people(database: Database, tenant: str) -> None:
    """The example's clinic, and one person for each role; `p-all` has them all."""
    clinics = (await stored.load(database, "clinic")).clinics
    people = [Person(id=f"p-{r}", name=r, email=f"{r}@{tenant}.example", roles=(held,)) for r, held in PEOPLE.items()]
    people.append(Person(id="p-all", name="All", email=f"all@{tenant}.example", roles=tuple(PEOPLE.values())))
    own = tuple(c.model_copy(update={"tenant": tenant, "lead": "p-coordinator"}) for c in clinics)
    await stored.change(database, tenant, "tests", lambda _: Directory(clinics=own, people=tuple(people)))


async def _ids(database: Database, here: Tenancy) -> Ids:
    """A referral that the tenant's sender sent, and something that it asks."""
    sender = f"client:{here.clients['sender']}"
    raw = json.dumps(order(patient=PATIENT)).encode()
    read = read_referral(raw, default_source="north")
    assert isinstance(read, IncomingReferral)

    def envelope(key: str) -> Envelope:
        return Envelope(
            tenant=here.tenant,
            protocol="fhir",
            sender=sender,
            source=f"{sender}|north",
            transport_key=key,
            raw=raw,
            media_type="application/fhir+json",
            kind="ServiceRequest",
            received_at=datetime.now(UTC),
        )

    taken = await take_in(database, envelope("order"), NewReferral(referral=read))
    assert taken.journey is not None
    asked = Ask(name="withdraw", about=About(journey=taken.journey))
    asks = (await take_in(database, envelope("ask"), Asked(asks=(asked,)))).asks
    journey = taken.journey

    async def begun() -> bool:
        row = await journeys.journey_row(database, here.tenant, journey)
        return row is not None and row["seq"] > 0

    await until(begun)
    patient = await database.value("select patient from continuum.referral where journey = $1", taken.journey)
    return Ids(taken.journey, str(patient), str(taken.inbound), asks[0], here.clients["sender"])
