"""What was done wrongly is undone in the open: counts go back, what followed ends, and nothing is deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care.actor import Actor
from care.clock import Clock
from care.draft import Draft
from care.journey import Journey, Reopening, Stage
from care.steps import plans, reopening
from tests.care.driver import NOTE, TENANT, Driver
from tests.care.walks import (
    MEDIUM,
    PHASE_4,
    RECOVERED,
    to_discharge,
    to_follow_up,
    to_last_phase,
    to_plan,
    to_referral,
    to_therapy,
)

Counts = list[tuple[object, ...]]


def counts(driver: Driver) -> Counts:
    """All that visits are counted by, and the goals."""
    return [
        (
            p.visits_attended,
            p.visits_missed,
            p.missed_in_a_row,
            p.treatment_days,
            p.last_treatment_on,
            p.authorisation.used if p.authorisation else None,
            p.winning_back,
            p.visits_at_review,
            [(g.id, g.met) for g in p.goals],
        )
        for p in driver.journey.plans
    ]


def owed(driver: Driver) -> set[tuple[str, str]]:
    return {(t.kind, t.subject) for t in driver.journey.open_tasks}


def over(driver: Driver, *, days: float = 3) -> str:
    """A visit whose time is over and whose record is owed."""
    starts_at = driver.slot(days=days, minutes=45)
    driver.act("book_visit", clinician="p-therapist", starts_at=starts_at)
    visit = next(v for v in driver.journey.visits if v.starts_at == starts_at)
    driver.wait(until=visit.ends_at)
    return visit.id


def record(driver: Driver, visit: str, outcome: str, scores: dict[str, Any] | None = None) -> None:
    driver.act("record_visit", "therapist", visit=visit, outcome=outcome, scores=scores or {})


def undo(driver: Driver, visit: str, what: str = "visit_record") -> None:
    driver.act("enter_in_error", "therapist", what=what, id=visit, note=NOTE)


OUTCOME = st.sampled_from(["attended", "no_show"])
SCORES = st.fixed_dictionaries(
    {}, optional={"nprs": st.integers(0, 10), "odi": st.integers(0, 100), "psfs": st.integers(0, 10)}
)


@given(before=st.lists(OUTCOME, max_size=3), outcome=OUTCOME, scores=SCORES, authorised=st.booleans())
@settings(max_examples=60, deadline=None)
def test_recording_and_undoing_the_record_leaves_everything_as_it_was(
    before: list[str], outcome: str, scores: dict[str, int], authorised: bool
) -> None:
    driver = to_plan(Driver(), MEDIUM)
    if authorised:
        today = driver.now.date()
        last = today + timedelta(days=80)
        granted: dict[str, Any] = {"decision": "granted", "visits": 4, "first_day": today, "last_day": last}
        driver.act("record_authorisation", plan=driver.plan.id, **granted)
    for earlier in before:
        record(driver, over(driver), earlier)
    visit = over(driver)
    as_it_was, tasks, scored = counts(driver), owed(driver), list(driver.journey.scores)
    record(driver, visit, outcome, scores if outcome == "attended" else None)
    undo(driver, visit)
    assert counts(driver) == as_it_was
    assert owed(driver) == tasks
    known = plans.facts(driver.journey, Draft(driver.journey, driver.now))
    assert {m: known[m] for m in MEDIUM} == {s.measure: s.value for s in scored}
    record(driver, visit, "no_show")
    assert driver.plan.visits_missed == before.count("no_show") + 1


def test_an_undone_record_marks_its_scores_and_tells_who_had_been_told() -> None:
    driver = to_plan(Driver(), MEDIUM)
    visit = over(driver)
    record(driver, visit, "no_show")
    told = len(driver.replies)
    undo(driver, visit)
    assert [r.reason for r in driver.replies[told:]] == ["corrected"]
    assert driver.notices[-1].facts["news"] == "corrected"
    record(driver, visit, "attended", {"nprs": 0})
    told = len(driver.notices)
    undo(driver, visit)
    assert [s.in_error for s in driver.commits[-1].scores] == [True]
    assert [v.status for v in driver.commits[-1].visits] == ["booked"]
    assert driver.journal[-1].data["scores"]
    assert driver.journal[-1].action_id, "the row says which action it was"
    assert len(driver.notices) == told, "the referrer had not been told of it"


def test_the_first_visit_undone_asks_for_no_evaluation() -> None:
    driver = to_therapy(Driver())
    visit = over(driver, days=0)
    before = owed(driver)
    record(driver, visit, "attended")
    assert "evaluate" in driver.owed
    undo(driver, visit)
    assert owed(driver) == before
    record(driver, visit, "attended")
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    assert driver.plan.visits_attended == 1


def test_a_red_flag_raised_at_a_visit_stays_until_it_is_cleared() -> None:
    driver = to_plan(Driver(), MEDIUM)
    visit = over(driver)
    driver.act("record_visit", "therapist", visit=visit, outcome="attended", answers={"saddle_numb": True})
    undo(driver, visit)
    assert driver.journey.open_flags
    assert "handle_red_flag" in driver.owed
    assert driver.notices[-1].facts["news"] == "corrected"


def test_only_the_right_thing_can_be_undone_by_the_right_people() -> None:
    driver = to_plan(Driver(), MEDIUM)
    visit = over(driver)
    assert driver.refused("enter_in_error", "therapist", what="visit_record", id=visit) == "NotRecorded"
    assert driver.refused("enter_in_error", "therapist", what="visit_record", id="jtest:visit:99") == "NoSuchRecord"
    record(driver, visit, "attended")
    for role in ("patient", "referrer"):
        assert driver.refused("enter_in_error", role, what="visit_record", id=visit) == "NotAllowed"
    driver.act("record_scores", "therapist", scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    assert driver.refused("enter_in_error", "therapist", what="visit_record", id=visit) == "CareEnded"


@pytest.mark.parametrize("recorded", [True, False])
def test_a_visit_that_was_never_this_patients(recorded: bool) -> None:
    driver = to_plan(Driver(), MEDIUM)
    before = counts(driver)
    visit = over(driver)
    if recorded:
        record(driver, visit, "attended", {"odi": 10})
    undo(driver, visit, "visit")
    assert [v.status for v in driver.commits[-1].visits] == ["entered_in_error"]
    assert counts(driver) == before
    assert "record_visit" not in driver.owed
    assert "book_visit" in driver.owed
    assert driver.refused("record_visit", "therapist", visit=visit, outcome="attended") == "NoSuchVisit"


def test_the_baseline_in_error_leaves_the_next_score_that_counts() -> None:
    driver = to_plan(Driver(), MEDIUM)
    first = next(s for s in driver.journey.scores if s.measure == "odi")
    for odi in (40, 36, 30, 24, 20):
        driver.wait(days=1)
        driver.act("record_scores", "therapist", scores={"odi": odi})
    driver.act("enter_in_error", "therapist", what="score", id=first.id)
    known = plans.facts(driver.journey, Draft(driver.journey, driver.now))
    assert (known["odi.baseline"], known["odi"]) == (40, 20)
    assert "review_progress" in driver.owed, "the plan was made from it: a clinician looks again"


def test_a_score_in_error_after_discharge_no_longer_is_what_follow_ups_are_held_against() -> None:
    driver = to_follow_up(Driver())
    wrong = [s for s in driver.journey.scores if s.measure == "odi"][-1]
    driver.act("enter_in_error", "therapist", what="score", id=wrong.id)
    assert driver.journey.ending is not None
    assert driver.journey.ending.facts["odi"] == MEDIUM["odi"]
    assert driver.notices[-1].facts["news"] == "corrected"


def test_a_score_that_opened_a_gate_has_the_phase_reviewed() -> None:
    driver = to_last_phase(Driver("total_knee_replacement", age=68))
    assert "review_phase" not in driver.owed
    wrong = next(s for s in reversed(driver.journey.scores) if s.measure == "tug")
    driver.act("enter_in_error", "therapist", what="score", id=wrong.id)
    assert "review_phase" in driver.owed


def test_a_journey_on_the_wrong_patient_closes_and_stops_everything() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=9))
    assert driver.refused("enter_in_error", what="journey") == "NoteNeeded"
    commit = driver.act("enter_in_error", what="journey", note=NOTE)
    assert (commit.status, commit.outcome, commit.stop_messages) == ("closed", "entered_in_error", True)
    assert [v.reason for v in commit.visits] == ["entered_in_error"]
    assert [(r.status, r.reason) for r in commit.replies] == [("cancelled", "entered_in_error")]


# --- reopening


def reopened(driver: Driver) -> Driver:
    """What `gateway/reopening.py` and the new run's first decision do."""
    state = driver.commits[-1].last_state
    assert state is not None
    journey = Journey.model_validate_json(state.model_dump_json())
    actor = Actor(person="p-lead", role="clinical_lead", tenant=TENANT)
    journey.reopening = Reopening(actor=actor, action_id="r-1", reason="death_in_error", note=NOTE)
    driver.journey = journey
    draft = Draft(journey, driver.now, actor, action_id="r-1", digest="d", note=NOTE)
    reopening.reopen(draft)
    driver._commit(draft, driver.state())
    return driver


