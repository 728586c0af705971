"""Every pathway there is carries a patient from intake to the last follow-up, and keeps every promise on the way.

What a pathway says in particular is shown by its vignettes, on the real workflow; here it is that nobody gets stuck:
no state without a clock, no owner missing, no journey too large to travel (`Driver.check`, after every decision).
"""

from __future__ import annotations

from typing import Any

import pytest

import pathways
from care.gate import Criterion
from care.journey import Stage
from care.pathway import Pathway
from care.score import Measure, ScoreValue
from tests.care.driver import NOTE, Driver

AGES = (45, 70, 30, 8, 5, 3, 1, 0, 16, 90)
ONSETS = (20, 60, 120, 3, None)
THE_LAST_OF_ALL = 6 * 366
"""Days after which every follow-up of every pathway is over."""
EVERY = sorted(pathways.latest())


def eligible(pathway: str) -> Driver:
    """A referral of somebody for whom the pathway is meant."""
    for age in AGES:
        for sex in ("female", "male"):
            for onset in ONSETS:
                driver = Driver(pathway, age=age, sex=sex, days_since_onset=onset)
                if driver.journey.pathway is not None:
                    return driver
    raise AssertionError(f"nobody is eligible for {pathway}")


def poor(measure: Measure) -> ScoreValue:
    """A result from the worse half of what the measure can say."""
    if measure.options:
        return measure.options[-1]
    low = measure.minimum if measure.minimum is not None else 0.0
    high = measure.maximum if measure.maximum is not None else low + 20
    return low + (high - low) * (0.75 if measure.direction == "lower_better" else 0.25)


def passing(criterion: Criterion, measure: Measure | None) -> ScoreValue | None:
    """A value with which the criterion holds."""
    value = criterion.value
    if isinstance(value, tuple):
        return value[0]
    if measure is not None and measure.options:
        return value if criterion.op == "==" else next(w for w in measure.options if w != value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    step = {"<": -1.0, ">": 1.0}.get(criterion.op, 0.0)
    return value + step


def evaluated(driver: Driver) -> None:
    """Through a clear screen and acceptance to the plan of care."""
    pathway = driver.journey.the_pathway
    driver.act("screen", "therapist", others_absent=True)
    driver.act("record_consent", messages=True)
    assert driver.journey.stage == Stage.REFERRAL
    driver.act("accept")
    driver.visit()
    baseline = {m: poor(measure) for m in pathway.baseline if (measure := pathway.measure(m)) is not None}
    said = {
        rule.discipline: {"visits": 8, "weeks": 8, "visits_per_week": 1}
        for rule in pathway.dosing
        if rule.visits is None or rule.weeks is None or rule.visits_per_week is None
    }
    conditions = [c.condition for c in pathway.conditions]
    driver.act(
        "evaluate",
        "therapist",
        scores=baseline,
        clinician="p-therapist",
        doses=said,
        conditions=conditions,
        note=NOTE,
    )
    for plan in driver.journey.active_plans:
        if not plan.self_care:
            driver.act("certify_plan", "therapist", plan=plan.id, by="signature")


def operated(driver: Driver) -> None:
    """Surgery takes place, with all that the pathway wants to know of it."""
    pathway = driver.journey.the_pathway
    details = {m: poor(measure) for m in pathway.at_surgery if (measure := pathway.measure(m)) is not None}
    driver.act("record_surgery", done_at=driver.now, scores=details)
    assert driver.journey.stage == Stage.POST_SURGERY_REHAB


def discharged(driver: Driver) -> None:
    """Care ends by a clinician's decision, in whatever stage the patient is."""
    while driver.journey.stage == Stage.POST_SURGERY_REHAB:
        driver.act("override_gate", "therapist", note=NOTE)
    for plan in list(driver.journey.active_plans):
        said: dict[str, Any] = {"plan": plan.id, "decision": "discharge", "reason": "GOALS", "note": NOTE}
        driver.act("review_progress", "therapist", **said)
    assert driver.journey.stage == Stage.DISCHARGE


def to_the_end(driver: Driver) -> None:
    """Signed, received, and every follow-up answered by nobody: somebody calls each time."""
    driver.act("sign_summary", "therapist")
    driver.act("confirm_receipt", "referrer")
    last = driver.journey.the_pathway.follow_up
    assert {c.subject for c in driver.journey.clocks if c.kind == "follow_up"} <= {o.id for o in last.occasions}
    for _ in range(THE_LAST_OF_ALL // 30):
        driver.wait(days=30)
        while driver.journey.open_task("call_patient"):
            driver.act("record_call", outcome="well")
    assert driver.journey.outcome == "completed"


@pytest.mark.parametrize("id", EVERY)
def test_a_pathway_runs_from_intake_to_the_last_follow_up(id: str) -> None:  # noqa: A002
    driver = eligible(id)
    evaluated(driver)
    if driver.journey.the_pathway.surgical:
        operated(driver)
    discharged(driver)
    to_the_end(driver)


@pytest.mark.parametrize("id", [id for id in EVERY if pathways.latest()[id].phases])  # noqa: A001
def test_every_gate_opens_by_its_criteria_and_its_time(id: str) -> None:  # noqa: A002
    driver = eligible(id)
    evaluated(driver)
    pathway = driver.journey.the_pathway
    if pathway.surgical:
        operated(driver)
    for phase in pathway.phases[:-1]:
        for _ in range(2):  # what has come in time by then is held against the same scores once more
            if _phase(driver) == phase.n:
                driver.act("record_scores", "therapist", scores=met(pathway, phase.n))
                driver.wait(days=pathway.phases[-1].window_days[1])
        if _phase(driver) == phase.n:
            why = next(e.text for e in reversed(driver.journal) if e.kind == "gate_shut")
            assert asks_more_than_scores(pathway, phase.gate), why
            driver.act("override_gate", "therapist", note=NOTE)


def _phase(driver: Driver) -> int | None:
    return driver.journey.phase.n if driver.journey.phase else None


def asks_more_than_scores(pathway: Pathway, gate: tuple[Criterion, ...]) -> bool:
    """Whether a gate asks for something that scores of the day cannot say: visits, weeks, a change, a reference."""
    measured = {m.id for m in pathway.measures}
    return not gate or any(c.fact not in measured or c.than is not None for c in gate)


def met(pathway: Pathway, n: int) -> dict[str, ScoreValue]:
    """Scores with which the gate of a phase is met, as far as scores can."""
    phase = next(p for p in pathway.phases if p.n == n)
    found: dict[str, ScoreValue] = {}
    for criterion in phase.gate:
        measure = pathway.measure(criterion.fact)
        value = passing(criterion, measure) if measure is not None else None
        if value is not None:
            found[criterion.fact] = value
    return found or {pathway.baseline[0]: poor(next(m for m in pathway.measures if m.id == pathway.baseline[0]))}
