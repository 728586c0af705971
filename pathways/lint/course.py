"""The course of care after the plan is made: phases with their gates, reviews, and follow-up."""

from __future__ import annotations

from collections.abc import Iterator

from care.gate import Criterion
from care.pathway import DoseRule, Pathway, Phase, ProgressRule
from pathways.lint.finding import Problem

GROWS = {
    "reviews_without_gain",
    "visits",
    "weeks",
    "weeks_since_onset",
    "weeks_since_surgery",
    "missed_visits",
    "days_in_phase",
}
"""Facts that grow as care goes on, whatever comes of it: a rule on one of them is reached in the end."""
MOST_REMINDERS = 5
"""Design choice, not clinically reviewed: whoever has not answered by then is called."""
AFTER_SURGERY = Criterion(fact="weeks_since_surgery", op=">=", value=0)


def reviews(pathway: Pathway) -> Iterator[Problem]:
    """Reviews come again and again, and they end: by reaching the end state, and for whoever never reaches it."""
    for field in ("every_visits", "every_days"):
        if getattr(pathway.review, field) < 1:
            yield f"review.{field}", "review", "a review comes after one or more"
    if pathway.status != "sketch":
        yield from _ends(pathway)
    for n, rule in enumerate(pathway.progress):
        earlier = next((r for r in pathway.progress[:n] if set(r.when) <= set(rule.when)), None)
        if earlier is not None:
            what = f"{rule.id} never applies: {earlier.id} stands before it and holds whenever this does"
            yield f"progress[{n}]", "unreachable", what


def _ends(pathway: Pathway) -> Iterator[Problem]:
    ends = [rule for rule in pathway.progress if rule.recommend in ("discharge", "surgical_opinion")]
    if not pathway.discharge and not ends:
        yield "progress", "review_never_ends", "no rule ever recommends discharge: write `discharge:` or such a rule"
    elif not any(_grows(c) for c in pathway.discharge) and not any(_comes(rule) for rule in pathway.progress):
        what = "who does not get better is reviewed for ever: add a rule on reviews_without_gain, weeks or visits"
        yield "progress", "review_never_ends", what


def _comes(rule: ProgressRule) -> bool:
    return rule.recommend != "continue" and any(_grows(c) for c in rule.when)


def _grows(criterion: Criterion) -> bool:
    return criterion.fact in GROWS and criterion.op in (">", ">=")


def phases(pathway: Pathway) -> Iterator[Problem]:
    if (pathway.before_surgery or pathway.at_surgery) and not pathway.surgical:
        yield "before_surgery", "no_phases", "there is no surgery on a pathway without phases after it"
    for n, rule in _dosing_after_surgery(pathway):
        if rule.visits is None or rule.weeks is None or rule.visits_per_week is None:
            yield f"dosing[{n}]", "dose_missing", "after surgery a plan is made without a therapist: give all numbers"
    for n, phase in enumerate(pathway.phases):
        where = f"phases[{n}]"
        if phase.visits_per_week[0] > phase.visits_per_week[1]:
            yield f"{where}.visits_per_week", "visits_order", "fewest first, then most"
        if n:
            yield from _phase_after(pathway.phases[n - 1], phase, where)


def _dosing_after_surgery(pathway: Pathway) -> Iterator[tuple[int, DoseRule]]:
    """The dosing rules that may apply once surgery is done; those behind one that then always holds are for before."""
    settled: set[str] = set()
    for n, rule in enumerate(pathway.dosing if pathway.surgical else ()):
        if rule.discipline not in settled:
            yield n, rule
        if all(c == AFTER_SURGERY for c in rule.when):
            settled.add(rule.discipline)


def _phase_after(before: Phase, phase: Phase, where: str) -> Iterator[Problem]:
    if phase.n != before.n + 1:
        yield f"{where}.n", "phase_order", f"the phase after {before.n} is {before.n + 1}"
    if phase.window_days[0] < before.window_days[0] or phase.window_days[1] < before.window_days[1]:
        yield f"{where}.window_days", "window_backwards", f"begins or is reviewed before phase {before.n}"


def follow_up(pathway: Pathway) -> Iterator[Problem]:
    plan = pathway.follow_up
    if not plan.occasions or not plan.measures:
        yield "follow_up", "no_follow_up", "name at least one occasion and one measure"
    if not plan.worse:
        yield "follow_up.worse", "no_worse", "nobody would notice getting worse; name at least one criterion"
    if plan.answer_days < 1 or plan.reminders < 0 or plan.call_within_days < 1:
        yield "follow_up", "follow_up_days", "answer_days and call_within_days are 1 or more, reminders 0 or more"
    if plan.reminders > MOST_REMINDERS:
        yield "follow_up.reminders", "recurrence", f"reminders end: {MOST_REMINDERS} at most, then a person calls"
    if plan.anchor == "surgery" and not pathway.surgical:
        yield "follow_up.anchor", "no_phases", "there is no surgery to count from on a pathway without phases"
    if len({o.id for o in plan.occasions}) != len(plan.occasions):
        yield "follow_up.occasions", "occasion_twice", "each occasion has an id of its own"
    ladder = plan.answer_days * (plan.reminders + 1)
    days = 0
    for n, occasion in enumerate(plan.occasions):
        where = f"follow_up.occasions[{n}].days"
        if occasion.days <= days:
            yield where, "occasion_order", "days rise from one occasion to the next, and begin above 0"
        elif n and occasion.days - days <= ladder:
            yield where, "occasion_gap", f"the reminders of the occasion before take {ladder} days; leave more room"
        days = occasion.days
