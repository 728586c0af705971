"""Decisions that can be shown and run again.

A rule is a pure function from one model to one model. Whoever applies it keeps the name, the version and the
inputs with what came out (`Decided`), in the journal; `rerun` applies the rule to those inputs once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from care.model import Model

I = TypeVar("I", bound=Model)  # noqa: E741 - inputs
O = TypeVar("O", bound=Model)  # noqa: E741 - outcome


class Decided(Model):
    """A decision as the journal keeps it."""

    rule: str
    version: int
    inputs: dict[str, Any]
    outcome: dict[str, Any]


@dataclass(frozen=True)
class Rule(Generic[I, O]):
    """A named, versioned pure function. Raise the version when the same inputs would give another outcome."""

    name: str
    version: int
    takes: type[I]
    decide: Callable[[I], O]

    def apply(self, inputs: I) -> tuple[O, Decided]:
        """The outcome, and the record of how it came about."""
        outcome = self.decide(inputs)
        return outcome, Decided(
            rule=self.name,
            version=self.version,
            inputs=inputs.model_dump(mode="json", exclude_defaults=True),
            outcome=outcome.model_dump(mode="json", exclude_defaults=True),
        )

    def rerun(self, decided: Decided) -> dict[str, Any]:
        """What the rule says today of the inputs recorded then."""
        return self.decide(self.takes.model_validate(decided.inputs)).model_dump(mode="json", exclude_defaults=True)
