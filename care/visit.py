"""A visit: one appointment and what happened."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from care.model import PersonId, State

VisitStatus = Literal["booked", "attended", "no_show", "cancelled", "entered_in_error"]


class Visit(State):
    """One appointment with one clinician; `booked` visits of one clinician never overlap."""

    id: str
    plan: str | None
    clinician: PersonId
    starts_at: datetime
    ends_at: datetime
    status: VisitStatus = "booked"
    reason: str | None = None
    """Why it was cancelled, as a code."""
