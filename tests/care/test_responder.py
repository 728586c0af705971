"""Responder classification: just below, at and above each threshold; the safer threshold each way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pathways
from care.facts import losses, score_facts
from care.responder import RESPONSES, gain_needed, has_thresholds, loss_allowed, response
from care.score import Measure, Score
from pathways.loader import library

MEASURES = library().measures
WITH_THRESHOLDS = sorted(m.id for m in MEASURES.values() if has_thresholds(m))
NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("measure_id", "before", "after", "found"),
    [
        # ODI: MCID 10 is below MDC 10.5, and 30% of 50 is 15: the largest before a gain, 10 before a loss
        ("odi", 30, 19.6, "unclear"),
        ("odi", 30, 19.5, "improved"),
        ("odi", 30, 19.4, "improved"),
        ("odi", 50, 35.1, "unclear"),
        ("odi", 50, 35, "improved"),
        ("odi", 30, 39.9, "unclear"),
        ("odi", 30, 40, "deteriorated"),
        ("odi", 30, 40.1, "deteriorated"),
        # NPRS: 2 points or 30%, whichever is more
        ("nprs", 5, 3.1, "unclear"),
        ("nprs", 5, 3, "improved"),
        ("nprs", 9, 7, "unclear"),
        ("nprs", 9, 6.3, "improved"),
        ("nprs", 1, 2.9, "unclear"),
        ("nprs", 1, 3, "deteriorated"),
        # higher is better
        ("lefs", 40, 48.9, "unclear"),
        ("lefs", 40, 49, "improved"),
        ("lefs", 40, 31.1, "unclear"),
        ("lefs", 40, 31, "deteriorated"),
        # exact at the threshold in spite of binary fractions
        ("walk10", 0.8, 0.9, "improved"),
        ("walk10", 0.8, 0.7, "deteriorated"),
        # MDC above MCID
        ("spadi", 60, 43, "unclear"),
        ("spadi", 60, 42, "improved"),
        ("spadi", 60, 70, "deteriorated"),
        # another threshold for the worse
        ("mds_updrs3", 30, 26.75, "improved"),
        ("mds_updrs3", 30, 34.6, "unclear"),
        ("mds_updrs3", 30, 34.63, "deteriorated"),
        ("pdq39", 30, 34.22, "deteriorated"),
        # only a relative threshold
        ("t25fw", 10, 8.1, "unclear"),
        ("t25fw", 10, 8, "improved"),
        ("t25fw", 10, 12, "deteriorated"),
        ("peg", 0, 3, "unclear"),
        # neither is known
        ("eat10", 40, 0, "unclear"),
        # no two numbers
        ("odi", None, 20, "missing"),
        ("odi", 20, None, "missing"),
        ("effusion", "2+", "zero", "missing"),
    ],
)
def test_just_below_at_and_above(measure_id: str, before: float | str, after: float | str, found: str) -> None:
    assert response(MEASURES[measure_id], before, after) == found


def test_the_small_relative_threshold_never_alarms_where_an_absolute_one_is_known() -> None:
    """30 per cent of an RMDQ of 4 is 1.2 of 24 points: noise."""
    assert loss_allowed(MEASURES["rmdq"], 4) == 5
    assert response(MEASURES["rmdq"], 4, 6) == "unclear"
    assert gain_needed(MEASURES["rmdq"], 20) == 6


@pytest.mark.parametrize("measure_id", WITH_THRESHOLDS)
@given(data=st.data())
@settings(max_examples=25)
def test_the_safer_threshold_is_taken_each_way(measure_id: str, data: st.DataObject) -> None:
    measure = MEASURES[measure_id]
    low = measure.minimum if measure.minimum is not None else 0
    values = st.floats(low, measure.maximum if measure.maximum is not None else 100)
    before, after = data.draw(values), data.draw(values)
    needed, allowed = gain_needed(measure, before), loss_allowed(measure, before)
    found = response(measure, before, after)
    assert found in RESPONSES
    gain = after - before if measure.direction == "higher_better" else before - after
    if found == "improved":
        assert all(gain >= t - 0.001 for t in (measure.mcid, measure.mdc) if t is not None)
    if any(-gain >= t for t in (measure.mdc, measure.mcid_worse or measure.mcid) if t is not None):
        assert found == "deteriorated"
    if needed is not None and allowed is not None and measure.mcid_worse is None:
        assert allowed <= needed


def test_no_change_is_never_a_response() -> None:
    for measure_id in WITH_THRESHOLDS:
        assert response(MEASURES[measure_id], 12, 12) == "unclear", measure_id


# --- the fact

LBP = pathways.load("low_back_pain")


def taken(*values: float) -> list[Score]:
    return [
        Score(id=f"j:score:{n}", measure="odi", value=value, at=NOW - timedelta(days=30 - n))
        for n, value in enumerate(values)
    ]


def test_nobody_has_responded_by_one_score() -> None:
    assert score_facts(LBP, [], NOW)["odi.responder"] == "missing"
    assert score_facts(LBP, taken(50), NOW)["odi.responder"] == "missing"
    assert score_facts(LBP, taken(50, 50), NOW)["odi.responder"] == "unclear"
    assert score_facts(LBP, taken(50, 60, 30), NOW)["odi.responder"] == "improved"


def test_a_measure_without_thresholds_has_no_response() -> None:
    known = score_facts(LBP, [], NOW)
    assert "start_back.responder" not in known
    assert "hep_adherence.responder" not in known


def test_after_discharge_the_response_is_against_the_discharge() -> None:
    facts = losses(LBP, {"odi": 12, "nprs": 1}, {"odi": 30, "nprs": 2})
    assert facts == {
        "odi.loss": 18,
        "odi.responder": "deteriorated",
        "nprs.loss": 1,
        "nprs.responder": "unclear",
    }


def test_words_have_no_thresholds() -> None:
    word = Measure(
        id="w", name="W", direction="lower_better", options=("a", "b"), mcid=1, basis="proposed", source="test"
    )
    assert not has_thresholds(word)
