"""Answers, results and visits on a journey under way, each recorded as by the clinic's own people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from care.stage import Stage
from continuum.demo.player import Player
from continuum.demo.stories import evaluate, intake
from gateway.access.caller import Caller
from pathways.exchange.names import MEASURES
from tests.conftest import House
from tests.gateway.fhir_writing.conftest import BASE, MRN, PLACER, TENANT, Door, Resource, Sender, new_number
from tests.gateway.fhir_writing.test_fhir_placing import issue
from tests.gateway.fhir_writing.test_fhir_tasks import at, placed

Treated = tuple[Player, Sender, str]


@pytest.fixture(scope="module")
async def treated(house: House, door: Door) -> Treated:
    """An order under way, its sender and its number."""
    sender, number = door.system(), new_number()
    player = await placed(house, sender, number)
    await intake(player, "low_back_pain")
    return player, sender, number


def pain(value: float, **about: Any) -> Resource:
    code = {"coding": [{"system": MEASURES, "code": "nprs"}]}
    return {"resourceType": "Observation", "status": "final", "code": code, "valueQuantity": {"value": value}, **about}


def answers(value: int, **about: Any) -> Resource:
    item = [{"linkId": "nprs", "answer": [{"valueInteger": value}]}]
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": item, **about}


async def scores(door: Door, journey: str) -> list[float]:
    rows = await door.house.database.fetch("select value from continuum.score where journey = $1 order by seq", journey)
    return [float(row["value"]) for row in rows]


class TestResults:
    async def test_are_recorded_under_their_own_address(self, door: Door, treated: Treated) -> None:
        player, sender, _ = treated
        sent = pain(6, basedOn=[at("ServiceRequest", player.journey)])
        answer = await sender.post("/Observation", sent)
        assert answer.status_code == 201, answer.text
        assert answer.json()["valueQuantity"]["value"] == 6
        read = await sender.get(answer.headers["location"])
        assert (read.status_code, read.json()) == (200, answer.json())
        again = await sender.post("/Observation", sent)
        assert (again.status_code, again.headers["location"]) == (200, answer.headers["location"])
        assert (await scores(door, player.journey)).count(6.0) == 1

    @pytest.mark.parametrize("named", ["order", "patient", "number"])
    async def test_by_whatever_names_the_patient(self, door: Door, treated: Treated, named: str) -> None:
        player, sender, number = treated
        row = await door.row("select patient from continuum.referral where journey = $1", player.journey)
        about: dict[str, Resource] = {
            "order": {"basedOn": [{"type": "ServiceRequest", "identifier": {"system": PLACER, "value": number}}]},
            "patient": {"subject": at("Patient", str(row["patient"]))},
            "number": {"subject": {"identifier": {"system": MRN, "value": f"M-{number}"}}},
        }
        value = {"order": 5, "patient": 4, "number": 3}[named]
        answer = await sender.post("/Observation", pain(value, **about[named]))
        assert answer.status_code == 201, answer.text
        assert float(value) in await scores(door, player.journey)

    async def test_of_a_patient_whom_somebody_else_sent(self, door: Door, treated: Treated) -> None:
        """Recorded, as a laboratory's would be; that there is a journey, and whose, is not said."""
        player, _, number = treated
        other = door.system()
        known = await other.post(
            "/Observation", pain(2, subject={"identifier": {"system": MRN, "value": f"M-{number}"}})
        )
        nobody = await other.post("/Observation", pain(2, subject={"identifier": {"system": MRN, "value": "M-none"}}))
        assert (known.status_code, nobody.status_code) == (202, 202)
        assert known.json() == nobody.json()
        assert player.journey not in known.text
        assert player.journey not in (await other.get(known.headers["location"])).text
        for hidden in (at("ServiceRequest", player.journey), at("Task", player.journey)):
            answer = await other.post("/Observation", pain(2, basedOn=[hidden]))
            assert (answer.status_code, issue(answer)["code"]) == (422, "not-found")

    async def test_a_refusal_says_nothing_of_anothers_patient(self, house: House, door: Door) -> None:
        number = new_number()
        await placed(house, door.system(), number, reasonCode=[])
        about = {"subject": {"identifier": {"system": MRN, "value": f"M-{number}"}}}
        answer = await door.system().post("/QuestionnaireResponse", answers(4, **about))
        assert (answer.status_code, "person" in issue(answer)["details"]["text"]) == (202, True)

    async def test_old_ones_are_for_a_person(self, treated: Treated) -> None:
        player, sender, _ = treated
        old = pain(9, basedOn=[at("ServiceRequest", player.journey)], effectiveDateTime="2020-01-01")
        answer = await sender.post("/Observation", old)
        assert (answer.status_code, "person" in issue(answer)["details"]["text"]) == (202, True)

    @pytest.mark.parametrize("about", [{}, {"subject": {"display": "Ottoline"}}, {"subject": at("Patient", "x")}])
    async def test_of_nobody(self, treated: Treated, about: Resource) -> None:
        answer = await treated[1].post("/Observation", pain(1, **about))
        assert (answer.status_code, issue(answer)["code"]) == (400, "required")


