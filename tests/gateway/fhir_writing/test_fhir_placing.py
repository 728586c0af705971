"""Orders by POST and PUT: one journey for one order, whoever sends it how often at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from gateway.fhir.decode import MAX_BYTES
from gateway.fhir_server.registry import declared
from gateway.fhir_server.writing import routes
from records.database import Database
from tests.conftest import House
from tests.gateway.fhir_writing.conftest import (
    BASE,
    PLACER,
    Door,
    NoTemporal,
    Resource,
    Sender,
    built,
    new_number,
    opened,
    order,
)
from tests.gateway.known import Known

CANARY = "Zyxwvut-Canary"
JOURNEYS = "select count(*) from continuum.referral where tenant = 'clinic' and sender = $1"


@pytest.fixture
def hospital(door: Door) -> Sender:
    return door.system()


def issue(answer: Any) -> dict[str, Any]:
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    (one,) = body["issue"]
    assert isinstance(one, dict)
    return one


def condition(number: str) -> str:
    return f"identifier={PLACER}|{number}"


async def rows(door: Door, sender: Sender) -> dict[str, int]:
    """What became of the messages of a sender."""
    found = await door.house.database.fetch(
        "select outcome, count(*) from continuum.inbound where sender = $1 group by 1", sender.caller.sender
    )
    return {r["outcome"]: r["count"] for r in found}


class TestCreate:
    async def test_is_answered_with_where_it_is(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        answer = await hospital.post("/ServiceRequest", order(number))
        assert answer.status_code == 201
        journey = answer.json()["id"]
        assert answer.headers["location"] == f"{BASE}/fhir/ServiceRequest/{journey}"
        assert (answer.headers["etag"], answer.headers["content-type"]) == ('W/"1"', "application/fhir+json")
        assert answer.headers["last-modified"].endswith("GMT")
        assert answer.json()["identifier"] == [{"system": PLACER, "value": number}]
        assert answer.json()["meta"]["versionId"] == "1"
        (told,) = await door.house.database.fetch(
            "select operation, subject, outcome from continuum.audit where caller = $1", hospital.caller.sender
        )
        assert tuple(told) == ("POST /fhir/ServiceRequest", f"ServiceRequest/{journey}", 201)
        kept = await door.row("select raw, kind, source from continuum.inbound where journey = $1", journey)
        assert kept["raw"] == json.dumps(order(number)).encode(), "as it came"
        assert (kept["kind"], kept["source"]) == ("ServiceRequest", f"{hospital.caller.sender}|fhir")

    async def test_with_less_in_the_answer(self, hospital: Sender) -> None:
        minimal = await hospital.post("/ServiceRequest", order(new_number()), Prefer="return=minimal")
        assert (minimal.status_code, minimal.content) == (201, b"")
        assert "location" in minimal.headers
        told = await hospital.post(
            "/ServiceRequest", order(new_number()), Prefer="respond-async, return=OperationOutcome"
        )
        assert (told.status_code, issue(told)["severity"]) == (201, "information")

    async def test_the_callers_own_ids_come_back(self, hospital: Sender) -> None:
        here = "6f1d3a3e-5f0c-4d38-9a53-0c1b8f0f5b11"
        good = await hospital.post("/ServiceRequest", order(new_number()), X_Correlation_Id=here, X_Request_Id=here)
        bad = await hospital.post("/ServiceRequest", {"resourceType": "Task"}, X_Correlation_Id=here)
        assert (good.headers["x-correlation-id"], good.headers["x-request-id"]) == (here, here)
        assert (bad.status_code, bad.headers["x-correlation-id"]) == (400, here)

    async def test_a_hundred_at_once_are_one_journey(self, door: Door, hospital: Sender) -> None:
        body = order(new_number())
        answers = await asyncio.gather(*(hospital.post("/ServiceRequest", body) for _ in range(100)))
        assert sorted({a.status_code for a in answers}) == [200, 201]
        assert sum(a.status_code == 201 for a in answers) == 1
        assert len({a.headers["location"] for a in answers}) == 1
        assert await door.count(JOURNEYS, hospital.caller.sender) == 1
        assert await rows(door, hospital) == {"accepted": 1, "duplicate": 99}

    async def test_each_has_one_row_in_the_audit(self, door: Door, hospital: Sender) -> None:
        body, ids = order(new_number()), [str(uuid4()) for _ in range(3)]
        first = await hospital.post("/ServiceRequest", body, X_Request_Id=ids[0])
        await hospital.post("/ServiceRequest", body, X_Request_Id=ids[1])
        await hospital.post("/ServiceRequest", {**body, "status": "revoked"}, X_Request_Id=ids[2])
        written = await door.house.database.fetch(
            "select request_id, caller, operation, outcome, subject from continuum.audit where request_id = any($1)"
            " order by id",
            ids,
        )
        here = f"ServiceRequest/{first.headers['location'].rpartition('/')[2]}"
        who, what = hospital.caller.sender, "POST /fhir/ServiceRequest"
        assert [tuple(row) for row in written] == [
            (ids[0], who, what, 201, here),
            (ids[1], who, what, 200, here),
            (ids[2], who, what, 422, None),
        ]

    async def test_two_senders_may_use_one_number(self, door: Door) -> None:
        body = order(new_number())
        one, other = [await door.system().post("/ServiceRequest", body) for _ in range(2)]
        assert (one.status_code, other.status_code) == (201, 201)
        assert one.headers["location"] != other.headers["location"]

    async def test_other_content_is_for_a_person(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        first = await hospital.post("/ServiceRequest", order(number))
        changed = await hospital.post("/ServiceRequest", order(number, priority="urgent"))
        assert (changed.status_code, changed.headers["location"]) == (202, first.headers["location"])
        assert "person" in issue(changed)["details"]["text"]
        again = await hospital.post("/ServiceRequest", order(number, priority="urgent"))
        assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"')
        assert await rows(door, hospital) == {"accepted": 1, "amendment": 1, "duplicate": 1}

    async def test_a_delivery_has_one_content(self, hospital: Sender) -> None:
        number = new_number()
        first = await hospital.post("/ServiceRequest", order(number), Idempotency_Key="k-1")
        again = await hospital.post("/ServiceRequest", order(number), Idempotency_Key='"k-1"')
        other = await hospital.post("/ServiceRequest", order(new_number()), Idempotency_Key="k-1")
        assert (again.status_code, again.headers["location"]) == (200, first.headers["location"])
        assert (other.status_code, issue(other)["code"]) == (409, "duplicate")

    async def test_is_stored_while_temporal_is_away(self, house: House, door: Door) -> None:
        async with opened(built(house, door.known, NoTemporal())) as http:
            sender = Sender(http, *_of(door))
            answer = await sender.post("/ServiceRequest", order(new_number()))
        assert answer.status_code == 201

    async def test_is_not_acknowledged_while_postgresql_is_away(self, house: House) -> None:
        gone = await Database.open(house.stack.dsn("app"), size=1)
        await gone.close()
        known = Known()
        async with opened(built(house, known, database=gone)) as http:
            lonely = Door(house, None, http, known)  # type: ignore[arg-type]
            answer = await lonely.system().post("/ServiceRequest", order(new_number()))
        assert (answer.status_code, issue(answer)["code"]) == (503, "transient")
        assert int(answer.headers["retry-after"]) > 0


def _of(door: Door) -> tuple[Any, str]:
    sender = door.system()
    return sender.caller, sender.token


class TestIfNoneExist:
    async def test_none_one_and_many(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        first = await hospital.post("/ServiceRequest", order(number), If_None_Exist=condition(number))
        assert first.status_code == 201
        again = await hospital.post(
            "/ServiceRequest", order(number, priority="stat"), If_None_Exist=condition(number).replace("|", "%7C")
        )
        assert (again.status_code, again.headers["location"]) == (200, first.headers["location"])
        assert await rows(door, hospital) == {"accepted": 1, "noted": 1}, "kept, and no amendment"
        elsewhere = order(number, meta={"source": "https://elsewhere.example.org"})
        assert (await hospital.post("/ServiceRequest", elsewhere)).status_code == 201
        many = await hospital.post("/ServiceRequest", order(number), If_None_Exist=condition(number))
        assert (many.status_code, issue(many)["code"]) == (412, "multiple-matches")

    async def test_a_race_makes_one(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        bodies = [order(number, note=[{"text": f"{n}"}]) for n in range(20)]
        sent = (hospital.post("/ServiceRequest", body, If_None_Exist=condition(number)) for body in bodies)
        answers = await asyncio.gather(*sent)
        assert sorted(a.status_code for a in answers) == [*[200] * 19, 201]
        assert len({a.headers["location"] for a in answers}) == 1
        assert await door.count(JOURNEYS, hospital.caller.sender) == 1

    @pytest.mark.parametrize(
        "wanted", ["identifier=1", "identifier=|1", "status=active", "identifier=a|b&status=x", "", "%"]
    )
    async def test_other_criteria_are_refused(self, hospital: Sender, wanted: str) -> None:
        answer = await hospital.post("/ServiceRequest", order(new_number()), If_None_Exist=wanted)
        assert answer.status_code == 400

    async def test_it_names_the_order_that_is_sent(self, hospital: Sender) -> None:
        answer = await hospital.post("/ServiceRequest", order(new_number()), If_None_Exist=condition("another"))
        assert (answer.status_code, issue(answer)["expression"]) == (422, ["ServiceRequest.identifier"])


class TestUpdate:
    async def test_the_senders_version_counts(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        first = (await hospital.post("/ServiceRequest", order(number))).json()
        path = f"/ServiceRequest/{first['id']}"
        changed = {**first, "priority": "urgent"}
        assert (await hospital.put(path, changed)).status_code == 428
        for stale in ('W/"7"', "*", "one"):
            assert (await hospital.put(path, changed, If_Match=stale)).status_code == 412
        updated = await hospital.put(path, changed, If_Match='W/"1"')
        assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
        assert updated.json()["priority"] == "urgent"
        read = await hospital.get(path)
        assert (read.headers["etag"], read.json()["priority"]) == ('W/"2"', "urgent")
        again = await hospital.put(path, changed, If_Match='W/"1"')
        assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"'), "a repeat"
        late = await hospital.put(path, {**first, "priority": "stat"}, If_Match='W/"1"')
        assert late.status_code == 412
        assert await rows(door, hospital) == {"accepted": 1, "amendment": 1, "duplicate": 1}

    async def test_of_two_at_once_one_is_stale(self, hospital: Sender) -> None:
        first = (await hospital.post("/ServiceRequest", order(new_number()))).json()
        changes = [{**first, "note": [{"text": f"change {n}"}]} for n in range(12)]
        sent = (hospital.put(f"/ServiceRequest/{first['id']}", one, If_Match='W/"1"') for one in changes)
        assert sorted(a.status_code for a in await asyncio.gather(*sent)) == [200, *[412] * 11]

    async def test_is_the_senders_alone(self, door: Door, hospital: Sender) -> None:
        doctor = door.person("physician", email="doc@hospital.example.org")
        asker = {
            "resourceType": "Practitioner",
            "id": "d",
            "telecom": [{"system": "email", "value": doctor.caller.email}],
        }
        body = order(new_number(), requester={"reference": "#d"})
        first = (await hospital.post("/ServiceRequest", {**body, "contained": [*body["contained"], asker]})).json()
        path = f"/ServiceRequest/{first['id']}"
        assert (await door.system().put(path, first, If_Match='W/"1"')).status_code == 404
        assert (await door.system(tenant="other").put(path, first, If_Match='W/"1"')).status_code == 404
        assert (await doctor.put(path, first, If_Match='W/"1"')).status_code == 403, "named, but not the sender"
        assert (await hospital.put("/ServiceRequest/nobody", first, If_Match='W/"1"')).status_code == 404
        other = await hospital.put(path, {**first, "id": "other"}, If_Match='W/"1"')
        assert (other.status_code, issue(other)["expression"]) == (400, ["ServiceRequest.id"])

    @pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
    async def test_taken_back_before_care_begins(self, door: Door, hospital: Sender, status: str) -> None:
        first = (await hospital.post("/ServiceRequest", order(new_number()))).json()
        path = f"/ServiceRequest/{first['id']}"
        ended = await hospital.put(path, {**first, "status": status}, If_Match='W/"1"')
        while ended.status_code == 202:  # the journey has not begun yet
            await asyncio.sleep(0.3)
            ended = await hospital.put(path, {**first, "status": status}, If_Match='W/"1"')
        assert (ended.status_code, ended.json()["status"]) == (200, status)
        row = await door.row("select status, outcome from continuum.journey where id = $1", first["id"])
        assert dict(row) == {"status": "closed", "outcome": "withdrawn"}


EDGES = {
    "nul": (b'{"resourceType":"ServiceRequest","note":[{"text":"\\u0000' + CANARY.encode() + b'"}]}', 400, "value"),
    "lone surrogate": (b'{"resourceType":"ServiceRequest","note":[{"text":"\\ud800 x"}]}', 400, "value"),
    "not a number": (b'{"resourceType":"ServiceRequest","x":NaN}', 400, "value"),
    "too large a number": (b'{"resourceType":"ServiceRequest","x":1e400}', 400, "value"),
    "a name twice": (b'{"resourceType":"ServiceRequest","id":"a","id":"b"}', 400, "structure"),
    "not utf-8": (b'{"resourceType":"ServiceRequest","id":"\xff"}', 400, "invalid"),
    "utf-16": ('{"resourceType":"ServiceRequest"}'.encode("utf-16"), 400, "invalid"),
    "nothing": (b"", 400, "invalid"),
    "truncated": (b'{"resourceType":"ServiceRequest",', 400, "invalid"),
    "another type": (b'{"resourceType":"' + CANARY.encode() + b'"}', 400, "structure"),
    "no type": (b"{}", 400, "structure"),
    "a list": (b"[]", 400, "structure"),
    "deep": (b'{"resourceType":"ServiceRequest","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 413, "too-costly"),
    "many values": (b'{"x":[' + b"{}," * 300_000 + b"{}]}", 413, "too-costly"),
    "ten megabytes": (b'{"x":"' + b"a" * 10_000_000 + b'"}', 413, "too-long"),
    "a wrong type": (json.dumps({**order("1"), "identifier": CANARY}).encode(), 400, "structure"),
    "no subject": (json.dumps({**order("1"), "subject": None}).encode(), 400, "required"),
    "a plan": (json.dumps(order("1", intent="plan")).encode(), 422, "business-rule"),
    "revoked": (json.dumps(order("1", status="revoked")).encode(), 422, "business-rule"),
}


async def test_a_physician_sends_and_changes_their_own(door: Door) -> None:
    doctor = door.person("physician", "p-doctor")
    first = await doctor.post("/ServiceRequest", order(new_number()))
    assert first.status_code == 201
    path = f"/ServiceRequest/{first.json()['id']}"
    assert (await doctor.put(path, {**first.json(), "priority": "stat"}, If_Match='W/"1"')).status_code == 200
    assert (await door.person("physician", "p-other").get(path)).status_code == 404


def test_what_is_declared_is_what_is_routed() -> None:
    """So that `/fhir/metadata` is true."""
    written = {
        (route.path.split("/")[2], "create" if "POST" in (route.methods or ()) else "update")
        for route in routes.router.routes
        if isinstance(route, APIRoute) and route.path.count("/") > 1 and "$" not in route.path
    }
    told = {(one.type, what) for one in declared().types.values() for what in one.interactions}
    assert written <= told
    mine = {kind for kind, _ in written}
    assert {(kind, what) for kind, what in told if what in ("create", "update") and kind in mine} == written
    assert declared().system >= {"batch", "transaction"}
    assert {one.name for one in declared().operations} >= {"process-message"}


class TestRefused:
    @pytest.mark.parametrize("edge", EDGES)
    async def test_what_is_not_fit(self, door: Door, hospital: Sender, edge: str) -> None:
        raw, status, code = EDGES[edge]
        answer = await hospital.post("/ServiceRequest", raw)
        assert (answer.status_code, issue(answer)["code"]) == (status, code)
        assert CANARY not in answer.text
        assert await door.count(JOURNEYS, hospital.caller.sender) == 0
        assert await rows(door, hospital) == ({} if len(raw) > MAX_BYTES else {"refused": 1}), "kept, if it was read"

    async def test_a_byte_order_mark_is_skipped(self, hospital: Sender) -> None:
        raw = b"\xef\xbb\xbf" + json.dumps(order(new_number())).encode()
        assert (await hospital.post("/ServiceRequest", raw)).status_code == 201

    @pytest.mark.parametrize(
        "kind", ["application/fhir+xml", "text/xml", "application/json; charset=iso-8859-1", "text/plain", "", "json"]
    )
    async def test_other_media_types(self, hospital: Sender, kind: str) -> None:
        answer = await hospital.post("/ServiceRequest", order(new_number()), Content_Type=kind)
        assert (answer.status_code, answer.headers["accept"]) == (415, "application/fhir+json")

    async def test_other_media_types_of_the_answer(self, door: Door, hospital: Sender) -> None:
        answer = await hospital.post("/ServiceRequest", order(new_number()), Accept="application/fhir+xml")
        assert answer.status_code == 406
        assert await rows(door, hospital) == {}, "nothing was done that could not be told"

    @pytest.mark.parametrize("kind", ["application/json", 'application/fhir+json; charset="UTF-8"; fhirVersion=4.0'])
    async def test_json_by_another_name(self, hospital: Sender, kind: str) -> None:
        assert (await hospital.post("/ServiceRequest", order(new_number()), Content_Type=kind)).status_code == 201

    @pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\x7f"])
    async def test_keys_that_are_none(self, hospital: Sender, key: str) -> None:
        assert (await hospital.post("/ServiceRequest", order(new_number()), Idempotency_Key=key)).status_code == 400

    async def test_a_body_without_end(self, hospital: Sender) -> None:
        async def endless() -> Any:
            for _ in range(200):
                yield b" " * 100_000

        answer = await hospital.http.post(
            "/fhir/ServiceRequest",
            content=endless(),
            headers={"Authorization": f"Bearer {hospital.token}", "Content-Type": "application/fhir+json"},
        )
        assert answer.status_code == 413

    async def test_who_may_not(self, door: Door) -> None:
        reader = door.system("system/*.rs")
        for sender in (reader, door.person("auditor"), door.person("therapist")):
            assert (await sender.post("/ServiceRequest", order(new_number()))).status_code == 403

    async def test_the_same_words_for_everybody(self, hospital: Sender) -> None:
        """No part of an order that is refused comes back."""
        full: Resource = order(CANARY, note=[{"text": CANARY}], requester={"display": CANARY}, id=CANARY)
        for broken in ({"status": CANARY}, {"intent": CANARY}, {"priority": CANARY}, {"authoredOn": CANARY}):
            answer = await hospital.post("/ServiceRequest", {**full, **broken}, Idempotency_Key=CANARY)
            assert answer.status_code in (400, 422)
            assert CANARY not in answer.text
