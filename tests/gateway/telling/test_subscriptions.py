"""Subscriptions over FHIR: taken or refused with a reason, activated by a handshake, told by number, and one's own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.subscription import Subscription as R4Subscription

from activities.notifications import BACKPORT
from gateway import answers
from gateway.access import guard
from gateway.access.settings import AccessSettings
from gateway.answers import Problem
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from gateway.fhir_server.subscriptions.reading import asked_status, wanted
from gateway.fhir_server.subscriptions.routes import AT_MOST, router
from records import clients, deliveries
from records.clients import RegisteredClient
from records.subscriptions import CONSULT_NOTE, REFERRAL_TASK, Wanted
from tests.gateway.telling.conftest import BASE, Post
from tests.gateway.telling.receiver import Receiver

pytestmark = pytest.mark.xdist_group("telling")

FHIR = {"Content-Type": "application/fhir+json"}


@dataclass
class Client:
    """A registered system, and its way in."""

    http: httpx.AsyncClient
    id: str

    async def create(self, body: dict[str, Any]) -> httpx.Response:
        return await self.http.post("/fhir/Subscription", json=body, headers=FHIR)

    async def created(self, body: dict[str, Any]) -> str:
        answer = await self.create(body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def get(self, path: str, **parameters: str) -> Any:
        answer = await self.http.get(f"/fhir/Subscription{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/fhir+json")
        return answer.json()

    async def put(self, it: str, body: dict[str, Any], etag: str | None = None) -> httpx.Response:
        if etag is None:
            etag = (await self.http.get(f"/fhir/Subscription/{it}")).headers["etag"]
        headers = {**FHIR, "If-Match": etag}
        return await self.http.put(f"/fhir/Subscription/{it}", json={**body, "id": it}, headers=headers)

    async def state(self, it: str) -> dict[str, Any]:
        """What `$status` says, by name."""
        bundle = await self.get(f"/{it}/$status")
        Bundle.model_validate(bundle)
        (entry,) = bundle["entry"]
        return {p["name"]: v for p in entry["resource"]["parameter"] for k, v in p.items() if k.startswith("value")}


@pytest.fixture
async def app(post: Post, receiver: Receiver) -> FastAPI:
    access = AccessSettings(allowed_private=frozenset({receiver.at}))
    gateway = Gateway(post.record, LazyTemporal(), GatewaySettings(tenant="clinic", base_url=BASE, access=access))
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    answers.install(app)
    app.include_router(router)
    guard.install(app, gateway)
    return app


async def registered(post: Post, app: FastAPI, scopes: str = "system/Subscription.crus") -> Client:
    name = f"c-{secrets.token_hex(4)}"
    await clients.add(post.record, RegisteredClient(tenant="clinic", id=name, name="Example", scopes=scopes))
    token = guard_of(app).tokens.mint("clinic", name, frozenset(scopes.split()))
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    return Client(
        httpx.AsyncClient(transport=transport, base_url=BASE, headers={"Authorization": f"Bearer {token}"}), name
    )


def guard_of(app: FastAPI) -> guard.Access:
    access: guard.Access = app.state.access
    return access


@pytest.fixture
async def client(post: Post, app: FastAPI) -> AsyncIterator[Client]:
    one = await registered(post, app)
    yield one
    await one.http.aclose()


def extension(name: str, kind: str, value: object) -> dict[str, Any]:
    return {"url": f"{BACKPORT}/{name}", f"value{kind}": value}


def asks(url: str, *filters: str, content: str | None = "id-only", **channel: Any) -> dict[str, Any]:
    """A Subscription to the answers of one's referrals."""
    body: dict[str, Any] = {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "To know what becomes of our referrals",
        "criteria": REFERRAL_TASK,
        "channel": {"type": "rest-hook", "endpoint": url, "payload": "application/fhir+json", **channel},
    }
    if content is not None:
        body["channel"]["_payload"] = {"extension": [extension("backport-payload-content", "Code", content)]}
    if filters:
        body["_criteria"] = {"extension": [extension("backport-filter-criteria", "String", f) for f in filters]}
    return body


