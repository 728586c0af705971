"""When another attempt is due, and what is over when there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.retries import JITTER, SCHEDULE_SECONDS, again, everything_waits
from channels.webhook import Posted


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    seconds, minutes, hours = 1, 60, 3600
    expected = (0, 5 * seconds, 5 * minutes, 30 * minutes, *(h * hours for h in (2, 5, 10, 14, 20, 24)))
    assert expected == SCHEDULE_SECONDS
    assert timedelta(seconds=sum(SCHEDULE_SECONDS)) > timedelta(hours=75)


@given(attempts=st.integers(1, 9), chance=st.floats(0, 1), wait=st.none() | st.floats(0, 90_000))
def test_never_sooner_than_it_is_due_or_than_the_receiver_wants(
    attempts: int, chance: float, wait: float | None
) -> None:
    found = again(attempts, 10, wait, chance)
    assert found is not None
    least = max(SCHEDULE_SECONDS[attempts], wait or 0)
    assert least <= found.total_seconds() + 1e-6
    assert found.total_seconds() <= least * (1 + JITTER) + 1e-6


@pytest.mark.parametrize(("attempts", "at_most"), [(10, 10), (3, 3), (11, 10)])
def test_after_the_last_attempt_there_is_none(attempts: int, at_most: int) -> None:
    assert again(attempts, at_most, 60.0, 0.5) is None


def test_who_waits() -> None:
    busy, refused = Posted("later", "answered 503"), Posted("refused", "answered 400")
    assert everything_waits(busy, 9)
    assert [everything_waits(refused, n) for n in (1, 2, 3)] == [True, True, False]
