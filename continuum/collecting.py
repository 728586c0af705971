"""How often a process that serves looks for garbage in cycles."""

from __future__ import annotations

import gc

COLLECT_AFTER = (20_000, 10, 10)
"""New objects before the collector looks for cycles among them: some dozen requests or decisions, of some megabytes.
With Python's 700 it looks in every request, always when the most is there to look at: a quarter of what a referral
costs."""


def settle() -> None:
    """Once everything is there that stays: it is not looked at again, and what comes and goes only now and then."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
