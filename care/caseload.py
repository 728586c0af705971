"""A caseload taken over: where a patient stood when the clinic began with Continuum. De-identified facts only.

Days are the clinic's own. What the old records do not say is None and is not made up: what it would have stopped
begins as if it had never been done, and people settle it.
"""

from __future__ import annotations

from datetime import date, datetime

from care.clock import Backdated
from care.gate import Facts
from care.model import Model, PersonId, Slug
from care.pathway import Discipline
from care.stage import Stage


class AdoptedAuthorisation(Model):
    """What the payer had allowed."""

    visits: int
    used: int
    first_day: date
    last_day: date


class NextVisit(Model):
    """An appointment made already."""

    starts_at: datetime
    clinician: PersonId


class AdoptedPlan(Model):
    """One plan of care, and how far it had come."""

    discipline: Discipline
    dose: Slug | None = None
    """The dosing rule of the pathway that it follows: its values hold where none are given here."""
    visits_planned: int | None = None
    visits_per_week: float | None = None
    weeks: int | None = None
    visit_minutes: int | None = None
    clinician: PersonId | None = None
    started_on: date
    visits_used: int = 0
    visits_missed: int = 0
    last_visit_on: date | None = None
    certified_on: date | None = None
    authorisation: AdoptedAuthorisation | None = None
    last_review_on: date | None = None
    next_visit: NextVisit | None = None


class AdoptedEnding(Model):
    """How care had ended."""

    reason: str
    """One of the coded reasons for a discharge."""
    on: date
    signed: bool
    receipt_confirmed: bool


class Adoption(Model):
    """One journey of the caseload."""

    source: Slug
    """What the records were called from which it was taken."""
    by: PersonId | None = None
    """Who takes it over; None where nobody said."""
    since: date
    """The earliest day that counts: the clinic's calendar has to reach back to it."""
    stage: Stage
    priority: str | None = None
    accepted_on: date | None = None
    clinician: PersonId | None = None
    screened: bool = False
    plans: tuple[AdoptedPlan, ...] = ()
    baseline: Facts = {}
    latest: Facts = {}
    surgery_on: date | None = None
    """The day of surgery, or the day for which it is planned."""
    phase: int | None = None
    ending: AdoptedEnding | None = None
    follow_ups_answered: tuple[Slug, ...] = ()

    def without_visits(self, *dropped: int) -> Adoption:
        """The same without the next visits of these plans, by their place."""
        plans = tuple(
            p.model_copy(update={"next_visit": None}) if n in dropped else p for n, p in enumerate(self.plans)
        )
        return self.model_copy(update={"plans": plans})


class BackdatedClock(Model):
    """A clock that had run out, and what became of it."""

    label: str
    policy: Backdated
    at: datetime | None
    """When its first step is taken; None where it was skipped."""


class Taken(Model):
    """What taking over set going."""

    stage: Stage
    clocks: tuple[BackdatedClock, ...] = ()
    first_day: int = 0
    """About how many messages the first 24 hours bring; to staff, several may share one mail."""
    to_patient: int = 0
    """How many of them are to the patient, because of a day that falls into these hours."""
    notes: tuple[str, ...] = ()
