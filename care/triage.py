"""Triage: levels of urgency, and who belongs to them."""

from __future__ import annotations

from care.gate import Criterion
from care.model import Brief
from care.score import Sourced


class TriageLevel(Sourced):
    """How urgent a referral is, and how long its patient may wait for the first visit."""

    code: str
    label: str
    max_wait_days: int
    """Working days from acceptance to the first visit."""


class TriageRule(Brief):
    """Who belongs to a level: all criteria hold. Facts: `urgency`, `days_since_onset`, `age`."""

    level: str
    when: tuple[Criterion, ...]


class Triage(Brief):
    """The provider's triage: levels, and rules of which the first that holds applies."""

    levels: tuple[TriageLevel, ...]
    rules: tuple[TriageRule, ...]
