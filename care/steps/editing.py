"""A therapist changes a plan of care: the values say who said them, and more than was certified is certified anew."""

from __future__ import annotations

from care import action as act
from care.draft import Draft, Refused
from care.plan import Goal, PlanOfCare, Value
from care.rules.dosing import the_therapist_says
from care.steps import common, plans, require

FIELDS = {
    "visits": "visits_planned",
    "weeks": "weeks",
    "visits_per_week": "visits_per_week",
    "visit_minutes": "visit_minutes",
}


def edit_plan(d: Draft, a: act.EditPlan) -> None:
    """New numbers or targets, with a note; the physician certifies what goes beyond the certified plan."""
    plan = plans.active(d.journey, a.plan)
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "a plan of care is edited by a clinician")
    require(a.note, "NoteNeeded", "an edit of the plan needs a note that says why")
    require(a.dose.said or a.targets, "NothingChanged", "give a new number (dose) or a new target (targets)")
    said, more = [], False
    for name, number in a.dose.said.items():
        before: Value = getattr(plan, FIELDS[name])
        more = more or (number > before.value and name != "visit_minutes")
        origin = the_therapist_says({"before": before.value})
        setattr(plan, FIELDS[name], Value(value=number, unit=before.unit, origin=origin))
        said.append(f"{before.unit} {before.value:g} to {number:g}")
    for measure, target in a.targets.items():
        goal = _goal(d, plan, measure, target)
        said.append(f"target {measure} {goal.target:g} to {target:g}")
        goal.origin = the_therapist_says({"before": goal.target})
        goal.target, more = target, True
    used, planned = plan.visits_attended, plan.visits_planned.value
    require(planned >= used, "TooFew", f"{used} visits are attended already; the plan has at least as many")
    d.write("plan_edited", f"Plan of care edited: {'; '.join(said)}", plan=plan.id)
    d.save_plan(plan)
    plans.note_goals(d, plan)
    if more and plan.certified_at is not None:
        d.open_task("recertify_plan", plan.id, due=d.now + d.days("certify_within"))
        d.tell("referrer", "journey_news", news="recertification")


def _goal(d: Draft, plan: PlanOfCare, measure: str, target: float) -> Goal:
    goal = next((g for g in plan.goals if g.measure == measure), None)
    if goal is None:
        known = ", ".join(sorted({g.measure for g in plan.goals})) or "none"
        raise Refused("NoSuchGoal", f"this plan has no goal of that measure; it has: {known}")
    content = d.journey.the_pathway.measure(measure)
    problem = content.problem_with(target) if content else None
    require(problem is None, "BadScore", str(problem))
    return goal
