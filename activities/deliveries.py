"""Telling the systems of referrers: webhooks, FHIR subscriptions, each event until it has arrived or is given up.

Events are rows, written with what they tell of (`records/migrations/0008_telling.sql`). This loop takes one
subscription at a time and its events in order, many side by side, so that a receiver that is dead or hangs holds up
nobody else. Two workers may run it: a subscription is leased to one. One that was killed leaves an attempt of which
nobody knows how it ended; it is made again under the same id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import structlog

from activities import retries
from activities.telling import Teller
from channels.egress import Egress
from channels.ids import MessageIds
from channels.mail import Mail
from channels.webhook import Posted
from records import deliveries
from records.database import Database, DatabaseAway, DatabaseRefused
from records.deliveries import Event
from records.subscriptions import Subscription

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
AT_ONCE = 32
FAILING_AT_ONCE = AT_ONCE // 2
"""Receivers that failed last time have only so many of the places."""
TURN_SECONDS = 20.0
"""After so long a subscription is given back, though it has more to send: well before its lease ends."""
TELL_AGAIN = timedelta(minutes=1)


def machine_time() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


class Deliveries:
    """Runs beside the worker. `clock` and `chance` (0 to 1) say when what failed is due again."""

    def __init__(
        self,
        database: Database,
        egress: Egress,
        mail: Mail,
        *,
        base_url: str,
        domain: str,
        alarm_address: str,
        clock: Callable[[], datetime] = machine_time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._teller = Teller(egress, mail, MessageIds(domain), base_url.rstrip("/"), alarm_address)
        self._clock = clock
        self._chance = chance
        self._turns: dict[asyncio.Task[None], _Turn] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the loop."""
        try:
            while not stop.is_set():
                try:
                    await self._begin()
                except Exception as error:
                    log.warning("deliveries_wait", error=type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_SECONDS)
        finally:
            await self._leave()

    async def once(self) -> int:
        """One round, to its end. How many subscriptions had something to do."""
        begun = await self._begin()
        await asyncio.gather(*self._turns)
        return begun

    async def _leave(self) -> None:
        """Give back what is under way, so that the next worker need not wait for the leases to end."""
        turns = dict(self._turns)
        for task in turns:
            task.cancel()
        await asyncio.gather(*turns, return_exceptions=True)
        with suppress(DatabaseAway, DatabaseRefused):
            for turn in turns.values():
                await turn.release()

    async def _begin(self) -> int:
        begun = 0
        for failing in (False, True):
            free = AT_ONCE - len(self._turns)
            if failing:
                free = min(free, FAILING_AT_ONCE - sum(turn.failing for turn in self._turns.values()))
            if free <= 0:
                continue
            lease = uuid4().hex
            claimed = await deliveries.claim(self._database, lease, self._clock(), failing=failing, limit=free)
            for subscription in claimed:
                turn = _Turn(self._database, self._teller, self._clock, self._chance, subscription, lease)
                task = asyncio.create_task(turn.run())
                self._turns[task] = turn
                task.add_done_callback(self._turns.pop)
            begun += len(claimed)
        return begun