def heartbeat(seconds: object) -> list[dict[str, Any]]:
    return [extension("backport-heartbeat-period", "UnsignedInt", seconds)]


async def test_a_handshake_makes_it_active_and_events_come_by_number(
    post: Post, client: Client, receiver: Receiver
) -> None:
    answer = await client.create(asks(receiver.url, "Task?status=accepted,rejected&code=fulfill"))
    assert answer.status_code == 201
    it = answer.json()["id"]
    R4Subscription.model_validate(answer.json())
    assert answer.headers["location"] == f"{BASE}/fhir/Subscription/{it}"
    assert (answer.json()["status"], answer.headers["etag"]) == ("requested", 'W/"1"')

    loop = post.loop(receiver)
    await loop.once()
    (handshake,) = receiver.got
    Bundle.model_validate(handshake.json)
    assert (handshake.said("type"), handshake.said("events-since-subscription-start")) == ("handshake", "0")
    assert handshake.headers["content-type"] == "application/fhir+json"
    assert (await client.get(f"/{it}"))["status"] == "active"

    journey = await post.referral(f"client:{client.id}")
    for status in ("accepted", "in-progress", "rejected"):
        await post.answer(journey, status)
    await loop.once()
    told = receiver.got[1:]
    assert [(one.said("type"), one.numbers) for one in told] == [
        ("event-notification", [1]),
        ("event-notification", [2]),
    ]
    Bundle.model_validate(told[0].json)
    assert told[0].json["type"] == "history"
    assert told[0].json["entry"][1]["fullUrl"] == f"{BASE}/fhir/Task/{journey}"
    assert "resource" not in told[0].json["entry"][1]
    assert told[0].said("subscription") == {"reference": f"{BASE}/fhir/Subscription/{it}"}


async def test_empty_says_that_there_is_something_and_no_more(post: Post, client: Client, receiver: Receiver) -> None:
    await client.created(asks(receiver.url, content="empty"))
    loop = post.loop(receiver)
    await loop.once()
    journey = await post.referral(f"client:{client.id}")
    await post.answer(journey)
    await loop.once()
    assert receiver.got[-1].numbers == [1]
    assert journey.encode() not in receiver.got[-1].body
    assert len(receiver.got[-1].json["entry"]) == 1


async def test_without_an_answer_to_the_handshake_it_is_in_error(
    post: Post, client: Client, receiver: Receiver
) -> None:
    it = await client.created(asks(receiver.url))
    receiver.then = "500"
    loop = post.loop(receiver)
    for wait in (5, 300, 0):
        await loop.once()
        post.later(seconds=wait)
    assert len(receiver.got) == 3
    state = await client.state(it)
    assert (state["status"], state["error"]) == ("error", {"text": "no handshake: answered 500"})
    receiver.then = "200"
    body = await client.get(f"/{it}")
    assert (await client.put(it, {**body, "status": "requested"})).status_code == 200
    await loop.once()
    assert (await client.state(it))["status"] == "active"


