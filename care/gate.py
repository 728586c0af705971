"""Criteria over facts: the one small language in which pathways say "when"."""

from __future__ import annotations

from typing import Literal

from care.model import Model, Strict
from care.score import ScoreValue

Facts = dict[str, ScoreValue]
"""What is known of a patient at one moment, by name: `odi`, `odi.gain_pct`, `visits`, `weeks`, `start_back`.
See `care/facts.py` for the names."""

Op = Literal["<", "<=", ">", ">=", "==", "!="]

_COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class Criterion(Strict):
    """One comparison of a fact with a value, or with another fact (`than`)."""

    fact: str
    op: Op
    value: ScoreValue | None = None
    than: str | None = None

    def against(self, facts: Facts) -> Check:
        """Whether the facts meet this; a fact that is not known never does."""
        wanted = facts.get(self.than) if self.than is not None else self.value
        found = facts.get(self.fact)
        met = (
            found is not None
            and wanted is not None
            and _same_kind(found, wanted)
            and (_COMPARE[self.op](found, wanted))
        )
        return Check(fact=self.fact, op=self.op, wanted=wanted, found=found, met=bool(met))


class Check(Model):
    """A criterion held against the facts."""

    fact: str
    op: Op
    wanted: ScoreValue | None
    found: ScoreValue | None
    met: bool

    def words(self) -> str:
        """For a coordinator: what was wanted and what was found."""
        wanted = self.wanted if self.wanted is not None else "a value not known"
        found = self.found if self.found is not None else "not measured"
        return f"{self.fact} {self.op} {_plain(wanted)} ({_plain(found)})"


def _plain(value: ScoreValue) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _same_kind(found: ScoreValue, wanted: ScoreValue) -> bool:
    return isinstance(found, str) == isinstance(wanted, str)


def checks(criteria: tuple[Criterion, ...], facts: Facts) -> tuple[Check, ...]:
    """Every criterion held against the facts, in their order."""
    return tuple(criterion.against(facts) for criterion in criteria)


def named_facts(criteria: tuple[Criterion, ...], facts: Facts) -> Facts:
    """Only those facts that the criteria look at: what a decision has to record as its inputs."""
    names = {c.fact for c in criteria} | {c.than for c in criteria if c.than is not None}
    return {name: facts[name] for name in sorted(names) if name in facts}