class _Turn:
    """What there is to do for one subscription, one thing after the other."""

    def __init__(
        self,
        database: Database,
        teller: Teller,
        clock: Callable[[], datetime],
        chance: Callable[[], float],
        subscription: Subscription,
        lease: str,
    ) -> None:
        self._database = database
        self._teller = teller
        self._clock = clock
        self._chance = chance
        self._it = subscription
        self._lease = lease
        self.failing = subscription.failures > 0
        """Whether its receiver failed last time."""

    async def run(self) -> None:
        """All that is due, and give the subscription back."""
        try:
            await self.take()
            await self.release()
        except Exception as error:  # the lease runs out, and somebody takes it up again
            log.warning("delivery_waits", subscription=self._it.id, error=type(error).__name__)

    async def release(self) -> None:
        """Give it back; nothing where it is somebody else's by now."""
        await deliveries.release(self._database, self._it.id, self._lease, self._clock())

    async def take(self) -> None:
        """All that is due."""
        it, now = self._it, self._clock()
        if it.to_tell and it.tell_after <= now:
            done = await self._teller.owner(it)
            await deliveries.told(self._database, it, self._lease, again=None if done else now + TELL_AGAIN)
        if it.status not in ("requested", "active") or it.rests_until > now:
            return
        if it.ends_at is not None and it.ends_at <= now:
            await self._stop("off", "its end has come", tell=False)
        elif it.status == "active" or await self._handshake():
            await self._send()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN_SECONDS
        told = False
        while loop.time() < until:
            event = await deliveries.next_due(self._database, self._it.id, self._clock())
            if event is None:
                break
            told = True
            if not await self._deliver(event):
                return
        if not told and self._it.beats_at is not None and self._it.beats_at <= self._clock():
            await self._heartbeat()

    async def _handshake(self) -> bool:
        it = self._it
        posted = await self._teller.sign_of_life(it, "handshake", f"msg_{it.id}_handshake_{it.version}")
        if await self._settled(posted, None):
            return posted.outcome == "delivered"
        wait = retries.again(it.failures + 1, retries.HANDSHAKES, posted.wait_seconds, self._chance())
        if wait is None:
            await self._stop("error", f"no handshake: {posted.reason}")
        else:
            await self._put_off(None, posted, wait, rests=True)
        return False

    async def _heartbeat(self) -> None:
        """One that does not arrive is not made up for: the next one says as much."""
        beat = int(self._clock().timestamp())
        posted = await self._teller.sign_of_life(self._it, "heartbeat", f"msg_{self._it.id}_heartbeat_{beat}")
        if not await self._settled(posted, None):
            await self._put_off(None, posted, timedelta(), rests=False)

    async def _deliver(self, event: Event) -> bool:
        """One attempt at one event. Whether the next event may be tried now."""
        posted = await self._teller.event(self._it, event)
        if await self._settled(posted, event):
            return posted.outcome == "delivered"
        attempts = event.attempts + 1
        wait = retries.again(attempts, len(retries.SCHEDULE_SECONDS), posted.wait_seconds, self._chance())
        if wait is not None:
            rests = retries.everything_waits(posted, attempts)
            return await self._put_off(event, posted, wait, rests=rests) and not rests
        reason = posted.reason or ""
        if retries.given_up(self._it, event) == "the subscription":
            await self._stop("error", reason)
            return False
        log.warning("event_given_up", subscription=self._it.id, number=event.number)
        return await deliveries.give_up(
            self._database, self._it, self._lease, self._clock(), event=event.id, reason=reason
        )

    async def _settled(self, posted: Posted, event: Event | None) -> bool:
        """Write down what needs no second attempt."""
        if posted.outcome == "gone":
            await self._stop("off", posted.reason or "")
            return True
        if posted.outcome != "delivered":
            return False
        held = await deliveries.arrived(
            self._database, self._it, self._lease, self._clock(), event.id if event else None
        )
        if not held:
            raise LookupError("the lease has gone to another")
        self._it = self._it.model_copy(update={"status": "active", "failures": 0, "failing_since": None})
        return True

    async def _put_off(self, event: Event | None, posted: Posted, wait: timedelta, *, rests: bool) -> bool:
        now = self._clock()
        held = await deliveries.put_off(
            self._database,
            self._it,
            self._lease,
            now,
            event=event.id if event else None,
            reason=posted.reason or "",
            due=now + wait,
            rests=rests,
        )
        self._it = self._it.model_copy(update={"failing_since": self._it.failing_since or now})
        return held

    async def _stop(self, standing: Literal["error", "off"], trouble: str, *, tell: bool = True) -> None:
        log.warning("subscription_stopped", subscription=self._it.id, status=standing)
        await deliveries.stop(
            self._database, self._it, self._lease, self._clock(), standing=standing, trouble=trouble, tell=tell
        )
