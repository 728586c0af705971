"""Triage: the priority says why, says what nobody knew, and never makes a red flag wait."""

from __future__ import annotations

from typing import Any

import pytest

import pathways
from care.draft import Refused
from care.gate import Facts
from care.rules.triage import PRIORITISE, Priority, Waiting
from tests.care.driver import Driver
from tests.care.walks import no_flags, to_referral

BACK = pathways.load("low_back_pain")


def priority(**facts: Any) -> Priority:
    known: Facts = {"urgency": "routine", **facts}
    return PRIORITISE.apply(Waiting(triage=BACK.triage, usual_level=BACK.usual_level, facts=known))[0]


@pytest.mark.parametrize(
    ("days", "level"),
    [(0, "P1"), (6, "P1"), (7, "P2"), (27, "P2"), (28, "P2"), (29, "P3"), (84, "P3"), (85, "P4")],
)
def test_by_onset(days: int, level: str) -> None:
    assert priority(days_since_onset=days).level == level


@pytest.mark.parametrize("sign", ["fast_loss", "fall_past_week", "acute_dizziness", "acute_chest", "acute_severe_pain"])
def test_what_triage_asks_goes_before_a_long_onset(sign: str) -> None:
    assert priority(days_since_onset=200, **{sign: True}).level == "P1"
    assert priority(days_since_onset=200, **{sign: False}).level == "P4"


def test_a_fall_in_the_past_year_makes_a_chronic_problem_no_routine_one() -> None:
    assert priority(days_since_onset=85, fall_past_year=True).level == "P3"
    assert priority(days_since_onset=27, fall_past_year=True).level == "P2", "and never a newer one less urgent"


def test_the_priority_says_why_and_what_nobody_knew() -> None:
    found = priority(days_since_onset=20, fall_past_week=False)
    assert found.reasons == ("one to four weeks", "days_since_onset <= 28 (20)")
    assert "fast_loss" in found.unknown
    assert "fall_past_week" not in found.unknown, "that is known"
    assert "fall_past_year" not in found.unknown, "it would have made no difference"


def test_without_any_rule_it_is_the_usual_level_and_says_so() -> None:
    found = priority()
    assert found.level == BACK.usual_level
    assert found.reasons == ("the usual level of the pathway: no rule of the triage holds",)
    assert "days_since_onset" in found.unknown


@pytest.mark.parametrize("urgency", ["E0", "E1"])
def test_a_red_flag_that_cannot_wait_has_no_routine_wait_on_any_pathway(urgency: str) -> None:
    for pathway in pathways.latest().values():
        waiting = Waiting(triage=pathway.triage, usual_level=pathway.usual_level, facts={"red_flag": urgency})
        found, _ = PRIORITISE.apply(waiting)
        assert (found.level, found.first_visit_days) == ("P0", 0)
    assert priority(red_flag="E2", days_since_onset=200).level == "P4"


def test_the_questions_of_triage_are_answered_in_the_same_screen() -> None:
    driver = Driver(days_since_onset=200)
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={**no_flags(driver), "fall_past_week": True, "yellow_flags": False})
    assert driver.journey.referral.priority == "P1"
    row = next(e for e in driver.journal if e.kind == "prioritised")
    assert "a fall in the past week" in row.text
    assert row.decided is not None
    assert row.decided.inputs["facts"]["yellow_flags"] is False
    assert "fast_loss" in row.decided.outcome["unknown"]


def test_all_others_absent_answers_triage_too() -> None:
    driver = Driver(days_since_onset=200)
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", others_absent=True)
    assert driver.journey.referral.priority == "P4"
    row = next(e for e in driver.journal if e.kind == "prioritised")
    assert row.decided is not None
    assert "unknown" not in row.decided.outcome


def test_the_onset_may_be_said_with_the_screen() -> None:
    driver = Driver(days_since_onset=None)
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers=no_flags(driver), days_since_onset=3)
    assert driver.journey.referral.priority == "P1"


def test_what_is_neither_a_sign_nor_asked_by_triage_is_refused() -> None:
    driver = Driver()
    with pytest.raises(Refused, match="does not ask"):
        driver.act("screen", "therapist", answers={**no_flags(driver), "fall_past_life": True})


def test_an_emergency_in_intake_is_p0_until_it_is_cleared() -> None:
    driver = Driver()
    driver.act("record_consent", messages=True)
    driver.act("screen", "therapist", answers={**no_flags(driver), "saddle_numb": True})
    assert driver.journey.referral.priority == "P0"
    driver.act("handle_red_flag", "on_call", flag="ces", outcome="cleared")
    assert driver.journey.referral.priority == "P2"


def test_the_walk_of_every_day_still_has_its_priority() -> None:
    assert to_referral(Driver()).journey.referral.priority == "P2"
