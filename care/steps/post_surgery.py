"""Post-surgery rehab: the patient is carried through the phases after surgery."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.journey import Stage
from care.steps import common, phases, plans, visits


def enter(d: Draft) -> None:
    """A plan over all phases, and the first phase."""
    common.enter(d, Stage.POST_SURGERY_REHAB)
    if common.goes_on(d):
        return
    surgery = d.journey.surgery
    if surgery is None or surgery.done_at is None:
        raise LookupError("post-surgery rehab without a surgery")
    planned = sum(round(plan.visits_planned.value) for plan in plans.make(d, None))
    d.answer_referrer("in-progress", "5.1.4", visits_done=0, visits_planned=planned)
    phases.begin(d, surgery.done_at)


def record_visit(d: Draft, a: act.RecordVisit) -> None:
    """A visit; scores may open the gate."""
    visits.record(d, a)
    if a.scores or a.items:
        _after_scores(d)
    if d.journey.next_stage is None:
        phases.owe_visits(d)


def _after_scores(d: Draft) -> None:
    """Goals, the gate, and whether the pathway's rules say that recovery goes off track."""
    for plan in d.journey.active_plans:
        plans.note_goals(d, plan)
    phases.try_gate(d)
    for plan in d.journey.active_plans:
        if d.journey.open_task("review_phase") is None and plans.advise(d, plan).recommend == "surgical_opinion":
            plans.owe_decision(d, plan, "the scores ask for it")
            d.tell("referrer", "journey_news", news="surgical_opinion")


def record_scores(d: Draft, a: act.RecordScores) -> None:
    """Scores outside a visit may open the gate."""
    common.record_scores(d, a)
    _after_scores(d)
