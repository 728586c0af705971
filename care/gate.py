"""Criteria over facts: the one small language in which pathways say "when"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from care.model import Brief, Model
from care.score import ScoreValue

Facts = dict[str, ScoreValue]
"""What is known of a patient at one moment, by name: `odi`, `odi.gain_pct`, `visits`, `weeks`, `start_back`.
See `care/facts.py` for the names."""

Op = Literal["<", "<=", ">", ">=", "==", "!=", "in"]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "in": lambda a, b: a in b,
}

Wanted = ScoreValue | tuple[str, ...]
"""What a fact is compared with: one value, or for `in` several words."""


class Criterion(Brief):
    """One comparison of a fact with a value, or with another fact (`than`)."""

    fact: str
    op: Op
    value: Wanted | None = None
    than: str | None = None
    unit: str | None = None
    """Of `value`, where the measure has one: written so that a reader need not look it up; the linter compares."""
    only_if: Criterion | None = None
    """Asked only of patients for whom this holds, or for whom it is not known (an allograft has to wait longer)."""

    def against(self, facts: Facts) -> Check:
        """Whether the facts meet this; a fact that is not known never does."""
        asked = self.is_asked(facts)
        wanted, found = self._wanted(facts), facts.get(self.fact)
        met = not asked or self._compares(facts)
        return Check(fact=self.fact, op=self.op, wanted=wanted, found=found, met=met, asked=asked)

    def met(self, facts: Facts) -> bool:
        """The same, where nobody wants to see why."""
        return not self.is_asked(facts) or self._compares(facts)

    def is_asked(self, facts: Facts) -> bool:
        """Not where all of `only_if` is known and does not hold."""
        only_if = self.only_if
        return only_if is None or not only_if.facts() <= facts.keys() or only_if.met(facts)

    def _wanted(self, facts: Facts) -> Wanted | None:
        return facts.get(self.than) if self.than is not None else self.value

    def _compares(self, facts: Facts) -> bool:
        wanted, found = self._wanted(facts), facts.get(self.fact)
        if found is None or wanted is None or not _same_kind(found, wanted):
            return False
        return bool(_COMPARE[self.op](found, wanted))

    def facts(self) -> set[str]:
        """The names of the facts that this looks at."""
        own = {self.fact} if self.than is None else {self.fact, self.than}
        return own | (self.only_if.facts() if self.only_if is not None else set())


class Check(Model):
    """A criterion held against the facts."""

    fact: str
    op: Op
    wanted: Wanted | None
    found: ScoreValue | None
    met: bool
    asked: bool = True
    """False where the criterion is not one for this patient (`only_if`)."""

    @property
    def holds(self) -> bool:
        """Met by a patient for whom it is one: a criterion that was not asked stands in nobody's way, and is no
        reason for anything."""
        return self.met and self.asked

    def words(self) -> str:
        """For a coordinator: what was wanted and what was found."""
        wanted = self.wanted if self.wanted is not None else "a value not known"
        found = self.found if self.found is not None else "not measured"
        return f"{self.fact} {self.op} {_plain(wanted)} ({_plain(found)})"


def _plain(value: Wanted) -> str:
    if isinstance(value, tuple):
        return " or ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same_kind(found: ScoreValue, wanted: Wanted) -> bool:
    return isinstance(found, str) == isinstance(wanted, str | tuple)


def checks(criteria: tuple[Criterion, ...], facts: Facts) -> tuple[Check, ...]:
    """Every criterion held against the facts, in their order."""
    return tuple(criterion.against(facts) for criterion in criteria)


def all_met(found: tuple[Check, ...]) -> bool:
    """Every criterion is met, and at least one was asked: where nothing was asked, nothing is shown."""
    return all(c.met for c in found) and any(c.asked for c in found)


def hold(criteria: tuple[Criterion, ...], facts: Facts) -> bool:
    """What `all_met` says of their checks, without making any: most rules that are looked at do not hold."""
    return all(c.met(facts) for c in criteria) and any(c.is_asked(facts) for c in criteria)


def named_facts(criteria: tuple[Criterion, ...], facts: Facts) -> Facts:
    """Only those facts that the criteria look at: what a decision has to record as its inputs."""
    names = {name for c in criteria for name in c.facts()}
    return {name: facts[name] for name in sorted(names) if name in facts}
