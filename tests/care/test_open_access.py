"""After discharge the patient may come back for a while without a new referral."""

from __future__ import annotations

from datetime import timedelta

import pytest

import pathways
from care.actor import Role
from care.draft import Refused
from care.journey import Stage
from tests.care.driver import Driver
from tests.care.walks import MEDIUM, RECOVERED, to_discharge, to_follow_up, to_plan


def test_the_window_begins_when_the_summary_is_signed() -> None:
    driver = to_discharge(Driver())
    assert driver.journey.open_access_until is None
    driver.wait(days=3)
    driver.act("sign_summary", "therapist")
    assert driver.journey.open_access_until == driver.now + timedelta(days=182)
    assert driver.clock("open_access").due == driver.journey.open_access_until


def test_a_chronic_condition_has_a_year() -> None:
    days = {name: pathways.load(name).follow_up.open_access_days for name in pathways.latest()}
    assert {days[name] for name in ("stroke", "parkinson", "spinal_cord_injury")} == {365}
    assert {days[name] for name in ("low_back_pain", "total_knee_replacement", "vestibular")} == {182}
    assert set(days.values()) == {182, 365}


@pytest.mark.parametrize("role", ["patient", "coordinator", "therapist"])
def test_within_the_window_the_patient_simply_comes_back(role: Role) -> None:
    driver = to_follow_up(Driver())
    driver.wait(days=150)
    driver.act("re_enter", role)
    assert driver.at(Stage.THERAPY)
    assert driver.owed == {"book_visit", "first_visit"}
    first = driver.journey.open_task("first_visit")
    assert first is not None
    assert first.due == driver.journey.the_calendar.after_days(driver.now, 10)
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "re_entry"
    assert not [c for c in driver.journey.clocks if c.kind != "task"]
    driver.visit(days=1)
    row = [e for e in driver.journal if e.kind == "visit_booked"][-1]
    assert "late" not in row.data  # the time counts from coming back
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    driver.act("certify_plan", plan=driver.plan.id, by="signature")
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    assert driver.journey.open_access_until == driver.now + timedelta(days=182)


def test_a_referrer_refers_anew() -> None:
    assert to_follow_up(Driver()).refused("re_enter", "referrer") == "NotAllowed"


def test_after_the_window_a_new_referral_is_needed() -> None:
    driver = to_follow_up(Driver())
    until = driver.journey.open_access_until
    assert until is not None
    driver.wait(until=until - timedelta(minutes=1))
    assert "open_access_ended" not in driver.kinds()
    driver.clone().act("re_enter", "patient")
    driver.wait(minutes=2)
    assert "open_access_ended" in driver.kinds()
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "open_access_ended"
    assert driver.refused("re_enter", "patient") == "WindowClosed"
    with pytest.raises(Refused, match="a new referral is needed"):
        driver.act("re_enter")


def test_what_waits_for_the_morning_does_not_ask_a_patient_who_is_back() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    driver.wait(until=driver.now.replace(hour=22))  # discharged in the night, so that follow-ups fall due then
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    driver.wait(days=7, hours=1)
    (asked,) = driver.told("patient", "follow_up_due")
    assert asked.send_after > driver.now
    driver.act("re_enter", "patient")
    assert asked.id in driver.stopped
    driver.wait(days=3)
    assert asked.id not in driver.left


def test_a_journey_is_complete_when_both_follow_up_and_window_are_over() -> None:
    driver = to_follow_up(Driver("low_back_pain"))
    last = driver.journey.the_pathway.follow_up.occasions[:1]
    short = driver.journey.the_pathway.follow_up.model_copy(update={"occasions": last})
    driver.journey.pathway = driver.journey.the_pathway.model_copy(update={"follow_up": short})
    driver.journey.clocks = [c for c in driver.journey.clocks if c.kind != "follow_up" or c.subject == "week_1"]
    assert driver.journey.follow_up is not None
    driver.journey.follow_up.to_come = ["week_1"]
    driver.wait(days=8)
    driver.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 12})
    assert driver.journey.status == "open"
    assert not driver.owed
    driver.wait(days=200)
    assert driver.journey.outcome == "completed"
    told = [n.facts["news"] for n in driver.told("referrer", "journey_news")]
    assert told[-2:] == ["open_access_ended", "journey_complete"]
