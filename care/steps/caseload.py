"""A journey taken over from other records: it begins in its stage, as if it had come there by the ordinary way.

The same functions set it up. What had run out before begins as its clock says (`backdated`, see `care/clock.py`), and
nobody is told what they were told long ago. Every state that comes of it has a live clock.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from care import action as act
from care.actor import Actor, system
from care.calendar import Calendar
from care.caseload import AdoptedEnding, AdoptedPlan, Adoption, BackdatedClock, Taken
from care.clock import Backdated
from care.draft import Draft, Refused
from care.facts import person_facts, score_facts
from care.gate import checks
from care.journey import Ending, Journey, PhaseState, Stage, Surgery
from care.pathway import DoseRule, Pathway
from care.plan import Authorisation, Origin, PlanOfCare, Value
from care.referral import Clinic
from care.rules.dosing import PLAN, Evaluation, PlannedCare, PlannedGoal
from care.steps import (
    authorisation,
    certification,
    common,
    discharge,
    endings,
    follow_up,
    intake,
    plans,
    post_surgery,
    referral,
    refuse,
    require,
    therapy,
    visits,
    winning_back,
)

NOON = time(12)
WITH_PLANS = (Stage.THERAPY, Stage.POST_SURGERY_REHAB, Stage.DISCHARGE, Stage.FOLLOW_UP)
ENDED = (Stage.DISCHARGE, Stage.FOLLOW_UP)
A_DAY = timedelta(hours=24)


def adopt(d: Draft, adoption: Adoption, clinic: Clinic, calendar: Calendar, pathway: Pathway | None) -> Taken:
    """Set the journey up where it stood. Raises Refused, saying what does not fit and what would be right.

    The draft is one that is taking over (`Draft(taking_over=True)`).
    """
    d.journey.adoption = None
    d.journey.clinic = clinic
    d.journey.calendar = calendar
    if pathway is None:
        raise Refused("UnknownPathway", "there is no pathway of that name")
    _check(d, adoption, pathway)
    notes = _notes(d, adoption, pathway)
    match adoption.stage:
        case Stage.INTAKE:
            _intake(d, adoption, pathway)
        case Stage.REFERRAL:
            _referral(d, adoption, pathway)
        case Stage.THERAPY:
            _therapy(d, adoption, pathway)
        case Stage.POST_SURGERY_REHAB:
            _rehab(d, adoption, pathway)
        case Stage.DISCHARGE:
            _discharge(d, adoption, pathway)
        case Stage.FOLLOW_UP:
            _follow_up(d, adoption, pathway)
    taken = _taken(d, adoption.stage, notes)
    counts = {p: sum(c.policy == p for c in taken.clocks) or None for p in ("skip", "do_now", "spread")}
    words = _words(adoption, taken)
    d.write(
        "taken_over",
        words,
        source=adoption.source,
        skipped=counts["skip"],
        now=counts["do_now"],
        spread=counts["spread"],
    )
    return taken


def actor(journey: Journey, adoption: Adoption) -> Actor:
    """Who takes it over: the person who said so, else Continuum itself."""
    if adoption.by is None:
        return system(journey.tenant)
    return Actor(person=adoption.by, role="coordinator", tenant=journey.tenant)


# --- what fits


def _check(d: Draft, a: Adoption, pathway: Pathway) -> None:
    today = d.journey.the_calendar.local(d.now).date()
    _past("received_on", d.journey.the_calendar.local(d.journey.referral.received_at).date(), today)
    _past("accepted_on", a.accepted_on, today)
    levels = [level.code for level in pathway.triage.levels]
    require(a.priority in (None, *levels), "BadPriority", f"priority: the pathway has {', '.join(levels)}")
    require(not a.plans or a.stage in WITH_PLANS, "NotFit", f"discipline: {a.stage.label} comes before plans of care")
    require(
        a.ending is None or a.stage in ENDED, "NotFit", "discharged_on: care has ended only in discharge or follow_up"
    )
    unfit = {name for facts in (a.baseline, a.latest) for name in facts if pathway.measure(name) is None}
    known = ", ".join(sorted(m.id for m in pathway.measures))
    require(
        not unfit, "UnknownMeasure", f"baseline, latest: {len(unfit)} measure(s) that it does not use; it uses: {known}"
    )
    for column, facts in (("baseline", a.baseline), ("latest", a.latest)):
        for name, value in facts.items():
            measure = pathway.measure(name)
            problem = measure.problem_with(value) if measure else None
            require(problem is None, "BadScore", f"{column}: {problem}")
    for plan in a.plans:
        _check_plan(plan, today)
    answered = set(a.follow_ups_answered) - {o.id for o in pathway.follow_up.occasions}
    occasions = ", ".join(o.id for o in pathway.follow_up.occasions)
    require(not answered, "UnknownOccasion", f"follow_ups_answered: the pathway has {occasions}")
    if a.stage in ENDED:
        if a.ending is None:
            refuse("EndingMissing", "discharged_on: say when and why care ended (discharged_on, discharge_reason)")
        _past("discharged_on", a.ending.on, today)
    if a.surgery_on is not None:
        require(pathway.phases, "NoSurgery", "surgery_on: this pathway has no rehabilitation after surgery")
        if a.stage != Stage.THERAPY:
            _past("surgery_on", a.surgery_on, today)


def _check_plan(plan: AdoptedPlan, today: date) -> None:
    _past("started_on", plan.started_on, today)
    for column, day in (
        ("last_visit_on", plan.last_visit_on),
        ("last_review_on", plan.last_review_on),
        ("certified_on", plan.certified_on),
    ):
        _past(column, day, today)
        require(
            day is None or day >= plan.started_on,
            "BadDate",
            f"{column}: it lies before started_on, the plan's first day",
        )
    require(
        plan.last_visit_on is None or plan.visits_used > 0,
        "NotFit",
        "visits_used: a last visit was used, so at least 1",
    )
    payer = plan.authorisation
    require(
        payer is None or payer.first_day <= payer.last_day,
        "BadDate",
        "authorised_until: it lies before authorised_from",
    )


def _past(column: str, day: date | None, today: date) -> None:
    require(day is None or day <= today, "BadDate", f"{column}: it lies in the future; today or a day before is wanted")


def _notes(d: Draft, a: Adoption, pathway: Pathway) -> tuple[str, ...]:
    """What is unusual and may be right: told, not refused."""
    facts = person_facts(pathway, age=d.journey.referral.age, sex=d.journey.referral.sex)
    today = d.journey.the_calendar.local(d.now).date()
    notes = {
        "the pathway's exclusions hold for this patient": any(c.met for c in checks(pathway.exclude, facts)),
        "the red flags were not asked": a.stage != Stage.INTAKE and not a.screened,
        "more visits are used than were planned": any(p.visits_used > (p.visits_planned or 10**6) for p in a.plans),
        "an authorisation is over or used up": any(
            p.authorisation and (p.authorisation.last_day < today or p.authorisation.used >= p.authorisation.visits)
            for p in a.plans
        ),
    }
    return tuple(words for words, holds in notes.items() if holds)


# --- stage by stage


def _intake(d: Draft, a: Adoption, pathway: Pathway) -> None:
    journey = d.journey
    complete = a.screened and journey.referral.consent_messages is not None
    require(
        not complete, "NothingLeft", "stage: this intake lacks nothing (red flags asked, consent known): say referral"
    )
    journey.screened = a.screened
    d.open_task("complete_intake", due=journey.the_calendar.after_days(journey.referral.received_at, 1))
    intake.enter(d, _clinic(d), journey.the_calendar, pathway)


def _referral(d: Draft, a: Adoption, pathway: Pathway) -> None:
    require(
        a.screened, "NotFit", "red_flags_screened: a referral is offered after the screen; say yes, or stage intake"
    )
    _accepted_way(d, a, pathway)
    received = d.journey.referral.received_at
    d.open_task("answer_referral", due=d.journey.the_calendar.after_days(received, 2))
    referral.enter(d)
    d.journey.referral.priority = a.priority or d.journey.referral.priority


def _therapy(d: Draft, a: Adoption, pathway: Pathway) -> None:
    _accepted_way(d, a, pathway)
    _accepted(d, a, pathway)
    if not a.plans:
        d.open_task("book_visit", due=d.journey.the_calendar.after_days(_accepted_at(d, a), 2))
        therapy.enter(d)
        _baseline(d, a)
        d.add_scores(a.latest)
    else:
        common.enter(d, Stage.THERAPY)
        _course(d, a, pathway)
        for plan, old in zip(d.journey.active_plans, a.plans, strict=True):
            _review(d, plan, old)
            _next_visit(d, plan, old, wanted=not plan.self_care)
            _somebody_looks(d, plan)
    if a.surgery_on is not None:
        planned = _noon(d, a.surgery_on, future=True)
        d.journey.surgery = Surgery(planned_for=planned)
        d.open_task("record_surgery", due=d.journey.the_calendar.after_days(planned, 1))


def _rehab(d: Draft, a: Adoption, pathway: Pathway) -> None:
    known = ", ".join(str(p.n) for p in pathway.phases) or "none"
    phase = next((p for p in pathway.phases if p.n == a.phase), None)
    if phase is None:
        raise Refused("UnknownPhase", f"phase: the pathway has these phases: {known}")
    if a.surgery_on is None:
        raise Refused("SurgeryMissing", "surgery_on: rehab after surgery begins with the day of surgery")
    surgery = _noon(d, a.surgery_on)
    _accepted_way(d, a, pathway)
    _accepted(d, a, pathway)
    d.journey.surgery = Surgery(done_at=surgery)
    common.enter(d, Stage.POST_SURGERY_REHAB)
    if a.plans:
        _course(d, a, pathway)
    else:
        _baseline(d, a)
        d.add_scores(a.latest)
        plans.make(d, a.clinician)
    began = max(surgery, min(surgery + timedelta(days=phase.window_days[0]), d.now))
    d.journey.phase = PhaseState(n=phase.n, entered_at=began)
    d.write("phase", f"In phase {phase.n}: {phase.name}", phase=phase.n)
    following = next((p for p in pathway.phases if p.n > phase.n), None)
    if following is not None:
        opens = surgery + timedelta(days=following.window_days[0])
        d.start_clock("gate_opens", "phase", opens, f"Phase {following.n} may begin")
    d.start_clock("phase_review", "phase", surgery + timedelta(days=phase.window_days[1]), f"Review of phase {phase.n}")
    for n, plan in enumerate(d.journey.active_plans):
        old = a.plans[n] if n < len(a.plans) else None
        _next_visit(d, plan, old, wanted=post_surgery.has_visits(phase))


def _discharge(d: Draft, a: Adoption, pathway: Pathway) -> None:
    ending = _ended(a)
    require(not ending.signed, "NotFit", "summary_signed: after the signature comes follow_up; say that stage, or no")
    _care_ended(d, a, ending, pathway, Stage.DISCHARGE)
    at = _noon(d, ending.on)
    d.open_task("sign_summary", due=d.journey.the_calendar.after_days(at, 2))
    discharge.enter(d)


def _follow_up(d: Draft, a: Adoption, pathway: Pathway) -> None:
    ending = _ended(a)
    require(ending.signed, "NotFit", "summary_signed: follow-up begins with the signature; say yes, or stage discharge")
    _care_ended(d, a, ending, pathway, Stage.FOLLOW_UP)
    at, state = _noon(d, ending.on), d.journey.ending
    if state is not None:
        state.signed_by = a.clinician or a.by or system(d.journey.tenant).person
        state.received_at = at if ending.receipt_confirmed else None
    if not ending.receipt_confirmed:
        d.open_task("chase_receipt", due=d.journey.the_calendar.after_days(at, 5))
    follow_up.enter(d)
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


# --- parts of them


def _clinic(d: Draft) -> Clinic:
    if d.journey.clinic is None:
        raise LookupError("a journey taken over without a clinic")
    return d.journey.clinic


def _accepted_way(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Intake lies behind."""
    d.journey.pathway = pathway
    d.journey.screened = a.screened
    d.journey.referral.patient_matched = True