async def test_a_gap_is_seen_by_number_and_filled_by_events(post: Post, client: Client, receiver: Receiver) -> None:
    """Its receiver was away for days: the numbers went on, and what was missed can be fetched."""
    it = await client.created(asks(receiver.url))
    loop = post.loop(receiver)
    await loop.once()
    journey = await post.referral(f"client:{client.id}")
    await post.answer(journey)
    await loop.once()
    receiver.then = "503"
    await post.answer(journey, "in-progress")
    await post.answer(journey, "on-hold")
    for _ in range(11):
        await loop.once()
        post.later(hours=25)
    assert (await client.state(it))["status"] == "error"
    await post.answer(journey, "completed")
    assert (await client.state(it))["events-since-subscription-start"] == "4"

    receiver.then, receiver.got = "204", []
    body = await client.get(f"/{it}")
    assert (await client.put(it, body)).status_code == 422, "error is not a client's to say"
    assert (await client.put(it, {**body, "status": "requested"})).json()["status"] == "requested"
    await loop.once()
    await post.answer(journey, "cancelled")
    await loop.once()
    assert receiver.got[-1].numbers == [5], "after 1: there is a gap"

    missed = await client.get(f"/{it}/$events", eventsSinceNumber="2", eventsUntilNumber="4")
    Bundle.model_validate(missed)
    events = [p["part"] for p in missed["entry"][0]["resource"]["parameter"] if p["name"] == "notification-event"]
    assert [e[0]["valueString"] for e in events] == ["2", "3", "4"]
    assert {e[2]["valueReference"]["reference"] for e in events} == {f"{BASE}/fhir/Task/{journey}"}
    asked = {"resourceType": "Parameters", "parameter": [{"name": "eventsSinceNumber", "valueString": "4"}]}
    by_post = await client.http.post(f"/fhir/Subscription/{it}/$events", json=asked, headers=FHIR)
    parameters = by_post.json()["entry"][0]["resource"]["parameter"]
    assert len([p for p in parameters if p["name"] == "notification-event"]) == 2


async def test_heartbeats_come_when_nothing_else_does(post: Post, client: Client, receiver: Receiver) -> None:
    await client.created(asks(receiver.url, extension=heartbeat(60)))
    loop = post.loop(receiver)
    await loop.once()
    post.later(seconds=59)
    assert await loop.once() == 0
    post.later(seconds=1)
    await loop.once()
    assert [got.said("type") for got in receiver.got] == ["handshake", "heartbeat"]
    receiver.script = ["500"]
    post.later(seconds=60)
    await loop.once()
    await post.answer(await post.referral(f"client:{client.id}"))
    await loop.once()
    post.later(seconds=30)
    assert await loop.once() == 0, "an event is a sign of life too"
    post.later(seconds=30)
    await loop.once()
    assert [got.said("type") for got in receiver.got[2:]] == ["heartbeat", "event-notification", "heartbeat"]


async def test_by_mail(post: Post, client: Client) -> None:
    """No clinical content, and no name: an id."""
    body = asks("mailto:desk@hospital.example")
    body["channel"] |= {"type": "email", "payload": "text/plain"}
    it = await client.created(body)
    loop = post.loop()
    await loop.once()
    journey = await post.referral(f"client:{client.id}")
    await post.answer(journey)
    await loop.once()
    hello, told = post.mail.letters
    assert {letter["To"] for letter in post.mail.letters} == {"desk@hospital.example"}
    assert it in hello.get_content()
    assert f"{BASE}/fhir/Task/{journey}" in told.get_content()
    assert journey not in told["Subject"]
    (event,) = await deliveries.events(post.record, it, 1, None, 9)
    assert event.status == "delivered"


async def test_what_a_receiver_wants_to_see_is_sent_and_never_shown(
    post: Post, client: Client, receiver: Receiver
) -> None:
    answer = await client.create(asks(receiver.url, header=["Authorization: Bearer s3cret", "X-Site: 7"]))
    it = answer.json()["id"]
    body = await client.get(f"/{it}")
    listed = await client.get("")
    for shown in (answer.json(), body, listed, await client.get(f"/{it}/$status")):
        assert "s3cret" not in str(shown)
    assert "s3cret" not in repr(await post.it(it))
    loop = post.loop(receiver)
    await loop.once()
    assert receiver.got[-1].headers["authorization"] == "Bearer s3cret"
    await client.put(it, {**body, "reason": "Changed"})
    await loop.once()
    assert receiver.got[-1].headers["authorization"] == "Bearer s3cret", "the endpoint is the same"
    moved = asks(f"{receiver.url}2")
    await client.put(it, moved)
    await loop.once()
    assert receiver.got[-1].target == "/hook2"
    assert "authorization" not in receiver.got[-1].headers, "it belonged to another address"


