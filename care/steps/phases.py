"""Phases with gates (criteria AND time): after surgery, or within therapy where the pathway's steps count from care.

A gate opens by all its criteria, the next phase's window and the least time in the phase; or a named clinician lets the
patient through and signs for it. Time alone opens none: a phase that has not ended by its review date is a stall, and
somebody looks at it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.gate import named_facts
from care.journey import Journey, PhaseState, Stage
from care.pathway import Pathway, Phase
from care.rules.gates import GATE, AtGate
from care.steps import common, plans, require, visits

IN_HOSPITAL_DAYS = 7
"""A first phase after surgery with a shorter window is spent in hospital, where nobody books visits."""


def begin(d: Draft, counted_from: datetime) -> None:
    """Enter the first phase; the windows of all phases count from that moment."""
    _enter(d, d.journey.the_pathway.phases[0], "start", counted_from)


def under_way(journey: Journey) -> bool:
    """Whether the patient is in a phase of this stage's course."""
    return journey.phase is not None


def has_visits(journey: Journey, phase: Phase) -> bool:
    """Whether visits are booked in a phase: not in hospital, and not where it may do without any."""
    short = phase.window_days[1] - phase.window_days[0] < IN_HOSPITAL_DAYS
    in_hospital = journey.the_pathway.phases_from == "surgery" and short
    return not in_hospital and phase.visits_per_week[0] > 0


def owe_visits(d: Draft) -> None:
    """Somebody owes the next visit of each plan, in a phase that has visits."""
    if has_visits(d.journey, _phase(d.journey)):
        for plan in d.journey.active_plans:
            if not plan.self_care:
                visits.owe_next(d, plan.id)


def try_gate(d: Draft) -> None:
    """Hold the facts against the gate; where it opens, the next phase begins, after the last one care ends."""
    phase, following = _phase(d.journey), _next(d.journey)
    if not phase.gate and following is None:
        return
    state = _state(d.journey)
    known = plans.facts(d.journey, d, d.journey.active_plans[0])
    result, decided = d.decide(
        GATE,
        AtGate(
            pathway=d.journey.the_pathway.label,
            phase=phase.n,
            criteria=phase.gate,
            facts=named_facts(phase.gate, known),
            next_window_day=following.window_days[0] if following else None,
            surgery_at=_counted_from(d.journey),
            least_until=state.entered_at + timedelta(days=phase.min_days) if phase.min_days else None,
            now=d.now,
        ),
    )
    if not result.opens:
        missing = "; ".join(c.words() for c in result.missing) or "the minimum time"
        d.write("gate_shut", f"Gate of phase {phase.n} stays shut: {missing}", decided=decided)
        return
    if following is None and any(v.starts_at <= d.now for v in d.journey.visits):
        # Care does not end over a visit whose record is owed; nor may a clock be stopped by it.
        d.start_clock("gate_opens", "phase", d.business_days(1), f"Phase {phase.n} may end")
        d.write("gate_waits", f"Gate of phase {phase.n} waits for the record of a visit", decided=decided)
        return
    d.write("gate_opened", f"Gate of phase {phase.n} opens: every criterion and the minimum time", decided=decided)
    _pass_on(d, following, "gate")


def gate_opens(d: Draft, clock: Clock) -> None:
    """The next phase's window begins: the gate is tried at once; between two plans of care, day by day."""
    d.stop_clock("gate_opens", clock.subject)
    if d.journey.active_plans:
        try_gate(d)
    else:
        d.start_clock("gate_opens", "phase", d.business_days(1), clock.label)


def review_date(d: Draft, clock: Clock) -> None:
    """The window has ended and the gate is still shut: a stall, looked at by a person. Time opens no gate."""
    d.stop_clock("phase_review", clock.subject)
    d.open_task("review_phase")
    d.write("stalled", f"Phase {_phase(d.journey).n} has not ended by its review date")
    for plan in d.journey.active_plans:
        plans.write_advice(d, plan, "the phase has not ended by its review date")


def override_gate(d: Draft, a: act.OverrideGate) -> None:
    """A named clinician opens the gate and signs for it with a note."""
    require(under_way(d.journey), "NoPhases", "this patient is in no phase that has a gate")
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "a gate is overridden by a clinician")
    require(a.note, "NoteNeeded", "an override needs a note that says why")
    n = _phase(d.journey).n
    d.settle("review_phase", outcome="overridden")
    d.write("gate_overridden", f"Gate of phase {n} overridden by a clinician", phase=n)
    _pass_on(d, _next(d.journey), "override")


