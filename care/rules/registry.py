"""All rules by name, for whoever has a journal row and wants to know why."""

from __future__ import annotations

from typing import Any

from care.rules import Decided, Rule
from care.rules.dosing import PLAN
from care.rules.follow_up import ASSESS, SCHEDULE
from care.rules.gates import GATE
from care.rules.matching import MATCH
from care.rules.modalities import MODALITIES
from care.rules.progress import REVIEW
from care.rules.scoring import SCORE
from care.rules.screening import SCREEN
from care.rules.triage import ELIGIBLE, PRIORITISE

RULES: dict[str, Rule[Any, Any]] = {
    rule.name: rule
    for rule in (MATCH, SCREEN, MODALITIES, ELIGIBLE, PRIORITISE, PLAN, REVIEW, GATE, SCHEDULE, ASSESS, SCORE)
}


def rerun(decided: Decided) -> dict[str, Any]:
    """Apply the rule of a recorded decision to its recorded inputs.

    Raises KeyError where the rule no longer exists.
    """
    return RULES[decided.rule].rerun(decided)


def same_today(decided: Decided) -> bool | None:
    """Whether the rule decides the same from the same inputs; None where the rule is gone."""
    try:
        return bool(rerun(decided) == decided.outcome)
    except KeyError:
        return None
