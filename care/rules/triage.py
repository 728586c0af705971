"""Triage: is the pathway right for this patient, and how long may the patient wait."""

from __future__ import annotations

from care.gate import Check, Criterion, Facts, checks
from care.model import Model
from care.rules import Rule
from care.triage import Triage


class Candidate(Model):
    """A patient's facts held against what excludes from a pathway."""

    pathway: str
    exclude: tuple[Criterion, ...]
    facts: Facts


class Eligibility(Model):
    """Eligible, or excluded by these."""

    eligible: bool
    excluded_by: tuple[Check, ...] = ()


def eligible(candidate: Candidate) -> Eligibility:
    """Any exclusion that holds makes the patient ineligible for this pathway."""
    found = tuple(c for c in checks(candidate.exclude, candidate.facts) if c.met)
    return Eligibility(eligible=not found, excluded_by=found)


class Waiting(Model):
    """A referral waiting to be prioritised."""

    triage: Triage
    usual_level: str
    facts: Facts


class Priority(Model):
    """The level, and within how many working days of acceptance the first visit has to be."""

    level: str
    first_visit_days: int
    source: str


def prioritise(waiting: Waiting) -> Priority:
    """The first triage rule that holds, else the pathway's usual level."""
    code = next(
        (r.level for r in waiting.triage.rules if all(c.met for c in checks(r.when, waiting.facts))),
        waiting.usual_level,
    )
    level = next(level for level in waiting.triage.levels if level.code == code)
    return Priority(level=level.code, first_visit_days=level.max_wait_days, source=level.source)


ELIGIBLE = Rule("check_eligibility", 1, Candidate, eligible)
PRIORITISE = Rule("prioritise", 1, Waiting, prioritise)