async def test_off_ends_it(post: Post, client: Client, receiver: Receiver) -> None:
    it = await client.created(asks(receiver.url))
    loop = post.loop(receiver)
    await loop.once()
    await post.answer(await post.referral(f"client:{client.id}"))
    answer = await client.put(it, {**await client.get(f"/{it}"), "status": "off"})
    assert answer.json()["status"] == "off"
    await post.answer(await post.referral(f"client:{client.id}"))
    assert await loop.once() == 0
    assert len(receiver.got) == 1
    assert [status for _, status, _ in await post.events(it)] == ["dead"]


async def test_its_end_ends_it(post: Post, client: Client, receiver: Receiver) -> None:
    end = (post.clock + timedelta(hours=1)).isoformat()
    it = await client.created({**asks(receiver.url), "end": end})
    loop = post.loop(receiver)
    await loop.once()
    post.later(hours=2)
    await loop.once()
    assert (await client.get(f"/{it}"))["status"] == "off"
    assert post.mail.letters == []


async def test_one_sees_ones_own(post: Post, app: FastAPI, client: Client, receiver: Receiver) -> None:
    mine = await client.created(asks(receiver.url))
    second = await client.created({**asks(receiver.url), "criteria": CONSULT_NOTE})
    other = await registered(post, app)
    hidden = await post.subscribe(receiver.url, owner=f"client:{client.id}")
    for it in (mine, hidden, "nothing"):
        for path in (it, f"{it}/$status", f"{it}/$events"):
            who = client if it != mine else other
            answer = await who.http.get(f"/fhir/Subscription/{path}")
            assert answer.status_code == 404
            assert answer.json()["resourceType"] == "OperationOutcome"
    assert (await other.put(mine, asks(receiver.url), 'W/"1"')).status_code == 404
    assert (await other.get(""))["total"] == 0
    assert "entry" not in await other.get("/$status")
    await other.http.aclose()
    found = await client.get("", criteria=CONSULT_NOTE, status="requested,active")
    assert [e["resource"]["id"] for e in found["entry"]] == [second]
    assert (await client.get("", url="https://elsewhere.example/"))["total"] == 0
    assert (await client.get("/$status", id=mine))["total"] == 1
    asked = {"criteria": CONSULT_NOTE}
    by_post = await client.http.post("/fhir/Subscription/_search", data=asked)
    assert [e["resource"]["id"] for e in by_post.json()["entry"]] == [second]
    lenient = await client.http.get("/fhir/Subscription?patient=7", headers={"Prefer": "handling=lenient"})
    assert lenient.json()["total"] == 2
    xml = await client.http.get(f"/fhir/Subscription/{mine}", headers={"Accept": "application/fhir+xml"})
    assert xml.status_code == 406


async def test_a_scope_is_needed(post: Post, app: FastAPI, receiver: Receiver) -> None:
    reader = await registered(post, app, "system/Subscription.rs")
    assert (await reader.create(asks(receiver.url))).status_code == 403
    await reader.http.aclose()


async def test_two_who_change_it_at_once(post: Post, client: Client, receiver: Receiver) -> None:
    """The second is told so, and nothing of what they wanted has happened."""
    it = await client.created(asks(receiver.url))
    await post.answer(await post.referral(f"client:{client.id}"))
    etag = (await client.http.get(f"/fhir/Subscription/{it}")).headers["etag"]
    assert (await client.put(it, asks(receiver.url), etag)).status_code == 200
    assert (await client.put(it, {**asks(receiver.url), "status": "off"}, etag)).status_code == 412
    assert await post.events(it) == [(1, "pending", 0)]
    unconditional = await client.http.put(
        f"/fhir/Subscription/{it}", json={**asks(receiver.url), "id": it}, headers=FHIR
    )
    assert unconditional.status_code == 428


async def test_nobody_has_too_many(client: Client, receiver: Receiver) -> None:
    for _ in range(AT_MOST):
        await client.created(asks(receiver.url))
    answer = await client.create(asks(receiver.url))
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "business-rule")


