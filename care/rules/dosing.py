"""The individual plan of care: from a patient's own baseline to visits, weeks and goals, each with its origin."""

from __future__ import annotations

from care.gate import Facts, Op, checks, named_facts
from care.model import Model, Slug
from care.pathway import Discipline, DoseRule, GoalRule
from care.plan import Origin, Value
from care.rules import Rule
from care.score import Measure


class Evaluation(Model):
    """What the plan is made from: the pathway's rules and the patient's facts."""

    pathway: str
    dosing: tuple[DoseRule, ...]
    goals: tuple[GoalRule, ...]
    measures: tuple[Measure, ...]
    facts: Facts


class PlannedGoal(Model):
    """A goal made individual."""

    rule: Slug
    measure: Slug
    op: Op
    target: float
    baseline: float
    origin: Origin


class PlannedCare(Model):
    """One discipline's share of the plan."""

    rule: Slug
    discipline: Discipline
    label: str
    self_care: bool
    visits: Value
    visits_per_week: Value
    weeks: Value
    visit_minutes: Value
    check_days: tuple[int, ...]
    interventions: tuple[str, ...]


class PlannedCourse(Model):
    """What all disciplines plan together."""

    care: tuple[PlannedCare, ...] = ()
    goals: tuple[PlannedGoal, ...] = ()


def plan(evaluation: Evaluation) -> PlannedCourse:
    """For each discipline the first dosing rule that holds; for each goal rule a target from the baseline."""
    chosen: dict[Discipline, PlannedCare] = {}
    for rule in evaluation.dosing:
        if rule.discipline in chosen or not all(c.met for c in checks(rule.when, evaluation.facts)):
            continue
        origin = Origin(
            rule=f"{evaluation.pathway} dosing {rule.id}",
            inputs=named_facts(rule.when, evaluation.facts),
            basis=rule.basis,
            source=rule.source,
        )
        chosen[rule.discipline] = PlannedCare(
            rule=rule.id,
            discipline=rule.discipline,
            label=rule.label,
            self_care=rule.self_care,
            visits=Value(value=rule.visits[1], unit="visits", origin=origin),
            visits_per_week=Value(value=rule.visits_per_week, unit="visits/week", origin=origin),
            weeks=Value(value=rule.weeks, unit="weeks", origin=origin),
            visit_minutes=Value(value=rule.visit_minutes, unit="minutes", origin=origin),
            check_days=rule.check_days,
            interventions=rule.interventions,
        )
    goals = (_goal(rule, evaluation) for rule in evaluation.goals)
    return PlannedCourse(care=tuple(chosen.values()), goals=tuple(g for g in goals if g is not None))


def _goal(rule: GoalRule, evaluation: Evaluation) -> PlannedGoal | None:
    """The target for this patient; None where the measure has no baseline in numbers."""
    measure = next(m for m in evaluation.measures if m.id == rule.measure)
    baseline = evaluation.facts.get(rule.measure)
    if not isinstance(baseline, int | float) or isinstance(baseline, bool):
        return None
    upwards = measure.direction == "higher_better"
    if rule.reach is not None:
        target = rule.reach
    else:
        change = max(rule.improve or 0.0, abs(baseline) * (rule.improve_pct or 0.0) / 100)
        target = baseline + change if upwards else baseline - change
        if measure.maximum is not None:
            target = min(target, measure.maximum)
        if measure.minimum is not None:
            target = max(target, measure.minimum)
    return PlannedGoal(
        rule=rule.id,
        measure=rule.measure,
        op=">=" if upwards else "<=",
        target=round(target, 2),
        baseline=float(baseline),
        origin=Origin(
            rule=f"{evaluation.pathway} goal {rule.id}",
            inputs={rule.measure: baseline},
            basis=rule.basis,
            source=rule.source,
        ),
    )


PLAN = Rule("plan_of_care", 1, Evaluation, plan)
