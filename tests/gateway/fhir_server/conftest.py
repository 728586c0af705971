"""The FHIR server in this process, behind the real guard and over a record that was lived; tokens are made up."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from care.journey import Stage
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from gateway.access.caller import Caller, CallerRole
from gateway.access.guard import Access
from gateway.access.settings import AccessSettings
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from gateway.fhir import read_referral
from gateway.inbound import About, Ask, Asked, Envelope, Meaning, Noted, Taken, take_in
from gateway.referring import meaning_of
from records.clients import RegisteredClient, add
from records.database import Database
from tests.conftest import House
from tests.gateway.known import Known

BASE = "https://continuum.example"
FHIR = f"{BASE}/fhir"
TENANT = "clinic"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "fhir"
Resource = dict[str, Any]


@dataclass
class Reader:
    """Somebody who reads."""

    http: httpx.AsyncClient
    token: str

    async def get(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        """GET below `/fhir`, or of a whole address."""
        address = path if path.startswith("http") else f"/fhir/{path}"
        query = {"params": params} if params else {}
        return await self.http.get(
            address, headers={"Authorization": f"Bearer {self.token}", **(headers or {})}, **cast(Any, query)
        )

    async def post_search(self, kind: str, **params: Any) -> httpx.Response:
        """POST to `_search`."""
        return await self.http.post(
            f"/fhir/{kind}/_search", data=params, headers={"Authorization": f"Bearer {self.token}"}
        )

    async def read(self, path: str) -> Resource:
        """A resource that is there."""
        response = await self.get(path)
        assert response.status_code == 200, response.text
        return cast(Resource, response.json())

    async def ids(self, kind: str, query: str = "") -> list[str]:
        """The ids of the matches of a search, page by page."""
        return [one["id"] for one in await self.matches(kind, query)]

    async def matches(self, kind: str, query: str = "") -> list[Resource]:
        """The matches of a search, page by page."""
        found: list[Resource] = []
        address: str | None = f"{kind}?{query}" if query else kind
        while address is not None:
            bundle = await self.read(address)
            assert bundle["resourceType"] == "Bundle"
            found += [e["resource"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"]
            address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        return found


@dataclass
class Server:
    """The application and those who read from it."""

    house: House
    app: FastAPI
    http: httpx.AsyncClient
    known: Known = field(default_factory=Known)

    def reader(self, caller: Caller) -> Reader:
        """A token for somebody."""
        token = secrets.token_hex(8)
        self.known.callers[token] = caller
        return Reader(self.http, token)

    def system(self, id_: str, scopes: str = "system/*.rs", tenant: str = TENANT) -> Reader:
        """A hospital's record system."""
        roles: frozenset[CallerRole] = frozenset({"system"})
        return self.reader(Caller(tenant=tenant, kind="system", id=id_, roles=roles, scopes=frozenset(scopes.split())))

    def person(self, role: CallerRole, *, email: str | None = None, tenant: str = TENANT) -> Reader:
        """Somebody who signed in."""
        return self.reader(Caller(tenant=tenant, kind="person", id=f"p-{role}", roles=frozenset({role}), email=email))

    async def send(self, sender: str, raw: bytes, kind: str, meaning: Meaning, **more: Any) -> Taken:
        """A message comes in."""
        envelope = Envelope(
            tenant=more.pop("tenant", TENANT),
            protocol=more.pop("protocol", "fhir"),
            sender=sender,
            source=sender,
            transport_key=secrets.token_hex(8),
            raw=raw,
            media_type="application/fhir+json",
            kind=kind,
            received_at=more.pop("at", None) or datetime.now(UTC),
        )
        return await take_in(self.house.database, envelope, meaning)

    async def refer(self, sender: str, raw: bytes, **more: Any) -> Taken:
        """A referral comes in."""
        return await self.send(
            sender, raw, "ServiceRequest", meaning_of(read_referral(raw, default_source=sender)), **more
        )


class Sending(Player):
    """Plays a journey whose referral a registered system sent."""

    server: Server
    sender: str

    async def refer(self, raw: bytes, **_more: Any) -> Any:
        taken = await self.server.refer(self.sender, raw)
        assert taken.journey is not None
        self.journey = taken.journey
        await self._until(lambda row: row["seq"] > 0)
        return taken


@dataclass
class Lived:
    """A journey that went from its referral to follow-up, and who sent it."""

    sender: str
    journey: str
    patient: str
    order: str
    """`system|value`, as its sender numbers it."""
    mrn_system: str
    mrn: str
    answers: str
    cancellation: str


