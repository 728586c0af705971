"""The referral, as far as a workflow may know it: no name, no date of birth, no record number, no free text."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Literal

from care.model import Model, PersonId, Slug, State
from care.rules import Decided

ReferralUrgency = Literal["routine", "urgent", "asap", "stat"]
"""FHIR R4 request-priority, as the referrer gave it."""


class Clinic(Model):
    """The clinic a journey belongs to, and who answers for it in the end."""

    id: Slug
    tenant: Slug
    lead: PersonId
    """The named human at the end of every escalation ladder."""
    quiet_from: time = time(20)
    quiet_until: time = time(8)
    """Between the two, on the clinic's clock, no patient is written to. The hours are a design choice."""

    def may_write_at(self, local: datetime) -> datetime:
        """The moment itself, or the end of the quiet hours that it falls into; both on the clinic's own clock."""
        start, end = self.quiet_from, self.quiet_until
        overnight = start > end
        quiet = (local.time() >= start or local.time() < end) if overnight else start <= local.time() < end
        if not quiet:
            return local
        days = 1 if overnight and local.time() >= start else 0
        return (local + timedelta(days=days)).replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)


class Referral(State):
    """De-identified facts of one referral."""

    received_at: datetime
    urgency: ReferralUrgency = "routine"
    suggested_pathway: Slug | None = None
    """The one that the referral's codes settle."""
    candidates: tuple[Slug, ...] = ()
    """The pathways that codes and words point to, best first."""
    reasons: tuple[str, ...] = ()
    """What speaks for each candidate, in their order and in our own words."""
    questions: tuple[Slug, ...] = ()
    """Signs of red flags at which the request's words hint: asked first."""
    matching: Decided | None = None
    """How the pathway was matched at receipt, until it stands in the journal."""
    payer: Slug | None = None
    """Whose rules hold for payment, by its profile of the operating rules; None: nobody said."""
    clinic: Slug | None = None
    """The clinic it was sent to, where the tenant has several and it is known; else the tenant's default one."""
    age: int | None = None
    """In years at receipt; 90 and over is 90."""
    sex: Literal["male", "female"] | None = None
    patient_matched: bool = False
    days_since_onset: int | None = None
    told: dict[Slug, bool] = {}
    """Answers to the questions of the triage, by their ids."""
    consent_messages: bool | None = None
    """Whether the patient agreed to be written to; None until asked."""
    information_asked: int = 0
    priority: str | None = None
    first_visit_by: datetime | None = None
    accepted_by: PersonId | None = None
