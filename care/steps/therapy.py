"""Therapy: evaluation, individual plan of care, visits, scores, and reviews that decide how to go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.gate import checks
from care.journey import Journey, Stage, Surgery
from care.plan import PlanOfCare
from care.steps import common, endings, items, phases, plans, reports, require, screening, visits


def enter(d: Draft) -> None:
    """Somebody owes the first visit; the priority says by when it has to be."""
    common.enter(d, Stage.THERAPY)
    if common.goes_on(d):
        return
    if d.journey.ending is not None:  # of the course before: it is no longer to be taken back
        d.journey.ending = d.journey.ending.model_copy(update={"stage": None, "plans": [], "tasks": [], "clocks": []})
    d.journey.follow_up = None
    d.journey.phase = None
    d.journey.first_visits_missed = 0
    d.open_task("book_visit")
    d.open_task("first_visit", due=d.journey.referral.first_visit_by)


def record_visit(d: Draft, a: act.RecordVisit) -> None:
    """The first visit attended asks for the evaluation; later ones for scores, reviews and the next visit."""
    plan = visits.record(d, a)
    if plan is None or plan.status != "active":
        if a.outcome == "attended" and not d.journey.active_plans:
            d.open_task("evaluate")
        elif not d.journey.active_plans:
            d.open_task("book_visit")
        return
    _after_scores(d, plan)
    _try_gate(d)
    if d.journey.next_stage is not None:
        return
    review = d.journey.the_pathway.review
    if plan.visits_attended >= plan.visits_planned.value:
        plans.owe_review(d, plan, "the planned visits are used")
        return
    if plan.visits_attended - plan.visits_at_review >= review.every_visits:
        plans.owe_review(d, plan, f"after {review.every_visits} visits")
    _owe_next(d, plan)


def _owe_next(d: Draft, plan: PlanOfCare) -> None:
    """The plan's next visit, unless the patient is in a phase that may do without any."""
    if phases.under_way(d.journey):
        phases.owe_visits(d)
    else:
        visits.owe_next(d, plan.id)


def record_scores(d: Draft, a: act.RecordScores) -> None:
    """Scores outside a visit may meet a goal, or ask for a review."""
    common.record_scores(d, a)
    for plan in d.journey.active_plans:
        _after_scores(d, plan)
    _try_gate(d)


def _try_gate(d: Draft) -> None:
    if phases.under_way(d.journey) and d.journey.active_plans:
        phases.try_gate(d)


def _after_scores(d: Draft, plan: PlanOfCare) -> None:
    plans.note_goals(d, plan)
    if plans.advise(d, plan).recommend in ("discharge", "surgical_opinion") and d.journey.surgical_opinion != "asked":
        plans.owe_review(d, plan, "the scores ask for it")


def evaluate(d: Draft, a: act.Evaluate) -> None:
    """From the patient's own baseline to a plan for each discipline, each value with its origin."""
    journey, pathway = d.journey, d.journey.the_pathway
    require(
        journey.open_task("evaluate"),
        "NoEvaluationDue",
        "an evaluation follows the first visit attended, or a change",
    )
    found = items.taken(d, a)
    d.add_scores(found.scores)
    known = plans.facts(journey, d)
    missing = [m for m in pathway.baseline if m not in known]
    require(not missing, "BaselineMissing", f"the evaluation also needs: {', '.join(missing)}")
    _own_numbers(d, a)
    made = plans.make(d, a.clinician, said=a.doses, authorised_visits=a.authorised_visits)
    if pathway.phases and not pathway.surgical and not phases.under_way(journey):
        phases.begin(d, d.now)  # a change of plan goes on in the phase the patient is in
    for plan in made:
        if not plan.self_care:
            _next_review(d, plan)
            _owe_next(d, plan)
    # The evaluation was the first visit of the course, and counts as one; the day is one of treatment.
    made[0].visits_attended += 1
    reports.count(d, made[0], journey.the_calendar.local(d.now).date())
    d.save_plan(made[0])
    d.settle("evaluate")
    d.settle("book_visit", "journey", outcome="plan made")
    d.answer_referrer("in-progress", "5.1.4", visits_done=made[0].visits_attended, visits_planned=_planned(d))
    d.tell("patient", "plan_ready")
    d.tell("referrer", "journey_news", news="plan_of_care")
    found.explain(d)
    screening.answer_flags(d, dict(found.signs))


