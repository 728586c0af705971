"""The activities as workflows know them: names and shapes, no implementation.

Workflows import this module and nothing else of `activities`; what is behind a signature brings a database driver
with it, which must never be imported inside the workflow sandbox. One abstract class per family; the worker
registers the implementations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date

from temporalio import activity

from care.calendar import Calendar
from care.commit import Commit
from care.journey import Done
from care.keeping import Kept
from care.model import Model
from care.notice import Notice
from care.operating_rules import RuleInForce
from care.pathway import Pathway
from care.red_flag import RedFlag
from care.referral import Clinic


class Preparation(Model):
    """What a stage needs of the world before it can begin."""

    clinic: Clinic
    calendar: Calendar
    pathway: Pathway | None = None
    rules: tuple[RuleInForce, ...] = ()
    """The operating rules of the payer, the clinic's regulator and the house."""
    hinted_flags: tuple[RedFlag, ...] = ()
    """Red flags at whose signs the request's words hint, beyond those of the pathway."""


class Saved(Model):
    """What `persist` answers: the last row of the journal after it."""

    seq: int
    instead: Kept | None = None
    """The journey as the record keeps it, where that holds another decision in this one's place. Nothing was written
    then."""
    before: Done | None = None
    """Where this action was written before, so long ago that its journey has forgotten it. Nothing was written then."""

    @property
    def taken(self) -> bool:
        """Whether the record has this decision, from now on or from an earlier attempt."""
        return self.instead is None and self.before is None


class DischargeSummary(Model):
    """What the summary is made from, beside what PostgreSQL has: ids only."""

    journey: str
    tenant: str
    document: str


class Compared(Model):
    """What a comparison of the record with Temporal came to."""

    mismatches: int
    tasks: int
    """Journeys that got a task for it."""
    by_mail: int
    """Mismatches that only the operator's mail names: their journeys could not be told."""


class Records(ABC):
    """The record of the journey."""

    @activity.defn(name="persist")
    @abstractmethod
    async def persist(self, commit: Commit) -> Saved:
        """Write one decision, whole, in one statement.

        Raises ApplicationError of type `SlotTaken` (a visit overlaps another of the same clinician) or
        `ActionReused` (the action id was used before for something else); neither is retried.
        """

    @activity.defn(name="standing")
    @abstractmethod
    async def standing(self, journey: str, seq: int) -> Saved:
        """Whether the record stands after a later decision than the journey's workflow, and where."""


class Clinics(ABC):
    """What is known of the clinic: its people and its open days."""

    @activity.defn(name="prepare")
    @abstractmethod
    async def prepare(
        self,
        tenant: str,
        suggested_pathway: str | None,
        today: date,
        clinic: str | None,
        since: date | None,
        questions: tuple[str, ...],
        payer: str | None,
    ) -> Preparation:
        """The clinic, its calendar for the months to come, and the pathway that the referral's codes suggest.

        `clinic` is the journey's own or the one its referral names; without one, or where the directory does not
        have it any more, it is the tenant's default clinic. `since` is a day before today to which the calendar
        reaches back, for a journey that began elsewhere. `questions` are the signs at which the request hints,
        `payer` the profile whose rules hold for payment. None has a default: the SDK reads arguments by their types
        only where all are given.
        """


class Content(ABC):
    """Clinical content."""

    @activity.defn(name="load_pathway")
    @abstractmethod
    async def load_pathway(self, pathway: str) -> Pathway:
        """The latest version of a pathway that may be used here; or, of `ID@VERSION`, that one.

        Raises ApplicationError of type `UnknownPathway` or `UnsignedPathway`, naming those there are.
        """


class Messages(ABC):
    """What leaves the house by a journey itself, and waits for nothing."""

    @activity.defn(name="alarm")
    @abstractmethod
    async def alarm(self, notice: Notice, tenant: str) -> str:
        """Send a red flag's alarm now, also while PostgreSQL is away. Returns the outcome."""


class Documents(ABC):
    """Documents that are written from the record."""

    @activity.defn(name="write_summary")
    @abstractmethod
    async def write_summary(self, summary: DischargeSummary) -> str:
        """Write the discharge summary as text and PDF from the record. Returns the document's id."""


class Doctoring(ABC):
    """Looking after the site itself."""

    @activity.defn(name="compare")
    @abstractmethod
    async def compare(self) -> Compared:
        """Compare record and Temporal, and see that somebody is told of each mismatch.

        Puts nothing right but this: a journey that the record does not keep whole is kept.
        """
