"""The individual plan of care: from a patient's own baseline to visits, weeks and goals, each with its origin."""

from __future__ import annotations

from care.gate import Facts, Op, checks, named_facts
from care.model import Model, Slug
from care.pathway import ConditionRule, Discipline, DoseRule, GoalRule
from care.plan import Dose, Origin, Value
from care.rules import Rule
from care.score import Measure, Sourced


class Evaluation(Model):
    """What the plan is made from: the pathway's rules and the patient's facts."""

    pathway: str
    dosing: tuple[DoseRule, ...]
    goals: tuple[GoalRule, ...]
    measures: tuple[Measure, ...]
    facts: Facts
    said: dict[Discipline, Dose] = {}
    """What the therapist says of the dose: where the pathway has no number, or another one is better here."""
    conditions: tuple[ConditionRule, ...] = ()
    """Of the pathway's rules those about conditions that this patient has."""
    authorised_visits: int | None = None
    """What the payer has authorised already, for all disciplines together."""


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
    precautions: tuple[str, ...] = ()


class PlannedCourse(Model):
    """What all disciplines plan together."""

    care: tuple[PlannedCare, ...] = ()
    goals: tuple[PlannedGoal, ...] = ()
    missing: tuple[str, ...] = ()
    """Numbers that neither the pathway nor the therapist gives, as `discipline: visits, weeks`."""


def plan(evaluation: Evaluation) -> PlannedCourse:
    """For each discipline the first dosing rule that holds; for each goal rule a target from the baseline.

    A number is the therapist's where one was said, else the rule's; what limits it (another condition, the payer's
    authorisation) comes after, and says so.
    """
    chosen: dict[Discipline, PlannedCare] = {}
    missing: list[str] = []
    left = evaluation.authorised_visits
    for rule in evaluation.dosing:
        if rule.discipline in chosen or not all(c.met for c in checks(rule.when, evaluation.facts)):
            continue
        values = _values(rule, evaluation)
        if lacking := [name for name in _UNITS if name not in values]:
            missing.append(f"{rule.discipline}: {', '.join(lacking)}")
            continue
        visits = values["visits"]
        if left is not None:
            visits = _at_most(visits, left, "the payer's authorisation")
            left -= int(visits.value)
        chosen[rule.discipline] = PlannedCare(
            rule=rule.id,
            discipline=rule.discipline,
            label=rule.label,
            self_care=rule.self_care,
            visits=visits,
            visits_per_week=_limited(values["visits_per_week"], evaluation.conditions),
            weeks=values["weeks"],
            visit_minutes=values["visit_minutes"],
            check_days=rule.check_days,
            interventions=rule.interventions,
            precautions=tuple(words for c in evaluation.conditions for words in c.precautions),
        )
    goals = (_goal(rule, evaluation) for rule in evaluation.goals)
    return PlannedCourse(
        care=tuple(chosen.values()), goals=tuple(g for g in goals if g is not None), missing=tuple(missing)
    )


_UNITS = {"visits": "visits", "weeks": "weeks", "visits_per_week": "visits/week", "visit_minutes": "minutes"}


def _values(rule: DoseRule, evaluation: Evaluation) -> dict[str, Value]:
    """The numbers of a dose that are known, each with its origin."""
    by_rule = Origin(
        rule=f"{evaluation.pathway} dosing {rule.id}",
        inputs=named_facts(rule.when, evaluation.facts),
        basis=rule.basis,
        source=rule.source,
    )
    numbers: dict[str, float | None] = {
        "visits": rule.visits[1] if rule.visits else None,
        "weeks": rule.weeks,
        "visits_per_week": rule.visits_per_week,
        "visit_minutes": rule.visit_minutes,
    }
    dose = evaluation.said.get(rule.discipline)
    own = dose.said if dose else {}
    values = {
        name: Value(value=number, unit=_UNITS[name], origin=by_rule)
        for name, number in numbers.items()
        if number is not None
    }
    for name, number in own.items():
        inputs: Facts = {"by_the_pathway": values[name].value} if name in values else {}
        values[name] = Value(value=number, unit=_UNITS[name], origin=the_therapist_says(inputs))
    return values


def the_therapist_says(inputs: Facts) -> Origin:
    """A number that a therapist chose for this patient; `inputs` says what stood there before."""
    return Origin(
        rule="said by the therapist", inputs=inputs, basis="proposed", source="clinical judgement for this patient"
    )


def _limited(value: Value, conditions: tuple[ConditionRule, ...]) -> Value:
    for condition in conditions:
        if condition.visits_per_week_at_most is not None:
            value = _at_most(value, condition.visits_per_week_at_most, condition.label, condition)
    return value


def _at_most(value: Value, most: float, because: str, sourced: Sourced | None = None) -> Value:
    if value.value <= most:
        return value
    origin = Origin(
        rule=f"limited by {because}; {value.origin.rule}",
        inputs={**value.origin.inputs, "without_the_limit": value.value},
        basis=sourced.basis if sourced else "verified",
        source=sourced.source if sourced else "the payer's answer on record",
    )
    return Value(value=most, unit=value.unit, origin=origin)


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


PLAN = Rule("plan_of_care", 2, Evaluation, plan)
