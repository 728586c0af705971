"""How a journey that is taken over begins in each stage."""

from __future__ import annotations

from datetime import datetime, timedelta

from care.actor import system
from care.caseload import AdoptedEnding, Adoption
from care.draft import Draft, Refused
from care.facts import score_facts
from care.journey import Ending, PhaseState, Stage, Surgery
from care.pathway import Pathway, Phase
from care.steps import (
    common,
    discharge,
    endings,
    follow_up,
    intake,
    phases,
    plans,
    referral,
    require,
    therapy,
)
from care.steps.caseload.course import (
    accepted,
    accepted_at,
    accepted_way,
    baseline,
    clinic,
    course,
    next_visit,
    noon,
    planned_care,
    review,
    somebody_looks,
)


def in_intake(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Something is still missing."""
    journey = d.journey
    complete = a.screened and journey.referral.consent_messages is not None
    require(
        not complete, "NothingLeft", "stage: this intake lacks nothing (red flags asked, consent known): say referral"
    )
    journey.screened = a.screened
    d.open_task("complete_intake", due=journey.the_calendar.after_days(journey.referral.received_at, 1))
    intake.enter(d, clinic(d), journey.the_calendar, pathway)


def in_referral(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Offered, and not answered yet."""
    require(
        a.screened, "NotFit", "red_flags_screened: a referral is offered after the screen; say yes, or stage intake"
    )
    accepted_way(d, a, pathway)
    received = d.journey.referral.received_at
    d.open_task("answer_referral", due=d.journey.the_calendar.after_days(received, 2))
    referral.enter(d)
    d.journey.referral.priority = a.priority or d.journey.referral.priority


def in_therapy(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Before the evaluation, or under one or several plans of care."""
    accepted_way(d, a, pathway)
    accepted(d, a, pathway)
    if not a.plans:
        d.open_task("book_visit", due=d.journey.the_calendar.after_days(accepted_at(d, a), 2))
        therapy.enter(d)
        baseline(d, a)
        d.add_scores(a.latest)
    else:
        common.enter(d, Stage.THERAPY)
        course(d, a, pathway)
        if pathway.phases and not pathway.surgical:
            _enter_phase(d, _phase(a, pathway), pathway, d.journey.active_plans[0].started_at)
        for plan, old in zip(d.journey.active_plans, a.plans, strict=True):
            review(d, plan, old)
            next_visit(d, plan, old, wanted=not plan.self_care)
            somebody_looks(d, plan)
    if a.surgery_on is not None:
        planned = noon(d, a.surgery_on, future=True)
        d.journey.surgery = Surgery(planned_for=planned)
        d.open_task("record_surgery", due=d.journey.the_calendar.after_days(planned, 1))


def in_rehab(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """In a phase after surgery."""
    phase = _phase(a, pathway)
    if a.surgery_on is None:
        raise Refused("SurgeryMissing", "surgery_on: rehab after surgery begins with the day of surgery")
    surgery = noon(d, a.surgery_on)
    accepted_way(d, a, pathway)
    accepted(d, a, pathway)
    d.journey.surgery = Surgery(done_at=surgery)
    common.enter(d, Stage.POST_SURGERY_REHAB)
    if a.plans:
        course(d, a, pathway)
    else:
        baseline(d, a)
        d.add_scores(a.latest)
        plans.make(d, a.clinician)
    _enter_phase(d, phase, pathway, surgery)
    for n, plan in enumerate(d.journey.active_plans):
        old = a.plans[n] if n < len(a.plans) else None
        next_visit(d, plan, old, wanted=phases.has_visits(d.journey, phase))


def _phase(a: Adoption, pathway: Pathway) -> Phase:
    phase = next((p for p in pathway.phases if p.n == a.phase), None)
    if phase is None:
        known = ", ".join(str(p.n) for p in pathway.phases) or "none"
        raise Refused("UnknownPhase", f"phase: the pathway has these phases: {known}")
    return phase


def _enter_phase(d: Draft, phase: Phase, pathway: Pathway, counted_from: datetime) -> None:
    """As it was there: what is over by now is tried, and reviewed, at once."""
    began = max(counted_from, min(counted_from + timedelta(days=phase.window_days[0]), d.now))
    d.journey.phase = PhaseState(n=phase.n, entered_at=began, counted_from=counted_from)
    d.write("phase", f"In phase {phase.n}: {phase.name}", phase=phase.n)
    following = next((p for p in pathway.phases if p.n > phase.n), None)
    if following is not None:
        opens = max(counted_from + timedelta(days=following.window_days[0]), began + timedelta(days=phase.min_days))
        d.start_clock("gate_opens", "phase", opens, f"Phase {following.n} may begin")
    review_at = counted_from + timedelta(days=phase.window_days[1])
    d.start_clock("phase_review", "phase", review_at, f"Review of phase {phase.n}")


def in_discharge(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Care has ended; the summary waits for its signature."""
    ending = _ended(a)
    require(not ending.signed, "NotFit", "summary_signed: after the signature comes follow_up; say that stage, or no")
    _care_ended(d, a, ending, pathway, Stage.DISCHARGE)
    at = noon(d, ending.on)
    d.open_task("sign_summary", due=d.journey.the_calendar.after_days(at, 2))
    discharge.enter(d)


def in_follow_up(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """The summary is signed; what lies ahead of the follow-ups is to come."""
    ending = _ended(a)
    require(ending.signed, "NotFit", "summary_signed: follow-up begins with the signature; say yes, or stage discharge")
    _care_ended(d, a, ending, pathway, Stage.FOLLOW_UP)
    at, state = noon(d, ending.on), d.journey.ending
    if state is not None:
        state.signed_by = a.clinician or a.by or system(d.journey.tenant).person
        state.received_at = at if ending.receipt_confirmed else None
    if not ending.receipt_confirmed:
        d.open_task("chase_receipt", due=d.journey.the_calendar.after_days(at, d.number("receipt_within", at)))
    follow_up.enter(d)
    if d.journey.open_access_until is not None:
        until = at + timedelta(days=pathway.follow_up.open_access_days)
        d.journey.open_access_until = until if until > d.now else None
        d.start_clock("open_access", "journey", until, "The patient may come back without a new referral")
    for occasion in a.follow_ups_answered:
        d.stop_clock("follow_up", occasion)
    if d.journey.follow_up is not None:
        waited_for = {c.subject for c in d.journey.clocks if c.kind == "follow_up"}
        d.journey.follow_up.to_come = [o for o in d.journey.follow_up.to_come if o in waited_for]
    left = bool(d.journey.open_tasks or any(c.kind in ("follow_up", "open_access") for c in d.journey.clocks))
    require(
        left and d.journey.status != "closed",
        "NothingLeft",
        "discharged_on: every follow-up lies in the past or is answered, and the receipt is confirmed; leave this"
        " patient out",
    )
    endings.complete_if_done(d)


def _ended(a: Adoption) -> AdoptedEnding:
    if a.ending is None:
        raise LookupError("discharge without an ending")
    return a.ending


def _care_ended(d: Draft, a: Adoption, ending: AdoptedEnding, pathway: Pathway, stage: Stage) -> None:
    """Plans that are over, and the scores at discharge."""
    accepted_way(d, a, pathway)
    accepted(d, a, pathway)
    d.journey.stage = stage
    at = noon(d, ending.on)
    if a.surgery_on is not None:
        d.journey.surgery = Surgery(done_at=noon(d, a.surgery_on))
    goals = baseline(d, a)
    for old in a.plans:
        require(
            old.started_on <= ending.on, "BadDate", "discharged_on: it lies before started_on, the plan's first day"
        )
        require(old.next_visit is None, "NotFit", "next_visit_at: no visit is booked after discharge")
        care = planned_care(old, a.source, pathway)
        plan = plans.begin(d, care, goals, old.clinician or a.clinician, started_at=noon(d, old.started_on))
        plan.visits_attended, plan.visits_missed = old.visits_used, old.visits_missed
        plans.end(d, plan, "completed" if ending.reason == "GOALS" else "ended")
    d.ran_out.clear()
    began = d.journey.care_began
    d.add_scores(a.latest, at=max(at, began) if began else at)
    d.journey.ending = Ending(
        reason=ending.reason,
        at=at,
        facts=score_facts(pathway, d.journey.scores, d.now),
        plans=[p.id for p in d.journey.plans],
    )