def _accepted_at(d: Draft, a: Adoption) -> datetime:
    return _noon(d, a.accepted_on) if a.accepted_on else d.journey.referral.received_at


def _accepted(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """The referral lies behind: its priority says by when the first visit had to be."""
    level = next((x for x in pathway.triage.levels if x.code == (a.priority or pathway.usual_level)), None)
    state = d.journey.referral
    state.priority = level.code if level else None
    state.accepted_by = a.clinician
    if level is not None:
        state.first_visit_by = d.journey.the_calendar.after_days(_accepted_at(d, a), level.max_wait_days)


def _course(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """The plans of care as they were, and the scores; goals follow from the baseline by the pathway's rules."""
    goals = _baseline(d, a)
    for old in a.plans:
        plan = plans.begin(
            d,
            _care(old, a.source, pathway),
            goals,
            old.clinician or a.clinician,
            started_at=_noon(d, old.started_on),
        )
        plan.visits_attended, plan.visits_missed = old.visits_used, old.visits_missed
        plan.last_treatment_on = old.last_visit_on
        # How many visits came after the last report is not known: none where there was a review, else all of them.
        plan.treatment_days = 0 if old.last_review_on else old.visits_used
        plan.visits_at_review = old.visits_used if old.last_review_on else 0
        d.save_plan(plan)
        _certified(d, plan, old)
        _authorised(d, plan, old)
    days = [day for p in a.plans if (day := p.last_visit_on or p.last_review_on) is not None]
    first = _noon(d, min(p.started_on for p in a.plans))
    d.add_scores(a.latest, at=max(first, _noon(d, max(days))) if days else d.now)
    for plan in d.journey.active_plans:
        if plan.goals:
            plans.note_goals(d, plan)


def _baseline(d: Draft, a: Adoption) -> tuple[PlannedGoal, ...]:
    """The first scores, and the goals that the pathway makes of them."""
    began = _noon(d, min(p.started_on for p in a.plans)) if a.plans else _accepted_at(d, a)
    d.journey.care_began = began
    if not a.baseline:
        return ()
    d.add_scores(a.baseline, at=began)
    pathway = d.journey.the_pathway
    measured = {g.measure for g in pathway.goals}
    course, decided = d.decide(
        PLAN,
        Evaluation(
            pathway=pathway.label,
            dosing=(),
            goals=pathway.goals,
            measures=tuple(m for m in pathway.measures if m.id in measured),
            facts={k: v for k, v in a.baseline.items() if k in measured},
        ),
    )
    if course.goals:
        d.write("goals", "Goals from the baseline that was taken over", decided=decided)
    return course.goals


def _care(old: AdoptedPlan, source: str, pathway: Pathway) -> PlannedCare:
    """What the plan says, each value with its origin: the old records, or the pathway's dose where they are silent."""
    dose: DoseRule | None = next((x for x in pathway.dosing if x.id == old.dose), None)
    known = ", ".join(x.id for x in pathway.dosing)
    require(old.dose is None or dose is not None, "UnknownDose", f"plan_label: the pathway has {known}")
    require(
        dose is None or dose.discipline == old.discipline, "NotFit", "discipline: it is another than that of plan_label"
    )
    taken = Origin(rule=f"taken over from {source}", basis="unverified", source=f"the clinic's own records ({source})")
    rule = (
        Origin(rule=f"{pathway.label} dosing {dose.id}", basis=dose.basis, source=dose.source)
        if dose is not None
        else taken
    )

    def value(said: float | None, by_dose: float | None, unit: str, column: str) -> Value:
        if said is not None:
            return Value(value=said, unit=unit, origin=taken)
        if by_dose is None:
            raise Refused("NotFit", f"{column}: say it, or name the plan's dose (plan_label: {known})")
        return Value(value=by_dose, unit=unit, origin=rule)

    planned = value(old.visits_planned, dose.visits[1] if dose else None, "visits", "visits_planned")
    weeks = value(old.weeks, dose.weeks if dose else None, "weeks", "weeks")
    minutes = dose.visit_minutes if dose else visits.USUAL_MINUTES
    a_week = dose.visits_per_week if dose else round(planned.value / max(weeks.value, 1), 1)
    return PlannedCare(
        rule=dose.id if dose else "taken_over",
        discipline=old.discipline,
        label=dose.label if dose else "Plan of care taken over",
        self_care=dose.self_care if dose else False,
        visits=planned,
        visits_per_week=value(old.visits_per_week, a_week, "visits/week", "visits_per_week"),
        weeks=weeks,
        visit_minutes=value(old.visit_minutes, minutes, "minutes", "visit_minutes"),
        check_days=dose.check_days if dose else (),
        interventions=dose.interventions if dose else (),
    )


def _certified(d: Draft, plan: PlanOfCare, old: AdoptedPlan) -> None:
    """For its duration or 90 days, whichever is shorter, from the plan's beginning."""
    if old.certified_on is None or plan.certify_by is None:
        return
    plan.certified_at = _noon(d, old.certified_on)
    plan.certified_by = plan.clinician
    plan.certified_until = plan.started_at + certification.holds(plan)
    d.save_plan(plan)
    d.settle("certify_plan", plan.id, outcome="certified before it was taken over")
    if plan.certified_until - certification.NOTICE <= d.now:
        # What the referrer would hear of it lies in the past; the signature is owed all the same.
        d.open_task("recertify_plan", plan.id, due=plan.certified_until)
        return
    words = "The certified time draws to its end"
    d.start_clock("recertification", plan.id, plan.certified_until - certification.NOTICE, words)


def _authorised(d: Draft, plan: PlanOfCare, old: AdoptedPlan) -> None:
    payer = old.authorisation
    if payer is None or plan.self_care:
        return
    plan.authorisation = Authorisation(
        status="granted",
        asked_at=plan.started_at,
        visits=payer.visits,
        used=payer.used,
        first_day=payer.first_day,
        last_day=payer.last_day,
    )
    d.save_plan(plan)
    ends = d.journey.the_calendar.begins(payer.last_day - timedelta(days=authorisation.NOTICE_DAYS))
    d.start_clock("authorisation_ends", plan.id, ends, "The payer's authorisation draws to its end")


def _review(d: Draft, plan: PlanOfCare, old: AdoptedPlan) -> None:
    if plan.self_care:
        return
    days = timedelta(days=d.journey.the_pathway.review.every_days)
    last = _noon(d, old.last_review_on) if old.last_review_on else plan.started_at
    d.start_clock("review_due", plan.id, last + days, "Progress review")


def _next_visit(d: Draft, plan: PlanOfCare, old: AdoptedPlan | None, *, wanted: bool) -> None:
    """Booked, or owed; once the planned visits are used a review is owed instead, in therapy."""
    last = _noon(d, old.last_visit_on) if old and old.last_visit_on else plan.started_at
    two_days_later = d.journey.the_calendar.after_days(last, 2)
    if old is not None and old.next_visit is not None:
        booking = act.BookVisit(
            action_id="taken-over",
            actor=d.actor,
            expected=act.Expected(stage=d.journey.stage),
            plan=plan.id,
            clinician=old.next_visit.clinician,
            starts_at=old.next_visit.starts_at,
        )
        try:
            visits.book(d, booking)
        except Refused as refused:
            raise Refused(refused.kind, f"next_visit_at: {refused}") from None
    elif d.journey.stage == Stage.THERAPY and plan.visits_attended >= plan.visits_planned.value and wanted:
        d.open_task("review_progress", plan.id, due=two_days_later)
    elif wanted:
        d.open_task("book_visit", plan.id, due=two_days_later)
        visits.owe_next(d, plan.id)
        d.start_clock("drop_off", plan.id, last + winning_back.DROP_OFF, "No visit is booked")


def _somebody_looks(d: Draft, plan: PlanOfCare) -> None:
    """Self-care whose checks all lie in the past: nobody would ask any more."""
    if plan.self_care and not any(plans.concerns(c, plan) for c in d.journey.clocks):
        d.open_task("review_progress", plan.id, due=d.journey.the_calendar.after_days(plan.started_at, 2))


def _ended(a: Adoption) -> AdoptedEnding:
    if a.ending is None:
        raise LookupError("discharge without an ending")
    return a.ending


def _care_ended(d: Draft, a: Adoption, ending: AdoptedEnding, pathway: Pathway, stage: Stage) -> None:
    """Plans that are over, and the scores at discharge."""
    _accepted_way(d, a, pathway)
    _accepted(d, a, pathway)
    d.journey.stage = stage
    at = _noon(d, ending.on)
    if a.surgery_on is not None:
        d.journey.surgery = Surgery(done_at=_noon(d, a.surgery_on))
    goals = _baseline(d, a)
    for old in a.plans:
        require(
            old.started_on <= ending.on, "BadDate", "discharged_on: it lies before started_on, the plan's first day"
        )
        require(old.next_visit is None, "NotFit", "next_visit_at: no visit is booked after discharge")
        care = _care(old, a.source, pathway)
        plan = plans.begin(d, care, goals, old.clinician or a.clinician, started_at=_noon(d, old.started_on))
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


def _noon(d: Draft, day: date, *, future: bool = False) -> datetime:
    """Noon of a day at the clinic; of today no later than now, unless it may lie in the future."""
    zone = ZoneInfo(d.journey.the_calendar.timezone)
    moment = datetime.combine(day, NOON, zone).astimezone(d.now.tzinfo)
    return moment if future else min(moment, d.now)


# --- what is said of it


def _taken(d: Draft, stage: Stage, notes: tuple[str, ...]) -> Taken:
    standing = {c.id: c for c in d.journey.clocks}
    clocks = [
        BackdatedClock(label=c.label, policy=policy, at=None if policy == "skip" else c.due)
        for c, policy in d.ran_out
        if policy == "skip" or c.id in standing
    ]
    soon = [c for c in d.journey.clocks if c.due <= d.now + A_DAY]
    asked = [c for c in soon if c.kind in ("follow_up", "self_care_check")]
    return Taken(
        stage=stage,
        clocks=tuple(clocks),
        first_day=sum(c.kind not in ("visit", "gate_opens", "review_due", "drop_off", "phase_review") for c in soon),
        to_patient=len(asked) if d.journey.referral.consent_messages else 0,
        notes=notes,
    )


def _words(a: Adoption, taken: Taken) -> str:
    """For the journal: what was taken over, which clocks were skipped, done now or spread, and what was unusual."""
    counts = f"; {', '.join(f'{p.visits_used} visits used' for p in a.plans)}" if a.plans else ""
    parts: dict[Backdated, str] = {"skip": "skipped", "do_now": "done now", "spread": "spread"}
    told = [
        f"{word}: {', '.join(sorted(c.label for c in taken.clocks if c.policy == policy))}"
        for policy, word in parts.items()
        if any(c.policy == policy for c in taken.clocks)
    ]
    return "; ".join([f"Taken over from {a.source} in {a.stage.label}{counts}", *told, *taken.notes])
