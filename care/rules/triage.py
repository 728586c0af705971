"""Triage: is the pathway right for this patient, and how long may the patient wait."""

from __future__ import annotations

from care.gate import Check, Criterion, Facts, checks
from care.model import Model
from care.rules import Rule
from care.triage import REDIRECT, Triage, TriageLevel


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
    found = tuple(c for c in checks(candidate.exclude, candidate.facts) if c.holds)
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
    reasons: tuple[str, ...] = ()
    """What made it this level, in words."""
    unknown: tuple[str, ...] = ()
    """Facts that nobody knew and that might have made it another one."""


def prioritise(waiting: Waiting) -> Priority:
    """A red flag that cannot wait is no routine referral; else the first triage rule that holds, or the usual level."""
    triage, facts = waiting.triage, waiting.facts
    levels = {level.code: level for level in triage.levels}
    if facts.get("red_flag") in ("E0", "E1") and REDIRECT in levels:
        return _priority(levels[REDIRECT], (f"a red flag of {facts['red_flag']} is open",), ())
    unknown: dict[str, None] = {}
    for rule in triage.rules:
        found = checks(rule.when, facts)
        if all(c.met for c in found):
            reasons = (rule.because, *(c.words() for c in found)) if rule.because else tuple(c.words() for c in found)
            return _priority(levels[rule.level], reasons, tuple(unknown))
        # One that is known not to hold settles a rule, whatever else is not known.
        if not any(c.found is not None and not c.met for c in found):
            unknown |= dict.fromkeys(c.fact for c in found if c.found is None)
    usual = "the usual level of the pathway: no rule of the triage holds"
    return _priority(levels[waiting.usual_level], (usual,), tuple(unknown))


def _priority(level: TriageLevel, reasons: tuple[str, ...], unknown: tuple[str, ...]) -> Priority:
    return Priority(
        level=level.code,
        first_visit_days=level.max_wait_days,
        source=level.source,
        reasons=reasons,
        unknown=unknown,
    )


ELIGIBLE = Rule("check_eligibility", 1, Candidate, eligible)
PRIORITISE = Rule("prioritise", 2, Waiting, prioritise)