@pytest.fixture(scope="session")
async def server(house: House) -> AsyncIterator[Server]:
    """The whole application over the house."""
    known = Known()
    settings = GatewaySettings(
        tenant=TENANT, base_url=BASE, must_be_signed=False, access=AccessSettings(requests_per_minute=1_000_000)
    )
    app = create_app(Gateway(house.database, ConnectedTemporal(house.client), settings))
    cast(Access, app.state.access).authentication = known  # type: ignore[assignment]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60) as http:
        yield Server(house, app, http, known)


@pytest.fixture(scope="session")
async def lived(server: Server) -> Lived:
    """A journey with visits kept and missed, scores, a plan with goals, a request to cancel, a signed summary."""
    house = server.house
    for id_, profile in (("c-lived", "cow"), ("c-bser", "bser"), ("c-sdohcc", "sdohcc")):
        await add(house.database, RegisteredClient(tenant=TENANT, id=id_, name=id_, profile=cast(Any, profile)))
    told = house.player("fhir")
    player = Sending("fhir", told.client, house.database, house.calendar, tenant=TENANT)
    player.server, player.sender = server, "client:c-lived"
    await player.refer(numbered(referrals.back_pain()))
    await stories.intake(player, "low_back_pain")
    plan = await stories.evaluate(player, nprs=7, odi=44, psfs=3, start_back="medium")
    week = timedelta(days=6)
    await player.visit(after=await player.now() + week, scores={"nprs": 4, "odi": 30})
    await player.visit(after=await player.now() + week, outcome="no_show")
    about = About(journey=player.journey)
    asked = await server.send(
        player.sender, b"{}", "Task", Asked(asks=(Ask(name="request_cancellation", about=about),))
    )
    await settle(house.database, asked.asks[0], player.journey, "refused")
    answers = await server.send(player.sender, answered(player.journey), "QuestionnaireResponse", Noted(why="a test"))
    await _belongs(house.database, answers, player.journey)
    await player.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS", note="as agreed")
    await player.until_stage(Stage.DISCHARGE)
    await player.act("sign_summary", "therapist")
    await player.until_stage(Stage.FOLLOW_UP)
    row = await house.database.row(
        "select r.patient, r.referral_id, p.identifiers from continuum.referral r"
        " join continuum.patient p on p.id = r.patient where r.journey = $1",
        player.journey,
    )
    assert row is not None
    (number,) = row["identifiers"]
    return Lived(
        sender=player.sender,
        journey=player.journey,
        patient=str(row["patient"]),
        order=row["referral_id"],
        mrn_system=number["system"],
        mrn=number["value"],
        answers=str(answers.inbound),
        cancellation=asked.asks[0],
    )


async def settle(database: Database, ask: str, journey: str, status: str) -> None:
    """An ask ends so."""
    await database.execute(
        "update continuum.ask set status = $2, journey = $3, settled_at = now() where id = $1", ask, status, journey
    )


async def _belongs(database: Database, taken: Taken, journey: str) -> None:
    """A message turns out to be about a journey, as an ask of it says."""
    await database.execute(
        "insert into continuum.ask (id, inbound, tenant, name, about, journey, status, asked_at)"
        " values ($1, $2, $3, 'record_scores', '{}', $4, 'done', now())",
        f"ask-{secrets.token_hex(12)}",
        taken.inbound,
        TENANT,
        journey,
    )


def answered(journey: str) -> bytes:
    """Answers of a patient, as a system sends them."""
    response = {
        "resourceType": "QuestionnaireResponse",
        "identifier": {"system": "https://hospital.example.org/answers", "value": "A-1"},
        "questionnaire": "urn:continuum:Questionnaire:measure:nprs",
        "status": "completed",
        "subject": {"reference": "Patient/17"},
        "basedOn": [{"reference": f"ServiceRequest/{journey}"}],
        "authored": "2026-11-20T09:00:00Z",
        "item": [{"linkId": "score", "answer": [{"valueDecimal": 4}]}],
    }
    return json.dumps(response).encode()


def numbered(raw: bytes) -> bytes:
    """A referral under a number of its own, so that it is another one."""
    message = json.loads(raw)
    for order in _orders(message):
        order["identifier"] = [{"system": "https://hospital.example.org/orders", "value": secrets.token_hex(6)}]
    if message["resourceType"] == "Bundle":
        message.pop("identifier", None)
        message["id"] = secrets.token_hex(6)
    return json.dumps(message).encode()


def _orders(node: Any) -> list[Resource]:
    if isinstance(node, list):
        return [found for inner in node for found in _orders(inner)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("resourceType") == "ServiceRequest" else []
    return own + [found for inner in node.values() for found in _orders(inner)]


def referral(name: str) -> bytes:
    """A message of our fixtures, under a number of its own."""
    return numbered((FIXTURES / f"{name}.json").read_bytes())
