"""Tasks: an order with its Task, requests to cancel, the report that was read, and who may change what."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from continuum.demo.player import Player
from continuum.demo.stories import intake
from tests.conftest import House
from tests.gateway.fhir_writing.conftest import BASE, PLACER, Door, Resource, Sender, new_number, order
from tests.gateway.fhir_writing.test_fhir_placing import issue

TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"


def task(code: str, focus: Resource, status: str = "requested", **more: Any) -> Resource:
    return {
        "resourceType": "Task",
        "status": status,
        "intent": "order",
        "code": {"coding": [{"system": TASK_CODES, "code": code}]},
        "focus": focus,
        **more,
    }


def at(type_: str, id_: str) -> Resource:
    return {"reference": f"{type_}/{id_}"}


def named(number: str) -> Resource:
    return {"type": "ServiceRequest", "identifier": {"system": PLACER, "value": number}}


async def placed(house: House, sender: Sender, number: str | None = None, **more: Any) -> Player:
    """An order that began."""
    answer = await sender.post("/ServiceRequest", order(number or new_number(), **more))
    assert answer.status_code == 201
    player = house.player(f"fhir {answer.json()['id']}")
    player.journey = answer.json()["id"]
    await player._until(lambda row: row["seq"] > 0)
    return player


async def outcome(door: Door, journey: str) -> tuple[str, str | None]:
    row = await door.row("select status, outcome from continuum.journey where id = $1", journey)
    return row["status"], row["outcome"]


async def task_version(door: Door, id_: str) -> str:
    return f'W/"{await door.count("select version from continuum.fhir_task where id = $1", id_)}"'


async def put_current(door: Door, sender: Sender, body: Resource) -> httpx.Response:
    """As a client does: a journey whose clock ran out meanwhile has another version, and is read again."""
    for _ in range(10):
        answer = await sender.put(f"/Task/{body['id']}", body, If_Match=await task_version(door, body["id"]))
        if answer.status_code != 412:
            break
    return answer


@pytest.fixture
def hospital(door: Door) -> Sender:
    return door.system()


@pytest.fixture(scope="module")
async def treated(house: House, door: Door) -> tuple[Player, Sender]:
    """An order whose care has begun, and its sender."""
    sender = door.system()
    player = await placed(house, sender)
    await intake(player, "low_back_pain")
    return player, sender


class TestFulfil:
    async def test_brings_its_order_along(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        body = order(number)
        inside = {**{k: v for k, v in body.items() if k != "contained"}, "id": "o"}
        wanted = task("fulfill", {"reference": "#o"}, contained=[inside, *body["contained"]])
        answer = await hospital.post("/Task", wanted)
        assert answer.status_code == 201
        assert answer.headers["location"].startswith(f"{BASE}/fhir/Task/j")
        again = await hospital.post("/ServiceRequest", body)
        assert again.headers["location"].rpartition("/")[2] == answer.headers["location"].rpartition("/")[2]
        row = await door.row("select patient from continuum.referral where sender = $1", hospital.caller.sender)
        assert row["patient"] is not None, "the contained patient was read"
        read = await hospital.get(again.headers["location"])
        assert (read.status_code, read.json()["identifier"]) == (200, [{"system": PLACER, "value": number}])
        assert (await hospital.get(answer.headers["location"])).json()["resourceType"] == "Task"

    async def test_an_order_without_a_name_of_its_own_is_refused(self, hospital: Sender) -> None:
        inside = {
            "resourceType": "ServiceRequest",
            "id": "o",
            "status": "active",
            "intent": "order",
            "subject": at("Patient", "p"),
        }
        answer = await hospital.post("/Task", task("fulfill", {"reference": "#o"}, contained=[inside]))
        assert (answer.status_code, issue(answer)["expression"]) == (400, ["Task.contained[0].identifier"])

    async def test_the_order_that_came_before_has_its_task(self, hospital: Sender) -> None:
        number = new_number()
        first = await hospital.post("/ServiceRequest", order(number))
        for focus in (at("ServiceRequest", first.json()["id"]), named(number)):
            answer = await hospital.post("/Task", task("fulfill", focus))
            assert answer.status_code == 200
            assert answer.headers["location"] == f"{BASE}/fhir/Task/{first.json()['id']}"

    async def test_an_order_that_nobody_sent(self, hospital: Sender) -> None:
        answer = await hospital.post("/Task", task("fulfill", named(new_number())))
        assert (answer.status_code, issue(answer)["code"]) == (422, "not-found")


class TestAbort:
    @pytest.mark.parametrize("focus", ["ServiceRequest", "Task", "absolute", "identifier"])
    async def test_before_care_begins_it_ends(self, house: House, door: Door, hospital: Sender, focus: str) -> None:
        number = new_number()
        player = await placed(house, hospital, number)
        reference = {
            "ServiceRequest": at("ServiceRequest", player.journey),
            "Task": at("Task", player.journey),
            "absolute": {"reference": f"{BASE}/fhir/Task/{player.journey}"},
            "identifier": named(number),
        }[focus]
        answer = await hospital.post("/Task", task("abort", reference))
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted"), answer.text
        assert "/Task/ask-" in answer.headers["location"]
        assert await outcome(door, player.journey) == ("closed", "withdrawn")
        again = await hospital.post("/Task", task("abort", reference))
        assert (again.status_code, again.headers["location"]) == (200, answer.headers["location"])

    async def test_after_that_a_person_decides(self, door: Door, treated: tuple[Player, Sender]) -> None:
        player, sender = treated
        cancelled = {"resourceType": "Task", "id": player.journey, "status": "cancelled", "intent": "order"}
        refused = await put_current(door, sender, cancelled)
        assert (refused.status_code, issue(refused)["code"]) == (422, "business-rule")
        assert "code abort" in issue(refused)["details"]["text"]
        assert "allowed now: entered-in-error" in issue(refused)["details"]["text"]
        answer = await sender.post("/Task", task("abort", at("Task", player.journey)))
        assert answer.status_code == 201
        assert (await outcome(door, player.journey))[0] == "open"
        twice = await sender.post("/Task", task("abort", at("Task", player.journey), note=[{"text": "again"}]))
        assert (twice.status_code, issue(twice)["code"]) == (422, "business-rule")
        await player.act("review_cancellation", decision="declined")

    async def test_quicker_than_its_order_it_waits_for_it(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        early = await hospital.post("/Task", task("abort", named(number)))
        assert (early.status_code, issue(early)["severity"]) == (202, "information")
        ask = early.headers["location"].rpartition("/")[2]
        assert (await hospital.get(early.headers["location"])).json()["status"] == "requested"
        assert (await door.system().get(early.headers["location"])).status_code == 404
        first = await hospital.post("/ServiceRequest", order(number))
        for _ in range(100):
            row = await door.row("select status, journey from continuum.ask where id = $1", ask)
            if row["status"] != "waiting":
                break
            await asyncio.sleep(0.2)
        assert dict(row) == {"status": "done", "journey": first.json()["id"]}
        assert await outcome(door, first.json()["id"]) == ("closed", "withdrawn")
        assert (await hospital.get(early.headers["location"])).json()["status"] == "accepted"

    async def test_as_long_as_it_waits_it_may_be_taken_back(self, door: Door, hospital: Sender) -> None:
        number = new_number()
        early = await hospital.post("/Task", task("abort", named(number)))
        ask = early.headers["location"].rpartition("/")[2]
        back = {"resourceType": "Task", "id": ask, "status": "cancelled"}
        assert (await door.system().put(f"/Task/{ask}", back, If_Match='W/"1"')).status_code == 404
        assert (await hospital.put(f"/Task/{ask}", back)).status_code == 428
        assert (await hospital.put(f"/Task/{ask}", {**back, "status": "ready"}, If_Match='W/"1"')).status_code == 422
        taken_back = await hospital.put(f"/Task/{ask}", back, If_Match='W/"1"')
        assert (taken_back.status_code, taken_back.json()["status"]) == (200, "cancelled")
        assert (await hospital.post("/ServiceRequest", order(number))).status_code == 201
        assert (await door.row("select status from continuum.ask where id = $1", ask))["status"] == "dismissed"

    async def test_of_anothers_order_there_is_none(self, door: Door, hospital: Sender) -> None:
        first = await hospital.post("/ServiceRequest", order(new_number()))
        answer = await door.system().post("/Task", task("abort", at("Task", first.json()["id"])))
        assert (answer.status_code, issue(answer)["code"]) == (422, "not-found")

    @pytest.mark.parametrize(
        "broken",
        [{"focus": None}, {"focus": {"display": "x"}}, {"focus": {"reference": "Group/1"}}, {"status": "completed"}],
    )
    async def test_what_names_nothing(self, hospital: Sender, broken: Resource) -> None:
        answer = await hospital.post("/Task", {**task("abort", named("x")), **broken})
        assert answer.status_code in (400, 422)


class TestCoordination:
    async def test_the_placer_cancels(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        path, version = f"/Task/{player.journey}", await task_version(door, player.journey)
        body = {"resourceType": "Task", "id": player.journey, "status": "cancelled"}
        assert (await hospital.put(path, body)).status_code == 428
        assert (await hospital.put(path, body, If_Match='W/"0"')).status_code == 412
        assert (await door.system().put(path, body, If_Match=version)).status_code == 404
        answer = await hospital.put(path, body, If_Match=version)
        assert answer.status_code == 200, answer.text
        assert await outcome(door, player.journey) == ("closed", "withdrawn")
        assert (await hospital.put(path, body, If_Match=version)).status_code == 200, "a repeat"
        late = await put_current(door, hospital, {**body, "status": "entered-in-error"})
        assert (late.status_code, "allowed now: none" in issue(late)["details"]["text"]) == (422, True)

    async def test_staff_accept(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        body = {"resourceType": "Task", "id": player.journey, "status": "accepted"}
        therapist = door.person("therapist")
        early = await put_current(door, therapist, body)
        assert (early.status_code, issue(early)["code"]) == (422, "business-rule")
        assert "possible now" in issue(early)["details"]["text"], "in intake nothing is accepted yet"
        placer = await put_current(door, hospital, body)
        assert "allowed now: cancelled, entered-in-error" in issue(placer)["details"]["text"]

    async def test_staff_decline_with_a_code(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        body: Resource = {"resourceType": "Task", "id": player.journey, "status": "rejected"}
        coordinator = door.person("coordinator")
        assert (await put_current(door, coordinator, body)).status_code == 422
        body["statusReason"] = {"coding": [{"code": "out_of_area"}]}
        answer = await put_current(door, coordinator, body)
        assert answer.status_code == 200, answer.text
        assert await outcome(door, player.journey) == ("closed", "refused")

    async def test_what_is_there_already_changes_nothing(self, house: House, door: Door, hospital: Sender) -> None:
        player = await placed(house, hospital)
        version = await task_version(door, player.journey)
        body = {"resourceType": "Task", "id": player.journey, "status": "received"}
        assert (await hospital.put(f"/Task/{player.journey}", body, If_Match=version)).status_code == 200
        assert await task_version(door, player.journey) == version


class TestReportRead:
    async def test_before_there_is_one(self, hospital: Sender, treated: tuple[Player, Sender]) -> None:
        player, sender = treated
        read = task("fulfill", at("DocumentReference", f"{player.journey}.document.1"), "completed")
        del read["code"]
        answer = await sender.post("/Task", read)
        assert (answer.status_code, "no discharge summary" in issue(answer)["details"]["text"]) == (422, True)
        other = await hospital.post("/Task", read)
        assert (other.status_code, issue(other)["code"]) == (422, "not-found")

    async def test_a_task_of_another_kind(self, hospital: Sender) -> None:
        answer = await hospital.post("/Task", task("replace", named("x")))
        assert (answer.status_code, issue(answer)["code"]) == (422, "not-supported")
