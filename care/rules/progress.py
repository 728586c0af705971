"""Progress reviews: continue, change, ask a surgeon, or discharge."""

from __future__ import annotations

from care.gate import Check, Criterion, Facts, all_met, checks, named_facts
from care.model import Model, Slug
from care.pathway import ProgressRule, Recommendation
from care.rules import Rule


class Course(Model):
    """A course of care so far: the pathway's review rules, what care ends at, and the facts they look at."""

    pathway: str
    rules: tuple[ProgressRule, ...]
    end_state: tuple[Criterion, ...]
    facts: Facts


class Advice(Model):
    """What the rules recommend; a clinician decides."""

    recommend: Recommendation
    rule: Slug
    because: str
    checks: tuple[Check, ...] = ()


def review(course: Course) -> Advice:
    """Discharge when the end state is reached, else the first progress rule that holds, else continue."""
    end = checks(course.end_state, course.facts)
    if all_met(end):
        return Advice(recommend="discharge", rule="end_state", because="the pathway's end state is reached", checks=end)
    for rule in course.rules:
        held = checks(rule.when, course.facts)
        if not held or all_met(held):
            return Advice(recommend=rule.recommend, rule=rule.id, because=rule.because, checks=held)
    return Advice(recommend="continue", rule="otherwise", because="no rule asks for anything else", checks=end)


def course(pathway: str, rules: tuple[ProgressRule, ...], end_state: tuple[Criterion, ...], facts: Facts) -> Course:
    """A course with only those facts that its rules look at."""
    looked_at = end_state + tuple(c for rule in rules for c in rule.when)
    return Course(pathway=pathway, rules=rules, end_state=end_state, facts=named_facts(looked_at, facts))


REVIEW = Rule("review_progress", 1, Course, review)
