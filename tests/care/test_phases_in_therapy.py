"""Phases that count from care: gates with criteria AND time within therapy, doses that the therapist says, edits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pathways
from care.pathway import LateEnrolment, Pathway
from tests.care.driver import NOTE, Driver
from tests.care.walks import MEDIUM, PHASE_1, to_plan, to_rehab, to_therapy

STEPS = """
schema_version: 1
id: steps
version: 1
name: Steps
status: draft
service_line: sports_medicine
basis: proposed
source: written for the tests
codes: []
eligibility: [anybody]
usual_level: P2
red_flags: [chest]
measures: [nprs, groc]
baseline: [nprs]
late_enrolment: {after_days: 100, then: not_eligible, basis: proposed, source: s}
conditions:
- {condition: diabetes, label: Diabetes, precautions: [look at the feet], visits_per_week_at_most: 1, basis: proposed,
   source: s}
dosing:
- {id: all, label: Steps, discipline: physiotherapy, basis: proposed, source: s}
goals:
- {id: pain, measure: nprs, reach: 1, basis: proposed, source: s}
review: {schedule: standard, measures: [nprs]}
progress: []
phases_from: care
phases:
- {n: 1, name: Rest, window_days: [0, 7], visits_per_week: [1, 2], min_days: 2, gate: [{fact: nprs, op: <=, value: 4}],
   basis: proposed, source: s}
- {n: 2, name: Play, window_days: [1, 14], visits_per_week: [0, 1], min_days: 1, gate: [{fact: nprs, op: <=, value: 1}],
   basis: proposed, source: s}
