"""What lies behind a journey that is taken over: acceptance, plans of care, scores, and what is owed for them now."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from care import action as act
from care.caseload import AdoptedPlan, Adoption
from care.draft import Draft, Refused
from care.journey import Stage
from care.pathway import DoseRule, Pathway
from care.plan import Authorisation, Origin, PlanOfCare, Value
from care.referral import Clinic
from care.rules.dosing import PLAN, Evaluation, PlannedCare, PlannedGoal
from care.steps import (
    certification,
    plans,
    require,
    visits,
)

NOON = time(12)


def clinic(d: Draft) -> Clinic:
    """The clinic that takes the journey over."""
    if d.journey.clinic is None:
        raise LookupError("a journey taken over without a clinic")
    return d.journey.clinic


def accepted_way(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Intake lies behind."""
    d.journey.pathway = pathway
    d.journey.screened = a.screened
    d.journey.referral.patient_matched = True


def accepted_at(d: Draft, a: Adoption) -> datetime:
    """When the referral was accepted, as far as the old records say."""
    return noon(d, a.accepted_on) if a.accepted_on else d.journey.referral.received_at


def accepted(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """The referral lies behind: its priority says by when the first visit had to be."""
    level = next((x for x in pathway.triage.levels if x.code == (a.priority or pathway.usual_level)), None)
    state = d.journey.referral
    state.priority = level.code if level else None
    state.accepted_by = a.clinician
    if level is not None:
        state.first_visit_by = d.journey.the_calendar.after_days(accepted_at(d, a), level.max_wait_days)


def course(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """The plans of care as they were, and the scores; goals follow from the baseline by the pathway's rules."""
    goals = baseline(d, a)
    for old in a.plans:
        plan = plans.begin(
            d,
            planned_care(old, a.source, pathway),
            goals,
            old.clinician or a.clinician,
            started_at=noon(d, old.started_on),
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
    first = noon(d, min(p.started_on for p in a.plans))
    d.add_scores(a.latest, at=max(first, noon(d, max(days))) if days else d.now)
    for plan in d.journey.active_plans:
        if plan.goals:
            plans.note_goals(d, plan)


def baseline(d: Draft, a: Adoption) -> tuple[PlannedGoal, ...]:
    """The first scores, and the goals that the pathway makes of them."""
    began = noon(d, min(p.started_on for p in a.plans)) if a.plans else accepted_at(d, a)
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


def planned_care(old: AdoptedPlan, source: str, pathway: Pathway) -> PlannedCare:
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

    planned = value(old.visits_planned, dose.visits[1] if dose and dose.visits else None, "visits", "visits_planned")
    weeks = value(old.weeks, dose.weeks if dose else None, "weeks", "weeks")
    minutes = dose.visit_minutes if dose else visits.USUAL_MINUTES
    by_dose = dose.visits_per_week if dose else None
    a_week = by_dose if by_dose is not None else round(planned.value / max(weeks.value, 1), 1)
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
    plan.certified_at = noon(d, old.certified_on)
    plan.certified_by = plan.clinician
    plan.certified_until = plan.started_at + certification.holds(d, plan)
    d.save_plan(plan)
    d.settle("certify_plan", plan.id, outcome="certified before it was taken over")
    notice = d.days("certification_notice")
    if plan.certified_until - notice <= d.now:
        # What the referrer would hear of it lies in the past; the signature is owed all the same.
        d.open_task("recertify_plan", plan.id, due=plan.certified_until)
        return
    words = "The certified time draws to its end"
    d.start_clock("recertification", plan.id, plan.certified_until - notice, words)


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
    ends = d.journey.the_calendar.begins(payer.last_day - d.days("authorisation_notice"))
    d.start_clock("authorisation_ends", plan.id, ends, "The payer's authorisation draws to its end")


def review(d: Draft, plan: PlanOfCare, old: AdoptedPlan) -> None:
    """When progress was looked at last, and when it is to be again."""
    if plan.self_care:
        return
    days = timedelta(days=d.journey.the_pathway.review.every_days)
    last = noon(d, old.last_review_on) if old.last_review_on else plan.started_at
    d.start_clock("review_due", plan.id, last + days, "Progress review")


def next_visit(d: Draft, plan: PlanOfCare, old: AdoptedPlan | None, *, wanted: bool) -> None:
    """Booked, or owed; once the planned visits are used a review is owed instead, in therapy."""
    last = noon(d, old.last_visit_on) if old and old.last_visit_on else plan.started_at
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
        d.start_clock("drop_off", plan.id, last + d.days("drop_off_after", last), "No visit is booked")


def somebody_looks(d: Draft, plan: PlanOfCare) -> None:
    """Self-care whose checks all lie in the past: nobody would ask any more."""
    if plan.self_care and not any(plans.concerns(c, plan) for c in d.journey.clocks):
        d.open_task("review_progress", plan.id, due=d.journey.the_calendar.after_days(plan.started_at, 2))


def noon(d: Draft, day: date, *, future: bool = False) -> datetime:
    """Noon of a day at the clinic; of today no later than now, unless it may lie in the future."""
    zone = ZoneInfo(d.journey.the_calendar.timezone)
    moment = datetime.combine(day, NOON, zone).astimezone(d.now.tzinfo)
    return moment if future else min(moment, d.now)
