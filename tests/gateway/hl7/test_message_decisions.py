"""What a message comes to, given where its journey stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from care.action import ACTIONS
from care.stage import Stage
from gateway.acting import build
from gateway.inbound.decisions import appointments, hospital_stays, registering, scores
from gateway.inbound.decisions.decision import Decision, Nothing, Quarantine, Refuse, Wait
from gateway.inbound.decisions.registering import Merge, Renumber, Update
from gateway.inbound.deeds_data import (
    BookAppointment,
    CancelAppointment,
    HospitalEvent,
    MergePatients,
    MissAppointment,
    MoveAppointment,
    NoteDemographics,
    Procedure,
    RecordResults,
)
from gateway.inbound.snapshot import RegisterSeen, Snapshot, VisitSeen

NOW = datetime(2026, 11, 12, 8, 0, tzinfo=UTC)
SOON = NOW + timedelta(days=2)
VISIT = "j1:visit:1"


def visit(status: str = "booked", starts_at: datetime = SOON, minutes: int = 45) -> VisitSeen:
    return VisitSeen.model_validate(
        {
            "id": VISIT,
            "status": status,
            "clinician": "t.nowak",
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=minutes),
        }
    )


def seen(**fields: Any) -> Snapshot:
    usual = {
        "now": NOW,
        "timezone": "Asia/Dubai",
        "stage": Stage.THERAPY,
        "status": "open",
        "surgical": True,
        "people": frozenset({"t.nowak", "m.okafor"}),
    }
    return Snapshot.model_validate(usual | fields)


def slot(**fields: Any) -> dict[str, Any]:
    return {"number": "AP-77", "clinician": "T.Nowak", "starts_at": SOON, "minutes": 45} | fields


def are_actions(decided: Decision) -> list[tuple[str, dict[str, Any]]]:
    """The actions, each of them one that exists and takes this data."""
    assert isinstance(decided, list), decided
    for name, data in decided:
        known = set(ACTIONS[name].model_fields)
        assert set(data) <= known
    return decided


# --- appointments


def test_an_appointment_is_booked_with_the_person_of_the_directory() -> None:
    decided = appointments.book(BookAppointment(**slot()), seen(), None)
    assert are_actions(decided) == [
        ("book_visit", {"clinician": "t.nowak", "starts_at": SOON.isoformat(), "minutes": 45})
    ]


@pytest.mark.parametrize(
    ("changed", "at", "kind"),
    [
        ({"clinician": "stranger"}, {}, Quarantine),
        ({"clinician": None}, {}, Quarantine),
        ({"starts_at": NOW - timedelta(minutes=1)}, {}, Quarantine),
        ({}, {"stage": Stage.INTAKE}, Wait),
        ({}, {"stage": Stage.REFERRAL}, Wait),
        ({}, {"stage": Stage.FOLLOW_UP}, Quarantine),
        ({}, {"status": "closed"}, Refuse),
    ],
)
def test_what_cannot_be_booked_now(changed: dict[str, Any], at: dict[str, Any], kind: type) -> None:
    assert isinstance(appointments.book(BookAppointment(**slot(**changed)), seen(**at), None), kind)


def test_a_booking_that_comes_twice_changes_nothing() -> None:
    decided = appointments.book(BookAppointment(**slot()), seen(visits=(visit(),)), VISIT)
    assert isinstance(decided, Nothing)


def test_what_is_cancelled_is_not_booked_again_by_a_message_that_was_overtaken() -> None:
    now = seen(visits=(visit("cancelled"),))
    assert isinstance(appointments.book(BookAppointment(**slot()), now, VISIT), Quarantine)
    assert isinstance(appointments.move(MoveAppointment(**slot()), now, VISIT), Quarantine)


LATER = SOON + timedelta(days=1)
SCRIPT: dict[str, BookAppointment | MoveAppointment | CancelAppointment] = {
    "S12": BookAppointment(**slot()),
    "S13": MoveAppointment(**slot(starts_at=LATER)),
    "S15": CancelAppointment(number="AP-77"),
}


def played(order: list[str]) -> tuple[tuple[str, datetime], ...]:
    """The visits after messages came in this order, each tried again for as long as it has to wait."""
    visits: dict[str, VisitSeen] = {}
    known: str | None = None
    waiting = list(order)
    for _ in range(len(order) + 1):
        for event in list(waiting):
            now, data = seen(visits=tuple(visits.values())), SCRIPT[event]
            decided: Decision
            if isinstance(data, BookAppointment):
                decided = appointments.book(data, now, known)
            elif isinstance(data, MoveAppointment):
                decided = appointments.move(data, now, known)
            else:
                decided = appointments.cancel(data, now, known)
            if isinstance(decided, Wait):
                continue
            waiting.remove(event)
            for name, said in decided if isinstance(decided, list) else ():
                if name == "cancel_visit":
                    visits[said["visit"]] = visits[said["visit"]].model_copy(update={"status": "cancelled"})
                else:
                    starts_at = datetime.fromisoformat(said["starts_at"])
                    known = f"v{len(visits)}"
                    visits[known] = visit(starts_at=starts_at).model_copy(update={"id": known})
    assert not waiting
    return tuple((v.status, v.starts_at) for v in visits.values() if v.status == "booked")


@given(st.permutations(["S12", "S13", "S15"]), st.lists(st.sampled_from(["S12", "S13", "S15"]), max_size=3))
def test_a_cancelled_appointment_ends_cancelled_in_whatever_order_its_messages_come(
    order: list[str], again: list[str]
) -> None:
    assert played([*order, *again]) == ()


@given(st.permutations(["S12", "S13", "S13"]))
def test_a_moved_appointment_ends_moved_in_whatever_order_its_messages_come(order: list[str]) -> None:
    assert played(order) == (("booked", LATER),)


def test_a_moved_appointment_is_cancelled_and_booked() -> None:
    later = SOON + timedelta(days=1)
    data = MoveAppointment(**slot(starts_at=later, reason="clinician"))
    decided = are_actions(appointments.move(data, seen(visits=(visit(),)), VISIT))
    assert decided[0] == ("cancel_visit", {"visit": VISIT, "reason": "clinician"})
    assert decided[1][0] == "book_visit"
    assert decided[1][1]["starts_at"] == later.isoformat()


def test_a_move_that_names_only_the_new_time_keeps_clinician_and_length() -> None:
    data = MoveAppointment(number="AP-77", starts_at=SOON + timedelta(hours=1))
    (_, (_, booked)) = are_actions(appointments.move(data, seen(visits=(visit(minutes=60),)), VISIT))
    assert (booked["clinician"], booked["minutes"]) == ("t.nowak", 60)


def test_a_modification_of_what_does_not_concern_us_is_nothing() -> None:
    assert isinstance(appointments.move(MoveAppointment(number="AP-77"), seen(visits=(visit(),)), VISIT), Nothing)


def test_nothing_is_cancelled_where_nothing_can_be_booked_instead() -> None:
    data = MoveAppointment(**slot(clinician="stranger"))
    assert isinstance(appointments.move(data, seen(visits=(visit(),)), VISIT), Quarantine)


@pytest.mark.parametrize("number", range(3))
def test_what_comes_before_its_booking_waits(number: int) -> None:
    now = seen()
    decided = (
        appointments.move(MoveAppointment(**slot()), now, None),
        appointments.cancel(CancelAppointment(number="AP-77"), now, None),
        appointments.miss(MissAppointment(number="AP-77"), now, None),
    )[number]
    assert isinstance(decided, Wait)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("booked", list), ("cancelled", Nothing), ("attended", Quarantine), ("no_show", Quarantine)],
)
def test_cancelling(status: str, kind: type) -> None:
    decided = appointments.cancel(CancelAppointment(number="AP-77"), seen(visits=(visit(status),)), VISIT)
    assert isinstance(decided, kind)
    if isinstance(decided, list):
        assert are_actions(decided) == [("cancel_visit", {"visit": VISIT, "reason": "patient"})]


@pytest.mark.parametrize(
    ("status", "starts_at", "kind"),
    [
        ("booked", NOW - timedelta(hours=1), list),
        ("booked", SOON, Wait),
        ("no_show", NOW, Nothing),
        ("attended", NOW, Quarantine),
        ("cancelled", NOW, Quarantine),
    ],
)
def test_a_patient_who_did_not_come(status: str, starts_at: datetime, kind: type) -> None:
    decided = appointments.miss(MissAppointment(number="AP-77"), seen(visits=(visit(status, starts_at),)), VISIT)
    assert isinstance(decided, kind)
    if isinstance(decided, list):
        assert are_actions(decided) == [("record_visit", {"visit": VISIT, "outcome": "no_show"})]


# --- stays in hospital

ADMITTED = datetime(2026, 11, 9, 4, 0, tzinfo=UTC)
PLANNED = datetime(2026, 11, 9, 6, 0, tzinfo=UTC)
LEFT = datetime(2026, 11, 12, 6, 0, tzinfo=UTC)
KNEE = Procedure(code="0SRD0JZ", at=datetime(2026, 11, 9, 9, 30, tzinfo=UTC))


def discharge(**fields: Any) -> HospitalEvent:
    usual = {"event": "discharged", "at": LEFT, "admitted_at": ADMITTED, "procedures": (KNEE,)}
    return HospitalEvent.model_validate(usual | fields)


def test_a_discharge_after_the_planned_surgery_records_it() -> None:
    decided = hospital_stays.hospital_event(discharge(), seen(surgery_planned_for=PLANNED))
    assert are_actions(decided) == [("record_surgery", {"done_at": KNEE.at.isoformat() if KNEE.at else ""})]


def test_without_a_time_of_the_procedure_it_is_the_planned_one() -> None:
    data = discharge(procedures=(Procedure(code="0SRD0JZ"),))
    decided = hospital_stays.hospital_event(data, seen(surgery_planned_for=PLANNED))
    assert are_actions(decided) == [("record_surgery", {"done_at": PLANNED.isoformat()})]


def test_surgery_is_never_recorded_after_the_discharge() -> None:
    planned = LEFT + timedelta(hours=5)
    data = discharge(procedures=(Procedure(code="0SRD0JZ"),))
    decided = hospital_stays.hospital_event(data, seen(surgery_planned_for=planned))
    assert are_actions(decided) == [("record_surgery", {"done_at": LEFT.isoformat()})]


@pytest.mark.parametrize(
    ("changed", "at", "kind"),
    [
        ({"procedures": ()}, {"surgery_planned_for": PLANNED}, Quarantine),
        ({}, {"surgery_planned_for": PLANNED, "surgery_done_at": PLANNED}, Nothing),
        ({}, {"surgery_planned_for": LEFT + timedelta(days=9)}, Nothing),
        ({}, {"surgery_planned_for": ADMITTED - timedelta(days=9)}, Nothing),
        ({}, {}, Quarantine),
        ({}, {"surgical": False}, Nothing),
        ({"procedures": ()}, {}, Nothing),
        ({}, {"surgery_planned_for": PLANNED, "stage": Stage.REFERRAL}, Wait),
        ({}, {"surgery_planned_for": PLANNED, "stage": Stage.DISCHARGE}, Quarantine),
        ({}, {"surgery_planned_for": PLANNED, "status": "closed"}, Nothing),
        ({"admitted_at": None}, {"surgery_planned_for": PLANNED}, list),
        ({"admitted_at": None}, {"surgery_planned_for": LEFT - timedelta(days=40)}, Nothing),
    ],
)
def test_other_discharges(changed: dict[str, Any], at: dict[str, Any], kind: type) -> None:
    assert isinstance(hospital_stays.hospital_event(discharge(**changed), seen(**at)), kind)


def test_a_stay_is_counted_in_the_clinics_days() -> None:
    """Planned for the evening in Dubai, which is the same day there and not in UTC."""
    planned = datetime(2026, 11, 8, 20, 30, tzinfo=UTC)
    decided = hospital_stays.hospital_event(discharge(), seen(surgery_planned_for=planned))
    assert are_actions(decided)[0][0] == "record_surgery"


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ({"surgery_planned_for": PLANNED}, Nothing),
        ({"surgery_planned_for": PLANNED, "visits": (visit(),)}, Nothing),
        ({"visits": (visit(),)}, Quarantine),
        ({"visits": (visit("cancelled"),)}, Nothing),
        ({}, Nothing),
    ],
)
def test_admissions(at: dict[str, Any], kind: type) -> None:
    data = HospitalEvent(event="admitted", at=ADMITTED)
    assert isinstance(hospital_stays.hospital_event(data, seen(**at)), kind)


@pytest.mark.parametrize("event", ["admission_cancelled", "discharge_cancelled"])
def test_what_is_taken_back_after_a_surgery_is_on_record_is_for_a_person(event: Any) -> None:
    data = HospitalEvent(event=event, at=LEFT)
    assert isinstance(hospital_stays.hospital_event(data, seen(surgery_done_at=PLANNED)), Quarantine)
    assert isinstance(hospital_stays.hospital_event(data, seen(surgery_planned_for=PLANNED)), Nothing)


# --- scores


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (None, list),
        (NOW - timedelta(days=6), list),
        (NOW - timedelta(days=8), Quarantine),
        (NOW + timedelta(days=2), Refuse),
    ],
)
def test_scores_of_another_time_are_not_recorded_as_of_now(at: datetime | None, kind: type) -> None:
    decided = scores.record(RecordResults(scores={"nprs": 6.0}, at=at), seen())
    assert isinstance(decided, kind)
    if isinstance(decided, list):
        assert are_actions(decided) == [("record_scores", {"scores": {"nprs": 6.0}})]


def test_no_scores_on_a_closed_journey() -> None:
    assert isinstance(scores.record(RecordResults(scores={"nprs": 6.0}), seen(status="closed")), Refuse)


# --- the register


@pytest.mark.parametrize(
    ("patients", "deceased", "decided"),
    [
        ((), False, Nothing),
        (("p1",), False, Update),
        (("p1",), True, Quarantine),
        (("p1", "p2"), False, Quarantine),
    ],
)
def test_details_of_a_patient(patients: tuple[str, ...], deceased: bool, decided: type) -> None:
    found = registering.note_demographics(NoteDemographics(deceased=deceased), RegisterSeen(surviving=patients))
    assert isinstance(found, decided)


@pytest.mark.parametrize(
    ("surviving", "merged", "decided"),
    [
        (("p1",), ("p2",), Merge("p2", into="p1")),
        ((), ("p2",), Renumber("p2")),
        (("p1",), (), Nothing),
        (("p1",), ("p1",), Nothing),
        (("p1", "p3"), ("p2",), Quarantine),
        (("p1",), ("p2", "p3"), Quarantine),
    ],
)
def test_merges(surviving: tuple[str, ...], merged: tuple[str, ...], decided: object) -> None:
    found = registering.merge_patients(MergePatients(surviving=1), RegisterSeen(surviving=surviving, merged=merged))
    assert isinstance(found, decided) if isinstance(decided, type) else found == decided


def test_every_action_that_is_decided_can_be_built() -> None:
    from care.action import Expected
    from care.actor import system

    now = seen(visits=(visit(),), surgery_planned_for=PLANNED)
    decided = [
        *are_actions(appointments.move(MoveAppointment(**slot(minutes=30)), now, VISIT)),
        *are_actions(appointments.miss(MissAppointment(number="1"), seen(visits=(visit(starts_at=ADMITTED),)), VISIT)),
        *are_actions(hospital_stays.hospital_event(discharge(), now)),
        *are_actions(scores.record(RecordResults(scores={"nprs": 6.0}), now)),
    ]
    for name, data in decided:
        build(name, data, actor=system("clinic"), action_id="a1", expected=Expected(stage=Stage.THERAPY))
    assert {name for name, _ in decided} == {
        "cancel_visit",
        "book_visit",
        "record_visit",
        "record_surgery",
        "record_scores",
    }
