"""How much therapy, and what it is for: doses and goals."""

from __future__ import annotations

from collections.abc import Iterator

from care.pathway import DoseRule, Pathway
from pathways.lint.finding import Problem


def dosing(pathway: Pathway) -> Iterator[Problem]:
    if not pathway.dosing:
        yield "dosing", "no_dosing", "nobody would get any therapy; write at least one rule without criteria"
    disciplines = list(dict.fromkeys(rule.discipline for rule in pathway.dosing))
    for discipline in disciplines:
        rules = [(n, rule) for n, rule in enumerate(pathway.dosing) if rule.discipline == discipline]
        catch_all = next((i for i, (_, rule) in enumerate(rules) if not rule.when), None)
        if catch_all is None:
            yield "dosing", "no_catch_all", f"somebody falls through: end {discipline} with a rule without `when`"
        else:
            for n, rule in rules[catch_all + 1 :]:
                yield f"dosing[{n}]", "unreachable", f"{rule.id} never applies: a rule without `when` stands before it"
            rules = rules[: catch_all + 1]
        for i, (n, rule) in enumerate(rules):
            earlier = next((r for _, r in rules[:i] if r.when and set(r.when) <= set(rule.when)), None)
            if earlier is not None:
                what = f"{rule.id} never applies: {earlier.id} stands before it and holds whenever this does"
                yield f"dosing[{n}]", "unreachable", what
    for n, rule in enumerate(pathway.dosing):
        yield from _dose(rule, f"dosing[{n}]")


def _dose(rule: DoseRule, where: str) -> Iterator[Problem]:
    fewest, most = rule.visits or (0, 0)
    if not 0 <= fewest <= most:
        yield f"{where}.visits", "visits_order", "fewest first, then most"
    weeks, per_week = rule.weeks, rule.visits_per_week
    if (weeks is not None and weeks < 1) or (per_week is not None and per_week <= 0):
        yield where, "dose_empty", "weeks and visits_per_week are more than nothing"
    elif weeks is not None and per_week is not None and most > weeks * per_week + 0.5:
        yield f"{where}.visits", "dose_too_short", f"{most} visits do not fit into {weeks} weeks at that frequency"
    if rule.self_care and (not rule.check_days or weeks is None):
        yield f"{where}.check_days", "self_care_unchecked", "self-care without a check loses the patient; name the days"
    if list(rule.check_days) != sorted({d for d in rule.check_days if 0 < d <= (weeks or 0) * 7}):
        yield f"{where}.check_days", "check_days_order", "days rise, and lie within the plan's weeks"


def goals(pathway: Pathway) -> Iterator[Problem]:
    for n, goal in enumerate(pathway.goals):
        where, measure = f"goals[{n}]", pathway.measure(goal.measure)
        changes = goal.improve is not None or goal.improve_pct is not None
        if (goal.reach is not None) == changes:
            yield where, "goal_kind", "a goal is an end state (reach) or a change (improve, improve_pct), not both"
        if goal.measure not in pathway.baseline:
            yield where, "never_taken", f"{goal.measure} is not in the baseline, so no goal can be made from it"
        if measure is None or measure.options:
            yield where, "goal_measure", f"{goal.measure} is not a number"
        elif goal.unit is not None and goal.unit != measure.unit:
            yield f"{where}.unit", "unit", f"{goal.measure} is in {measure.unit or 'no unit'}, not in {goal.unit}"
        elif goal.reach is not None and (what := measure.problem_with(goal.reach)):
            yield f"{where}.reach", "value_range", what
