"""Post-surgery rehab: phases with gates (criteria AND time), precautions, stall, signed override."""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.gate import named_facts
from care.journey import PhaseState, Stage
from care.pathway import Phase
from care.rules.gates import GATE, AtGate
from care.steps import common, plans, require, visits

IN_HOSPITAL_DAYS = 7
"""A first phase with a shorter window is spent in hospital, where nobody books visits."""


def enter(d: Draft) -> None:
    """A plan over all phases, and the first phase."""
    common.enter(d, Stage.POST_SURGERY_REHAB)
    if common.goes_on(d):
        return
    planned = sum(round(plan.visits_planned.value) for plan in plans.make(d, None))
    d.answer_referrer("in-progress", "5.1.4", visits_done=0, visits_planned=planned)
    _enter_phase(d, d.journey.the_pathway.phases[0], "start")


def _surgery(d: Draft) -> datetime:
    surgery = d.journey.surgery
    if surgery is None or surgery.done_at is None:
        raise LookupError("post-surgery rehab without a surgery")
    return surgery.done_at


def _phase(d: Draft) -> Phase:
    phase = d.journey.phase_content()
    if phase is None:
        raise LookupError("post-surgery rehab without a phase")
    return phase


def _next(d: Draft) -> Phase | None:
    phases = d.journey.the_pathway.phases
    here = phases.index(_phase(d))
    return phases[here + 1] if here + 1 < len(phases) else None


def _enter_phase(d: Draft, phase: Phase, opened_by: str) -> None:
    d.journey.phase = PhaseState(n=phase.n, entered_at=d.now, opened_by=opened_by)
    d.settle("review_phase", outcome="phase ended")
    d.write("phase", f"Phase {phase.n} begins: {phase.name}", phase=phase.n)
    surgery = _surgery(d)
    d.stop_clock("gate_opens")
    if (following := _next(d)) is not None:
        opens = surgery + timedelta(days=following.window_days[0])
        if opens > d.now:
            d.start_clock("gate_opens", "phase", opens, f"Phase {following.n} may begin")
    # Started after the gate's clock: where both fall on one day, the gate is tried first.
    review_at = max(surgery + timedelta(days=phase.window_days[1]), d.business_days(1))
    d.start_clock("phase_review", "phase", review_at, f"Review of phase {phase.n}")
    _owe_visit(d)


def has_visits(phase: Phase) -> bool:
    """Whether visits are booked in a phase: not in hospital, and not where it may do without any."""
    in_hospital = phase.window_days[1] - phase.window_days[0] < IN_HOSPITAL_DAYS
    return not in_hospital and phase.visits_per_week[0] > 0


def _owe_visit(d: Draft) -> None:
    if not has_visits(_phase(d)):
        return
    for plan in d.journey.active_plans:
        visits.owe_next(d, plan.id)


def try_gate(d: Draft) -> None:
    """Hold the facts against the gate; where it opens, the next phase begins, after the last one rehab ends."""
    phase, following = _phase(d), _next(d)
    if not phase.gate and following is None:
        return
    known = plans.facts(d.journey, d, d.journey.active_plans[0])
    result, decided = d.decide(
        GATE,
        AtGate(
            pathway=d.journey.the_pathway.label,
            phase=phase.n,
            criteria=phase.gate,
            facts=named_facts(phase.gate, known),
            next_window_day=following.window_days[0] if following else None,
            surgery_at=_surgery(d),
            now=d.now,
        ),
    )
    if not result.opens:
        missing = "; ".join(c.words() for c in result.missing) or "the minimum time"
        d.write("gate_shut", f"Gate of phase {phase.n} stays shut: {missing}", decided=decided)
        return
    d.write("gate_opened", f"Gate of phase {phase.n} opens: every criterion and the minimum time", decided=decided)
    _pass_on(d, following, "gate")


def _pass_on(d: Draft, following: Phase | None, opened_by: str) -> None:
    if following is None:
        plans.end_care(d, "GOALS")
    else:
        _enter_phase(d, following, opened_by)


def gate_opens(d: Draft, clock: Clock) -> None:
    """The next phase's window begins: the gate is tried at once."""
    d.stop_clock("gate_opens", clock.subject)
    try_gate(d)


def phase_review(d: Draft, clock: Clock) -> None:
    """The window has ended and the gate is still shut: a stall, looked at by a person. Time opens no gate."""
    d.stop_clock("phase_review", clock.subject)
    d.open_task("review_phase")
    d.write("stalled", f"Phase {_phase(d).n} has not ended by its review date")


def record_visit(d: Draft, a: act.RecordVisit) -> None:
    """A visit; scores may open the gate."""
    visits.record(d, a)
    if a.scores:
        _after_scores(d)
    if d.journey.next_stage is None:
        _owe_visit(d)


def _after_scores(d: Draft) -> None:
    """Goals, the gate, and whether the pathway's rules say that recovery goes off track."""
    for plan in d.journey.active_plans:
        plans.note_goals(d, plan)
    try_gate(d)
    for plan in d.journey.active_plans:
        if d.journey.open_task("review_phase") is None and plans.advise(d, plan).recommend == "surgical_opinion":
            plans.owe_decision(d, plan, "the scores ask for it")
            d.tell("referrer", "journey_news", news="surgical_opinion")


def record_scores(d: Draft, a: act.RecordScores) -> None:
    """Scores outside a visit may open the gate."""
    common.record_scores(d, a)
    _after_scores(d)


def override_gate(d: Draft, a: act.OverrideGate) -> None:
    """A named clinician opens the gate and signs for it with a note."""
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "a gate is overridden by a clinician")
    require(a.note, "NoteNeeded", "an override needs a note that says why")
    d.settle("review_phase", outcome="overridden")
    d.write("gate_overridden", f"Gate of phase {_phase(d).n} overridden by a clinician", phase=_phase(d).n)
    _pass_on(d, _next(d), "override")


def review_phase(d: Draft, a: act.ReviewPhase) -> None:
    """Go on in this phase until a new review, or end rehab with a coded reason."""
    require(d.journey.open_task("review_phase"), "NoReviewDue", "no phase waits for a review")
    d.settle("review_phase", outcome=a.decision)
    d.write("phase_reviewed", f"Phase {_phase(d).n} reviewed: {a.decision.replace('_', ' ')}", decision=a.decision)
    if a.decision == "end_rehab":
        if a.reason is None:
            raise Refused("ReasonNeeded", "the end of rehab needs a coded reason, for example MMI")
        plans.end_care(d, a.reason)
        return
    if a.review_on is None or a.review_on <= d.now:
        raise Refused("BadDate", "going on in this phase needs the date of the next review, in the future")
    d.start_clock("phase_review", "phase", a.review_on, f"Review of phase {_phase(d).n}")
    _owe_visit(d)
