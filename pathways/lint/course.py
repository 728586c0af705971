"""The course of care after the plan is made: phases with their gates, reviews, and follow-up."""

from __future__ import annotations

from collections.abc import Iterator

from care.gate import Criterion
from care.pathway import DoseRule, Pathway, Phase
from pathways.lint.finding import Problem

AFTER_SURGERY = Criterion(fact="weeks_since_surgery", op=">=", value=0)


def phases(pathway: Pathway) -> Iterator[Problem]:
    if (pathway.before_surgery or pathway.at_surgery) and not pathway.surgical:
        yield "before_surgery", "no_phases", "there is no surgery on a pathway without phases after it"
    for n, rule in _dosing_after_surgery(pathway):
        if rule.visits is None or rule.weeks is None or rule.visits_per_week is None:
            yield f"dosing[{n}]", "dose_missing", "after surgery a plan is made without a therapist: give all numbers"
    for n, phase in enumerate(pathway.phases):
        where = f"phases[{n}]"
        start, end = phase.window_days
        if start >= end:
            yield f"{where}.window_days", "window", "earliest day first, then the review day"
        if phase.visits_per_week[0] > phase.visits_per_week[1]:
            yield f"{where}.visits_per_week", "visits_order", "fewest first, then most"
        if not phase.gate and n + 1 < len(pathway.phases):
            yield f"{where}.gate", "no_gate", "time alone never opens a gate: say what must be met"
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