def review_phase(d: Draft, a: act.ReviewPhase) -> None:
    """Go on in this phase until a new review, or end care with a coded reason."""
    require(d.journey.open_task("review_phase"), "NoReviewDue", "no phase waits for a review")
    n = _phase(d.journey).n
    d.settle("review_phase", outcome=a.decision)
    d.write("phase_reviewed", f"Phase {n} reviewed: {a.decision.replace('_', ' ')}", decision=a.decision)
    if a.decision == "end_rehab":
        if a.reason is None:
            raise Refused("ReasonNeeded", "the end of rehab needs a coded reason, for example MMI")
        plans.end_care(d, a.reason)
        return
    if a.review_on is None or a.review_on <= d.now:
        raise Refused("BadDate", "going on in this phase needs the date of the next review, in the future")
    if d.journey.stage == Stage.POST_SURGERY_REHAB:  # within therapy, progress reviews count what was gained
        for plan in d.journey.active_plans:
            plans.reviewed(d, plan)
    d.start_clock("phase_review", "phase", a.review_on, f"Review of phase {n}")
    owe_visits(d)


def _enter(d: Draft, phase: Phase, opened_by: str, counted_from: datetime) -> None:
    d.journey.phase = PhaseState(n=phase.n, entered_at=d.now, opened_by=opened_by, counted_from=counted_from)
    d.settle("review_phase", outcome="phase ended")
    d.write("phase", f"Phase {phase.n} begins: {phase.name}", phase=phase.n)
    _await_gate(d, phase)
    # Started after the gate's clock: where both fall on one day, the gate is tried first.
    review_at = max(counted_from + timedelta(days=phase.window_days[1]), d.business_days(1))
    d.start_clock("phase_review", "phase", review_at, f"Review of phase {phase.n}")
    owe_visits(d)


def _await_gate(d: Draft, phase: Phase) -> None:
    """The gate's clock; none where it may open already."""
    d.stop_clock("gate_opens")
    following = _next(d.journey)
    opens = _state(d.journey).entered_at + timedelta(days=phase.min_days)
    if following is not None:
        opens = max(opens, _counted_from(d.journey) + timedelta(days=following.window_days[0]))
    if opens > d.now:
        words = f"Phase {following.n} may begin" if following else f"Phase {phase.n} may end"
        d.start_clock("gate_opens", "phase", opens, words)


def follow_version(d: Draft, before: Pathway) -> None:
    """The pathway is another version of itself: windows and gate of this phase are as that one has them.

    A review date that a person has set stands, and so does a review that is owed.
    """
    phase, counted_from = _phase(d.journey), _counted_from(d.journey)
    was = next(p for p in before.phases if p.n == phase.n)
    review = next((c for c in d.journey.clocks if c.kind == "phase_review"), None)
    _await_gate(d, phase)
    if review is not None and review.due == counted_from + timedelta(days=was.window_days[1]):
        review_at = max(counted_from + timedelta(days=phase.window_days[1]), d.business_days(1))
        d.start_clock("phase_review", "phase", review_at, f"Review of phase {phase.n}")
    owe_visits(d)
    if not any(c.kind == "gate_opens" for c in d.journey.clocks):
        if d.journey.active_plans:
            try_gate(d)
        else:
            d.start_clock("gate_opens", "phase", d.business_days(1), f"Phase {phase.n} may end")


def _pass_on(d: Draft, following: Phase | None, opened_by: str) -> None:
    if following is None:
        plans.end_care(d, "GOALS")
    else:
        _enter(d, following, opened_by, _counted_from(d.journey))


def _state(journey: Journey) -> PhaseState:
    if journey.phase is None:
        raise LookupError("a journey without a phase")
    return journey.phase


def _counted_from(journey: Journey) -> datetime:
    """Journeys from before phases could count from care have it in the surgery alone."""
    if (begun := _state(journey).counted_from) is not None:
        return begun
    if journey.surgery is None or journey.surgery.done_at is None:
        raise LookupError("phases after surgery without a surgery")
    return journey.surgery.done_at


def _phase(journey: Journey) -> Phase:
    phase = journey.phase_content()
    if phase is None:
        raise LookupError("a journey without a phase of its pathway")
    return phase


def _next(journey: Journey) -> Phase | None:
    phases = journey.the_pathway.phases
    here = phases.index(_phase(journey))
    return phases[here + 1] if here + 1 < len(phases) else None
