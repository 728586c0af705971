"""When to try again, and when to give up. Pure: the caller brings the time and the chance."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from channels.webhook import Posted
from records.deliveries import Event
from records.subscriptions import Subscription

MINUTE, HOUR = 60.0, 3_600.0
SCHEDULE_SECONDS = (
    0.0,
    5.0,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""Before each attempt, after the one before it: Standard Webhooks 1.0, a little over three days in all."""
HANDSHAKES = 3
"""Attempts at a handshake: whoever asks for a subscription has a receiver that is there."""
JITTER = 0.1
"""Up to so much later, so that what failed together does not come back together."""
IN_ORDER = 2
"""So many times everything waits for one event that is refused; then the others go past it. What a receiver takes
out of order has numbers."""


def again(attempts: int, at_most: int, wait_seconds: float | None, chance: float) -> timedelta | None:
    """How long after attempt number `attempts` the next one is due; None after the last. `chance` is from 0 to 1.

    A receiver that wants a longer pause gets it.
    """
    if attempts >= min(at_most, len(SCHEDULE_SECONDS)):
        return None
    seconds = max(SCHEDULE_SECONDS[attempts], wait_seconds or 0.0)
    return timedelta(seconds=seconds * (1 + JITTER * chance))


def everything_waits(posted: Posted, attempts: int) -> bool:
    """Whether a failure is the receiver's, so that nothing else is tried before it."""
    return posted.outcome == "later" or attempts <= IN_ORDER


Fate = Literal["this one", "the subscription"]


def given_up(subscription: Subscription, event: Event) -> Fate:
    """What is over after an event's last attempt: the event alone where others got through meanwhile."""
    since, first = subscription.failing_since, event.first_tried_at
    if since is None or first is None or since > first:
        return "this one"
    return "the subscription"
