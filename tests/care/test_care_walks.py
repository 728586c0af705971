"""Whole journeys, walked step by step as the people concerned would walk them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

import pathways
from care.commit import overdue, waiting_on
from care.draft import Draft, Refused
from care.journey import Journey, Stage
from care.steps import plans
from tests.care.driver import LEAD, NOTE, Driver
from tests.care.walks import (
    KNEE,
    LOW,
    MEDIUM,
    PHASE_1,
    PHASE_2,
    PHASE_3,
    PHASE_4,
    RECOVERED,
    no_flags,
    to_follow_up,
    to_plan,
    to_referral,
    to_rehab,
    to_therapy,
)

# --- intake and referral


def test_a_referral_is_answered_by_a_deadline_that_began_at_receipt() -> None:
    driver = Driver()
    assert [r.business_status for r in driver.replies] == ["2.0"]
    assert driver.owed == {"answer_referral", "complete_intake"}
    deadline = driver.journey.the_calendar.after_days(driver.now, 2)
    driver.wait(days=1)
    to_referral(driver)
    answer = driver.journey.open_task("answer_referral")
    assert answer is not None
    assert answer.due == deadline


def test_intake_is_complete_only_with_everything() -> None:
    driver = Driver(suggested=None, matched=False)
    assert driver.refused("screen", answers={"saddle_numb": False}) == "NoPathway"
    assert driver.refused("record_scores", scores={"nprs": 3}) == "NoPathway"
    driver.act("match_patient")
    assert driver.refused("match_patient") == "AlreadyMatched"
    driver.act("choose_pathway", pathway="low_back_pain", days_since_onset=3)
    driver.act("screen", answers={"saddle_numb": False})
    assert not driver.journey.screened
    assert "finish_screen" in driver.owed
    assert driver.refused("screen", answers={**no_flags(driver), "invented": True}) == "UnknownSign"
    driver.act("screen", answers=no_flags(driver))
    assert driver.at(Stage.INTAKE)
    driver.act("record_consent", messages=False)
    assert driver.at(Stage.REFERRAL)
    assert driver.journey.referral.priority == "P1"
    assert driver.owed == {"answer_referral"}


def test_a_child_is_not_put_on_the_adults_pathway() -> None:
    driver = Driver(age=12)
    assert driver.journey.pathway is None
    assert "not_eligible" in driver.kinds()
    assert driver.refused("screen", answers={}) == "NoPathway"
    driver.act("decline", reason="not_eligible")
    assert driver.journey.outcome == "refused"


def test_another_pathway_has_to_be_screened_anew() -> None:
    driver = Driver()
    driver.act("screen", answers=no_flags(driver))
    driver.act("choose_pathway", pathway="total_knee_replacement")
    driver.act("record_consent", messages=True)
    assert driver.at(Stage.INTAKE)
    driver.act("screen", answers=no_flags(driver))
    assert driver.at(Stage.REFERRAL)


def test_accepted_with_a_date_for_the_first_visit_and_the_referrer_hears_of_it() -> None:
    driver = to_referral(Driver())
    assert driver.refused("accept", "patient") == "NotAllowed"
    driver.act("accept")
    referral = driver.journey.referral
    assert (referral.priority, referral.accepted_by) == ("P2", "p-someone")
    assert referral.first_visit_by == driver.journey.the_calendar.after_days(driver.now, 10)
    assert driver.replies[-1].status == "accepted"
    assert driver.told("referrer", "referral_answer")[-1].facts["answer"] == "accepted"
    assert driver.at(Stage.THERAPY)
    assert driver.owed == {"book_visit", "first_visit"}
    first = driver.journey.open_task("first_visit")
    assert first is not None
    assert first.due == referral.first_visit_by


def test_the_day_of_the_first_visit_is_named_by_the_clinics_own_clock() -> None:
    driver = to_referral(Driver())
    driver.journey.calendar = driver.journey.the_calendar.model_copy(update={"timezone": "America/Los_Angeles"})
    driver.act("accept")
    by = driver.journey.referral.first_visit_by
    assert by is not None
    row = next(e for e in driver.journal if e.kind == "accepted")
    assert f"{driver.journey.the_calendar.local(by):%d %B %Y}" in row.text


@pytest.mark.parametrize("stage", ["intake", "referral"])
@pytest.mark.parametrize(
    ("name", "data", "outcome"),
    [
        ("decline", {"reason": "no_capacity"}, "refused"),
        ("redirect", {"to": "orthopaedics"}, "redirected"),
    ],
)
def test_a_no_closes_the_journey_and_the_referrer_is_told_why(
    stage: str, name: str, data: dict[str, Any], outcome: str
) -> None:
    driver = Driver() if stage == "intake" else to_referral(Driver())
    driver.act(name, **data)
    assert (driver.journey.status, driver.journey.outcome) == ("closed", outcome)
    assert (driver.replies[-1].status, driver.replies[-1].business_status) == ("rejected", "4.0")
    assert driver.replies[-1].reason in data.values()
    assert driver.told("referrer", "referral_answer")
    assert waiting_on(driver.journey) == "nobody"
    assert driver.refused("note_amendment") == "Closed"


def test_the_referrer_is_asked_and_asked_again_and_nobody_accepts_before_the_answer() -> None:
    driver = to_referral(Driver())
    driver.act("ask_referrer", about="imaging")
    assert driver.refused("accept") == "AwaitingInformation"
    driver.act("ask_referrer", about="diagnosis")
    driver.act("ask_referrer", about="imaging")
    assert [t.subject for t in driver.journey.open_tasks if t.kind == "missing_information"] == ["imaging", "diagnosis"]
    driver.wait(days=8)
    assert driver.told("queue:intake", "task_due")
    driver.act("receive_information")
    assert driver.refused("receive_information") == "NothingAsked"
    driver.act("accept")
    assert driver.at(Stage.THERAPY)


def test_intake_waits_for_what_was_asked_of_the_referrer() -> None:
    driver = Driver()
    driver.act("ask_referrer", about="surgery_protocol")
    to_referral(driver)
    assert driver.at(Stage.INTAKE)
    driver.act("receive_information")
    assert driver.at(Stage.REFERRAL)


# --- ladders


def test_a_ladder_goes_from_owner_to_supervisor_to_the_named_lead_and_then_daily() -> None:
    driver = Driver()
    driver.wait(days=9)
    climbed = [(n.to, n.send_after) for n in driver.notices if n.facts.get("task") == "complete_intake"]
    berlin = [(to, driver.journey.the_calendar.local(at)) for to, at in climbed]
    assert [(to, f"{at:%a %H:%M}") for to, at in berlin] == [
        ("queue:intake", "Tue 17:00"),
        ("supervisor:intake", "Wed 12:00"),
        (f"person:{LEAD}", "Wed 17:00"),
        (f"person:{LEAD}", "Thu 17:00"),
        (f"person:{LEAD}", "Fri 12:00"),
        (f"person:{LEAD}", "Mon 17:00"),
        (f"person:{LEAD}", "Tue 17:00"),
    ]
    assert overdue(driver.journey, driver.now)


def ladder_times(driver: Driver) -> list[datetime]:
    return [n.send_after for n in driver.notices if n.template in ("task_due", "task_escalated")]


def test_a_deadline_that_falls_on_a_sunday_wakes_nobody_on_a_sunday() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("note_amendment")
    driver.act("hold", reason="patient_away", review_on=datetime(2026, 3, 15, 10, tzinfo=UTC))  # a Sunday
    driver.wait(days=20)
    calendar = driver.journey.the_calendar
    assert ladder_times(driver)
    assert all(calendar.is_open(at, at) for at in ladder_times(driver))
    first = driver.told("queue:intake", "task_due")
    assert "review_hold" in {n.facts["task"] for n in first}


def test_a_ladder_late_by_a_stopped_worker_waits_for_the_clinic_to_open() -> None:
    driver = Driver()
    driver.stop_worker(days=4, hours=15)  # to the night of Saturday
    driver.wait(days=3)
    late = [n.send_after for n in driver.notices if n.template == "task_escalated"]
    assert late
    assert all(driver.journey.the_calendar.is_open(at, at) for at in late)


def test_an_emergency_does_not_wait_for_the_clinic_to_open() -> None:
    driver = Driver()
    driver.wait(until=datetime(2026, 3, 7, 23, tzinfo=UTC))  # a Saturday night
    driver.act("screen", answers={**no_flags(driver), "saddle_numb": True})
    driver.wait(minutes=31)
    told = [n for n in driver.notices if n.facts.get("task") == "handle_red_flag"]
    assert [n.to for n in told] == ["queue:on_call", f"person:{LEAD}"]
    assert [(n.send_after - driver.now) for n in told] == [timedelta(minutes=-31), timedelta(minutes=-1)]


# --- red flags


def test_an_emergency_in_intake_alarms_ends_the_journey_and_tells_the_referrer() -> None:
    driver = Driver()
    driver.act("screen", answers={**no_flags(driver), "saddle_numb": True}, action_id="s-1")
    assert [(a.to, a.facts["urgency"]) for a in driver.alarms] == [("queue:on_call", "E0")]
    assert driver.alarms[0].id == "jtest:alarm:ces:s-1"
    driver.act("record_consent", messages=True)
    assert driver.at(Stage.INTAKE)
    task = driver.journey.open_task("handle_red_flag", "ces")
    assert task is not None
    assert task.due == driver.now
    assert driver.refused("handle_red_flag", "coordinator", flag="ces", outcome="cleared") == "NotAllowed"
    assert driver.refused("handle_red_flag", "on_call", flag="aaa", outcome="cleared") == "NoSuchFlag"
    driver.act("handle_red_flag", "on_call", flag="ces", outcome="sent_to_emergency")
    assert driver.journey.outcome == "emergency"
    assert driver.replies[-1].reason == "sent_to_emergency"
    assert driver.told("referrer", "referral_answer")


def test_an_all_clear_lets_the_intake_go_on() -> None:
    driver = Driver()
    driver.act("screen", answers={**no_flags(driver), "calf_swollen_one": True})
    driver.act("record_consent", messages=True)
    driver.act("handle_red_flag", "on_call", flag="dvt_screen", outcome="seen_by_doctor")
    assert driver.at(Stage.INTAKE)
    driver.act("handle_red_flag", "on_call", flag="dvt_screen", outcome="cleared")
    assert driver.at(Stage.REFERRAL)


def test_nobody_is_accepted_while_a_red_flag_is_not_cleared() -> None:
    driver = to_referral(Driver())
    driver.act("screen", "therapist", answers={"calf_swollen_one": True})
    assert driver.refused("accept") == "RedFlagOpen"
    driver.act("handle_red_flag", "on_call", flag="dvt_screen", outcome="cleared")
    driver.act("accept")
    assert driver.at(Stage.THERAPY)


def test_a_red_flag_in_therapy_holds_booking_until_it_is_cleared() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=1, answers={"foot_weak_new": True})
    assert [a.facts["urgency"] for a in driver.alarms] == ["E1"]
    slot = driver.slot(days=5)
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=slot) == "RedFlagOpen"
    driver.act("handle_red_flag", "clinical_lead", flag="foot_drop", outcome="seen_by_doctor")
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=slot) == "RedFlagOpen"
    assert "handle_red_flag" in driver.owed  # the all-clear is still owed
    driver.act("handle_red_flag", "clinical_lead", flag="foot_drop", outcome="cleared")
    driver.act("book_visit", clinician="p-therapist", starts_at=slot)
    assert "handle_red_flag" not in driver.owed


def test_a_flag_that_gets_more_urgent_is_somebodys_task_at_once() -> None:
    """Seen for the milder signs, not yet cleared; then the emergency signs come."""
    driver = to_plan(Driver(), MEDIUM)
    driver.act("screen", "therapist", answers={"cancer_history": True, "band_pain": True})
    driver.act("handle_red_flag", "on_call", flag="mscc", outcome="seen_by_doctor")
    driver.wait(hours=2)
    driver.act("screen", "therapist", answers={"cancer_history": True, "leg_weak_unsteady": True})
    flag = next(f for f in driver.journey.flags if f.flag == "mscc")
    task = driver.journey.open_task("handle_red_flag", "mscc")
    assert flag.urgency == "E0"
    assert flag.handled_at is None
    assert task is not None
    assert task.due == driver.now
    assert len([f for f in driver.journey.flags if f.flag == "mscc"]) == 1


def test_a_flag_found_again_is_not_a_second_task() -> None:
    driver = to_plan(Driver(), MEDIUM)
    for _ in range(2):
        driver.act("screen", "therapist", answers={"foot_weak_new": True})
    assert len([t for t in driver.journey.open_tasks if t.kind == "handle_red_flag"]) == 1
    driver.act("handle_red_flag", "on_call", flag="foot_drop", outcome="cleared")
    driver.act("screen", "therapist", answers={"foot_weak_new": True})
    assert "handle_red_flag" in driver.owed


# --- back pain


def test_self_care_that_suffices() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    assert driver.plan.label == "Self-care, with a check by message"
    assert driver.plan.certify_by is None
    assert "book_visit" not in driver.owed
    asked = driver.tick()
    assert asked is not None
    assert asked.kind == "self_care_check"
    assert asked.due - driver.plan.started_at == timedelta(days=3)
    assert driver.told("patient", "self_care_check")
    driver.act("answer_check", "patient", scores={"nprs": 3})
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="continue")
    driver.wait(days=5)
    driver.act("answer_check", "patient", scores=RECOVERED)
    assert "recommended is discharge" in next(e.text for e in reversed(driver.journal) if e.kind == "review_due")
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    assert driver.at(Stage.DISCHARGE)
    assert driver.journey.ending is not None
    assert driver.journey.ending.facts["odi"] == 12


def test_self_care_that_fails_becomes_therapy() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    first = driver.plan
    driver.wait(days=8)
    driver.act("answer_check", "patient", scores={"nprs": 6, "odi": 30})
    assert "recommended is change" in driver.journal[-1].text
    assert driver.refused("review_progress", "therapist", plan=first.id, decision="continue") == "NoteNeeded"
    driver.act("review_progress", "therapist", plan=first.id, decision="change")
    assert driver.owed == {"evaluate"}
    assert not [c for c in driver.journey.clocks if c.subject.startswith(first.id)]
    driver.act("evaluate", "therapist", scores={"nprs": 6, "odi": 30, "psfs": 4}, clinician="p-therapist")
    assert driver.plan.label == "Exercise-based therapy after self-care"
    assert driver.plan.visits_planned.value == 6
    assert {"book_visit", "certify_plan"} <= driver.owed
    assert driver.plan.visits_attended == 1


def test_self_care_nobody_answers_is_looked_at_and_never_runs_out_of_clocks() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    driver.wait(days=8)
    assert "review_progress" in driver.owed
    for _ in range(3):
        plan = driver.plan.id
        driver.act("review_progress", "therapist", plan=plan, decision="continue", note=NOTE)
        assert driver.clock("review_due").due > driver.now
        driver.wait(days=14)
        assert "review_progress" in driver.owed


def test_medium_risk_from_referral_to_the_end_of_a_year_of_follow_up() -> None:
    driver = to_plan(Driver(), MEDIUM)
    plan = driver.plan
    assert plan.visits_planned.value == 6
    assert plan.visits_planned.origin.rule == "low_back_pain@1 dosing medium_risk"
    assert {g.measure: g.target for g in plan.goals} == {"odi": 29.4, "nprs": 4, "psfs": 5}
    assert plan.visits_attended == 1  # the evaluation
    for n, odi in ((2, 38), (3, 34), (4, 28)):
        driver.visit(days=6, scores={"odi": odi, "nprs": 4})
        assert driver.plan.visits_attended == n
    assert {g.measure for g in driver.plan.goals if g.met} == {"odi", "nprs"}
    driver.visit(days=6, scores=RECOVERED)
    assert "review_progress" in driver.owed
    driver.act("review_progress", "therapist", plan=plan.id, decision="discharge", reason="GOALS")
    assert driver.at(Stage.DISCHARGE)
    assert driver.owed == {"sign_summary"}
    assert driver.refused("sign_summary", "coordinator") == "NotAllowed"
    driver.act("sign_summary", "therapist")
    assert driver.replies[-1].business_status == "7.0"
    assert (driver.replies[-1].visits_done, driver.replies[-1].visits_planned) == (5, 6)
    assert driver.told("referrer", "summary_ready")
    driver.act("confirm_receipt", "referrer")
    assert len([c for c in driver.journey.clocks if c.kind == "follow_up"]) == 5
    for n, days in enumerate((7, 30, 91, 182, 365)):
        ending = driver.journey.ending
        assert ending is not None
        driver.wait(until=ending.at + timedelta(days=days))
        assert len(driver.told("patient", "follow_up_due")) == n + 1
        driver.wait(hours=20)
        driver.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 14, "groc": 5})
    assert (driver.journey.status, driver.journey.outcome) == ("closed", "completed")
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "journey_complete"


def test_two_reviews_without_gain_raise_the_question_of_surgery_and_conservative_goes_on() -> None:
    driver = stuck()
    assert driver.refused("record_surgical_opinion", "surgeon", opinion="operate") == "NotAsked"
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="surgical_opinion")
    assert driver.owed >= {"answer_surgical_question"}
    driver.wait(days=3)
    driver.act("record_surgical_opinion", "surgeon", opinion="conservative")
    assert driver.at(Stage.THERAPY)
    assert driver.plan.reviews_without_gain == 0
    assert {"answer_surgical_question"}.isdisjoint(driver.owed)
    assert "book_visit" in driver.owed


def test_operate_ends_back_pain_therapy_with_a_handover() -> None:
    driver = stuck()
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="surgical_opinion")
    driver.act("record_surgical_opinion", "surgeon", opinion="operate")
    assert driver.at(Stage.DISCHARGE)
    assert driver.journey.ending is not None
    assert driver.journey.ending.reason == "SURGERY"


def stuck() -> Driver:
    """Back pain with severe disability that two reviews have not moved."""
    severe = MEDIUM | {"odi": 60}
    driver = to_plan(Driver(), severe)
    for _ in range(2):
        driver.visit(days=5, scores={"odi": 58, "nprs": 6})
        driver.wait(days=30)
        assert "review_progress" in driver.owed
        driver.act("review_progress", "therapist", plan=driver.plan.id, decision="continue", note=NOTE)
    assert driver.plan.reviews_without_gain == 2
    driver.act("record_scores", "therapist", scores={"odi": 58})
    assert "review_progress" in driver.owed
    assert "surgical opinion" in next(e.text for e in reversed(driver.journal) if e.kind == "review_due")
    return driver


def test_a_question_of_surgery_that_care_outlived_is_not_asked_for_ever() -> None:
    driver = stuck()
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="surgical_opinion")
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="SELF", note=NOTE)
    assert driver.at(Stage.DISCHARGE)
    assert driver.journey.surgical_opinion != "asked"


def test_a_discharge_needs_a_coded_reason() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    assert driver.refused("review_progress", plan=driver.plan.id, decision="discharge") == "ReasonNeeded"


def test_used_up_visits_ask_for_a_review_instead_of_another_visit() -> None:
    driver = to_plan(Driver(), MEDIUM)
    for _ in range(5):
        driver.visit(days=3, scores={"odi": 35})
    assert driver.plan.visits_attended == 6
    assert "review_progress" in driver.owed
    assert "book_visit" not in driver.owed


def test_progress_is_reviewed_after_every_ten_visits_and_not_again_at_the_next() -> None:
    driver = to_plan(Driver(), MEDIUM | {"start_back": "high", "odi": 80})
    for n in range(9):
        assert "review_progress" not in driver.owed
        driver.visit(days=1, scores={"odi": 78 - 4 * n})
    assert driver.plan.visits_attended == 10
    assert "after 10 visits" in next(e.text for e in reversed(driver.journal) if e.kind == "review_due")
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="continue", note=NOTE)
    driver.visit(days=1, scores={"odi": 44})
    assert driver.plan.visits_attended == 11
    assert "review_progress" not in driver.owed


def test_the_evaluation_needs_the_pathways_baseline_and_only_its_measures() -> None:
    driver = to_therapy(Driver())
    assert driver.refused("evaluate", scores=MEDIUM, clinician="p-therapist") == "NoEvaluationDue"
    driver.visit()
    assert driver.owed == {"evaluate"}
    assert driver.refused("evaluate", scores={"nprs": 5}, clinician="p-therapist") == "BaselineMissing"
    assert driver.refused("evaluate", scores=MEDIUM | {"tug": 9}, clinician="p-therapist") == "UnknownMeasure"
    assert driver.refused("evaluate", scores=MEDIUM | {"odi": 101}, clinician="p-therapist") == "BadScore"
    assert driver.refused("evaluate", scores=MEDIUM | {"start_back": "Ann"}, clinician="p-therapist") == "BadScore"


def test_certification_is_owed_within_thirty_days_and_chased() -> None:
    driver = to_therapy(Driver())
    driver.visit()
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    plan = driver.plan
    assert plan.certify_by == plan.started_at + timedelta(days=30)
    driver.wait(days=34)
    assert any(n.facts["task"] == "certify_plan" for n in driver.told("queue:therapists"))
    driver.act("certify_plan", "therapist", plan=plan.id, by="signature")
    assert "certify_plan" not in driver.owed


# --- visits


def test_a_slot_is_refused_with_its_reason() -> None:
    driver = to_plan(Driver(), MEDIUM)
    booked = driver.slot(days=3)
    driver.act("book_visit", clinician="p-therapist", starts_at=booked)
    tries = {
        "SlotPast": driver.now - timedelta(hours=1),
        "SlotClosed": datetime(2026, 4, 6, 9, tzinfo=UTC),
        "SlotTaken": booked + timedelta(minutes=15),
        "SlotTooFar": datetime(2029, 1, 8, 9, tzinfo=UTC),
    }
    found = {
        why: driver.refused("book_visit", clinician="p-other", starts_at=at, minutes=20) for why, at in tries.items()
    }
    assert found == {why: why for why in tries}
    with pytest.raises(Refused, match="Easter Monday"):
        driver.act("book_visit", clinician="p-other", starts_at=tries["SlotClosed"])
    assert driver.refused("book_visit", clinician="p-other", starts_at=driver.slot(days=8), minutes=4) == "BadSlot"


def test_a_no_show_is_told_to_the_referrer_and_the_next_visit_is_owed() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=2, outcome="no_show")
    assert (driver.plan.visits_missed, driver.plan.visits_attended) == (1, 1)
    assert driver.replies[-1].business_status == "5.1.2"
    assert "book_visit" in driver.owed


def test_a_first_visit_missed_is_booked_again_and_only_an_attended_one_asks_for_the_evaluation() -> None:
    driver = to_therapy(Driver())
    driver.visit(outcome="no_show")
    assert driver.owed == {"book_visit", "first_visit", "win_back"}
    driver.visit(days=1)
    assert driver.owed == {"evaluate"}


def test_a_visit_nobody_recorded_is_chased() -> None:
    driver = to_plan(Driver(), MEDIUM)
    slot = driver.slot(days=1)
    driver.act("book_visit", clinician="p-therapist", starts_at=slot)
    visit = driver.journey.visits[0]
    assert driver.refused("record_visit", visit=visit.id, outcome="attended") == "NotYet"
    driver.wait(until=visit.ends_at)
    assert "record_visit" in driver.owed
    assert driver.refused("record_visit", visit=visit.id, outcome="no_show", scores={"nprs": 1}) == "NoShow"
    driver.act("record_visit", visit=visit.id, outcome="attended")
    assert "record_visit" not in driver.owed


def test_a_cancelled_visit_leaves_the_next_one_owed() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    assert "book_visit" not in driver.owed
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="patient")
    assert "book_visit" in driver.owed
    assert not [c for c in driver.journey.clocks if c.kind == "visit"]


@pytest.mark.parametrize("when", ["before the evaluation", "after the evaluation"])
def test_a_spare_first_appointment_that_is_cancelled_leaves_nothing_nobody_can_settle(when: str) -> None:
    driver = to_therapy(Driver())
    spare = driver.slot(days=6)
    driver.act("book_visit", clinician="p-other", starts_at=spare)
    driver.visit()
    (visit,) = driver.journey.visits
    if when == "before the evaluation":
        driver.act("cancel_visit", visit=visit.id, reason="patient")
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    if when == "after the evaluation":
        driver.act("cancel_visit", visit=visit.id, reason="patient")
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    assert "book_visit" not in driver.owed


def test_a_date_without_a_zone_is_a_mistake_of_the_caller_and_not_ours() -> None:
    driver = to_plan(Driver(), MEDIUM)
    naive = driver.slot(days=3).replace(tzinfo=None)
    for name, data in (
        ("book_visit", {"clinician": "p-therapist", "starts_at": naive}),
        ("hold", {"reason": "patient_ill", "review_on": naive}),
        ("plan_surgery", {"planned_for": naive}),
        ("record_surgery", {"done_at": naive}),
    ):
        with pytest.raises(ValidationError):
            driver.act(name, **data)


def test_care_does_not_end_over_a_visit_that_nobody_recorded() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    driver.wait(days=4)
    ending: dict[str, Any] = {"plan": driver.plan.id, "decision": "discharge", "reason": "SELF", "note": NOTE}
    assert driver.refused("review_progress", **ending) == "VisitUnrecorded"
    (visit,) = driver.journey.visits
    driver.act("record_visit", "therapist", visit=visit.id, outcome="attended")
    assert driver.plan.visits_attended == 2
    driver.act("review_progress", **ending)
    assert driver.at(Stage.DISCHARGE)


def test_what_stays_true_counts_in_every_later_screen() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("screen", answers={"cancer_history": True})
    assert not driver.journey.flags
    driver.act("screen", answers={"leg_weak_unsteady": True})
    assert [(f.flag, f.urgency) for f in driver.journey.flags] == [("mscc", "E0")]
    driver.act("screen", answers={"cancer_history": False})
    assert driver.journey.lasting_signs == []


def test_a_patient_may_think_otherwise_about_messages_at_any_time() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("record_consent", messages=False)
    before = len(driver.told("patient", "visit_booked"))
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    assert len(driver.told("patient", "visit_booked")) == before


def test_ending_one_plan_leaves_the_clocks_of_a_plan_with_a_longer_number_alone() -> None:
    driver = to_plan(Driver(), MEDIUM)
    draft = Draft(driver.journey, driver.now)
    first = draft.journey.plans[0]
    assert first.id == "jtest:plan:1"
    tenth = first.model_copy(deep=True, update={"id": "jtest:plan:10"})
    draft.save_plan(tenth)
    draft.start_clock("review_due", tenth.id, driver.now + timedelta(days=30), "Progress review")
    draft.start_clock("self_care_check", f"{first.id}:3", driver.now + timedelta(days=3), "Check on day 3")
    plans.end(draft, first, "ended")
    assert [c.subject for c in draft.journey.clocks if c.kind != "task"] == [tenth.id]


# --- knee replacement


def test_a_knee_from_pre_hab_to_the_last_follow_up() -> None:
    driver = to_rehab(Driver("total_knee_replacement", age=68))
    assert driver.journey.referral.priority == "P1"
    surgery = driver.journey.surgery
    assert surgery is not None
    assert surgery.done_at is not None
    assert driver.at(Stage.POST_SURGERY_REHAB)
    assert driver.plan.label == "Rehabilitation after surgery"
    assert phase(driver) == 1
    assert "book_visit" not in driver.owed  # in hospital
    driver.act("record_scores", "therapist", scores=PHASE_1)
    assert phase(driver) == 2
    driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
    assert "book_visit" in driver.owed
    driver.visit(days=7, scores=PHASE_2)  # every criterion, long before day 42
    assert phase(driver) == 2
    driver.wait(until=surgery.done_at + timedelta(days=42) - timedelta(minutes=1))
    assert phase(driver) == 2
    driver.wait(minutes=2)
    assert phase(driver) == 3  # the gate is tried when its day comes
    driver.visit(days=2, scores=PHASE_3)
    driver.wait(until=surgery.done_at + timedelta(days=84))
    assert phase(driver) == 4
    driver.wait(until=surgery.done_at + timedelta(days=183))
    assert phase(driver) == 4  # time alone ends nothing
    assert "review_phase" in driver.owed
    driver.act("record_scores", "therapist", scores=PHASE_4)
    assert driver.at(Stage.DISCHARGE)
    assert driver.journey.ending is not None
    assert driver.journey.ending.reason == "GOALS"
    assert driver.owed == {"sign_summary"}
    driver.act("sign_summary", "therapist")
    driver.act("confirm_receipt", "referrer")
    assert [c.subject for c in driver.journey.clocks if c.kind == "follow_up"] == ["month_12"]
    driver.wait(until=surgery.done_at + timedelta(days=365))
    driver.act("answer_follow_up", "patient", scores={"koos_jr": 80, "promis10": 50})
    assert driver.journey.outcome == "completed"


def phase(driver: Driver) -> int:
    assert driver.journey.phase is not None
    return driver.journey.phase.n


def test_surgery_without_pre_hab_says_what_was_not_on_record_before_it() -> None:
    driver = to_rehab(Driver("total_knee_replacement", age=68), prehab=False)
    row = next(e for e in driver.journal if e.kind == "surgery_done")
    assert "koos_jr.age_days <= 90 (not measured)" in row.text
    driver = to_rehab(Driver("total_knee_replacement", age=68))
    assert "not on record" not in next(e for e in driver.journal if e.kind == "surgery_done").text


def test_surgery_that_nobody_confirmed_is_chased_after_its_day() -> None:
    driver = to_plan(Driver("total_knee_replacement"), KNEE)
    assert driver.refused("plan_surgery", planned_for=driver.now) == "BadDate"
    assert driver.refused("record_surgery", done_at=driver.now + timedelta(hours=1)) == "BadDate"
    planned = driver.slot(days=20)
    driver.act("plan_surgery", planned_for=planned)
    later = planned + timedelta(days=7)
    driver.act("plan_surgery", planned_for=later)
    assert len([t for t in driver.journey.open_tasks if t.kind == "record_surgery"]) == 1
    driver.wait(until=planned + timedelta(days=6))
    assert not [n for n in driver.notices if n.facts.get("task") == "record_surgery"]
    driver.wait(until=later + timedelta(days=4))
    assert [n for n in driver.notices if n.facts.get("task") == "record_surgery"]


def test_a_stall_is_looked_at_by_a_person_and_ends_with_a_coded_reason_or_a_new_review() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    driver.wait(days=6)
    assert phase(driver) == 1
    assert "review_phase" in driver.owed
    assert driver.refused("review_phase", decision="continue") == "BadDate"
    driver.act("review_phase", "therapist", decision="continue", review_on=driver.now + timedelta(days=2))
    assert "review_phase" not in driver.owed
    driver.wait(days=3)
    assert "review_phase" in driver.owed
    assert driver.refused("review_phase", decision="end_rehab") == "ReasonNeeded"
    driver.act("review_phase", "therapist", decision="end_rehab", reason="MEDICAL")
    assert driver.at(Stage.DISCHARGE)
    assert driver.refused("review_phase", decision="end_rehab") == "NoSuchAction"


def test_a_gate_is_overridden_only_by_a_clinician_with_a_note() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    assert driver.refused("override_gate", "coordinator", note=NOTE) == "NotAllowed"
    assert driver.refused("override_gate", "therapist") == "NoteNeeded"
    driver.act("override_gate", "therapist", person="p-anna", note=NOTE)
    assert phase(driver) == 2
    assert driver.journey.phase is not None
    assert driver.journey.phase.opened_by == "override"
    row = next(e for e in driver.journal if e.kind == "gate_overridden")
    assert (row.actor.person, row.note) == ("p-anna", NOTE)


def test_a_stall_review_does_not_outlive_rehab() -> None:
    """The last gate opens while its review is owed: nobody could settle that review afterwards."""
    driver = to_rehab(Driver("total_knee_replacement"))
    for _ in range(3):
        driver.act("override_gate", "therapist", note=NOTE)
    driver.wait(days=200)
    assert "review_phase" in driver.owed
    driver.act("record_scores", "therapist", scores=PHASE_4)
    assert driver.at(Stage.DISCHARGE)
    assert driver.owed.isdisjoint({"review_phase"})


def test_a_knee_that_stays_stiff_is_brought_before_a_person() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    driver.act("override_gate", "therapist", note=NOTE)
    driver.wait(days=29)
    driver.act("record_scores", "therapist", scores={"knee_ext_deficit": 9})
    assert "review_phase" in driver.owed
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "surgical_opinion"


# --- hold


def test_a_hold_pauses_what_it_may_and_clocks_go_on_with_the_time_they_had_left() -> None:
    driver = to_therapy(Driver())
    driver.visit()
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    driver.act("screen", "therapist", answers={"spasm_daily": True})
    driver.wait(days=1)
    before = {c.id: c.due - driver.now for c in driver.journey.clocks}
    review_on = driver.now + timedelta(days=30)
    assert driver.refused("hold", reason="patient_ill", review_on=driver.now) == "BadDate"
    driver.act("hold", reason="patient_ill", review_on=review_on)
    kinds = {t.id: t.kind for t in driver.journey.open_tasks}
    paused = {kinds.get(c.subject, c.kind) for c in driver.journey.clocks if c.paused_at is not None}
    assert paused == {"review_due", "book_visit", "drop_off"}
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3)) == "OnHold"
    assert driver.replies[-1].status == "on-hold"
    driver.wait(days=5)
    late = driver.now
    driver.act("resume")
    after = {c.id: c.due - late for c in driver.journey.clocks}
    for clock in driver.journey.clocks:
        if kinds.get(clock.subject, clock.kind) in paused:
            assert after[clock.id] == before[clock.id]
        elif clock.id in before:
            assert after[clock.id] == before[clock.id] - timedelta(days=5)
    task = driver.journey.open_task("book_visit")
    assert task is not None
    assert task.due > late
    assert driver.refused("resume") == "NotOnHold"


def test_certification_and_red_flags_go_on_through_a_hold() -> None:
    driver = to_therapy(Driver())
    driver.visit()
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    driver.act("screen", "therapist", answers={"foot_weak_new": True})
    driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=60))
    driver.wait(days=40)
    tasks = {n.facts.get("task") for n in driver.notices}
    assert "handle_red_flag" in tasks
    assert "certify_plan" in tasks


def test_a_hold_cannot_be_forgotten_and_can_be_prolonged() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("hold", reason="patient_away", review_on=driver.now + timedelta(days=10))
    paused = {c.id: c.paused_at for c in driver.journey.clocks if c.paused_at}
    driver.wait(days=12)
    assert driver.told("queue:intake", "task_due")
    driver.act("hold", reason="patient_away", review_on=driver.now + timedelta(days=10))
    assert {c.id: c.paused_at for c in driver.journey.clocks if c.paused_at} == paused
    assert len([t for t in driver.journey.open_tasks if t.kind == "review_hold"]) == 1


def test_what_begins_during_a_hold_is_paused_as_well() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=60))
    driver.act("cancel_visit", visit=driver.journey.visits[0].id, reason="hold")
    told = len(driver.told("queue:front_desk"))
    driver.wait(days=10)
    assert "book_visit" in driver.owed
    assert len(driver.told("queue:front_desk")) == told, "somebody was chased for a booking that a hold forbids"
    driver.act("resume")
    task = driver.journey.open_task("book_visit")
    assert task is not None
    assert task.due > driver.now


def test_nobody_is_late_with_what_a_hold_has_paused() -> None:
    driver = to_plan(Driver(), MEDIUM)
    assert driver.owed == {"book_visit"}
    driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=60))
    driver.wait(days=20)
    assert not overdue(driver.journey, driver.now)
    assert waiting_on(driver.journey) == "intake"
    assert driver.commits[-1].overdue is False


# --- endings


@pytest.mark.parametrize("stage", ["intake", "referral", "therapy", "rehab", "discharge", "follow_up", "on hold"])
@pytest.mark.parametrize(
    ("name", "data", "outcome"),
    [
        ("withdraw", {"reason": "patient_declined"}, "withdrawn"),
        ("record_death", {}, "died"),
        ("transfer", {"to": "other_provider"}, "transferred"),
    ],
)
def test_an_ending_stops_every_message_and_leaves_nothing_owed(
    stage: str, name: str, data: dict[str, Any], outcome: str
) -> None:
    driver = at(stage)
    notices = len(driver.notices)
    commit = driver.act(name, **data)
    assert commit.stop_messages
    assert not commit.notices
    assert [r.status for r in commit.replies] == ["cancelled"]
    assert (driver.journey.status, driver.journey.outcome) == ("closed", outcome)
    assert not driver.journey.visits
    driver.wait(days=500)
    assert len(driver.notices) == notices
    assert driver.refused("resume") == "Closed"


def at(stage: str) -> Driver:
    if stage == "intake":
        return Driver()
    if stage == "referral":
        return to_referral(Driver())
    if stage == "rehab":
        return to_rehab(Driver("total_knee_replacement"))
    if stage == "follow_up":
        driver = to_follow_up(Driver())
        driver.wait(days=8)
        return driver
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    if stage == "discharge":
        driver.act("review_progress", plan=driver.plan.id, decision="discharge", reason="SELF", note=NOTE)
    if stage == "on hold":
        driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=10))
    return driver


# --- discharge and follow-up


def test_a_receipt_is_chased_until_it_comes() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    driver.wait(days=12)
    chased = [n for n in driver.notices if n.facts.get("task") == "chase_receipt"]
    assert {n.to for n in chased} == {"queue:front_desk", "supervisor:front_desk", f"person:{LEAD}"}
    driver.act("confirm_receipt", "referrer")
    assert "chase_receipt" not in driver.owed


def test_a_summary_cannot_be_received_before_it_is_signed() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("review_progress", plan=driver.plan.id, decision="discharge", reason="SELF", note=NOTE)
    assert driver.at(Stage.DISCHARGE)
    assert driver.refused("confirm_receipt", "referrer") == "NoSummary"


def test_a_summary_signed_late_costs_no_follow_up() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.wait(days=10)
    driver.act("sign_summary", "therapist")
    assert driver.journey.follow_up is not None
    assert driver.journey.follow_up.to_come[0] == "week_1"
    driver.wait(minutes=1)
    assert len(driver.told("patient", "follow_up_due")) == 1


def test_who_does_not_answer_is_reminded_twice_then_called_then_counted_as_missed() -> None:
    driver = to_follow_up(Driver())
    assert driver.journey.ending is not None
    due = driver.journey.ending.at + timedelta(days=7)
    driver.wait(until=due)
    driver.wait(until=due + timedelta(days=4))
    driver.wait(until=due + timedelta(days=8))
    assert [n.send_after - due for n in driver.told("patient", "follow_up_reminder")] == [
        timedelta(days=4),
        timedelta(days=8),
    ]
    assert "call_patient" not in driver.owed
    driver.wait(until=due + timedelta(days=12))
    assert "call_patient" in driver.owed
    assert len(driver.told("patient", "follow_up_reminder")) == 2
    driver.wait(until=driver.journey.ending.at + timedelta(days=30))
    assert "follow_up_missed" in driver.kinds()
    assert "call_patient" not in driver.owed
    assert driver.journey.follow_up is not None
    assert driver.journey.follow_up.waiting == "month_1"
    assert driver.journey.follow_up.to_come == ["month_1", "month_3", "month_6", "month_12"]


def test_who_never_answers_is_called_at_the_end_and_the_journey_can_end() -> None:
    driver = to_follow_up(Driver())
    driver.wait(days=400)
    assert driver.journey.status == "open"
    assert "call_patient" in driver.owed
    driver.act("record_call", "therapist", outcome="not_reached")
    assert driver.journey.outcome == "completed"


def test_without_consent_nobody_is_written_to_and_somebody_calls() -> None:
    driver = to_follow_up(Driver(), messages=False)
    driver.wait(days=8)
    assert not driver.told("patient")
    assert "call_patient" in driver.owed
    driver.act("record_call", "therapist", outcome="well")
    assert driver.refused("record_call", "therapist", outcome="well") == "NoCallDue"


def test_getting_worse_leads_to_a_call_back_into_therapy_and_to_another_discharge() -> None:
    driver = to_follow_up(Driver())
    first_plan = driver.journey.plans[0].id
    driver.wait(days=8)
    driver.act("answer_follow_up", "patient", scores={"nprs": 6, "odi": 45, "groc": -4})
    task = driver.journey.open_task("call_patient", "worse")
    assert task is not None
    assert task.due == driver.journey.the_calendar.after_days(driver.now, 3)
    driver.act("record_call", "therapist", outcome="re_enter")
    assert driver.at(Stage.THERAPY)
    assert driver.owed == {"book_visit", "first_visit"}
    assert not [c for c in driver.journey.clocks if c.kind.startswith("follow_up")]
    driver.visit(days=1)
    driver.act("evaluate", "therapist", scores={**MEDIUM, "odi": 45}, clinician="p-therapist")
    assert driver.plan.id != first_plan
    assert {g.measure: g.baseline for g in driver.plan.goals}["odi"] == 45
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    assert driver.at(Stage.FOLLOW_UP)
    assert driver.journey.follow_up is not None
    assert len(driver.journey.follow_up.to_come) == 5
    assert [r.business_status for r in driver.replies].count("7.0") == 2


def test_the_receipt_of_the_first_summary_can_still_come_after_re_entry() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    driver.act("answer_follow_up", "patient", scores={"nprs": 9})
    driver.act("record_call", "therapist", outcome="re_enter")
    assert "chase_receipt" in driver.owed
    driver.act("confirm_receipt", "referrer")
    assert "chase_receipt" not in driver.owed


def test_an_answer_no_worse_opens_nothing() -> None:
    driver = to_follow_up(Driver())
    driver.wait(days=8)
    driver.act("answer_follow_up", "patient", scores={"nprs": 2, "odi": 21, "groc": -2})
    assert not driver.owed
    assert driver.refused("answer_follow_up", "patient", scores={}) == "NoScores"


def test_a_red_flag_in_a_follow_up_answer_alarms_and_opens_a_call() -> None:
    driver = to_follow_up(Driver())
    driver.wait(days=8)
    driver.act("answer_follow_up", "patient", scores={"nprs": 1}, answers={"saddle_numb": True})
    assert [a.facts["urgency"] for a in driver.alarms] == ["E0"]
    assert {"handle_red_flag", "call_patient"} <= driver.owed


LAST_THINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "receipt": ("confirm_receipt", {}),
    "amendment": ("review_amendment", {"decision": "no_change_needed"}),
    "hold": ("resume", {}),
    "flag": ("handle_red_flag", {"flag": "spasm_medical", "outcome": "cleared"}),
    "message": ("settle_notice", {"outcome": "told_by_phone"}),
}


@pytest.mark.parametrize("what", sorted(LAST_THINGS))
def test_whatever_was_owed_last_ends_the_journey_when_it_is_settled(what: str) -> None:
    """No follow-up is to come; one thing is left. Nothing else would ever wake this journey."""
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    driver.act("sign_summary", "therapist")
    driver.wait(days=370)
    if what != "receipt":
        driver.act("confirm_receipt", "referrer")
    if what == "amendment":
        driver.act("note_amendment")
    if what == "hold":
        driver.act("hold", reason="patient_away", review_on=driver.now + timedelta(days=5))
    if what == "flag":
        driver.act("screen", "therapist", answers={"spasm_daily": True})
    if what == "message":
        driver.undelivered("jtest:notice:1")
    driver.act("answer_follow_up", "patient", scores={"nprs": 1})
    if "call_patient" in driver.owed:
        driver.act("record_call", "therapist", outcome="well")
    assert driver.journey.status != "closed"
    name, data = LAST_THINGS[what]
    if what == "message":
        data = data | {"task": driver.journey.open_tasks[0].id}
    driver.act(name, "on_call", **data)
    assert driver.journey.outcome == "completed"


# --- the rest that every stage has


def test_an_amendment_is_stored_and_looked_at_never_merged() -> None:
    driver = to_plan(Driver(), MEDIUM)
    before = driver.journey.referral.model_copy(deep=True)
    assert driver.refused("review_amendment", decision="taken_over") == "NoAmendment"
    driver.act("note_amendment", "referrer")
    driver.act("note_amendment", "referrer")
    assert len([t for t in driver.journey.open_tasks if t.kind == "review_amendment"]) == 1
    assert driver.journey.referral == before
    driver.act("review_amendment", decision="referrer_called")
    assert "review_amendment" not in driver.owed


def test_a_score_entered_in_error_stays_and_no_longer_counts() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("record_scores", "therapist", scores={"odi": 4})
    wrong = driver.journey.scores[-1]
    commit = driver.act("enter_in_error", "therapist", what="score", id=wrong.id)
    assert [s.in_error for s in commit.scores] == [True]
    assert plans.facts(driver.journey, Draft(driver.journey, driver.now))["odi"] == 42
    assert driver.refused("enter_in_error", what="score", id="jtest:score:999") == "NoSuchScore"


def test_a_message_that_could_not_be_sent_becomes_a_persons_task() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.undelivered("jtest:notice:3")
    (task,) = [t for t in driver.journey.open_tasks if t.kind == "deliver_notice"]
    assert task.subject == "referrer"
    assert driver.refused("settle_notice", task="jtest:task:999", outcome="not_needed") == "NoSuchTask"
    driver.act("settle_notice", task=task.id, outcome="told_by_phone")
    assert "deliver_notice" not in driver.owed


def test_what_was_meant_for_another_stage_or_row_or_provider_is_refused() -> None:
    driver = to_referral(Driver())
    assert driver.refused("accept", stage=Stage.INTAKE) == "StageMoved"
    assert driver.refused("accept", seq=driver.journey.seq - 1) == "VersionMoved"
    assert driver.refused("accept", tenant="another") == "WrongTenant"
    with pytest.raises(Refused, match="meant for Intake; the journey is now in Referral"):
        driver.act("accept", stage=Stage.INTAKE)
    driver.act("accept", seq=driver.journey.seq)


def test_the_first_row_of_an_action_carries_its_id_actor_and_note() -> None:
    driver = to_plan(Driver(), MEDIUM)
    commit = driver.act("record_scores", "therapist", person="p-anna", scores={"odi": 20}, action_id="x-1", note=NOTE)
    assert [e.action_id for e in commit.entries] == ["x-1"] + [None] * (len(commit.entries) - 1)
    assert commit.entries[0].note == NOTE
    assert commit.entries[0].action_digest
    assert {e.actor.person for e in commit.entries} == {"p-anna"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_json_has_no_word_for_never_enters_a_journey(value: float) -> None:
    driver = to_plan(Driver("total_knee_replacement"), KNEE)
    draft = Draft(driver.journey, driver.now)
    with pytest.raises(Refused):
        draft.add_scores({"walk_distance": value})
    assert Journey.model_validate_json(draft.journey.model_dump_json()) == draft.journey


def test_both_full_pathways_begin_from_their_codes() -> None:
    for name in ("low_back_pain", "total_knee_replacement"):
        assert Driver(name).journey.the_pathway == pathways.load(name).for_journey()
