"""Answers to items, entered with an action: scored, explained, and heard where they are a sign of danger."""

from __future__ import annotations

from typing import Any

import pytest

from care.draft import Refused
from care.rules.registry import rerun
from pathways.loader import library
from tests.care.driver import Driver
from tests.care.walks import MEDIUM, RECOVERED, to_follow_up, to_plan, to_therapy

MEASURES = library().measures
STARTBACK_MEDIUM = [1, 1, 1, 0, 1, 0, 0, 0, 0]
CALM: list[float | None] = [1, 1, 1, 1, 1, 1, 1, 1, 0]
DANGER: list[float | None] = [1, 1, 1, 1, 1, 1, 1, 1, 1]


def with_moods(driver: Driver) -> Driver:
    """The back-pain pathway, which screens for self-harm, with a questionnaire that asks about it."""
    pathway = driver.journey.the_pathway
    driver.journey.pathway = pathway.model_copy(update={"measures": (*pathway.measures, MEASURES["phq9"])})
    return driver


@pytest.fixture
def planned() -> Driver:
    return with_moods(to_plan(Driver(), MEDIUM))


def latest(driver: Driver, measure: str) -> Any:
    return [s.value for s in driver.journey.scores if s.measure == measure][-1]


def refused(driver: Driver, name: str, **data: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as error:
        driver.act(name, "therapist", **data)
    return error.value.kind, str(error.value)


def test_items_become_the_score_and_the_journal_says_why(planned: Driver) -> None:
    before = len(planned.journal)
    planned.act("record_scores", "therapist", scores={"nprs": 3}, items={"psfs": [2, 3, 4]})
    assert (latest(planned, "nprs"), latest(planned, "psfs")) == (3, 3)
    said, why = planned.journal[before : before + 2]
    assert (said.kind, said.text) == ("scores", "Scores recorded: nprs, psfs")
    assert (why.kind, why.text, why.data) == ("scored", "Scored from its items: psfs", {"measure": "psfs"})
    assert why.decided is not None
    assert why.decided.rule == "score_items"
    assert why.decided.inputs["answers"] == [2, 3, 4]
    assert rerun(why.decided) == why.decided.outcome == {"value": 3}


def test_an_item_that_was_not_answered_is_counted(planned: Driver) -> None:
    pathway = planned.journey.the_pathway
    planned.journey.pathway = pathway.model_copy(update={"measures": (*pathway.measures, MEASURES["lefs"])})
    planned.act("record_scores", "therapist", items={"lefs": [None, *[2] * 19]})
    assert latest(planned, "lefs") == 40
    decided = planned.journal[-1].decided or planned.journal[-2].decided
    assert decided is not None
    assert decided.outcome["missing"] == 1


def test_the_baseline_may_come_from_items() -> None:
    driver = to_therapy(Driver())
    driver.visit()
    scores = {k: v for k, v in MEDIUM.items() if k not in ("start_back", "psfs")}
    items = {"start_back": STARTBACK_MEDIUM, "psfs": [3, 3, 3]}
    driver.act("evaluate", "therapist", scores=scores, items=items, clinician="p-therapist")
    assert latest(driver, "start_back") == "medium"
    assert driver.plan.visits_planned.value == 6
    assert [e.data["measure"] for e in driver.journal if e.kind == "scored"] == ["start_back", "psfs"]


def test_a_visit_and_a_follow_up_take_items_too(planned: Driver) -> None:
    visit = planned.slot(days=3, minutes=45)
    planned.act("book_visit", clinician="p-therapist", starts_at=visit)
    booked = planned.journey.visits[-1]
    planned.wait(until=booked.ends_at)
    assert (
        refused(planned, "record_visit", visit=booked.id, outcome="no_show", items={"psfs": [4, 4, 4]})[0] == "NoShow"
    )
    planned.act("record_visit", "therapist", visit=booked.id, outcome="attended", items={"psfs": [4, 4, 4]})
    assert latest(planned, "psfs") == 4
    assert planned.journey.recorded[-1].scores, "a record in error takes the score back with it"
    after = to_follow_up(Driver())
    after.wait(days=8)
    after.act("answer_follow_up", "patient", items={"nprs": [8, 9, 10]})
    assert latest(after, "nprs") == 9
    assert "call_patient" in after.owed


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (
            {"items": {"odi": [2] * 10}},
            "ScoreOnly",
            "odi: its licence does not cover items; enter the score, or use rmdq",
        ),
        ({"items": {"psfs": [11, 3, 3]}}, "ItemRange", "psfs, item 1: it takes 0 to 10 in whole numbers"),
        ({"items": {"psfs": [3]}}, "ItemCount", "psfs: it has 3 to 5 items; say null for one that was not answered"),
        ({"items": {"phq9": [None] * 9}}, "TooManyMissing", "phq9: 9 items; all of them are needed"),
        ({"items": {"groc": [3]}}, "NoItems", "groc: it is not scored from items; enter the score"),
        (
            {"items": {"lefs": [4] * 20}},
            "UnknownMeasure",
            "low_back_pain@1 takes the items of: hep_adherence, nprs, ph",
        ),
        (
            {"items": {"psfs": [3] * 3}, "scores": {"psfs": 3}},
            "SaidTwice",
            "psfs: give its score or its items, not both",
        ),
        ({"items": {"hep_adherence": [8, 7]}}, "BadScore", "hep_adherence lies between 0 and 100"),
        ({"items": {"hep_adherence": [8, 0]}}, "NothingToCompare", None),
        ({}, "NoScores", "give at least one score, by measure id"),
    ],
)
def test_every_refusal_by_name_and_nothing_changes(planned: Driver, data: Any, kind: str, said: str | None) -> None:
    before = planned.trace()
    found = refused(planned, "record_scores", **data)
    assert found[0] == kind
    assert said is None or found[1].startswith(said)
    assert planned.trace() == before


