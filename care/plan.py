"""The individual plan of care: goals, discipline, dose, duration, certification; each value with its origin."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from care.gate import Facts, Op
from care.model import Model, PersonId, Slug, State, Strict
from care.pathway import Discipline
from care.score import Basis, ScoreValue


class Origin(Model):
    """Where a value of a plan comes from: the pathway's rule, what it was applied to, and its source."""

    rule: str
    """For example `low_back_pain@1 dosing medium_risk`."""
    inputs: dict[str, ScoreValue] = {}
    basis: Basis
    source: str


class Value(Model):
    """One value of a plan of care, with its origin."""

    value: float
    unit: str
    origin: Origin


class Dose(Strict):
    """What a therapist says of a dose: at the evaluation, or when a plan is edited."""

    visits: int | None = Field(default=None, ge=0, le=400)
    weeks: int | None = Field(default=None, ge=1, le=104)
    visits_per_week: float | None = Field(default=None, gt=0, le=21)
    visit_minutes: int | None = Field(default=None, ge=5, le=480)

    @property
    def said(self) -> dict[str, float]:
        """The values that were given, by name."""
        return self.model_dump(exclude_none=True)


class Goal(State):
    """A measurable goal."""

    id: str
    measure: Slug
    op: Op
    target: float
    baseline: float
    origin: Origin
    met: bool = False


class Authorisation(State):
    """What the payer allows for one plan: so many visits between two days, both included."""

    status: Literal["asked", "granted", "denied"]
    asked_at: datetime
    visits: int = 0
    used: int = 0
    first_day: date | None = None
    last_day: date | None = None


class WinningBack(State):
    """Attempts to reach a patient who missed visits or has none booked."""

    because: Literal["missed_visit", "drop_off"]
    began_at: datetime
    channels: list[Literal["phone", "message", "letter"]] = []
    """One entry for each attempt."""


class PlanOfCare(State):
    """One discipline's plan. Several at once are several plans in the same stage, each with its own clocks and counts.

    Minimum content as the certification rules ask it (diagnosis stays with the referral): goals, type, amount,
    frequency and duration.
    """

    id: str
    discipline: Discipline
    label: str
    self_care: bool = False
    visits_planned: Value
    visits_per_week: Value
    weeks: Value
    visit_minutes: Value
    goals: list[Goal] = []
    interventions: tuple[str, ...] = ()
    precautions: tuple[str, ...] = ()
    """For the other conditions this patient has."""
    clinician: PersonId | None = None
    started_at: datetime
    certify_by: datetime | None = None
    certified_at: datetime | None = None
    certified_by: PersonId | None = None
    certified_until: datetime | None = None
    """No visit is booked beyond it without a new certification."""
    authorisation: Authorisation | None = None
    """None where the payer asks for none."""
    visits_attended: int = 0
    visits_missed: int = 0
    missed_in_a_row: int = 0
    treatment_days: int = 0
    """Days with a visit attended since the last progress report."""
    last_treatment_on: date | None = None
    reported_at: datetime | None = None
    """When the last progress report was filed: what was counted before it is not taken back."""
    winning_back: WinningBack | None = None
    visits_at_review: int = 0
    reviews_without_gain: int = 0
    scores_at_review: Facts = {}
    """The goals' measures at the last review: gain is counted from there."""
    status: Literal["active", "completed", "ended", "entered_in_error"] = "active"


class Counted(State):
    """What the record of one visit changed in the counts, so that it can be taken back."""

    attended: int = 0
    missed: int = 0
    first_missed: int = 0
    """Missed before there was a plan."""
    treatment_days: int = 0
    authorised: int = 0
    missed_in_a_row: tuple[int, int] = (0, 0)
    """Before and after it."""
    last_treatment_on: date | None = None
    """Before it."""
    winning_back: WinningBack | None = None
    """Before it."""