discharge: [{fact: nprs, op: <=, value: 0}]
follow_up: {schedule: stroke, measures: [groc], worse: [{fact: groc, op: <=, value: -3}]}
"""
SAID = {"physiotherapy": {"visits": 6, "weeks": 6, "visits_per_week": 2}}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pathway:
    (tmp_path / "steps.yaml").write_text(STEPS, encoding="utf-8")
    found = pathways.load("steps", directory=tmp_path)
    monkeypatch.setattr(pathways, "load", lambda name: found)
    return found


def evaluated(**said: Any) -> Driver:
    driver = to_therapy(Driver("steps"))
    driver.visit()
    usual: dict[str, Any] = {"scores": {"nprs": 6}, "doses": SAID, "clinician": "p-therapist"}
    driver.act("evaluate", "therapist", **(usual | said))
    return driver


def phase(driver: Driver) -> int | None:
    return driver.journey.phase.n if driver.journey.phase else None


def test_phases_begin_with_the_evaluation(steps: Pathway) -> None:
    driver = evaluated()
    assert phase(driver) == 1
    assert driver.journey.stage == "Therapy"


def test_a_gate_needs_the_criterion_and_the_least_time(steps: Pathway) -> None:
    driver = evaluated()
    driver.wait(days=1, hours=23)
    driver.act("record_scores", "therapist", scores={"nprs": 4})
    assert phase(driver) == 1, "the criterion alone opened it"
    driver.wait(hours=2)
    assert phase(driver) == 2, "the gate is tried by itself once the time is over"


def test_time_alone_opens_no_gate_and_a_stall_is_looked_at(steps: Pathway) -> None:
    driver = evaluated()
    driver.act("record_scores", "therapist", scores={"nprs": 4.5})
    driver.wait(days=8)
    assert phase(driver) == 1
    assert driver.journey.open_task("review_phase") is not None
    assert driver.refused("override_gate", "therapist") == "NoteNeeded"
    assert driver.refused("override_gate", "coordinator", note=NOTE) == "NotAllowed"
    driver.act("override_gate", "therapist", note=NOTE)
    assert phase(driver) == 2
    assert driver.journal[-1].kind != "gate_opened"


def test_the_last_gate_ends_care_with_its_goals(steps: Pathway) -> None:
    driver = evaluated()
    driver.wait(days=3)
    driver.act("record_scores", "therapist", scores={"nprs": 3})
    driver.wait(days=2)
    driver.act("record_scores", "therapist", scores={"nprs": 1})
    assert driver.journey.stage == "Discharge"
    assert driver.journey.ending is not None
    assert driver.journey.ending.reason == "GOALS"


def test_a_change_of_plan_stays_in_its_phase(steps: Pathway) -> None:
    driver = evaluated()
    driver.wait(days=3)
    driver.act("record_scores", "therapist", scores={"nprs": 3})
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="change", note=NOTE)
    driver.act("evaluate", "therapist", clinician="p-therapist", scores={"nprs": 3}, doses=SAID)
    assert phase(driver) == 2


def test_a_window_that_begins_between_two_plans_of_care_blocks_nothing(steps: Pathway) -> None:
    driver = evaluated()
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="change", note=NOTE)
    driver.wait(days=4)
    driver.act("evaluate", "therapist", clinician="p-therapist", scores={"nprs": 3}, doses=SAID)
    driver.wait(days=4)
    assert phase(driver) == 2


def test_the_last_gate_waits_for_the_record_of_a_visit(steps: Pathway) -> None:
    driver = evaluated()
    driver.wait(days=3)
    driver.act("record_scores", "therapist", scores={"nprs": 3})
    driver.act("record_scores", "therapist", scores={"nprs": 1})
    assert phase(driver) == 2
    starts_at = driver.clock("gate_opens").due - timedelta(minutes=5)
    driver.act("book_visit", clinician="p-therapist", starts_at=starts_at)
    driver.wait(days=1, minutes=5)
    assert driver.journey.stage == "Therapy"
    (booked,) = driver.journey.visits
    driver.act("record_visit", "therapist", visit=booked.id, outcome="attended")
    assert driver.journey.stage == "Discharge"


def test_a_number_that_no_source_gives_is_said_by_the_therapist(steps: Pathway) -> None:
    driver = to_therapy(Driver("steps"))
    driver.visit()
    assert driver.refused("evaluate", "therapist", scores={"nprs": 6}, clinician="p-therapist") == "DoseMissing"
    driver.act("evaluate", "therapist", scores={"nprs": 6}, clinician="p-therapist", doses=SAID)
    assert driver.plan.visits_planned.value == 6
    assert driver.plan.visits_planned.origin.rule == "said by the therapist"


def test_another_condition_limits_and_warns(steps: Pathway) -> None:
    driver = evaluated(conditions=["diabetes"])
    assert driver.plan.visits_per_week.value == 1
    assert driver.plan.visits_per_week.origin.inputs["without_the_limit"] == 2
    assert driver.plan.precautions == ("look at the feet",)
    assert to_therapy(Driver("steps")).refused("accept") == "NoSuchAction"


def test_a_condition_that_nobody_asks_about_is_refused(steps: Pathway) -> None:
    driver = to_therapy(Driver("steps"))
    driver.visit()
    said = {"scores": {"nprs": 6}, "clinician": "p-therapist", "doses": SAID}
    assert driver.refused("evaluate", "therapist", conditions=["gout"], **said) == "UnknownCondition"


def test_what_the_payer_authorised_already_limits_the_plan(steps: Pathway) -> None:
    driver = evaluated(authorised_visits=4)
    assert driver.plan.visits_planned.value == 4
    assert "the payer's authorisation" in driver.plan.visits_planned.origin.rule


@pytest.mark.parametrize(("days", "eligible"), [(99, True), (100, False), (101, False)])
def test_who_comes_too_late_is_not_for_it(steps: Pathway, days: int, eligible: bool) -> None:
    assert (Driver("steps", days_since_onset=days).journey.pathway is not None) == eligible


def test_follow_ups_count_from_the_onset(steps: Pathway) -> None:
    driver = evaluated()
    onset = driver.journey.referral.received_at - timedelta(days=20)
    driver.wait(days=3)
    driver.act("record_scores", "therapist", scores={"nprs": 3})
    driver.wait(days=2)
    driver.act("record_scores", "therapist", scores={"nprs": 1})
    driver.act("sign_summary", "therapist")
    due = [c.due for c in driver.journey.clocks if c.kind == "follow_up"]
    assert due == [onset + timedelta(days=n) for n in (42, 182, 365)]


# --- edits of a plan


def test_an_edit_says_who_said_it_and_is_certified_anew() -> None:
    driver = to_plan(Driver(), MEDIUM)
    plan = driver.plan.id
    assert driver.refused("edit_plan", "therapist", plan=plan, dose={"visits": 9}) == "NoteNeeded"
    assert driver.refused("edit_plan", "coordinator", plan=plan, dose={"visits": 9}, note=NOTE) == "NotAllowed"
    assert driver.refused("edit_plan", "therapist", plan=plan, note=NOTE) == "NothingChanged"
    driver.act("edit_plan", "therapist", plan=plan, dose={"visits": 9}, targets={"odi": 25}, note=NOTE)
    assert driver.plan.visits_planned.value == 9
    assert driver.plan.visits_planned.origin.inputs == {"before": 6}
    assert next(g.target for g in driver.plan.goals if g.measure == "odi") == 25
    assert driver.journey.open_task("recertify_plan") is not None
    driver.act("certify_plan", "therapist", plan=plan, by="signature")
    assert driver.journey.open_task("recertify_plan") is None


def test_fewer_visits_need_no_new_certificate_but_never_fewer_than_attended() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=2)
    plan = driver.plan.id
    assert driver.refused("edit_plan", "therapist", plan=plan, dose={"visits": 1}, note=NOTE) == "TooFew"
    driver.act("edit_plan", "therapist", plan=plan, dose={"visits": 3}, note=NOTE)
    assert driver.journey.open_task("recertify_plan") is None


def test_a_target_outside_the_measure_is_refused() -> None:
    driver = to_plan(Driver(), MEDIUM)
    said = {"plan": driver.plan.id, "note": NOTE}
    assert driver.refused("edit_plan", "therapist", targets={"odi": 101}, **said) == "BadScore"
    assert driver.refused("edit_plan", "therapist", targets={"tug": 10}, **said) == "NoSuchGoal"


# --- a stall after surgery


@pytest.mark.parametrize(("flexion", "recommended"), [(89, "surgical opinion"), (90, "continue")])
def test_whoever_reviews_a_stalled_phase_reads_what_the_pathway_recommends(flexion: int, recommended: str) -> None:
    """The knee's flexion at week 6 is looked at just when the phase stalls: nobody else would say it."""
    driver = to_therapy(Driver("total_knee_replacement"))
    driver.wait(days=1)
    driver.act("record_surgery", done_at=driver.now)
    driver.act("record_scores", "therapist", scores=PHASE_1)
    driver.wait(days=30)
    driver.act("record_scores", "therapist", scores={"knee_flex": flexion, "knee_ext_deficit": 2})
    driver.wait(days=12)
    assert driver.journey.open_task("review_phase") is not None
    said = next(e.text for e in reversed(driver.journal) if e.kind == "review_due")
    assert "review date" in said
    assert f"recommended is {recommended} " in said


