"""Measures and scores: an outcome instrument, and one dated result of it."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Literal

from care.model import Slug, State, Strict

Basis = Literal["verified", "unverified", "mixed", "proposed"]
"""How far a piece of clinical content has been checked against its source."""

ScoreValue = float | str | bool

LARGEST = 1_000_000
"""No instrument goes so far. JSON has no word for what is not finite: one such score, and nobody could read the
journey again."""


class Sourced(Strict):
    """Clinical content always says where it comes from and how far that was checked."""

    basis: Basis
    source: str


class Norm(Strict):
    """A reference value for one age band and sex."""

    ages: tuple[int, int]
    male: float
    female: float


class Measure(Sourced):
    """An outcome instrument: what it measures, its range, and what change of it matters."""

    id: Slug
    name: str
    direction: Literal["higher_better", "lower_better"]
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    """For a measure whose result is a word (a transfer is `independent`), the words it may be."""
    mcid: float | None = None
    """Smallest change that matters to patients, in the measure's unit."""
    mcid_pct: float | None = None
    """The same, in per cent of the baseline."""
    mdc: float | None = None
    """Smallest change beyond measurement error."""
    norms: tuple[Norm, ...] = ()

    def problem_with(self, value: ScoreValue) -> str | None:
        """What is wrong with a value offered for this measure, in words that do not repeat it; None when it is fine."""
        if self.options:
            return None if value in self.options else f"{self.id} takes one of: {', '.join(self.options)}"
        if isinstance(value, str | bool) or not isfinite(value) or abs(value) > LARGEST:
            return f"{self.id} takes a number"
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return (
                f"{self.id} lies between {low:g} and {'any' if high is None else f'{high:g}'}"
                if low is not None
                else (f"{self.id} is at most {high:g}")
            )
        return None


class Score(State):
    """One dated result of a measure."""

    id: str
    measure: Slug
    value: ScoreValue
    at: datetime
    plan: str | None = None
    in_error: bool = False
