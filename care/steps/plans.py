"""Plans of care: made, reviewed, ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.facts import person_facts, plan_facts, score_facts
from care.gate import Criterion, Facts
from care.journey import Ending, Journey, Stage
from care.pathway import Discipline
from care.plan import Dose, Goal, PlanOfCare
from care.responder import improvement
from care.rules.dosing import PLAN, Evaluation, PlannedCare, PlannedGoal
from care.rules.progress import REVIEW, Advice, Course, course
from care.steps import endings, require
from care.task import TaskKind

OF_CARE: tuple[TaskKind, ...] = (
    "first_visit",
    "book_visit",
    "win_back",
    "evaluate",
    "review_progress",
    "answer_surgical_question",
    "record_surgery",
    "review_phase",
)
"""Tasks that end with care: in the stages after it nobody could settle them."""

OF_VISITS: tuple[TaskKind, ...] = ("book_visit", "record_visit", "win_back")
"""Tasks about visits, which are cancelled when care ends: should it go on, the next visit is owed anew."""


def concerns(clock: Clock, plan: PlanOfCare) -> bool:
    """Whether a clock is about this plan, or about a check of it."""
    return clock.subject == plan.id or clock.subject.startswith(f"{plan.id}:")


def facts(journey: Journey, d: Draft, plan: PlanOfCare | None = None) -> Facts:
    """All that criteria may look at now."""
    pathway, referral = journey.the_pathway, journey.referral
    known: Facts = score_facts(pathway, journey.scores, d.now, since=journey.care_began)
    known |= person_facts(pathway, age=referral.age, sex=referral.sex)
    known["earlier_plans"] = sum(p.status in ("completed", "ended") for p in journey.plans)
    if plan is not None:
        known |= plan_facts(plan, pathway, d.now)
    if referral.days_since_onset is not None:
        known["days_since_onset"] = referral.days_since_onset + (d.now - referral.received_at).days
        known["weeks_since_onset"] = int(known["days_since_onset"]) // 7
    if journey.surgery is not None and journey.surgery.done_at is not None:
        known["weeks_since_surgery"] = (d.now - journey.surgery.done_at).days // 7
    if journey.phase is not None:
        known["phase"] = journey.phase.n
        known["days_in_phase"] = (d.now - journey.phase.entered_at).days
    return known


def make(
    d: Draft,
    clinician: str | None,
    *,
    said: dict[Discipline, Dose] | None = None,
    authorised_visits: int | None = None,
) -> list[PlanOfCare]:
    """From the patient's own facts to a plan for each discipline, each value with its origin.

    Raises Refused where a number is missing that neither the pathway nor the therapist (`said`) gives.
    """
    pathway = d.journey.the_pathway
    known = facts(d.journey, d)
    measured = {g.measure for g in pathway.goals}
    looked_at = {name for rule in pathway.dosing for c in rule.when for name in c.facts()} | measured
    course_of_care, decided = d.decide(
        PLAN,
        Evaluation(
            pathway=pathway.label,
            dosing=pathway.dosing,
            goals=pathway.goals,
            measures=tuple(m for m in pathway.measures if m.id in measured),
            facts={k: v for k, v in known.items() if k in looked_at},
            said=said or {},
            conditions=tuple(c for c in pathway.conditions if c.condition in d.journey.conditions),
            authorised_visits=authorised_visits,
        ),
    )
    lacking = "; ".join(course_of_care.missing)
    require(not lacking, "DoseMissing", f"{pathway.label} has no number here, the therapist says it (doses): {lacking}")
    require(course_of_care.care, "NoPlan", "the pathway has no dose for these findings: choose another pathway")
    made = [begin(d, care, course_of_care.goals, clinician) for care in course_of_care.care]
    words = (
        f"{p.discipline.replace('_', ' ')}: {p.label}, up to {p.visits_planned.value:g} visits"
        f" in {p.weeks.value:g} weeks"
        for p in made
    )
    d.write("plan_made", f"Plan of care: {'; '.join(words)}", decided=decided)
    return made


def begin(
    d: Draft,
    care: PlannedCare,
    goals: tuple[PlannedGoal, ...],
    clinician: str | None,
    *,
    started_at: datetime | None = None,
) -> PlanOfCare:
    """Open a plan with its clocks: certification never pauses, reviews come by visits or by days.

    `started_at` is for a plan that began before Continuum knew of it.
    """
    started_at = started_at or d.now
    plan = PlanOfCare(
        id=d.mint("plan"),
        discipline=care.discipline,
        label=care.label,
        self_care=care.self_care,
        visits_planned=care.visits,
        visits_per_week=care.visits_per_week,
        weeks=care.weeks,
        visit_minutes=care.visit_minutes,
        interventions=care.interventions,
        precautions=care.precautions,
        clinician=clinician,
        started_at=started_at,
        certify_by=None if care.self_care else started_at + d.days("certify_within", started_at),
    )
    plan.goals = [
        Goal(
            id=f"{plan.id}:{g.rule}",
            measure=g.measure,
            op=g.op,
            target=g.target,
            baseline=g.baseline,
            origin=g.origin,
        )
        for g in goals
    ]
    plan.scores_at_review = {g.measure: g.baseline for g in goals}
    d.save_plan(plan)
    if plan.certify_by is not None:
        d.open_task("certify_plan", plan.id, due=plan.certify_by)
    for day in care.check_days:
        d.start_clock("self_care_check", f"{plan.id}:{day}", started_at + timedelta(days=day), f"Check on day {day}")
    return plan


def note_goals(d: Draft, plan: PlanOfCare) -> None:
    """Mark the goals that the latest scores meet."""
    known = facts(d.journey, d, plan)
    for goal in plan.goals:
        met = Criterion(fact=goal.measure, op=goal.op, value=goal.target).met(known)
        if met and not goal.met:
            d.write("goal_met", f"Goal met: {goal.measure} {goal.op} {goal.target:g}", plan=plan.id)
        goal.met = met
    d.save_plan(plan)


def advise(d: Draft, plan: PlanOfCare) -> Advice:
    """What the pathway recommends for this plan now."""
    return REVIEW.decide(_course(d, plan))


def write_advice(d: Draft, plan: PlanOfCare, because: str) -> None:
    """The same in the journal, with why it was asked and how it came about."""
    advice, decided = d.decide(REVIEW, _course(d, plan))
    words = advice.recommend.replace("_", " ")
    d.write(
        "review_due",
        f"Progress review, {because}: recommended is {words} ({advice.because})",
        decided=decided,
    )


def _course(d: Draft, plan: PlanOfCare) -> Course:
    pathway = d.journey.the_pathway
    return course(pathway.label, pathway.progress, pathway.discharge, facts(d.journey, d, plan))


def owe_review(d: Draft, plan: PlanOfCare, because: str) -> None:
    """Ask for a progress review, once."""
    if d.journey.open_task("review_progress", plan.id) is None:
        write_advice(d, plan, because)
        d.open_task("review_progress", plan.id)


def owe_decision(d: Draft, plan: PlanOfCare, because: str) -> None:
    """A clinician has to decide how to go on: at a progress review, or after surgery at the review of the phase."""
    if d.journey.stage != Stage.POST_SURGERY_REHAB:
        owe_review(d, plan, because)
    elif d.journey.open_task("review_phase") is None:
        write_advice(d, plan, because)
        d.open_task("review_phase")


def reviewed(d: Draft, plan: PlanOfCare) -> None:
    """Close a review: count it, and whether anything was gained above measurement error since the one before."""
    pathway = d.journey.the_pathway
    known = facts(d.journey, d, plan)
    gained = False
    for measure in (m for m in pathway.measures if m.id in plan.scores_at_review):
        before, after = plan.scores_at_review[measure.id], known.get(measure.id)
        if isinstance(before, str) or after is None or isinstance(after, str):
            continue
        threshold = measure.mdc if measure.mdc is not None else measure.mcid or 0.0
        gained = gained or improvement(measure, before, after) > threshold
        plan.scores_at_review[measure.id] = after
    plan.reviews_without_gain = 0 if gained else plan.reviews_without_gain + 1
    plan.visits_at_review = plan.visits_attended
    d.save_plan(plan)
    d.settle("review_progress", plan.id, outcome="reviewed")


def end(d: Draft, plan: PlanOfCare, status: str) -> None:
    """Close a plan: its visits, tasks and clocks end with it."""
    plan.status = "completed" if status == "completed" else "ended"
    plan.winning_back = None
    cancelled = endings.cancel_future(d, plan.id)
    for task in [t for t in d.journey.open_tasks if t.subject == plan.id]:
        d.settle(task.kind, plan.id, outcome="plan ended")
    d.journey.clocks = [c for c in d.journey.clocks if not concerns(c, plan)]
    d.save_plan(plan)
    d.write(
        "plan_ended",
        f"Plan of care ended after {plan.visits_attended} of {plan.visits_planned.value:g} visits",
        plan=plan.id,
        visits_cancelled=cancelled,
    )


def end_care(d: Draft, reason: act.DischargeReason) -> None:
    """No plan is left: on to discharge, with the scores as they are now.

    What was queued for the patient is stopped, but that visits are cancelled is told, in the morning if need be.
    """
    d.stop_to_patient("care has ended", queued_now_too=False)
    for plan in d.journey.active_plans:
        end(d, plan, "completed" if reason == "GOALS" else "ended")
    endings.cancel_future(d)
    for kind in OF_CARE:
        d.settle(kind, outcome="care ended")
    if d.journey.surgical_opinion == "asked":
        d.journey.surgical_opinion = None
    d.journey.winning_back = None
    d.journey.clocks = [c for c in d.journey.clocks if c.kind == "task"]
    known = score_facts(d.journey.the_pathway, d.journey.scores, d.now)
    before, owed, running = d.before, {t.id for t in d.journey.open_tasks}, {c.id for c in d.journey.clocks}
    d.journey.ending = Ending(
        reason=reason,
        at=d.now,
        facts=known,
        stage=d.journey.stage,
        plans=[p.id for p in before.active_plans if p not in d.journey.active_plans],
        tasks=[t for t in before.open_tasks if t.id not in owed and t.kind not in OF_VISITS],
        clocks=[c for c in before.clocks if c.id not in running and c.kind not in ("task", "visit")],
    )
    d.leave_for(Stage.DISCHARGE)


def active(journey: Journey, plan_id: str) -> PlanOfCare:
    """The active plan of that id. Raises Refused."""
    plan = journey.plan(plan_id)
    if plan is None or plan.status != "active":
        known = ", ".join(p.id for p in journey.active_plans) or "none"
        raise Refused("NoSuchPlan", f"no active plan of care of that id; active: {known}")
    return plan
