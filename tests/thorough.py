"""How often a test that repeats itself does so: enough to see it go red on every change, and much more on demand.

`CONTINUUM_LONG_TESTS=1 make test` takes all the time that it takes: every vignette through the real workflow, five
hundred races, hundreds of random walks. Before a release, and after a change to what they are about.
"""

from __future__ import annotations

import os

import pytest

LONG = "CONTINUUM_LONG_TESTS" in os.environ


def times(short: int, long: int) -> int:
    """So many, or so many where there is time."""
    return long if LONG else short


long = pytest.mark.skipif(not LONG, reason="takes its time: CONTINUUM_LONG_TESTS=1")
"""For a test beside which a quicker one sees the same thing break."""
