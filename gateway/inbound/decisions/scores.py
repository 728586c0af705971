"""Scores that were taken elsewhere. The journey counts a score from the moment it is recorded, so an old one is not
simply recorded now."""

from __future__ import annotations

from datetime import timedelta

from gateway.inbound.decisions.decision import Decision, Quarantine, Refuse
from gateway.inbound.deeds_data import RecordResults
from gateway.inbound.snapshot import Snapshot

FRESH = timedelta(days=7)
"""How old a score may be that is recorded as of now: a design choice, not clinically reviewed."""
AHEAD = timedelta(days=1)
"""Clocks differ, and so do time zones; more is a mistake."""


def record(data: RecordResults, seen: Snapshot) -> Decision:
    """Record them, unless they are of another time."""
    if seen.status == "closed":
        return Refuse("Closed", "the journey is closed")
    if data.at is not None and data.at > seen.now + AHEAD:
        return Refuse("BadDate", "the scores were taken on a day to come")
    if data.at is not None and data.at < seen.now - FRESH:
        return Quarantine(f"the scores are older than {FRESH.days} days: do they still count?")
    return [("record_scores", {"scores": dict(data.scores)})]