def without(name: str) -> dict[str, Any]:
    body = asks("https://hooks.example.org/")
    del body[name]
    return body


def with_(**parts: Any) -> dict[str, Any]:
    return {**asks("https://hooks.example.org/"), **parts}


PAST = (datetime.now(UTC) - timedelta(days=1)).isoformat()
URL = "https://hooks.example.org/"
REFUSED: list[tuple[dict[str, Any], int, str, str]] = [
    ({"resourceType": "Task"}, 400, "structure", "Subscription"),
    (without("criteria"), 400, "required", "Subscription.criteria"),
    (without("channel"), 400, "required", "Subscription.channel"),
    (without("reason"), 400, "required", "Subscription.reason"),
    (without("status"), 400, "value", "Subscription.status"),
    (with_(status="off"), 422, "value", "Subscription.status"),
    (with_(status="error"), 422, "value", "Subscription.status"),
    (with_(criteria="Task?status=accepted"), 422, "not-supported", "Subscription.criteria"),
    (with_(criteria=7), 400, "structure", "Subscription.criteria"),
    (with_(reason="x" * 256), 400, "value", "Subscription.reason"),
    (with_(end=PAST), 422, "business-rule", "Subscription.end"),
    (with_(end="tomorrow"), 400, "value", "Subscription.end"),
    (with_(end="2999-01-01T00:00:00"), 400, "value", "Subscription.end"),
    (with_(contact=[{"system": "email", "value": "a@b.example, c@d.example"}]), 422, "value", "Subscription.contact"),
    (with_(modifierExtension=[{"url": "x"}]), 422, "not-supported", "Subscription.modifierExtension"),
    (with_(_criteria=[]), 400, "structure", "Subscription.criteria"),
    (asks(URL, "Task?status=acepted"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task?patient=1"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Patient?name=x"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task?status="), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task?owner:identifier=urn:other|main"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task?owner=Organization/other"), 422, "not-supported", "Subscription.criteria.extension"),
    (asks(URL, "Task?code=abort"), 422, "not-supported", "Subscription.criteria.extension"),
    (
        {**asks(URL, "DocumentReference?type=x"), "criteria": CONSULT_NOTE},
        422,
        "not-supported",
        "Subscription.criteria.extension",
    ),
    (asks(URL, type="websocket"), 422, "not-supported", "Subscription.channel.type"),
    (asks(URL, type="message"), 422, "not-supported", "Subscription.channel.type"),
    (asks(URL, endpoint=None), 400, "required", "Subscription.channel.endpoint"),
    (asks("http://hooks.example.org/"), 422, "value", "Subscription.channel.endpoint"),
    (asks("https://169.254.169.254/latest"), 422, "value", "Subscription.channel.endpoint"),
    (asks("https://user:s3cret@hooks.example.org/"), 422, "value", "Subscription.channel.endpoint"),
    (asks("https://localhost/"), 422, "value", "Subscription.channel.endpoint"),
    (asks("not an address", type="email"), 422, "value", "Subscription.channel.endpoint"),
    (asks(URL, content="full-resource"), 422, "not-supported", "Subscription.channel.payload.extension"),
    (asks(URL, payload="application/fhir+xml"), 422, "not-supported", "Subscription.channel.payload"),
    (asks(URL, header=["Host: 127.0.0.1"]), 422, "business-rule", "Subscription.channel.header"),
    (asks(URL, header=["webhook-signature: v1,x"]), 422, "business-rule", "Subscription.channel.header"),
    (asks(URL, header=["X: a\r\nHost: b"]), 422, "value", "Subscription.channel.header"),
    (asks(URL, header=["no colon"]), 422, "value", "Subscription.channel.header"),
    (asks(URL, header="Authorization: x"), 400, "structure", "Subscription.channel.header"),
    (asks(URL, header=["X: y"] * 11), 400, "structure", "Subscription.channel.header"),
    (asks(URL, extension=heartbeat(5)), 422, "value", "Subscription.channel.extension"),
    (asks(URL, extension=heartbeat("x")), 400, "value", "Subscription.channel.extension"),
    (asks(URL, extension=heartbeat(True)), 400, "value", "Subscription.channel.extension"),
    (
        asks("a@b.example", type="email", extension=heartbeat(60)),
        422,
        "not-supported",
        "Subscription.channel.extension",
    ),
]


@pytest.mark.parametrize(("body", "status", "code", "path"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_fit_is_refused_with_a_reason(body: dict[str, Any], status: int, code: str, path: str) -> None:
    with pytest.raises(Problem) as refused:
        taken(body)
    problem = refused.value
    assert (problem.status, problem.code, problem.path) == (status, code, path)
    assert "s3cret" not in problem.text


def taken(body: dict[str, Any]) -> Wanted:
    found = wanted(body, datetime.now(UTC))
    asked_status(body, new=True)
    return found


def test_what_is_fit_is_taken_apart() -> None:
    end = "2999-01-01T00:00:00Z"
    url = "https://hooks.example.org:8443/fhir?site=7"
    extensions = [extension("backport-timeout", "UnsignedInt", 900), *heartbeat(3600)]
    contact = [{"system": "phone", "value": "1"}, {"system": "email", "value": "it@hospital.example"}]
    found = taken(
        {
            **asks(url, "Task?owner:identifier=main&business-status=http://x|3.0", extension=extensions),
            "contact": contact,
            "end": end,
        }
    )
    assert (found.url, found.contact, found.heartbeat_seconds, found.timeout_seconds) == (
        url,
        "it@hospital.example",
        3600,
        20,
    )
    assert [(f.name, f.values) for f in found.filters] == [
        ("owner:identifier", ("urn:continuum:clinic|main",)),
        ("business-status", ("3.0",)),
    ]
    assert found.ends_at is not None
    assert found.ends_at.isoformat() == "2999-01-01T00:00:00+00:00"
    without_payload = asks(url, content=None)
    assert taken(without_payload).content == "id-only"
    del without_payload["channel"]["payload"]
    assert taken(without_payload).content == "empty"
    assert taken({**asks(url), "criteria": f"{REFERRAL_TASK}|1.0"}).topic == REFERRAL_TASK


async def test_a_refusal_is_an_operation_outcome_and_nothing_is_kept(client: Client) -> None:
    answer = await client.create(asks("https://10.0.0.1/"))
    assert answer.status_code == 422
    assert answer.json() == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "value",
                "details": {"text": "the URL's address is not a public one"},
                "expression": ["Subscription.channel.endpoint"],
            }
        ],
    }
    for body in (b"", b"[]", b'{"resourceType":"Subscription",', b"\xff"):
        answer = await client.http.post("/fhir/Subscription", content=body, headers=FHIR)
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert (await client.http.post("/fhir/Subscription", content=b"{}")).status_code == 415
    assert (await client.get(""))["total"] == 0


QUESTIONS = [
    ("?patient=7", 400),
    ("?url=a&url=b", 400),
    ("/{it}/$events?eventsSinceNumber=x", 400),
    ("/{it}/$events?eventsSinceNumber=-1", 400),
    ("/{it}/$events?eventsSinceNumber=9999999999999999999", 400),
    ("/{it}/$events?content=full-resource", 422),
    ("/{it}/$events?what=1", 400),
    ("/$status?patient=7", 400),
    ("?url=%00", 400),
    ("?status=%ff", 400),
    ("/%00", 404),
    ("/a%20b/$events", 404),
]


async def test_questions_that_cannot_be_answered(client: Client, receiver: Receiver) -> None:
    it = await client.created(asks(receiver.url))
    for path, status in QUESTIONS:
        answer = await client.http.get(f"/fhir/Subscription{path.format(it=it)}")
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), path
