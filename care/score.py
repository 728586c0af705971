"""Measures and scores: an outcome instrument, and one dated result of it."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Literal

from pydantic import Field

from care.model import Brief, Slug, State

Basis = Literal["verified", "unverified", "mixed", "proposed"]
"""How far a piece of clinical content has been checked against its source."""

ScoreValue = float | str | bool

LARGEST = 1_000_000
"""No instrument goes so far. JSON has no word for what is not finite: one such score, and nobody could read the
journey again."""


class Sourced(Brief):
    """Clinical content always says where it comes from and how far that was checked."""

    basis: Basis
    source: str


class Norm(Brief):
    """A reference value for one age band and sex."""

    ages: tuple[int, int]
    male: float
    female: float


# --- what may be done with an instrument

SCORE_ONLY = ("free_noncommercial", "permission", "licensed")
"""Licences under which the items of an instrument are not ours to use: only its score is entered."""


class Licence(Brief):
    """What the holder of an instrument allows. We ship no item texts in any case, only numbers."""

    status: Literal["free", "free_clinical", "free_registration", "free_noncommercial", "permission", "licensed"]
    note: str = ""
    instead: tuple[Slug, ...] = ()
    """Free measures that may stand in for it."""
    held: bool = False
    """This provider has the holder's licence (in a library of its own): the answers to items may be entered."""

    @property
    def score_only(self) -> bool:
        """Whether only the score may be entered, and not the answers to the items."""
        return self.status in SCORE_ONLY and not self.held


class Loinc(Brief):
    """The codes of an instrument in LOINC: of its score, and of the whole questionnaire."""

    score: str | None = None
    panel: str | None = None


# --- what a value means


class Band(Brief):
    """A name for values from `minimum` to `maximum`, both included; of several bands the first that fits."""

    label: str
    minimum: float | None = None
    maximum: float | None = None


class Cutoff(Brief):
    """A value from which on something is so. For a person to read: what care makes of it stands in the pathway."""

    label: str
    op: Literal["<", "<=", ">", ">=", "=="]
    value: float | str
    of: Literal["score", "gain", "loss_pct"] = "score"
    """Of the score itself, or of its change towards better, or of its worsening in per cent of the baseline."""


# --- how answers become a score

Method = Literal[
    "sum", "mean", "best", "percent", "lookup", "mean_of_parts", "sum_of_parts", "classes", "ratio", "symmetry"
]
"""See `care/scoring.py`."""


class Answers(Brief):
    """The answers that an item takes: from `minimum` to `maximum`, in steps (0: any number)."""

    minimum: float = 0
    maximum: float | None = None
    step: float = 1
    yes_from: float | None = None
    """The item counts 1 from this answer on, and 0 below it."""
    recode: dict[str, float] = {}
    """Answers that count as another one (88, not attempted, counts as dependent)."""


class Part(Brief):
    """A subscale that only counts together with the others: so many items, one after the other."""

    items: int = Field(ge=1)
    method: Literal["sum", "mean", "percent"]
    most_missing: int = 0
    times: float = 1


class ScoreClass(Brief):
    """A word for the result, where the answers to these items (first, last; without: all) add up to so much."""

    label: Slug
    at_least: float = 0
    items: tuple[int, int] | None = None


class Raise(Brief):
    """An answer that is a sign of danger: more than `above` to this item."""

    item: int = Field(ge=1)
    above: float = 0
    sign: Slug


class Scoring(Brief):
    """How the answers to the items become the score. Items are counted from 1."""

    method: Method
    items: int = Field(ge=1)
    fewest: int | None = None
    """Where there need not be so many (activities, trials): how few answers there may be."""
    answers: tuple[Answers, ...] = (Answers(),)
    """One entry for all items alike, or one for each."""
    most_missing: int = 0
    """How many may be unanswered; what is missing counts like the mean of the rest."""
    round_up: bool = False
    reversed: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    """What each item is multiplied with before it is added."""
    item_names: tuple[Slug, ...] = ()
    """Where the order of the items does not go without saying."""
    times: float = 1
    inverted: bool = False
    """100 minus the per cent (of a symmetry: none)."""
    timed: tuple[int, ...] = ()
    """Of a symmetry: the pairs that are times, in which less is better."""
    parts: tuple[Part, ...] = ()
    table: tuple[float, ...] = ()
    """The score for each sum, from the smallest that the answers can have."""
    classes: tuple[ScoreClass, ...] = ()
    """The first that holds."""
    raises: tuple[Raise, ...] = ()


Kind = Literal["prom", "screen", "performance", "clinician_rated", "finding"]
"""Said by the patient; asked to find a risk; a timed or counted test; a scale that a clinician fills in; what a
clinician sees or measures and no instrument stands behind."""


class Measure(Sourced):
    """An outcome instrument: what it measures, its range, and what change of it matters."""

    id: Slug
    name: str
    kind: Kind = "finding"
    direction: Literal["higher_better", "lower_better"]
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    options: tuple[str, ...] = ()
    """For a measure whose result is a word (a transfer is `independent`), the words it may be, best first."""
    mcid: float | None = None
    """Smallest change that matters to patients, in the measure's unit."""
    mcid_pct: float | None = None
    """The same, in per cent of the baseline."""
    mcid_worse: float | None = None
    """The same for a change to the worse, where it is another."""
    mdc: float | None = None
    """Smallest change beyond measurement error."""
    norms: tuple[Norm, ...] = ()
    bands: tuple[Band, ...] = ()
    cutoffs: tuple[Cutoff, ...] = ()
    licence: Licence = Licence(status="free")
    loinc: Loinc | None = None
    scoring: Scoring | None = None
    """Without it the score is taken as it is: a single reading, or an instrument scored elsewhere."""
    part_of: Slug | None = None
    """The instrument of which this is a subscale."""
    parts: tuple[Slug, ...] = ()
    """An instrument that has no score of its own, only its subscales."""

    def problem_with(self, value: ScoreValue) -> str | None:
        """What is wrong with a value offered for this measure, in words that do not repeat it; None when it is fine."""
        if self.parts:
            return f"{self.id} has no score of its own; it takes: {', '.join(self.parts)}"
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
