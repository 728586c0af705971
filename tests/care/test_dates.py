"""Moments in words."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from care.dates import dated


def test_one_instant_has_the_words_of_each_clock() -> None:
    """They compare equal, and what was said of the one is not said of the other."""
    here = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    there = here.astimezone(ZoneInfo("Asia/Dubai"))
    assert here == there
    assert dated(here, "%d %B, %H:%M") == "29 November, 23:30"
    assert dated(there, "%d %B, %H:%M") == "30 November, 03:30"
