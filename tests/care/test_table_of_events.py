"""The table of clocks that nobody owes: each runs out at its minute, brings about what it says, ends and pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from care.clock import ANY_HOLD, EVENTS, Clock, EventKind, HoldReason
from tests.care.driver import Driver
from tests.care.test_table_of_clocks import PLACES, Minutes, Place
from tests.care.walks import LOW, MEDIUM, PHASE_1, to_follow_up, to_plan, to_rehab, to_therapy

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Scene:
    """Brings a journey to where a clock runs; says when it runs out, what then is so, and what else ends it."""

    begin: Callable[[Driver], Any]
    due: Callable[[Driver, Clock], datetime]
    then: Callable[[Driver, Clock], bool]
    end: Callable[[Driver, Clock], Any]
    suggested: str = "low_back_pain"


def owed(kind: str) -> Callable[[Driver, Clock], bool]:
    return lambda driver, clock: kind in driver.owed


def written(kind: str) -> Callable[[Driver, Clock], bool]:
    return lambda driver, clock: any(e.kind == kind and e.at == driver.now for e in driver.journal)


def after(**delta: float) -> Callable[[Driver, Clock], datetime]:
    return lambda driver, clock: clock.started_at + timedelta(**delta)


def _booked(driver: Driver) -> None:
    to_therapy(driver)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))


def _authorised(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    today = driver.now.date()
    days: dict[str, Any] = {"first_day": today, "last_day": today + timedelta(days=60)}
    driver.act("request_authorisation", plan=driver.plan.id)
    driver.act("record_authorisation", plan=driver.plan.id, decision="granted", visits=30, **days)


def _none_booked(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    driver.visit(days=1)


def _asked(driver: Driver) -> None:
    to_follow_up(driver)
    driver.wait(until=min(c.due for c in driver.journey.clocks if c.kind == "follow_up"))


def _change(driver: Driver, clock: Clock) -> None:
    driver.act("withdraw", reason="patient_declined")


def _two_weeks_before_the_last_day(driver: Driver, clock: Clock) -> datetime:
    """Midnight at the clinic's, or its opening: within that day."""
    authorisation = driver.plan.authorisation
    assert authorisation is not None
    assert authorisation.last_day is not None
    local = driver.journey.the_calendar.local(clock.due)
    assert local.date() == authorisation.last_day - timedelta(days=14)
    return clock.due


def _surgery_days(days: int) -> Callable[[Driver, Clock], datetime]:
    def due(driver: Driver, clock: Clock) -> datetime:
        surgery = driver.journey.surgery
        assert surgery is not None
        assert surgery.done_at is not None
        return surgery.done_at + timedelta(days=days)

    return due


def _second_phase(driver: Driver) -> None:
    to_rehab(driver).act("record_scores", "therapist", scores=PHASE_1)


def _end_of_first_phase(driver: Driver, clock: Clock) -> datetime:
    """Day 3, and not before the next open day's end: a first phase may be over when rehabilitation is entered."""
    return max(_surgery_days(3)(driver, clock), Minutes(driver).open_days(clock.started_at, 1))


def _cancelled(driver: Driver, clock: Clock) -> None:
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="patient")


SCENES: dict[EventKind, Scene] = {
    "visit": Scene(_booked, lambda d, c: d.journey.visits[0].ends_at, owed("record_visit"), _cancelled),
    "review_due": Scene(lambda d: to_plan(d, MEDIUM), after(days=30), owed("review_progress"), _change),
    "recertification": Scene(
        lambda d: to_plan(d, MEDIUM),
        lambda d, c: d.plan.started_at + timedelta(weeks=d.plan.weeks.value) - timedelta(days=14),
        owed("recertify_plan"),
        _change,
    ),
    "authorisation_ends": Scene(_authorised, _two_weeks_before_the_last_day, owed("renew_authorisation"), _change),
    "drop_off": Scene(_none_booked, after(days=14), owed("win_back"), lambda d, c: d.visit()),
    "self_care_check": Scene(
        lambda d: to_plan(d, LOW),
        lambda d, c: d.plan.started_at + timedelta(days=int(c.subject.rsplit(":", 1)[1])),
        owed("review_progress"),
        _change,
    ),
    "gate_opens": Scene(
        _second_phase, _surgery_days(42), written("gate_shut"), _change, suggested="total_knee_replacement"
    ),
    "phase_review": Scene(
        to_rehab, _end_of_first_phase, owed("review_phase"), _change, suggested="total_knee_replacement"
    ),
    "follow_up": Scene(
        to_follow_up,
        lambda d, c: d.journey.ending.at + timedelta(days=7),  # type: ignore[union-attr]
        written("follow_up_due"),
        _change,
    ),
    "follow_up_answer": Scene(
        _asked,
        after(days=4),
        written("follow_up_reminded"),
        lambda d, c: d.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 10}),
    ),
    "open_access": Scene(
        to_follow_up,
        lambda d, c: d.journey.open_access_until,  # type: ignore[arg-type, return-value]
        written("open_access_ended"),
        lambda d, c: d.act("re_enter"),
    ),
}


def test_every_row_of_the_table_has_its_scene() -> None:
    assert set(SCENES) == set(EVENTS)


def played(kind: EventKind, place: Place) -> tuple[Driver, Clock]:
    """A journey in which such a clock runs; of several the first to run out."""
    scene = SCENES[kind]
    driver = Driver(scene.suggested, now=place.begins, timezone=place.zone)
    scene.begin(driver)
    return driver, min((c for c in driver.journey.clocks if c.kind == kind), key=lambda c: c.due)


def standing(driver: Driver, clock: Clock) -> bool:
    return any(c.id == clock.id for c in driver.journey.clocks)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize("kind", SCENES)
def test_it_runs_out_at_its_minute_and_brings_about_what_it_says(kind: EventKind, place: Place) -> None:
    driver, clock = played(kind, place)
    scene = SCENES[kind]
    due = scene.due(driver, clock)
    assert clock.due == due
    driver.wait(until=due - MINUTE)
    assert standing(driver, clock)
    driver.wait(until=due)
    assert not standing(driver, clock)
    assert scene.then(driver, clock)


@pytest.mark.parametrize("kind", SCENES)
def test_what_else_ends_it_ends_it(kind: EventKind) -> None:
    driver, clock = played(kind, PLACES[0])
    SCENES[kind].end(driver, clock)
    assert not standing(driver, clock)


@pytest.mark.parametrize("reason", ANY_HOLD)
@pytest.mark.parametrize("kind", SCENES)
def test_it_pauses_for_what_it_says_and_for_nothing_else(kind: EventKind, reason: HoldReason) -> None:
    driver, clock = played(kind, PLACES[2])
    due = clock.due
    pause = timedelta(days=2, hours=3)
    driver.act("hold", reason=reason, review_on=driver.now + timedelta(days=60))
    driver.wait(until=driver.now + pause)
    driver.act("resume")
    found = next((c for c in driver.journey.clocks if c.id == clock.id), None)
    if reason in EVENTS[kind].pauses_for:
        assert found is not None
        assert found.due == due + pause
    elif due > driver.now:
        assert found is not None
        assert found.due == due
    else:
        assert found is None, "it ran out during the hold, which does not pause it"
