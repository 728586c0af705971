"""The payer's authorisation: booking stops until it is there, when it is used, and when it ends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care.draft import Draft, Refused
from care.plan import Authorisation
from care.steps import authorisation
from tests.care.driver import NOTE, Driver
from tests.care.walks import LOW, MEDIUM, to_plan, to_rehab


def planned() -> Driver:
    """A plan of many visits, certified."""
    return to_plan(Driver(), MEDIUM | {"start_back": "high", "odi": 80})


def grant(driver: Driver, visits: int, *, days: int = 30, begins: int = 0) -> None:
    today = driver.journey.the_calendar.local(driver.now).date()
    span: dict[str, Any] = {"first_day": today + timedelta(days=begins), "last_day": today + timedelta(days=days)}
    driver.act("record_authorisation", plan=driver.plan.id, decision="granted", visits=visits, **span)


def granted(visits: int, *, days: int = 30) -> Driver:
    driver = planned()
    driver.act("request_authorisation", plan=driver.plan.id)
    grant(driver, visits, days=days)
    return driver


def refused_booking(driver: Driver, *, days: float = 2, **more: Any) -> str:
    return driver.refused("book_visit", clinician="p-therapist", starts_at=driver.slot(days=days), **more)


def book(driver: Driver, *, days: float = 2, **more: Any) -> None:
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=days, minutes=45), **more)


def test_a_plan_whose_payer_is_not_asked_is_free() -> None:
    book(planned())


def test_nothing_is_booked_until_the_payer_has_answered() -> None:
    driver = planned()
    driver.act("request_authorisation", plan=driver.plan.id)
    assert "get_authorisation" in driver.owed
    assert refused_booking(driver) == "AwaitingAuthorisation"
    assert refused_booking(driver, beyond_authorisation=True, note=NOTE) == "AwaitingAuthorisation"
    assert driver.refused("request_authorisation", plan=driver.plan.id) == "AlreadyAsked"
    grant(driver, 6)
    assert "get_authorisation" not in driver.owed
    book(driver)
    assert driver.refused("request_authorisation", plan=driver.plan.id) == "AlreadyAuthorised"


def test_self_care_has_no_visits_to_authorise() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    assert driver.refused("request_authorisation", plan=driver.plan.id) == "NoVisits"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"visits": 0, "first_day": date(2026, 3, 2), "last_day": date(2026, 4, 2)},
        {"visits": 6, "first_day": date(2026, 4, 2), "last_day": date(2026, 4, 1)},
        {"visits": 6, "first_day": date(2026, 2, 2), "last_day": date(2026, 3, 1)},
        {"visits": 6, "last_day": date(2026, 4, 2)},
    ],
    ids=["nothing said", "no visits", "days the wrong way round", "over already", "no first day"],
)
def test_a_grant_says_how_many_visits_and_between_which_days(said: dict[str, Any]) -> None:
    driver = planned()
    assert driver.refused("record_authorisation", plan=driver.plan.id, decision="granted", **said) == "BadAuthorisation"


def test_a_no_asks_a_clinician_how_to_go_on_and_booking_stays_refused() -> None:
    driver = planned()
    driver.act("request_authorisation", plan=driver.plan.id)
    told = len(driver.told("referrer"))
    driver.act("record_authorisation", plan=driver.plan.id, decision="denied")
    assert refused_booking(driver) == "AwaitingAuthorisation"
    assert "get_authorisation" not in driver.owed
    assert "the payer said no" in next(e.text for e in driver.journal if e.kind == "review_due")
    assert len(driver.told("referrer")) == told
    driver.act("request_authorisation", plan=driver.plan.id)  # an appeal
    assert "get_authorisation" in driver.owed


def test_after_surgery_a_no_is_decided_upon_at_the_review_of_the_phase() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    driver.act("record_authorisation", plan=driver.plan.id, decision="denied")
    assert "review_phase" in driver.owed
    assert "review_progress" not in driver.owed


def test_booked_visits_count_until_the_number_is_reached() -> None:
    driver = granted(3)
    driver.visit(days=1)
    book(driver, days=1)
    book(driver, days=6)
    assert refused_booking(driver, days=8) == "AuthorisationUsed"
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="patient")
    book(driver, days=8)
    assert refused_booking(driver, days=9) == "AuthorisationUsed"


def test_a_visit_beyond_the_number_takes_a_note_and_is_on_record() -> None:
    driver = granted(1)
    driver.visit(days=1)
    assert refused_booking(driver) == "AuthorisationUsed"
    assert refused_booking(driver, beyond_authorisation=True) == "NoteNeeded"
    book(driver, beyond_authorisation=True, note=NOTE)
    row = driver.journal[-1]
    assert row.data["beyond_authorisation"] is True
    assert row.note == NOTE


def test_a_visit_before_the_first_or_after_the_last_day_is_refused() -> None:
    driver = planned()
    grant(driver, 6, begins=5, days=20)
    assert refused_booking(driver, days=1) == "AuthorisationEnds"
    with pytest.raises(Refused, match=r"from 0\d March 2026 to 2\d March 2026"):
        book(driver, days=1)
    assert refused_booking(driver, days=22) == "AuthorisationEnds"
    book(driver, days=8)


def test_a_missed_visit_uses_nothing() -> None:
    driver = granted(3)
    driver.visit(days=1, outcome="no_show")
    assert driver.plan.authorisation is not None
    assert driver.plan.authorisation.used == 0
    driver.visit(days=1)
    assert driver.plan.authorisation.used == 1


def test_more_is_asked_for_when_two_are_left_and_a_grant_counts_from_zero() -> None:
    driver = granted(4)
    driver.visit(days=1)
    assert "renew_authorisation" not in driver.owed
    driver.visit(days=1)
    task = driver.journey.open_task("renew_authorisation", driver.plan.id)
    assert task is not None
    assert task.due == driver.journey.the_calendar.after_days(driver.now, 5)
    grant(driver, 8)
    assert "renew_authorisation" not in driver.owed
    assert driver.plan.authorisation is not None
    assert driver.plan.authorisation.used == 0


def test_its_last_day_is_announced_and_the_renewal_is_not_due_after_it() -> None:
    driver = granted(20, days=15)
    last_day = driver.plan.authorisation.last_day if driver.plan.authorisation else None
    assert last_day is not None
    driver.wait(days=2)
    task = driver.journey.open_task("renew_authorisation", driver.plan.id)
    assert task is not None
    local = driver.journey.the_calendar.local
    assert local(task.opened_at).date() == last_day - timedelta(days=14)
    driver = granted(4, days=3)  # announced at once: fewer than 14 days
    driver.wait(minutes=1)
    task = driver.journey.open_task("renew_authorisation", driver.plan.id)
    assert task is not None
    assert local(task.due).date() <= driver.journey.the_calendar.local(driver.now).date() + timedelta(days=3)


def test_a_no_to_more_leaves_what_was_granted_and_is_not_asked_again() -> None:
    driver = granted(5)
    for _ in range(3):
        driver.visit(days=1)
    driver.act("record_authorisation", plan=driver.plan.id, decision="denied")
    assert "renew_authorisation" not in driver.owed
    assert "review_progress" in driver.owed
    driver.visit(days=1)  # the fourth of five
    assert "renew_authorisation" not in driver.owed
    assert not [c for c in driver.journey.clocks if c.kind == "authorisation_ends"]


_GRANTED = planned()


@given(st.integers(1, 40), st.integers(0, 45), st.integers(0, 45))
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_the_counting_rule(visits: int, attended: int, outside: int) -> None:
    """More are asked for once, at the first visit with 70% used or 2 left; what lies outside its days is free."""
    draft = Draft(_GRANTED.journey, _GRANTED.now)
    plan = draft.journey.active_plans[0]
    today = draft.journey.the_calendar.local(draft.now).date()
    plan.authorisation = Authorisation(
        status="granted", asked_at=draft.now, visits=visits, first_day=today, last_day=today + timedelta(days=30)
    )
    for _ in range(outside):
        authorisation.use(draft, plan, today - timedelta(days=1))
    for _ in range(attended):
        authorisation.use(draft, plan, today)
    assert plan.authorisation.used == attended
    due = attended >= 1 and (10 * attended >= 7 * visits or visits - attended <= 2)
    assert (draft.journey.open_task("renew_authorisation", plan.id) is not None) == due
    assert len([t for t in draft.commit().tasks if t.kind == "renew_authorisation"]) == due
