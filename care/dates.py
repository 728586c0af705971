"""A moment in words. In a workflow's sandbox `strftime` is dear: it imports a module each time it is called."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache


def dated(moment: datetime, how: str) -> str:
    """A moment of some clock as `strftime` writes it; `how` has no time zone in it."""
    return _dated(moment.replace(tzinfo=None), how)  # one instant has other words in other zones, and compares equal


@lru_cache(maxsize=4096)
def _dated(moment: datetime, how: str) -> str:
    return moment.strftime(how)
