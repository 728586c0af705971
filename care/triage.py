"""Triage: levels of urgency, and who belongs to them."""

from __future__ import annotations

from care.gate import Criterion
from care.model import Brief
from care.red_flag import Sign
from care.score import Sourced

REDIRECT = "P0"
"""The level of whoever has a red flag that cannot wait (E0, E1): no routine wait, on whichever pathway."""


class TriageLevel(Sourced):
    """How urgent a referral is, and how long its patient may wait for the first visit."""

    code: str
    label: str
    max_wait_days: int
    """Working days from acceptance to the first visit."""


class TriageRule(Brief):
    """Who belongs to a level: all criteria hold.

    Facts: `urgency`, `days_since_onset`, `age`, `sex`, and the answers to the triage's own questions by their ids.
    """

    level: str
    when: tuple[Criterion, ...]
    because: str = ""
    """In a few words, for whoever reads the priority."""


class Triage(Brief):
    """The provider's triage: levels, and rules of which the first that holds applies."""

    levels: tuple[TriageLevel, ...]
    rules: tuple[TriageRule, ...]
    ask: tuple[Sign, ...] = ()
    """What the rules need to know beside the red flags; asked in the same screen. No answer is not known, never no."""

    @property
    def questions(self) -> tuple[Sign, ...]:
        """Those of its questions at which some rule looks."""
        used = {name for rule in self.rules for c in rule.when for name in c.facts()}
        return tuple(sign for sign in self.ask if sign.id in used)