class TestAnswers:
    async def test_are_recorded_and_can_be_read(self, door: Door, treated: Treated) -> None:
        player, sender, _ = treated
        answer = await sender.post("/QuestionnaireResponse", answers(7, basedOn=[at("ServiceRequest", player.journey)]))
        assert answer.status_code == 201, answer.text
        read = await sender.get(answer.headers["location"])
        assert (read.status_code, read.json()["item"]) == (200, answers(7)["item"])
        assert 7.0 in await scores(door, player.journey)

    async def test_of_a_patient_by_their_link(self, door: Door, treated: Treated) -> None:
        player, _, _ = treated
        link = door.sender(
            Caller(
                tenant=TENANT, kind="patient", id=player.journey, roles=frozenset({"patient"}), journey=player.journey
            )
        )
        answer = await link.post("/QuestionnaireResponse", answers(8))
        assert answer.status_code == 201, answer.text
        row = await door.row(
            "select role, person from continuum.journal where journey = $1 order by seq desc limit 1", player.journey
        )
        assert dict(row) == {"role": "patient", "person": "patient"}
        anothers = await link.post(
            "/QuestionnaireResponse", answers(9, subject={"identifier": {"system": MRN, "value": "M-1"}})
        )
        assert anothers.status_code == 201, "whoever the answers name, they are the patient's own"
        assert 9.0 in await scores(door, player.journey)
        other = await link.post("/QuestionnaireResponse", answers(8, basedOn=[at("ServiceRequest", "j" + "0" * 16)]))
        assert (other.status_code, issue(other)["code"]) == (422, "not-found")
        assert (await link.post("/Observation", pain(1))).status_code == 403

    async def test_an_order_under_intake_says_what_is_missing(self, house: House, door: Door) -> None:
        sender = door.system()
        player = await placed(house, sender, reasonCode=[])
        answer = await sender.post("/QuestionnaireResponse", answers(7, basedOn=[at("Task", player.journey)]))
        assert (answer.status_code, issue(answer)["code"]) == (422, "business-rule")
        assert "choose the pathway first" in issue(answer)["details"]["text"]