# --- surgery that is told late


@pytest.mark.parametrize(("then", "days", "begins"), [("not_eligible", 89, True), ("not_eligible", 90, False)])
def test_who_comes_too_late_after_surgery_is_refused(
    monkeypatch: pytest.MonkeyPatch, then: str, days: int, begins: bool
) -> None:
    known = pathways.load("total_knee_replacement")
    rule = {"after_days": 90, "then": then, "basis": "proposed", "source": "s"}
    late = known.model_copy(update={"late_enrolment": LateEnrolment.model_validate(rule)})
    monkeypatch.setattr(pathways, "load", lambda name: late)
    driver = to_therapy(Driver("total_knee_replacement"))
    driver.wait(days=100)
    done_at = driver.now - timedelta(days=days)
    if begins:
        driver.act("record_surgery", done_at=done_at)
        assert driver.journey.stage == "PostSurgeryRehab"
    else:
        assert driver.refused("record_surgery", done_at=done_at) == "TooLate"


def test_phases_long_over_are_passed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    known = pathways.load("total_knee_replacement")
    rule = {"after_days": 42, "then": "first_phase", "basis": "proposed", "source": "s"}
    late = known.model_copy(update={"late_enrolment": LateEnrolment.model_validate(rule)})
    monkeypatch.setattr(pathways, "load", lambda name: late)
    driver = to_therapy(Driver("total_knee_replacement"))
    driver.wait(days=100)
    driver.act("record_surgery", done_at=driver.now - timedelta(days=60))
    assert phase(driver) == late.phases[0].n
    assert any("one by one" in e.text for e in driver.journal if e.kind == "surgery_done")
    driver.act("record_scores", "therapist", scores=PHASE_1)
    assert phase(driver) == late.phases[1].n


def test_reviews_of_a_phase_without_gain_are_counted_after_surgery() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    for again in (1, 2):
        driver.wait(until=driver.clock("phase_review").due)
        driver.act("review_phase", "therapist", decision="continue", review_on=driver.now + timedelta(days=14))
        assert [p.reviews_without_gain for p in driver.journey.active_plans] == [again]