def _own_numbers(d: Draft, a: act.Evaluate) -> None:
    """Conditions and numbers that the therapist names; a number beside the pathway's own needs a reason."""
    pathway = d.journey.the_pathway
    asked = {c.condition for c in pathway.conditions}
    unknown = sorted(set(a.conditions) - asked)
    known = ", ".join(sorted(asked)) or "none"
    require(not unknown, "UnknownCondition", f"{pathway.label} asks about these other conditions: {known}")
    d.journey.conditions = sorted({*d.journey.conditions, *a.conditions})
    disciplines = {rule.discipline for rule in pathway.dosing}
    plans_for = ", ".join(sorted(disciplines))
    require(set(a.doses) <= disciplines, "UnknownDiscipline", f"{pathway.label} plans for: {plans_for}")
    given = {rule.discipline for rule in pathway.dosing if rule.visits and rule.weeks and rule.visits_per_week}
    require(
        a.note or not given & set(a.doses),
        "NoteNeeded",
        "the pathway has its own numbers for this dose; others need a note that says why",
    )


def _planned(d: Draft) -> int:
    return round(sum(p.visits_planned.value for p in d.journey.active_plans))


def _next_review(d: Draft, plan: PlanOfCare) -> None:
    days = d.journey.the_pathway.review.every_days
    d.start_clock("review_due", plan.id, d.now + timedelta(days=days), "Progress review")


def review_due(d: Draft, clock: Clock) -> None:
    """So many days have passed since the last review."""
    d.stop_clock("review_due", clock.subject)
    plan = d.journey.plan(clock.subject)
    if plan is not None and plan.status == "active":
        plans.owe_review(d, plan, f"{d.journey.the_pathway.review.every_days} days after the last")


def review_progress(d: Draft, a: act.ReviewProgress) -> None:
    """The clinician decides; a decision that differs from the recommendation needs a note that says why."""
    plan = plans.active(d.journey, a.plan)
    advice = plans.advise(d, plan)
    require(
        a.decision == advice.recommend or a.note,
        "NoteNeeded",
        f"the pathway recommends {advice.recommend.replace('_', ' ')} ({advice.because}); "
        "a different decision needs a note",
    )
    plans.reviewed(d, plan)
    d.write("reviewed", f"Progress review: {a.decision.replace('_', ' ')}", plan=plan.id, decision=a.decision)
    if a.decision == "discharge":
        reason = a.reason
        if reason is None:
            raise Refused("ReasonNeeded", "a discharge needs a coded reason, for example GOALS")
        plans.end(d, plan, "completed")
        if not d.journey.active_plans:
            plans.end_care(d, reason)
        return
    if a.decision == "change":
        plans.end(d, plan, "ended")
        d.open_task("evaluate")
        return
    if not plan.self_care:
        _next_review(d, plan)
        _owe_next(d, plan)
    if a.decision == "surgical_opinion":
        d.journey.surgical_opinion = "asked"
        d.open_task("answer_surgical_question")
        d.tell("referrer", "journey_news", news="surgical_opinion")
    elif plan.self_care and not any(plans.concerns(c, plan) for c in d.journey.clocks):
        # No check is left: the plan goes on only until somebody looks again.
        d.start_clock("review_due", plan.id, d.business_days(5), "Progress review")


def self_care_check(d: Draft, clock: Clock) -> None:
    """Ask the patient how it goes; somebody owes a look at the answer, or at its absence."""
    d.stop_clock("self_care_check", clock.subject)
    plan = d.journey.plan(clock.subject.rsplit(":", 1)[0])
    if plan is None or plan.status != "active":
        return
    d.tell("patient", "self_care_check")
    d.open_task("review_progress", plan.id)
    d.write("check_sent", "The patient is asked how self-care goes", plan=plan.id)


def answer_check(d: Draft, a: act.AnswerCheck) -> None:
    """The patient's answer; the pathway's rules say what it recommends, a clinician decides."""
    plan = next((p for p in d.journey.active_plans if p.self_care), None)
    if plan is None:
        raise Refused("NoCheck", "this patient has no self-care plan under way")
    found = items.taken(d, a)
    d.add_scores(found.scores, plan=plan.id)
    d.write("check_answered", f"The patient answered: {found.named}", plan=plan.id)
    found.explain(d)
    screening.answer_flags(d, {**a.answers, **found.signs})
    plans.note_goals(d, plan)
    plans.write_advice(d, plan, "the patient answered")
    d.open_task("review_progress", plan.id)


