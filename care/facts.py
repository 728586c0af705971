"""What is known of a patient at one moment, under the names that pathways use in their criteria."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from care.gate import Facts
from care.pathway import Pathway
from care.plan import PlanOfCare
from care.responder import DECIMALS, SMALLEST, has_thresholds, improvement, response
from care.score import Score


def score_facts(pathway: Pathway, scores: Iterable[Score], now: datetime, *, since: datetime | None = None) -> Facts:
    """For each measure: the latest value, `.baseline`, `.change`, `.gain`, `.gain_pct`, `.responder` and `.age_days`.

    The baseline is the first score (the first since `since`, when given). Scores entered in error do not count.
    Nobody responds by one score alone: until there are two, `.responder` is missing.
    """
    facts: Facts = {}
    of_measure: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda s: s.at):  # of one moment, those recorded later come later
        if not score.in_error and (since is None or score.at >= since):
            of_measure.setdefault(score.measure, []).append(score)
    for measure in pathway.measures:
        taken = of_measure.get(measure.id, [])
        if has_thresholds(measure):
            pair = (taken[0].value, taken[-1].value) if len(taken) > 1 else (None, None)
            facts[f"{measure.id}.responder"] = response(measure, *pair)
        if not taken:
            continue
        first, last = taken[0].value, taken[-1].value
        facts[measure.id] = last
        facts[f"{measure.id}.baseline"] = first
        facts[f"{measure.id}.age_days"] = (now - taken[-1].at).days
        if isinstance(first, str) or isinstance(last, str):
            continue
        gain = improvement(measure, first, last)
        facts[f"{measure.id}.change"] = round(last - first, DECIMALS)
        facts[f"{measure.id}.gain"] = gain
        if abs(first) > SMALLEST:
            facts[f"{measure.id}.gain_pct"] = round(100 * gain / abs(first), 1)
    return facts


def person_facts(pathway: Pathway, *, age: int | None, sex: str | None) -> Facts:
    """Age, sex, and for each measure with reference values the one for this age and sex (`.norm`)."""
    facts: Facts = {} if sex is None else {"sex": sex}
    if age is None:
        return facts
    facts["age"] = age
    for measure in pathway.measures:
        for norm in measure.norms:
            if norm.ages[0] <= age <= norm.ages[1]:
                # Where the sex is not known the more demanding value is used: nobody moves on too early.
                known = {"male": norm.male, "female": norm.female}
                both = max if measure.direction == "higher_better" else min
                facts[f"{measure.id}.norm"] = known.get(sex or "", both(norm.male, norm.female))
    return facts


def plan_facts(plan: PlanOfCare, pathway: Pathway, now: datetime) -> Facts:
    """Visits attended and missed, weeks since the plan began, reviews without gain, goals met in per cent."""
    facts: Facts = {
        "visits": plan.visits_attended,
        "weeks": (now - plan.started_at).days // 7,
        "reviews_without_gain": plan.reviews_without_gain,
        "missed_visits": plan.visits_missed,
    }
    if due := plan.visits_attended + plan.visits_missed:
        facts["attended_pct"] = round(100 * plan.visits_attended / due, 1)
    if plan.goals:
        facts["goals_met_pct"] = round(100 * sum(goal.met for goal in plan.goals) / len(plan.goals), 1)
    return facts


def losses(pathway: Pathway, at_discharge: Facts, latest: Facts) -> Facts:
    """For each measure in both: `.loss`, how much worse it is than at discharge (positive is worse).

    `.responder` is then said against the score at discharge too, and no longer against the baseline of care.
    """
    facts: Facts = {}
    for measure in pathway.measures:
        before, after = at_discharge.get(measure.id), latest.get(measure.id)
        if before is None or after is None or isinstance(before, str) or isinstance(after, str):
            continue
        facts[f"{measure.id}.loss"] = -improvement(measure, before, after)
        if has_thresholds(measure):
            facts[f"{measure.id}.responder"] = response(measure, before, after)
    return facts
