"""Progress reviews: continue, change, ask a surgeon, or discharge."""

from __future__ import annotations

from care.gate import Check, Criterion, Facts, checks, hold, named_facts
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
    if hold(course.end_state, course.facts):
        return _advice("discharge", "end_state", "the pathway's end state is reached", course.end_state, course.facts)
    for rule in course.rules:
        if not rule.when or hold(rule.when, course.facts):
            return _advice(rule.recommend, rule.id, rule.because, rule.when, course.facts)
    return _advice("continue", "otherwise", "no rule asks for anything else", course.end_state, course.facts)


def _advice(
    recommend: Recommendation, rule: Slug, because: str, criteria: tuple[Criterion, ...], facts: Facts
) -> Advice:
    return Advice(recommend=recommend, rule=rule, because=because, checks=checks(criteria, facts))


def course(pathway: str, rules: tuple[ProgressRule, ...], end_state: tuple[Criterion, ...], facts: Facts) -> Course:
    """A course with only those facts that its rules look at."""
    looked_at = end_state + tuple(c for rule in rules for c in rule.when)
    return Course(pathway=pathway, rules=rules, end_state=end_state, facts=named_facts(looked_at, facts))


REVIEW = Rule("review_progress", 1, Course, review)
