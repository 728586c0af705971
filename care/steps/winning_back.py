"""Winning back a patient who missed visits, or has none booked while the plan is open."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.steps import refuse


def record_contact(d: Draft, a: act.RecordContact) -> None:
    """An attempt, and what came of it."""
    refuse("NotYet", "winning back is not built yet")
