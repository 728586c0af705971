"""A patient who does not come, or has no visit booked, is won back, or a clinician decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care.journey import Stage
from tests.care.driver import NOTE, Driver
from tests.care.walks import KNEE, LOW, MEDIUM, PHASE_1, to_plan, to_rehab, to_therapy


def planned() -> Driver:
    """A plan of many visits, certified."""
    return to_plan(Driver(), MEDIUM | {"start_back": "high", "odi": 80})


def miss(driver: Driver, *, days: float = 1) -> None:
    driver.visit(days=days, outcome="no_show")


def contact(driver: Driver, outcome: str = "not_reached", channel: str = "phone", **more: Any) -> None:
    plan = {"plan": driver.plan.id} if driver.journey.active_plans else {}
    driver.act("record_contact", channel=channel, outcome=outcome, **{**plan, **more})


def news(driver: Driver) -> list[Any]:
    return [n.facts["news"] for n in driver.told("referrer", "journey_news")]


# --- the first visit


def test_the_first_visit_is_owed_from_acceptance_until_one_is_attended() -> None:
    driver = to_therapy(Driver())
    by = driver.journey.referral.first_visit_by
    task = driver.journey.open_task("first_visit")
    assert task is not None
    assert task.due == by
    miss(driver)
    assert "first_visit" in driver.owed
    driver.visit(days=1)
    assert "first_visit" not in driver.owed


def test_surgery_ends_the_wait_for_a_first_visit() -> None:
    driver = to_rehab(Driver("total_knee_replacement"), prehab=False)
    assert driver.owed.isdisjoint({"first_visit", "win_back"})


# --- missed visits


def test_a_missed_visit_is_written_of_at_once_and_the_patient_is_to_be_called() -> None:
    driver = planned()
    miss(driver)
    (note,) = driver.told("patient", "missed_visit")
    assert note.send_after == driver.now
    task = driver.journey.open_task("win_back", driver.plan.id)
    assert task is not None
    assert task.due == driver.journey.the_calendar.after_days(driver.now, 1)
    assert "missed_visits" not in news(driver)


def test_without_consent_nobody_writes_of_a_missed_visit() -> None:
    driver = to_plan(Driver(), MEDIUM, messages=False)
    miss(driver)
    assert not driver.told("patient")
    assert "win_back" in driver.owed


def test_the_referrer_hears_of_the_second_and_two_in_a_row_are_a_clinicians() -> None:
    driver = planned()
    miss(driver)
    assert "review_progress" not in driver.owed
    miss(driver)
    assert news(driver).count("missed_visits") == 1
    assert "because visits were missed" in next(e.text for e in driver.journal if e.kind == "review_due")
    driver.act("review_progress", plan=driver.plan.id, decision="discharge", reason="NOSHOW", note=NOTE)
    assert driver.at(Stage.DISCHARGE)
    assert driver.owed == {"sign_summary"}


def test_three_missed_are_a_clinicians_also_with_visits_between() -> None:
    driver = planned()
    for _ in range(2):
        miss(driver)
        driver.visit(days=1)
        assert driver.plan.missed_in_a_row == 0
        assert "win_back" not in driver.owed
    assert "review_progress" not in driver.owed
    miss(driver)
    assert "review_progress" in driver.owed
    assert news(driver).count("missed_visits") == 1


def test_after_surgery_missed_visits_are_looked_at_as_a_stall() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    driver.act("certify_plan", plan=driver.plan.id, by="signature")
    driver.act("record_scores", "therapist", scores=PHASE_1)
    for _ in range(2):
        miss(driver)
    assert {"review_phase", "win_back"} <= driver.owed
    assert "review_progress" not in driver.owed
    driver.act("review_phase", "therapist", decision="end_rehab", reason="NOSHOW")
    assert driver.owed == {"sign_summary"}


@given(st.lists(st.booleans(), max_size=8))  # with the tenth visit a review is owed in any case
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
def test_the_counting_of_missed_visits(came: list[bool]) -> None:
    driver = _PLANNED.clone()
    missed = row = 0
    decided = False
    for attended in came:
        driver.visit(days=1, outcome="attended" if attended else "no_show")
        row = 0 if attended else row + 1
        missed += not attended
        decided = decided or row >= 2 or (missed >= 3 and not attended)
        assert (driver.plan.visits_missed, driver.plan.missed_in_a_row) == (missed, row)
        assert ("review_progress" in driver.owed) == decided
        assert ("win_back" in driver.owed) == (not attended)
    assert news(driver).count("missed_visits") == (missed >= 2)


# --- nobody is chased during a hold or while surgery is awaited


def test_while_surgery_is_awaited_nobody_is_chased() -> None:
    driver = to_plan(Driver("total_knee_replacement"), KNEE)
    driver.act("plan_surgery", planned_for=driver.slot(days=60))
    miss(driver)
    assert not driver.told("patient", "missed_visit")
    driver.wait(days=40)
    assert "win_back" not in driver.owed
    assert driver.clock("drop_off").due > driver.now
    assert driver.plan.visits_missed == 1


def test_during_a_hold_nobody_is_chased() -> None:
    driver = planned()
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=1))
    visit = driver.journey.visits[0]
    driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=60))
    driver.wait(days=3)
    driver.act("record_visit", "therapist", visit=visit.id, outcome="no_show")
    driver.wait(days=30)
    assert "win_back" not in driver.owed
    assert not driver.told("patient", "missed_visit")
    driver.act("resume")
    driver.wait(days=15)
    assert "win_back" in driver.owed  # still nothing booked


# --- dropped off


def test_a_fortnight_without_a_booked_visit_is_a_drop_off() -> None:
    driver = planned()
    driver.visit(days=1)
    over = driver.now
    driver.wait(until=over + timedelta(days=14) - timedelta(minutes=1))
    assert "win_back" not in driver.owed
    driver.wait(minutes=1)
    assert "win_back" in driver.owed
    assert "dropped_off" in driver.kinds()
    assert driver.plan.winning_back is not None
    assert driver.plan.winning_back.because == "drop_off"


def test_a_booked_visit_ends_the_wait_and_a_cancelled_one_begins_it_anew() -> None:
    driver = planned()
    driver.wait(days=10)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=6))
    assert not [c for c in driver.journey.clocks if c.kind == "drop_off"]
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="patient")
    assert driver.clock("drop_off").due == driver.now + timedelta(days=14)


def test_self_care_has_no_visits_to_drop_off_from() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    driver.wait(days=40)
    assert "win_back" not in driver.owed


# --- attempts


def test_three_attempts_by_two_channels_in_vain_are_a_clinicians_and_the_referrer_hears() -> None:
    driver = planned()
    driver.wait(days=14)
    for channel in ("phone", "phone"):
        contact(driver, channel=channel)
        task = driver.journey.open_task("win_back", driver.plan.id)
        assert task is not None
        assert task.due == driver.journey.the_calendar.after_days(driver.now, 3)
        driver.wait(days=3)
    contact(driver, channel="phone")  # the third, but always by the same channel
    assert "review_progress" not in driver.owed
    contact(driver, channel="letter")
    assert "win_back" not in driver.owed
    assert "review_progress" in driver.owed
    assert news(driver)[-1] == "drop_off"
    assert driver.plan.winning_back is None
    driver.act("review_progress", plan=driver.plan.id, decision="continue", note=NOTE)
    assert driver.clock("drop_off").due == driver.now + timedelta(days=14)


def test_a_patient_who_declines_is_not_called_again() -> None:
    driver = planned()
    miss(driver)
    contact(driver, "declined")
    assert "win_back" not in driver.owed
    assert "review_progress" in driver.owed
    assert news(driver)[-1] == "drop_off"


@pytest.mark.parametrize("outcome", ["will_book", "booked"])
def test_a_patient_who_will_come_again_has_a_visit_owed(outcome: str) -> None:
    driver = planned()
    miss(driver)
    contact(driver)
    contact(driver, outcome)
    assert "win_back" not in driver.owed
    assert driver.plan.winning_back is None
    assert "book_visit" in driver.owed
    assert driver.clock("drop_off").due == driver.now + timedelta(days=14)


def test_a_visit_booked_wins_the_patient_back() -> None:
    driver = planned()
    miss(driver)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    assert driver.owed.isdisjoint({"win_back", "book_visit"})
    plan = driver.plan.id
    assert driver.refused("record_contact", plan=plan, channel="phone", outcome="booked") == "NobodyToWinBack"


def test_before_there_is_a_plan_the_first_visit_stays_owed() -> None:
    driver = to_therapy(Driver())
    for _ in range(2):
        miss(driver)
    assert news(driver).count("missed_visits") == 1
    for channel in ("phone", "message", "phone"):
        contact(driver, channel=channel)
    assert news(driver)[-1] == "drop_off"
    assert driver.owed == {"first_visit", "book_visit"}
    assert driver.refused("record_contact", channel="phone", outcome="booked") == "NobodyToWinBack"


# --- reminders of visits


def reminders(driver: Driver, visit: str) -> list[datetime]:
    ids = [n.id for n in driver.told("patient", "visit_reminder")]
    return sorted(driver.left[i] for i in ids if i in driver.left)


def test_a_patient_is_reminded_three_days_and_one_day_before() -> None:
    driver = planned()
    starts_at = datetime(2026, 3, 12, 9, tzinfo=UTC)
    driver.act("book_visit", clinician="p-therapist", starts_at=starts_at)
    driver.wait(until=starts_at)
    left = reminders(driver, driver.journey.visits[0].id)
    assert [starts_at - at for at in left] == [timedelta(hours=72), timedelta(hours=24)]


def test_a_visit_soon_is_reminded_of_only_by_what_is_still_to_come() -> None:
    driver = planned()
    starts_at = driver.slot(days=2)
    driver.act("book_visit", clinician="p-therapist", starts_at=starts_at)
    (note,) = driver.told("patient", "visit_reminder")
    assert note.send_after == starts_at - timedelta(hours=24)


def test_a_cancelled_visit_is_not_reminded_of() -> None:
    driver = planned()
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=6))
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="patient")
    assert len(driver.stopped) == 2
    driver.wait(days=10)
    assert not reminders(driver, "")


def test_the_end_of_care_stops_what_was_queued_but_says_what_is_cancelled() -> None:
    driver = planned()
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=6))
    driver.wait(until=datetime(2026, 3, 4, 22, tzinfo=UTC))  # in the night
    driver.act("review_progress", plan=driver.plan.id, decision="discharge", reason="SELF", note=NOTE)
    reminded = {n.id for n in driver.told("patient", "visit_reminder")}
    (cancelled,) = driver.told("patient", "visit_cancelled")
    assert reminded <= set(driver.stopped)
    driver.wait(days=1)
    assert cancelled.id in driver.left
    assert not reminded & set(driver.left)


# --- missing information


@pytest.mark.parametrize("stage", [Stage.INTAKE, Stage.REFERRAL])
def test_information_that_never_came_is_a_reason_only_where_it_was_asked_for(stage: Stage) -> None:
    driver = Driver()
    if stage == Stage.REFERRAL:
        driver.act("screen", "therapist", others_absent=True)
        driver.act("record_consent", messages=True)
    assert driver.at(stage)
    assert driver.refused("decline", reason="information_never_came") == "NothingAsked"
    driver.act("ask_referrer", about="imaging")
    driver.act("receive_information")
    driver.act("ask_referrer", about="imaging")  # what came was not enough: asked anew, with its own time
    task = driver.journey.open_task("missing_information", "imaging")
    assert task is not None
    assert task.opened_at == driver.now
    driver.wait(days=15)
    assert driver.told("referrer", "referral_answer")[-1].facts["answer"] == "information_reminder"
    assert [n.to for n in driver.notices if n.escalation == task.id][-1] == "person:p-lead"
    driver.act("decline", reason="information_never_came")
    assert driver.journey.outcome == "refused"
    assert driver.tasks[task.id].settled_at == driver.now


_PLANNED = planned()