def test_death_in_error_goes_on_where_it_stood() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=9))
    review = driver.clock("review_due").due
    before = owed(driver)
    driver.act("record_death")
    driver.now += timedelta(days=2)
    reopened(driver)
    assert driver.journey.status == "open"
    assert driver.commits[-1].last_state is None
    assert driver.clock("review_due").due == review
    assert driver.plan.status == "active"
    assert not driver.journey.visits, "the slot may be taken by now"
    assert owed(driver) == {*before, ("book_visit", driver.plan.id)}
    row = next(e for e in driver.journal if e.kind == "reopened")
    assert (row.action_id, row.actor.person) == ("r-1", "p-lead")
    assert driver.replies[-1].reason == driver.notices[-1].facts["news"] == "reopened"
    driver.visit(days=1, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    assert driver.at(Stage.DISCHARGE)


def test_what_ran_out_meanwhile_takes_one_step_and_not_the_whole_ladder() -> None:
    driver = to_referral(Driver())
    driver.act("decline", reason="no_capacity")
    driver.now += timedelta(days=21)
    reopened(driver)
    told = len(driver.notices)
    driver.wait()
    steps = [n for n in driver.notices[told:] if n.escalation]
    assert len(steps) == 1
    driver.act("accept")
    assert driver.at(Stage.THERAPY)


def test_a_visit_whose_record_was_owed_is_still_to_be_recorded() -> None:
    driver = to_plan(Driver(), MEDIUM)
    visit = over(driver)
    driver.act("record_death")
    reopened(driver)
    record(driver, visit, "attended")
    assert driver.plan.visits_attended == 2


def test_a_completed_journey_reopened_has_somebody_who_calls() -> None:
    driver = to_follow_up(Driver(), messages=False)
    while driver.journey.status != "closed":
        driver.act("record_call", "therapist", outcome="well") if "call_patient" in driver.owed else driver.tick()
    reopened(driver)
    assert driver.journey.next_clock is not None
    driver.check()


def test_a_journey_that_the_end_of_open_access_completed_does_not_close_again_at_once() -> None:
    driver = to_last_phase(Driver("total_knee_replacement"))
    driver.act("record_scores", "therapist", scores=PHASE_4)
    driver.wait(days=200)
    driver.act("sign_summary", "therapist")
    driver.act("confirm_receipt", "referrer")
    while driver.journey.status != "closed":
        last = driver.act("record_call", "therapist", outcome="well") if driver.owed else driver.tick()
    assert isinstance(last, Clock)
    assert last.kind == "open_access"
    driver.now += timedelta(days=2)
    reopened(driver)
    driver.wait()
    assert driver.journey.open_task("call_patient") is not None
    driver.act("record_call", "therapist", outcome="well")
    assert driver.journey.outcome == "completed"


# --- the discharge was a mistake


@pytest.mark.parametrize("later", [False, True])
def test_care_reopened_goes_on_where_it_stood(later: bool) -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.visit(days=6, scores=RECOVERED)
    plan, review = driver.plan.id, driver.clock("review_due").due
    before, made = owed(driver) | {("book_visit", plan)}, driver.journey.minted["plan"]
    driver.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    if later:
        driver.act("sign_summary", "therapist")
    assert driver.refused("reopen_care", "coordinator", note=NOTE) == "NotAllowed"
    assert driver.refused("reopen_care", "therapist") == "NoteNeeded"
    driver.act("reopen_care", "therapist", note=NOTE)
    assert driver.at(Stage.THERAPY)
    assert driver.plan.id == plan
    assert driver.journey.minted["plan"] == made
    assert driver.clock("review_due").due == review
    assert owed(driver) == before
    assert driver.journey.ending is None
    assert driver.replies[-1].reason == "reopened"
    driver.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    assert driver.at(Stage.DISCHARGE)


def test_rehab_after_surgery_reopened_makes_no_new_plan() -> None:
    driver = to_last_phase(Driver("total_knee_replacement", age=68))
    phase, plan = driver.journey.phase, driver.plan.id
    while "review_phase" not in driver.owed:
        driver.tick()
    driver.act("review_phase", "therapist", decision="end_rehab", reason="MMI")
    driver.act("reopen_care", "therapist", note=NOTE)
    assert driver.at(Stage.POST_SURGERY_REHAB)
    assert (driver.journey.phase, driver.plan.id) == (phase, plan)
    assert "review_phase" in driver.owed


# --- amendments, merges, endings


def test_an_urgency_taken_over_changes_the_priority_and_no_deadline() -> None:
    driver = to_referral(Driver())
    due, priority = driver.task_clock("answer_referral").due, driver.journey.referral.priority
    driver.act("note_amendment", "system")
    driver.act("review_amendment", decision="taken_over", urgency="stat")
    assert driver.journey.referral.urgency == "stat"
    assert driver.journal[-1].kind == "prioritised"
    assert driver.journal[-1].decided is not None
    assert driver.journal[-1].decided.inputs["facts"]["urgency"] == "stat"
    assert driver.task_clock("answer_referral").due == due
    assert priority is not None
    driver.act("note_amendment", "system")
    refused = driver.refused("review_amendment", decision="no_change_needed", urgency="routine")
    assert refused == "NotTakenOver"


def test_two_open_journeys_of_one_patient_are_reviewed() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("note_merge", "system")
    assert "review_duplicate" not in driver.owed
    assert driver.refused("review_duplicate", decision="both_go_on") == "NoDuplicate"
    driver.act("note_merge", "system", other_open=True)
    driver.act("review_duplicate", decision="other_withdrawn")
    assert "review_duplicate" not in driver.owed


@pytest.mark.parametrize(
    ("name", "data"),
    [("record_death", {}), ("withdraw", {"reason": "patient_declined"}), ("transfer", {"to": "orthopaedics"})],
)
def test_an_ending_stops_what_is_queued_and_answers_the_referrer(name: str, data: dict[str, Any]) -> None:
    driver = to_discharge(Driver())
    driver.act("hold", reason="patient_ill", review_on=driver.now + timedelta(days=9))
    commit = driver.act(name, **data)
    assert commit.stop_messages
    assert not commit.notices
    assert [r.status for r in commit.replies] == ["cancelled"]


def first_visit(driver: Driver) -> str:
    return next(r.visit.id for r in driver.journey.recorded if r.visit.plan is None)


@pytest.mark.parametrize("walk", [to_discharge, to_follow_up])
def test_after_care_nobody_owes_a_first_visit_because_the_first_one_was_never_this_patients(walk: Any) -> None:
    """Nobody could settle it there: the journey would not come to its end."""
    driver = walk(Driver())
    before = owed(driver)
    undo(driver, first_visit(driver), "visit")
    assert owed(driver) == before


def test_a_patient_who_came_again_since_is_not_to_be_seen_for_the_first_time() -> None:
    driver = to_plan(Driver(), MEDIUM)
    record(driver, over(driver), "attended")
    undo(driver, first_visit(driver), "visit")
    assert "first_visit" not in {kind for kind, _ in owed(driver)}


def test_a_record_made_anew_after_its_plan_ended_asks_nothing_of_that_plan() -> None:
    """Whom to win back, and how to go on by it: of a plan that is over, nobody could say."""
    driver = to_plan(Driver(), MEDIUM)
    ended, visit = driver.plan.id, over(driver)
    record(driver, visit, "attended")
    driver.act("review_progress", "therapist", plan=ended, decision="change", note=NOTE)
    undo(driver, visit)
    for _ in range(2):
        record(driver, visit, "no_show")
        assert ended not in {subject for _, subject in owed(driver)}
        undo(driver, visit)