class TestVisits:
    @staticmethod
    def appointment(player: Player, start: Any, **more: Any) -> Resource:
        return {
            "resourceType": "Appointment",
            "status": "booked",
            "start": start.isoformat(),
            "minutesDuration": 30,
            "basedOn": [at("ServiceRequest", player.journey)],
            "participant": [{"actor": at("Practitioner", "p-therapist"), "status": "accepted"}],
            **more,
        }

    async def test_are_booked_and_cancelled(self, door: Door, treated: Treated) -> None:
        player, _, _ = treated
        staff = door.person("coordinator")
        start = await player.slot(after=await player.now() + timedelta(days=2))
        booked = await staff.post("/Appointment", self.appointment(player, start))
        assert (booked.status_code, booked.json()["status"]) == (201, "booked"), booked.text
        taken = await staff.post("/Appointment", self.appointment(player, start, comment="again"))
        assert (taken.status_code, issue(taken)["code"]) == (422, "business-rule")
        path = booked.headers["location"].removeprefix(f"{BASE}/fhir")
        body = booked.json()
        assert (await staff.put(path, {**body, "status": "cancelled"})).status_code == 428
        assert (await staff.put(path, {**body, "status": "cancelled"}, If_Match='W/"0"')).status_code == 412
        moved = await staff.put(path, {**body, "status": "booked"}, If_Match=booked.headers["etag"])
        assert (moved.status_code, "cancelling it" in issue(moved)["details"]["text"]) == (422, True)
        early = await staff.put(path, {**body, "status": "fulfilled"}, If_Match=booked.headers["etag"])
        assert (early.status_code, "in the future" in issue(early)["details"]["text"]) == (422, True)
        gone = await staff.put(path, {**body, "status": "cancelled"}, If_Match=booked.headers["etag"])
        assert (gone.status_code, gone.json()["status"]) == (200, "cancelled"), gone.text
        again = await staff.put(path, {**body, "status": "cancelled"}, If_Match=booked.headers["etag"])
        assert again.status_code == 200, "a repeat"
        assert (await door.system().put(path, body, If_Match='W/"1"')).status_code == 404

    async def test_by_a_senders_own_number(self, door: Door, treated: Treated) -> None:
        player, sender, _ = treated
        start = await player.slot(after=await player.now() + timedelta(days=4), hour=14)
        own = [{"system": "https://hospital.example.org/book", "value": f"A-{player.journey}"}]
        first = await sender.post("/Appointment", self.appointment(player, start, identifier=own))
        assert first.status_code == 201, first.text
        moved = self.appointment(player, start + timedelta(hours=1), identifier=own)
        second = await sender.post("/Appointment", moved)
        assert second.status_code == 201, second.text
        assert (await sender.get(first.headers["location"])).json()["status"] == "cancelled"
        known = await door.row(
            "select visit from continuum.appointment where sender = $1 and number = $2",
            sender.caller.sender,
            own[0]["value"],
        )
        assert second.headers["location"].endswith(known["visit"].replace(":", "."))

    @pytest.mark.parametrize(
        ("broken", "path"),
        [
            ({"status": "arrived"}, "Appointment.status"),
            ({"start": None}, "Appointment.start"),
            ({"start": "2026-12-01T09:00:00"}, "Appointment.start"),
            ({"participant": []}, "Appointment.participant"),
            ({"minutesDuration": 0}, "Appointment.end"),
            ({"basedOn": []}, "Appointment.basedOn"),
        ],
    )
    async def test_what_is_missing_is_said(self, door: Door, treated: Treated, broken: Resource, path: str) -> None:
        player = treated[0]
        node = {**self.appointment(player, await player.now() + timedelta(days=3)), **broken}
        answer = await door.person("coordinator").post("/Appointment", node)
        assert answer.status_code in (400, 422)
        assert issue(answer)["expression"] == [path]


async def test_a_whole_course_in_fhir(house: House, door: Door) -> None:
    """Referred, treated, discharged, the report read, and followed up, with what the placer's system sends and sees."""
    sender = door.system()
    player = await placed(house, sender)
    await intake(player, "low_back_pain")
    await evaluate(player, nprs=7, odi=44, psfs=3, start_back="medium")
    plan = await player.active_plan()
    await player.act("review_progress", "therapist", plan=plan, decision="discharge", reason="SELF", note="moved away")
    await player.until_stage(Stage.DISCHARGE)
    await player.working_hours(hours=2)
    await player.act("sign_summary", "therapist")
    await player.until_stage(Stage.FOLLOW_UP)
    task = (await sender.get(f"/Task/{player.journey}")).json()
    assert task["status"] == "completed"
    report = await door.row("select id from continuum.document where journey = $1", player.journey)
    read = {
        "resourceType": "Task",
        "status": "completed",
        "intent": "order",
        "focus": at("DocumentReference", report["id"].replace(":", ".")),
    }
    answer = await sender.post("/Task", read)
    assert (answer.status_code, answer.json()["status"]) == (201, "completed"), answer.text
    row = await door.row(
        "select person, role, on_behalf_of from continuum.journal where journey = $1 and kind = 'receipt'",
        player.journey,
    )
    assert dict(row) == {"person": "continuum", "role": "system", "on_behalf_of": sender.caller.id}
    late = await sender.post("/QuestionnaireResponse", answers(2, basedOn=[at("ServiceRequest", player.journey)]))
    assert late.status_code == 201, late.text
    kinds = [r["kind"] for r in await player.part("journal")]
    assert "follow_up_answered" in kinds, "at follow-up an answer is held against the discharge"
