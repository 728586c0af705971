"""What a directory holds. What is true of one entry alone is kept by its model; the rest is in `check.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Literal, TypeVar

from pydantic import AwareDatetime, field_validator, model_validator

from care.calendar import Hours
from care.model import PersonId, Slug, Strict

StaffRole = Literal[
    "coordinator",
    "therapist",
    "clinical_lead",
    "surgeon",
    "on_call",
    "physician",
    "author",
    "auditor",
    "operator",
]
"""What a person may act as; the other roles of `care/actor.py` are not held by people of the directory. A physician
refers from outside; authors write pathways, auditors read the record, operators keep the system running: they act on no
journey."""

ON_CALL = "on_call"
"""The queue behind which the rota stands: whoever is on duty is told, and its mailbox when nobody is."""

DAYS = 7
LONGEST_EMAIL = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets, less its two brackets."""


class ClinicEntry(Strict):
    """A clinic: its hours, its country's holidays, and the named lead at the end of every ladder."""

    tenant: Slug
    id: Slug
    name: str
    lead: PersonId
    timezone: str
    country: str
    """ISO 3166-1 alpha-2, for public holidays."""
    subdivision: str | None = None
    """ISO 3166-2, without the country, where holidays differ within it."""
    regulator: Slug | None = None
    """Whose operating rules hold there, by its profile; None: those of the house."""
    week: tuple[tuple[Hours, ...], ...]
    """Seven days, Monday first; an empty day is closed."""
    overrides: dict[date, str] = {}
    """Days closed on top of the country's holidays, and why; an empty reason opens a holiday."""
    quiet_from: time = time(20)
    quiet_until: time = time(8)
    """Between the two, on the clinic's own clock and perhaps past midnight, no patient is written to. Basis of the
    hours that stand here: proposed; source: design choice, not clinically reviewed."""

    @field_validator("week")
    @classmethod
    def _is_a_week(cls, week: tuple[tuple[Hours, ...], ...]) -> tuple[tuple[Hours, ...], ...]:
        if len(week) != DAYS:
            raise ValueError("a week has seven days")
        for day in week:
            edges = [edge for hours in day for edge in (hours.opens, hours.closes)]
            if edges != sorted(set(edges)):
                raise ValueError("the hours of a day follow one another and do not overlap")
        return week


class Person(Strict):
    """Somebody of the clinic."""

    id: PersonId
    name: str
    email: str | None
    """None only where an older record did not say: such a person cannot be told anything."""
    language: str = "en"
    """BCP 47; messages to them are written in it where there are templates in it."""
    roles: tuple[StaffRole, ...] = ()


class Queue(Strict):
    """A team behind one mailbox. Tasks are owed by queues; at another clinic another team may bear the same name."""

    id: Slug
    clinic: Slug | None = None
    """The clinic it serves; None: every clinic without a queue of its own under this id."""
    name: str
    mailbox: str
    supervisor: PersonId | None
    members: tuple[PersonId, ...] = ()


class Span(Strict):
    """A stretch of care time; without an end it lasts until further notice."""

    begins: AwareDatetime
    ends: AwareDatetime | None

    @model_validator(mode="after")
    def _runs_forward(self) -> Span:
        if self.ends is not None and self.ends <= self.begins:
            raise ValueError("it has to end after it begins")
        return self

    def covers(self, at: datetime) -> bool:
        """Whether it lasts at that care time: its begin counts, its end does not."""
        return self.begins <= at and (self.ends is None or at < self.ends)

    def overlaps(self, other: Span) -> bool:
        """Whether both last at some moment."""
        return self.covers(other.begins) or other.covers(self.begins)


class Absence(Span):
    """A person is away; whoever stands in for them is told instead."""

    person: PersonId
    ends: AwareDatetime | None = None
    """None: until further notice."""
    delegate: PersonId | None = None


class Duty(Span):
    """A person's turn on call."""

    person: PersonId
    ends: AwareDatetime
    clinic: Slug | None = None
    """None: for every clinic without a duty of its own at the time."""


class Directory(Strict):
    """The whole of one tenant. The first clinic is that of a journey which does not say another."""

    clinics: tuple[ClinicEntry, ...] = ()
    people: tuple[Person, ...] = ()
    queues: tuple[Queue, ...] = ()
    absences: tuple[Absence, ...] = ()
    on_call: tuple[Duty, ...] = ()

    def clinic(self, clinic: str | None) -> ClinicEntry | None:
        """The clinic of that id, else the tenant's default one; None only where there is no clinic at all."""
        return next((c for c in self.clinics if c.id == clinic), next(iter(self.clinics), None))

    def person(self, person: str) -> Person | None:
        """The person of that id."""
        return next((p for p in self.people if p.id == person), None)

    def queue(self, queue: str, clinic: str) -> Queue | None:
        """The team of that name at a clinic: its own, else the one that serves all."""
        named = [q for q in self.queues if q.id == queue and q.clinic in (clinic, None)]
        return next(iter(sorted(named, key=lambda q: q.clinic is None)), None)

    def absence(self, person: str, at: datetime) -> Absence | None:
        """The person's absence at that care time; of two, the one that began last."""
        return _latest(a for a in self.absences if a.person == person and a.covers(at))

    def duty(self, clinic: str, at: datetime) -> Duty | None:
        """Who is on call at that care time: by the clinic's own rota, else by the one for all."""
        lasting = [d for d in self.on_call if d.covers(at)]
        own = _latest(d for d in lasting if d.clinic == clinic)
        return own or _latest(d for d in lasting if d.clinic is None)

    def queues_of(self, person: str, at: datetime) -> frozenset[tuple[str, str]]:
        """Queue and clinic, where the person is in the team behind that queue there, or on call for it."""
        named = {q.id for q in self.queues}
        teams = {(c.id, name): self.queue(name, c.id) for c in self.clinics for name in named}
        on_duty = {c.id for c in self.clinics if (duty := self.duty(c.id, at)) and duty.person == person}
        return frozenset(
            (name, clinic)
            for (clinic, name), team in teams.items()
            if team is not None and (person in team.members or (name == ON_CALL and clinic in on_duty))
        )


S = TypeVar("S", bound=Span)


def _latest(spans: Iterable[S]) -> S | None:
    return max(spans, key=lambda s: (s.begins, s.model_dump_json()), default=None)
