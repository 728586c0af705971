"""How often somebody may ask, over all processes of the gateway.

A limit is a leaky bucket in PostgreSQL (`records/throttle.py`). A process takes a hundredth of a minute's requests at
once, so that the hot path seldom asks the database, and remembers who has to wait, so that a flood costs no look-ups.
Keys are the caller's id or the address of the connection. What a header says of addresses counts for nothing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from records import throttle
from records.database import Database

SOURCES_REMEMBERED = 10_000
SHARE = 100
"""A process takes this part of a minute's requests at a time."""
ASK_AGAIN_SECONDS = 1.0
PRUNE_EVERY = 1024
"""So many look-ups of a process between two clearings of buckets that nobody uses any more."""


@dataclass
class _Standing:
    """What this process knows of one key."""

    credits: int = 0
    blocked_until: float = 0.0
    wait: int = 0
    unreported: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limits:
    """The limits of one gateway, as one process keeps them."""

    def __init__(
        self,
        database: Database,
        *,
        requests_per_minute: int,
        failures_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._requests = requests_per_minute
        self._failures = failures_per_minute
        self._clock = clock
        self._poured = 0
        self._known: OrderedDict[str, _Standing] = OrderedDict()

    async def wait_for_request(self, client: str) -> int:
        """Whether a client may ask now: 0, or the seconds after which it may. Raises DatabaseAway."""
        standing = self._standing(f"requests/{client}")
        if standing.credits > 0:
            standing.credits -= 1
            return 0
        async with standing.lock:  # one look-up for all that wait here
            if standing.credits > 0:
                standing.credits -= 1
                return 0
            if standing.blocked_until > self._clock():
                return standing.wait
            share = max(1, self._requests // SHARE)
            level = await self._pour(f"requests/{client}", share, self._requests, self._requests + share)
            over = level - self._requests
            if over > 0:
                standing.wait = max(1, math.ceil(over / (self._requests / 60)))
                standing.blocked_until = self._clock() + min(standing.wait, ASK_AGAIN_SECONDS)
                return standing.wait
            standing.credits = share - 1
            return 0

    async def wait_after_failure(self, source: str) -> int:
        """Count a failed authentication: 0, or the seconds that this source should wait. Raises DatabaseAway.

        Whoever goes on trying goes on waiting. Asked only after a failure: a good token is never refused because of
        somebody else's bad ones.
        """
        standing = self._standing(f"failures/{source}")
        standing.unreported += 1
        async with standing.lock:
            if standing.blocked_until > self._clock():
                return standing.wait
            amount, standing.unreported = max(1, standing.unreported), 0
            level = await self._pour(f"failures/{source}", amount, self._failures, 2 * self._failures)
            over = level - self._failures
            if over <= 0:
                return 0
            standing.wait = max(1, math.ceil(over / (self._failures / 60)))
            standing.blocked_until = self._clock() + ASK_AGAIN_SECONDS
            return standing.wait

    async def _pour(self, key: str, amount: int, per_minute: int, at_most: int) -> float:
        self._poured += 1
        if self._poured % PRUNE_EVERY == 0:
            await throttle.prune(self._database)
        return await throttle.pour(self._database, key, amount, per_second=per_minute / 60, at_most=at_most)

    def _standing(self, key: str) -> _Standing:
        standing = self._known.pop(key, None) or _Standing()
        self._known[key] = standing
        if len(self._known) > SOURCES_REMEMBERED:
            self._known.popitem(last=False)
        return standing
