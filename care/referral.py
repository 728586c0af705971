"""The referral, as far as a workflow may know it: no name, no date of birth, no record number, no free text."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from care.model import Model, PersonId, Slug, State

ReferralUrgency = Literal["routine", "urgent", "asap", "stat"]
"""FHIR R4 request-priority, as the referrer gave it."""


class Clinic(Model):
    """The clinic a journey belongs to, and who answers for it in the end."""

    id: Slug
    tenant: Slug
    lead: PersonId
    """The named human at the end of every escalation ladder."""


class Referral(State):
    """De-identified facts of one referral."""

    received_at: datetime
    urgency: ReferralUrgency = "routine"
    suggested_pathway: Slug | None = None
    age: int | None = None
    """In years at receipt; 90 and over is 90."""
    sex: Literal["male", "female"] | None = None
    patient_matched: bool = False
    days_since_onset: int | None = None
    consent_messages: bool | None = None
    """Whether the patient agreed to be written to; None until asked."""
    information_asked: int = 0
    priority: str | None = None
    first_visit_by: datetime | None = None
    accepted_by: PersonId | None = None