def test_danger_among_answers_that_make_no_score_is_not_lost(planned: Driver) -> None:
    kind, said = refused(planned, "record_scores", items={"phq9": [None, *DANGER[1:]]})
    assert kind == "TooManyMissing"
    assert said.endswith("They are a sign of danger all the same: say self_harm_item with `screen`, now")
    assert "danger" not in refused(planned, "record_scores", items={"phq9": [None, *CALM[1:]]})[1]


def test_no_pathway_no_items() -> None:
    assert refused(Driver(None), "record_scores", items={"psfs": [3, 3, 3]})[0] == "NoPathway"


@pytest.mark.parametrize("danger", [True, False])
def test_a_thought_of_self_harm_is_a_red_flag_and_an_alarm_at_once(planned: Driver, danger: bool) -> None:
    planned.act("record_scores", "therapist", items={"phq9": DANGER if danger else CALM})
    assert [f.flag for f in planned.journey.open_flags] == (["self_harm"] if danger else [])
    assert ("handle_red_flag" in planned.owed) == danger
    assert [n.template for n in planned.alarms] == (["red_flag_alarm"] if danger else [])


def test_an_answer_of_no_takes_no_sign_back(planned: Driver) -> None:
    planned.act("record_scores", "therapist", items={"phq9": DANGER})
    planned.act("record_scores", "therapist", items={"phq9": CALM})
    assert [f.flag for f in planned.journey.open_flags] == ["self_harm"]


def test_the_patient_s_own_answer_at_a_follow_up_raises_it_too() -> None:
    driver = with_moods(to_follow_up(Driver()))
    driver.wait(days=8)
    driver.act("answer_follow_up", "patient", scores={"nprs": 1}, items={"phq9": DANGER})
    assert [f.flag for f in driver.journey.open_flags] == ["self_harm"]
    assert driver.alarms


def test_a_score_taken_back_was_wrong_whatever_its_items(planned: Driver) -> None:
    planned.act("record_scores", "therapist", items={"psfs": [9, 9, 9]})
    wrong = [s.id for s in planned.journey.scores if s.measure == "psfs"][-1]
    planned.act("enter_in_error", "therapist", what="score", id=wrong)
    assert latest(planned, "psfs") == MEDIUM["psfs"]
    assert RECOVERED["psfs"] == 8
