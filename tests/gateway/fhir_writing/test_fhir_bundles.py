"""Batches, transactions and messages."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House
from tests.gateway.fhir_writing.conftest import BASE, PLACER, Door, Resource, Sender, new_number, order, patient
from tests.gateway.fhir_writing.test_fhir_placing import JOURNEYS, condition, issue
from tests.gateway.fhir_writing.test_fhir_tasks import at, outcome, placed, task

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fhir"
BARS = "https://fhir.nhs.uk/CodeSystem/message-events-bars"
BARS_REASON = "https://fhir.nhs.uk/CodeSystem/message-reason-bars"


@pytest.fixture
def hospital(door: Door) -> Sender:
    return door.system()


def entry(method: str, url: str, resource: Any = None, **conditions: str) -> Resource:
    return {"resource": resource, "request": {"method": method, "url": url, **conditions}}


def bundle(kind: str, *entries: Resource, **more: Any) -> Resource:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


def package(number: str, **more: Any) -> list[Resource]:
    """An order with its Task and its patient, each an entry of its own."""
    refers = {"subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}, "contained": []}
    wanted = {**order(number), **refers, **more}
    carried = task("fulfill", {"reference": "urn:uuid:00000000-0000-4000-8000-000000000002"})
    return [
        {**entry("POST", "Task", carried), "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000003"},
        {**entry("POST", "ServiceRequest", wanted), "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000002"},
        {
            **entry("POST", "Patient", patient(f"M-{number}")),
            "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
        },
    ]


class TestBatch:
    async def test_each_entry_stands_for_itself(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        sent = bundle(
            "batch",
            entry("POST", "ServiceRequest", order(number), ifNoneExist=condition(number)),
            entry("POST", "ServiceRequest", order(number), ifNoneExist=condition(number)),
            entry("POST", "ServiceRequest", {"resourceType": "ServiceRequest"}),
            entry(
                "PUT", "Task/nobody", {"resourceType": "Task", "id": "nobody", "status": "cancelled"}, ifMatch='W/"1"'
            ),
            entry("GET", "ServiceRequest?_count=5"),
            entry("DELETE", "ServiceRequest/x"),
            entry("GET", "https://elsewhere.example.org/Patient/1"),
            entry("GET", "../api/journeys"),
            entry("POST", "", bundle("batch")),
            {"resource": order(number)},
        )
        answer = await hospital.post("", sent)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["type"], len(answer.json()["entry"])) == ("batch-response", 10)
        entries = answer.json()["entry"]
        statuses = [one["response"]["status"].split()[0] for one in entries]
        assert statuses == ["201", "200", "400", "404", "200", "405", "400", "400", "400", "400"]
        assert entries[0]["response"]["location"] == entries[1]["response"]["location"]
        assert entries[4]["resource"]["type"] == "searchset"
        assert entries[2]["response"]["outcome"]["issue"][0]["code"] == "required"
        assert await door.count(JOURNEYS, hospital.caller.sender) == 1

    async def test_an_entry_may_do_what_its_caller_may(self, door: Door) -> None:
        narrow = door.system("system/ServiceRequest.c")
        answer = await narrow.post(
            "", bundle("batch", entry("POST", "ServiceRequest", order(new_number())), entry("GET", "ServiceRequest/x"))
        )
        assert [e["response"]["status"].split()[0] for e in answer.json()["entry"]] == ["201", "403"]

    async def test_who_may_not_send_an_order_cannot_wrap_one(self, door: Door) -> None:
        number = new_number()
        inside = {**order(number), "id": "o", "contained": []}
        wrapped = task("fulfill", {"reference": "#o"}, contained=[inside])
        therapist, narrow = door.person("therapist"), door.system("system/Task.c")
        assert (await therapist.post("", bundle("transaction", *package(number)))).status_code == 403
        assert (await therapist.post("/Task", wrapped)).status_code == 403
        assert (await narrow.post("/Task", wrapped)).status_code == 403
        assert await door.count("select count(*) from continuum.referral where referral_id like $1", f"%{number}") == 0

    async def test_every_entry_is_in_the_audit(self, door: Door, hospital: Sender) -> None:
        await hospital.post("", bundle("batch", *(entry("POST", "ServiceRequest", order(new_number())) for _ in "abc")))
        rows = await door.house.database.fetch(
            "select operation, count(*) from continuum.audit where caller = $1 group by 1", hospital.caller.sender
        )
        assert {r["operation"]: r["count"] for r in rows} == {"POST /fhir": 1, "POST /fhir/ServiceRequest": 3}

    async def test_one_delivery_has_one_effect(self, door: Door, hospital: Sender) -> None:
        sent = bundle("batch", *(entry("POST", "ServiceRequest", order(new_number())) for _ in "ab"))
        first = await hospital.post("", sent, Idempotency_Key="b-1")
        again = await hospital.post("", sent, Idempotency_Key="b-1")
        assert [e["response"]["location"] for e in first.json()["entry"]] == [
            e["response"]["location"] for e in again.json()["entry"]
        ]

    @pytest.mark.parametrize(
        "broken",
        [
            bundle("batch", *({},) * 101),
            bundle("history"),
            bundle("searchset"),
            {"resourceType": "Bundle"},
            {"resourceType": "Patient"},
            {**bundle("batch"), "entry": {}},
            {**bundle("transaction"), "entry": [1]},
            bundle("transaction"),
            bundle("transaction", {"resource": {}}),
        ],
    )
    async def test_what_is_none(self, hospital: Sender, broken: Resource) -> None:
        answer = await hospital.post("", broken)
        assert answer.status_code in (400, 413, 422)
        assert answer.json()["resourceType"] == "OperationOutcome"


class TestTransaction:
    async def test_one_order_with_what_belongs_to_it(self, door: Door, hospital: Sender) -> None:
        sent = bundle("transaction", *package(new_number()), id="t-1")
        answer = await hospital.post("", sent)
        assert (answer.status_code, answer.json()["type"]) == (200, "transaction-response"), answer.text
        carried, placed_, context = [e["response"] for e in answer.json()["entry"]]
        assert (placed_["status"], placed_["etag"]) == ("201 Created", 'W/"1"')
        assert carried["location"] == placed_["location"].replace("ServiceRequest", "Task")
        assert context["status"] == "202 Accepted"
        read = await hospital.get(placed_["location"])
        assert (read.status_code, read.json()["subject"]["reference"].split("/")[0]) == (200, "Patient")
        again = await hospital.post("", sent)
        assert again.json()["entry"][1]["response"]["status"] == "200 OK"
        other = await hospital.post("", {**sent, "entry": package(new_number())})
        assert (other.status_code, issue(other)["code"]) == (409, "duplicate")
        assert await door.count(JOURNEYS, hospital.caller.sender) == 1

    async def test_a_conditional_order(self, hospital: Sender) -> None:
        number = new_number()
        entries = package(number)
        entries[1]["request"]["ifNoneExist"] = condition(number)
        first = await hospital.post("", bundle("transaction", *entries))
        again = await hospital.post("", bundle("transaction", *entries, timestamp="2026-12-01T00:00:00Z"))
        statuses = [a.json()["entry"][1]["response"]["status"] for a in (first, again)]
        assert statuses == ["201 Created", "200 OK"]

    async def test_one_write_of_another_kind(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        sent = bundle("transaction", entry("POST", "Task", task("abort", at("Task", player.journey))))
        answer = await hospital.post("", sent)
        assert answer.json()["entry"][0]["response"]["status"] == "201 Created", answer.text
        assert await outcome(door, player.journey) == ("closed", "withdrawn")

    async def test_several_are_refused_before_any_is_done(self, door: Door, hospital: Sender) -> None:
        orders = [entry("POST", "ServiceRequest", order(new_number())) for _ in "ab"]
        reads = [*package(new_number()), entry("GET", "Patient/x")]
        for entries in (orders, reads):
            answer = await hospital.post("", bundle("transaction", *entries))
            assert (answer.status_code, issue(answer)["code"]) == (422, "not-supported")
            assert "one order" in issue(answer)["details"]["text"]
        assert await door.count(JOURNEYS, hospital.caller.sender) == 0


def message(name: str, number: str, header: str, **changes: Any) -> Resource:
    """One of the messages that come with the sources, about an order of this test."""
    node: Resource = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    for one in node["entry"]:
        resource = one["resource"]
        if resource["resourceType"] == "MessageHeader":
            resource["id"] = header
        if resource["resourceType"] == "ServiceRequest":
            resource["identifier"] = [{"system": PLACER, "value": number}]
            resource.update(changes)
    return node


def answered(answer: Any) -> tuple[str, str, Resource]:
    """Code, the message that is answered, and the outcome."""
    body = answer.json()
    assert (body["resourceType"], body["type"]) == ("Bundle", "message"), body
    header, told = (one["resource"] for one in body["entry"])
    assert header["response"]["details"]["reference"] == body["entry"][1]["fullUrl"]
    return header["response"]["code"], header["response"]["identifier"], told


class TestMessages:
    @pytest.mark.parametrize("name", ["bars-message", "bser-message"])
    async def test_a_new_order(self, door: Door, hospital: Sender, name: str) -> None:
        number, header = new_number(), new_number()
        sent = message(name, number, header)
        answer = await hospital.post("/$process-message", sent)
        assert answer.status_code == 200
        code, identifier, _ = answered(answer)
        assert (code, identifier) == ("ok", header)
        (focus,) = answer.json()["entry"][0]["resource"]["focus"]
        assert (await hospital.get(focus["reference"])).status_code == 200
        again = (await hospital.post("/$process-message", sent)).json()
        assert {**again, "timestamp": ""}["entry"][0] == answer.json()["entry"][0], "the same answer"
        assert await door.count(JOURNEYS, hospital.caller.sender) == 1

    async def test_an_update_is_for_a_person(self, hospital: Sender) -> None:
        number = new_number()
        await hospital.post("/$process-message", message("bars-message", number, new_number()))
        answer = await hospital.post(
            "/$process-message", message("bars-message", number, new_number(), priority="stat")
        )
        code, _, told = answered(answer)
        assert (answer.status_code, code) == (200, "ok")
        assert "person to review" in told["issue"][0]["details"]["text"]

    @pytest.mark.parametrize("how", ["revoked", "reason", "abort"])
    async def test_a_cancellation(self, door: Door, hospital: Sender, how: str) -> None:
        number = new_number()
        first = await hospital.post("/$process-message", message("bser-message", number, new_number()))
        journey = first.json()["entry"][0]["resource"]["focus"][0]["reference"].rpartition("/")[2]
        while await door.count("select count(*) from continuum.journey where id = $1", journey) == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        sent = message("bser-message", number, new_number(), **({"status": "revoked"} if how == "revoked" else {}))
        for one in (e["resource"] for e in sent["entry"]):
            if how == "reason" and one["resourceType"] == "MessageHeader":
                one["reason"] = {"coding": [{"system": BARS_REASON, "code": "delete"}]}
            if how == "abort" and one["resourceType"] == "Task":
                one["code"] = task("abort", {})["code"]
        answer = await hospital.post("/$process-message", sent)
        assert answered(answer)[0] == "ok", answer.text
        for _ in range(100):
            if await outcome(door, journey) == ("closed", "withdrawn"):
                break
            await asyncio.sleep(0.1)
        assert await outcome(door, journey) == ("closed", "withdrawn")

    async def test_a_cancellation_without_its_order(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        header = {
            "resourceType": "MessageHeader",
            "id": "m-1",
            "eventCoding": {"system": "http://hl7.org/fhir/uv/cow/CodeSystem/temp", "code": "order-update"},
            "source": {"endpoint": "https://hospital.example.org"},
        }
        sent = bundle("message", {"resource": header}, {"resource": task("abort", at("Task", player.journey))})
        assert answered(await hospital.post("/$process-message", sent))[0] == "ok"
        assert await outcome(door, player.journey) == ("closed", "withdrawn")
        nothing = await hospital.post("", bundle("message", {"resource": header}))
        assert (nothing.status_code, answered(nothing)[0]) == (400, "fatal-error")

    async def test_a_reply_starts_nothing(self, door: Door, hospital: Sender) -> None:
        sent = message("bars-message", new_number(), new_number())
        sent["entry"][0]["resource"]["response"] = {"identifier": "x", "code": "ok"}
        assert answered(await hospital.post("/$process-message", sent))[0] == "ok"
        assert await door.count(JOURNEYS, hospital.caller.sender) == 0

    async def test_what_is_not_fit_is_fatal(self, door: Door, hospital: Sender) -> None:
        header = new_number()
        answer = await hospital.post("/$process-message", message("bars-message", new_number(), header, subject=None))
        code, identifier, told = answered(answer)
        assert (answer.status_code, code, identifier) == (400, "fatal-error", header)
        assert told["issue"][0]["code"] == "required"
        kept = "select count(*) from continuum.inbound where sender = $1 and outcome = 'refused'"
        assert await door.count(kept, hospital.caller.sender) == 1

    async def test_one_delivery_has_one_content(self, hospital: Sender) -> None:
        header = new_number()
        await hospital.post("/$process-message", message("bars-message", new_number(), header))
        other = await hospital.post("/$process-message", message("bars-message", new_number(), header))
        code, _, told = answered(other)
        assert (other.status_code, code, told["issue"][0]["code"]) == (409, "fatal-error", "duplicate")

    @pytest.mark.parametrize("broken", [bundle("message"), bundle("batch"), {"resourceType": "Parameters"}])
    async def test_what_is_no_message(self, hospital: Sender, broken: Resource) -> None:
        answer = await hospital.post("/$process-message", broken)
        assert answer.status_code in (400, 422)
        assert answer.json()["resourceType"] == "OperationOutcome"

    async def test_its_answer_names_this_server(self, hospital: Sender) -> None:
        answer = await hospital.post("/$process-message", message("bars-message", new_number(), new_number()))
        header = answer.json()["entry"][0]["resource"]
        assert header["source"]["endpoint"] == f"{BASE}/fhir/$process-message"
        assert header["eventCoding"] == {"system": BARS, "code": "servicerequest-request"}
