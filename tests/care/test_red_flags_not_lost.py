"""What was said of red flags is not lost on the way: by a blanket no, another pathway, a take-over, or coming back."""

from __future__ import annotations

from typing import Any

import pytest

from care.condition import AllOf
from care.gate import Criterion, Facts, checks
from care.journey import Stage
from care.red_flag import FlagRule, RedFlag, Sign
from care.rules.gates import GATE, AtGate
from care.rules.triage import ELIGIBLE, Candidate
from tests.care.driver import START, Driver
from tests.care.test_caseload import TakenOver, adoption, plan
from tests.care.walks import MEDIUM, no_flags, to_follow_up, to_plan

PAIR = RedFlag(
    id="pair",
    suspected="something that takes two signs",
    signs=(Sign(id="first_sign", text="First?"), Sign(id="second_sign", text="Second?", lasting=True)),
    rules=(FlagRule(urgency="E0", when=AllOf(all=("first_sign", "second_sign"))),),
    action="Act.",
    hold_booking=False,
    basis="proposed",
    source="a test",
)


def with_pair(driver: Driver) -> Driver:
    pathway = driver.journey.the_pathway
    driver.journey.pathway = pathway.model_copy(update={"red_flags": (*pathway.red_flags, PAIR)})
    return driver


def booking(driver: Driver) -> dict[str, Any]:
    return {"clinician": "p-therapist", "starts_at": driver.slot(days=2)}


def test_that_the_rest_is_absent_takes_back_no_yes_said_before() -> None:
    driver = with_pair(Driver())
    driver.act("screen", "therapist", answers={"first_sign": True})
    driver.act("screen", "therapist", answers={"second_sign": True}, others_absent=True)
    assert [(f.flag, f.urgency) for f in driver.journey.open_flags] == [("pair", "E0")]
    assert driver.alarms


def test_that_the_rest_is_absent_takes_back_nothing_that_lasts() -> None:
    driver = with_pair(to_plan(Driver(), MEDIUM))
    driver.journey.lasting_signs = ["second_sign"]
    driver.act("screen", "therapist", others_absent=True)
    assert driver.journey.lasting_signs == ["second_sign"]


def test_who_does_not_know_takes_nothing_back_that_lasts() -> None:
    driver = with_pair(to_plan(Driver(), MEDIUM))
    driver.journey.lasting_signs = ["second_sign"]
    driver.act("screen", "therapist", answers={"first_sign": True, "second_sign": None})
    assert [f.flag for f in driver.journey.open_flags] == ["pair"]


def test_the_alarm_counts_the_rest_that_is_absent() -> None:
    """The Canadian C-spine rule finds a fracture where signs of low risk are absent."""
    driver = Driver("neck_pain")
    driver.act("screen", "therapist", answers={"neck_injury": True, "neck_midline_tender": True}, others_absent=True)
    assert "ccr" in {f.flag for f in driver.journey.open_flags}
    assert any(":alarm:ccr:" in a.id for a in driver.alarms)


def test_answers_count_although_the_patient_turns_out_to_come_too_late_for_the_pathway() -> None:
    driver = Driver("low_back_pain", days_since_onset=None)
    pathway = driver.journey.the_pathway
    late = Criterion(fact="days_since_onset", op=">=", value=300)
    driver.journey.pathway = pathway.model_copy(update={"exclude": (late,)})
    driver.act("screen", "therapist", answers={"saddle_numb": True}, days_since_onset=400)
    assert driver.journey.pathway is None
    assert [f.flag for f in driver.journey.open_flags] == ["ces"]
    assert {"handle_red_flag", "choose_pathway"} <= driver.owed


def test_a_red_flag_half_answered_is_asked_on_another_pathway_too() -> None:
    driver = with_pair(Driver())
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={"first_sign": True})
    driver.act("choose_pathway", pathway="total_knee_replacement")
    rest = {k: v for k, v in no_flags(driver).items() if k not in ("first_sign", "second_sign")}
    driver.act("screen", "therapist", answers=rest)
    assert driver.at(Stage.INTAKE)
    driver.act("screen", "therapist", answers={"second_sign": True})
    assert "pair" in {f.flag for f in driver.journey.open_flags}


def test_signs_that_come_back_after_a_doctor_saw_them_hold_booking_again() -> None:
    driver = with_pair(to_plan(Driver(), MEDIUM))
    both = {"first_sign": True, "second_sign": True}
    driver.act("screen", "therapist", answers=both)
    driver.act("handle_red_flag", "on_call", flag="pair", outcome="seen_by_doctor")
    driver.act("screen", "therapist", answers={"first_sign": False})
    driver.wait(days=3)
    driver.act("screen", "therapist", answers=both)
    task = driver.journey.open_task("handle_red_flag", "pair")
    assert task is not None
    assert task.due == driver.now
    assert driver.refused("book_visit", **booking(driver)) == "RedFlagOpen"


def test_a_follow_up_answer_of_red_flags_alone_is_taken() -> None:
    driver = to_follow_up(Driver())
    driver.act("answer_follow_up", "patient", answers={"saddle_numb": True})
    assert {"handle_red_flag", "call_patient"} <= driver.owed
    assert driver.alarms
    assert driver.refused("answer_follow_up", "patient") == "NoScores"


def test_a_no_about_a_treatment_does_not_outlive_the_course() -> None:
    driver = to_follow_up(Driver())
    driver.journey.modality_answers = {"pregnant": False, "bleeding_disorder": True}
    driver.act("re_enter", "patient")
    assert driver.journey.modality_answers == {"bleeding_disorder": True}


def test_whoever_is_taken_over_without_a_screen_is_asked_before_another_visit() -> None:
    driver = TakenOver.begin(adoption(Stage.THERAPY, screened=False, plans=(plan(),)))
    wish = {**booking(driver), "plan": driver.plan.id}
    assert "finish_screen" in driver.owed
    assert driver.refused("book_visit", **wish) == "ScreenOpen"
    driver.act("screen", "therapist", others_absent=True)
    assert "finish_screen" not in driver.owed
    driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
    driver.act("book_visit", **wish)


# --- criteria for some patients only


LATER = Criterion(fact="weeks", op=">=", value=52, only_if=Criterion(fact="graft", op="==", value="allograft"))


def gate_opens(*criteria: Criterion, **facts: Any) -> bool:
    at = AtGate(pathway="p", phase=1, criteria=criteria, facts=facts, next_window_day=0, surgery_at=START, now=START)
    return GATE.apply(at)[0].opens


def test_a_gate_at_which_nothing_is_asked_of_this_patient_does_not_open() -> None:
    assert not gate_opens(LATER, graft="autograft")
    assert gate_opens(LATER, Criterion(fact="nprs", op="<=", value=2), graft="autograft", nprs=1)


def test_what_is_compared_with_something_unknown_is_asked_all_the_same() -> None:
    than = Criterion(fact="sts30", op="<", than="sts30.norm")
    asked = Criterion(fact="nprs", op="<=", value=2, only_if=than)
    assert not gate_opens(asked, Criterion(fact="walk", op="==", value="able"), sts30=8, nprs=9, walk="able")


@pytest.mark.parametrize(("graft", "eligible"), [("autograft", True), ("allograft", False)])
def test_a_criterion_for_others_excludes_nobody(graft: str, eligible: bool) -> None:
    facts: Facts = {"graft": graft, "weeks": 60}
    assert ELIGIBLE.apply(Candidate(pathway="p", exclude=(LATER,), facts=facts))[0].eligible is eligible
    assert [c.holds for c in checks((LATER,), facts)] == [not eligible]
