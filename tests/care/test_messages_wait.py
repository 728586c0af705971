"""Messages that wait: decided when their hour comes, in care time, by what is so then."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from care.draft import Draft
from care.journey import Journey
from care.notice import TRIED_FOR, Notice
from care.referral import Clinic
from tests.care.driver import TENANT, Driver
from tests.care.walks import MEDIUM, to_plan, to_therapy

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Dubai")


def queue(driver: Driver, at: datetime, *, about: str | None = None) -> Notice:
    """A message to the patient for later."""

    def say(d: Draft) -> None:
        d.tell("patient", "visit_reminder", send_after=at, about=about, when="soon")
        d.write("said", "A message is queued")

    driver._apply(say)
    return driver.notices[-1]


def booked(driver: Driver, days: int) -> str:
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=days))
    return next(v.id for v in driver.journey.visits)


@pytest.fixture
def patient() -> Driver:
    return to_therapy(Driver())


def test_it_leaves_at_its_time_and_not_before(patient: Driver) -> None:
    at = patient.now + timedelta(days=3)
    notice = queue(patient, at)
    patient.wait(until=at - timedelta(minutes=1))
    assert notice.id not in patient.left
    patient.wait(until=at)
    assert patient.left[notice.id] == at


def test_no_journey_wakes_for_one(patient: Driver) -> None:
    at = patient.now + timedelta(days=3)
    clocks, commits = [c.due for c in patient.journey.clocks], len(patient.commits)
    ids = [queue(patient, at).id for _ in range(3)]
    assert [c.due for c in patient.journey.clocks] == clocks
    patient.wait(until=at)
    assert [patient.left[i] for i in ids] == [at] * 3
    assert [c for c in patient.commits[commits:] if c.at == at] == []


def test_a_journey_lists_what_may_still_wait_and_no_more(patient: Driver) -> None:
    """So long a message may not have left: until then a decision can stop it."""
    at = patient.now + timedelta(days=1)
    notice = queue(patient, at)

    def listed_after(moment: datetime) -> bool:
        return any(o.id == notice.id for o in Draft(patient.journey, moment).journey.outgoing)

    assert [listed_after(at + TRIED_FOR - timedelta(seconds=1)), listed_after(at + TRIED_FOR)] == [True, False]


def test_what_is_for_now_is_no_more_the_journeys(patient: Driver) -> None:
    def say(d: Draft) -> None:
        d.tell("referrer", "journey_news", news="urgent")
        d.answer_referrer("in-progress", None)
        d.write("said", "Something for now")

    patient._apply(say)
    assert patient.journey.outgoing == []


def test_a_journey_from_before_the_post_is_read_without_its_clock(patient: Driver) -> None:
    """It had one for its messages, and listed all that had still to leave."""
    queue(patient, patient.now + timedelta(days=1))
    written = patient.journey.model_dump(mode="json")
    clock = written["clocks"][0] | {"id": "jtest:clock:900", "kind": "messages", "subject": "journey"}
    reply = {"id": "jtest:reply:1", "to": "referrer", "words": "the referrer's system (accepted)", "send_after": None}
    older = written | {"clocks": [clock, *written["clocks"]], "outgoing": [reply, *written["outgoing"]]}
    assert Journey.model_validate(older) == patient.journey


def test_a_patient_who_thinks_otherwise_gets_no_more(patient: Driver) -> None:
    notice = queue(patient, patient.now + timedelta(days=3))
    patient.act("record_consent", messages=False)
    patient.wait(days=4)
    assert notice.id in patient.stopped
    assert notice.id not in patient.left


@pytest.mark.parametrize("ending", ["withdraw", "record_death", "transfer"])
def test_the_end_of_a_journey_stops_what_waits(patient: Driver, ending: str) -> None:
    notice = queue(patient, patient.now + timedelta(days=3))
    data: dict[str, Any] = {"withdraw": {"reason": "patient_declined"}, "transfer": {"to": "other_provider"}}.get(
        ending, {}
    )
    commit = patient.act(ending, **data)
    assert commit.stop_messages
    patient.wait(days=10)
    assert notice.id not in patient.left


def test_a_message_about_a_visit_that_is_cancelled_does_not_leave() -> None:
    driver = to_plan(Driver(), MEDIUM)
    visit = booked(driver, 6)
    notice = queue(driver, driver.now + timedelta(days=3), about=visit)
    driver.act("cancel_visit", visit=visit, reason="patient")
    assert driver.stopped[notice.id] == "the visit is cancelled"


def test_a_patient_who_is_ill_is_not_written_to(patient: Driver) -> None:
    notice = queue(patient, patient.now + timedelta(days=3))
    patient.act("hold", reason="patient_ill", review_on=patient.now + timedelta(days=20))
    patient.wait(days=5)
    assert patient.stopped[notice.id] == "the journey is on hold"


def test_what_is_late_by_an_outage_waits_for_the_morning(patient: Driver) -> None:
    """Nobody ran at its time; when somebody does, it is the middle of the night."""
    notice = queue(patient, patient.now + timedelta(days=1))
    night = patient.journey.the_calendar.local(patient.now + timedelta(days=2)).replace(hour=23, minute=0)
    patient.stop_worker(hours=(night - patient.now).total_seconds() / 3600)
    patient.wait()
    assert notice.id not in patient.left
    patient.wait(days=1)
    left = patient.journey.the_calendar.local(patient.left[notice.id])
    assert (left.hour, left.minute) == (8, 0)


@pytest.mark.parametrize("another", [False, True])
def test_what_an_outage_holds_back_does_not_leave_with_something_else(patient: Driver, another: bool) -> None:
    """Its moment passes while the record is away; in the night something else is committed first."""
    notice = queue(patient, patient.now + timedelta(days=1))
    night = patient.journey.the_calendar.local(patient.now + timedelta(days=1)).replace(hour=23, minute=0)
    patient.stop_worker(hours=(night - patient.now).total_seconds() / 3600)
    if another:
        queue(patient, patient.now + timedelta(days=3))
    else:
        patient._apply(lambda d: d.write("said", "Something else"))
    assert notice.id not in patient.left
    patient.wait(days=1)
    left = patient.journey.the_calendar.local(patient.left[notice.id])
    assert (left.hour, left.minute) == (8, 0)


CLINIC = Clinic(id="main", tenant=TENANT, lead="p-lead")
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31))  # noqa: DTZ001 - the zone is drawn apart


@given(moments, st.sampled_from(ZONES))
def test_nobody_is_written_to_in_quiet_hours(naive: datetime, zone: str) -> None:
    local = naive.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    allowed = CLINIC.may_write_at(local)
    assert allowed >= local
    assert time(8) <= allowed.time() < time(20)
    assert allowed - local <= timedelta(hours=13)
    assert allowed == local or (allowed.hour, allowed.minute) == (8, 0)


@given(moments, st.sampled_from(ZONES))
def test_quiet_hours_within_a_day_end_on_that_day(naive: datetime, zone: str) -> None:
    siesta = CLINIC.model_copy(update={"quiet_from": time(13), "quiet_until": time(16)})
    local = naive.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    allowed = siesta.may_write_at(local)
    assert not time(13) <= allowed.time() < time(16)
    assert allowed.date() == local.date()