def record_surgical_opinion(d: Draft, a: act.RecordSurgicalOpinion) -> None:
    """Conservative: therapy goes on. Operate: pre-hab where the pathway has phases, else a handover."""
    require(d.journey.surgical_opinion == "asked", "NotAsked", "no surgical opinion was asked for")
    d.journey.surgical_opinion = a.opinion
    d.settle("answer_surgical_question", outcome=a.opinion)
    d.write("surgical_opinion", f"Surgeon's opinion: {a.opinion}", opinion=a.opinion)
    if a.opinion == "conservative":
        for plan in d.journey.active_plans:
            plan.reviews_without_gain = 0
            d.save_plan(plan)
            visits.owe_next(d, plan.id)
    elif not d.journey.the_pathway.surgical:
        plans.end_care(d, "SURGERY")
    else:
        d.open_task("record_surgery")


def plan_surgery(d: Draft, a: act.PlanSurgery) -> None:
    """Surgery has a date; after it somebody owes the word that it took place."""
    require(
        d.journey.the_pathway.surgical,
        "NoSurgery",
        "this pathway has no rehabilitation after surgery: refer instead",
    )
    require(
        a.planned_for > d.now,
        "BadDate",
        "surgery is planned for a day to come; record_surgery says that it was",
    )
    d.journey.surgery = Surgery(planned_for=a.planned_for)
    d.settle("record_surgery", outcome="planned anew")
    d.open_task("record_surgery", due=d.journey.the_calendar.after_days(a.planned_for, 1))
    local = d.journey.the_calendar.local(a.planned_for)
    d.write("surgery_planned", f"Surgery planned for {local:%d %B %Y}", planned_for=a.planned_for.isoformat())
    d.tell("referrer", "journey_news", news="surgery_planned")


def record_surgery(d: Draft, a: act.RecordSurgery) -> None:
    """Surgery took place: what should have been on record before it is checked, and rehabilitation begins."""
    journey = d.journey
    require(journey.the_pathway.surgical, "NoSurgery", "this pathway has no rehabilitation after surgery")
    require(a.done_at <= d.now, "BadDate", "surgery that took place lies in the past")
    late = _late(journey, a.done_at, d.now)
    if a.scores:
        d.add_scores(a.scores)
    unsaid = [m for m in journey.the_pathway.at_surgery if not any(s.measure == m for s in journey.scores)]
    require(not unsaid, "SurgeryIncomplete", f"the phases ask for more of the surgery (scores): {', '.join(unsaid)}")
    known = plans.facts(journey, d)
    lacking = [c.words() for c in checks(journey.the_pathway.before_surgery, known) if not c.met]
    journey.surgery = Surgery(planned_for=journey.surgery.planned_for if journey.surgery else None, done_at=a.done_at)
    d.settle("record_surgery")
    words = f"Surgery took place on {journey.the_calendar.local(a.done_at):%d %B %Y}"
    d.write(
        "surgery_done",
        words + (f"; not on record before it: {'; '.join(lacking)}" if lacking else "") + late,
        done_at=a.done_at.isoformat(),
    )
    for plan in journey.active_plans:
        plans.end(d, plan, "completed")
    endings.cancel_future(d)
    journey.winning_back = None
    for kind in ("first_visit", "book_visit", "win_back", "evaluate", "review_progress", "answer_surgical_question"):
        d.settle(kind, outcome="surgery done")
    if journey.surgical_opinion == "asked":
        journey.surgical_opinion = None
    d.leave_for(Stage.POST_SURGERY_REHAB)


def _late(journey: Journey, done_at: datetime, now: datetime) -> str:
    """What the pathway decides for somebody who comes so long after surgery. Raises Refused: too late for it."""
    rule, days = journey.the_pathway.late_enrolment, (now - done_at).days
    if rule is None or days < rule.after_days:
        return ""
    require(
        rule.then != "not_eligible",
        "TooLate",
        f"{journey.the_pathway.label} is for patients who come within {rule.after_days} days after surgery",
    )
    return f"; {days} days ago: the phases are passed one by one, as the scores meet their gates"
