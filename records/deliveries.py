"""What subscribers are told: claimed before it is tried, settled after that.

A subscription is worked on by one worker at a time, by a lease; what a worker says after its lease has gone to another
is not written. Times are the machine's and come from the caller: this is about transport.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from records.database import Database
from records.subscriptions import Standing, Subscription

LEASE_SECONDS = 60.0
"""Longer than any worker holds one; one that was killed gives it up so late."""


class Event(BaseModel):
    """Something that a subscriber is to hear of."""

    model_config = ConfigDict(frozen=True)

    id: str
    number: int
    focus: str
    """`Task/ID`."""
    at: datetime
    status: Literal["pending", "delivered", "dead"]
    reason: str | None
    attempts: int
    first_tried_at: datetime | None


async def claim(database: Database, lease: str, now: datetime, *, failing: bool, limit: int) -> list[Subscription]:
    """Subscriptions with something to do, those that waited longest first. Failing ones are claimed by themselves, so
    that they cannot take the places of all others."""
    rows = await database.fetch(
        """
        update continuum.subscription set lease = $1, leased_until = $2::timestamptz + make_interval(secs => $5)
        where id in (
            select s.id from continuum.subscription s
            where (s.leased_until is null or s.leased_until <= $2) and (s.failures > 0) = $3
              and (s.to_tell and s.tell_after <= $2
                or s.status = 'requested' and s.rests_until <= $2
                or s.status = 'active' and s.rests_until <= $2
                   and (s.beats_at <= $2 or s.ends_at <= $2
                     or exists (select 1 from continuum.delivery d
                                where d.subscription = s.id and d.status = 'pending' and d.due_at <= $2)))
            order by s.leased_until nulls first, s.id limit $4 for update of s skip locked)
        returning *
        """,
        lease,
        now,
        failing,
        limit,
        LEASE_SECONDS,
    )
    return [Subscription(**dict(r)) for r in rows]


async def release(database: Database, subscription: str, lease: str, now: datetime) -> None:
    """Done with it for now."""
    await database.execute(
        "update continuum.subscription set lease = null, leased_until = $3 where id = $1 and lease = $2",
        subscription,
        lease,
        now,
    )


async def next_due(database: Database, subscription: str, now: datetime) -> Event | None:
    """The oldest event whose turn it is."""
    row = await database.row(
        "select * from continuum.delivery where subscription = $1 and status = 'pending' and due_at <= $2"
        " order by number limit 1",
        subscription,
        now,
    )
    return Event(**dict(row)) if row else None


async def arrived(database: Database, subscription: Subscription, lease: str, now: datetime, event: str | None) -> bool:
    """The receiver has it, or its handshake or heartbeat was answered. False when the lease has gone."""
    return await _held(
        database,
        """
        with held as (
            update continuum.subscription set status = 'active', version = version + (status = 'requested')::int,
                updated_at = case when status = 'requested' then now() else updated_at end,
                failures = 0, failing_since = null, rests_until = $3,
                trouble = null, beats_at = $3::timestamptz + make_interval(secs => heartbeat_seconds)
            where id = $1 and lease = $2 and status in ('requested', 'active') returning id
        ), settled as (
            update continuum.delivery d set status = 'delivered', reason = null, attempts = attempts + 1,
                first_tried_at = coalesce(first_tried_at, $3), settled_at = $3
            from held where d.id = $4)
        select count(*) from held
        """,
        subscription.id,
        lease,
        now,
        event,
    )


async def put_off(
    database: Database,
    subscription: Subscription,
    lease: str,
    now: datetime,
    *,
    event: str | None,
    reason: str,
    due: datetime,
    rests: bool,
) -> bool:
    """It did not get there. It is due again then; with `rests`, so is everything else of this subscription."""
    return await _held(
        database,
        """
        with held as (
            update continuum.subscription set failures = failures + 1, failing_since = coalesce(failing_since, $3),
                rests_until = case when $7 then $6 else rests_until end,
                beats_at = $3::timestamptz + make_interval(secs => heartbeat_seconds)
            where id = $1 and lease = $2 and status in ('requested', 'active') returning id
        ), later as (
            update continuum.delivery d set attempts = attempts + 1, reason = $5, due_at = $6,
                first_tried_at = coalesce(first_tried_at, $3)
            from held where d.id = $4)
        select count(*) from held
        """,
        subscription.id,
        lease,
        now,
        event,
        reason,
        due,
        rests,
    )


async def give_up(
    database: Database, subscription: Subscription, lease: str, now: datetime, *, event: str, reason: str
) -> bool:
    """One event is a dead letter; the others go on. Its owner is to hear of it."""
    return await _held(
        database,
        """
        with held as (
            update continuum.subscription set failures = failures + 1, to_tell = true, tell_after = $3, trouble = $5
            where id = $1 and lease = $2 returning id
        ), dead as (
            update continuum.delivery d set status = 'dead', attempts = attempts + 1, reason = $5, settled_at = $3
            from held where d.id = $4)
        select count(*) from held
        """,
        subscription.id,
        lease,
        now,
        event,
        reason,
    )


async def stop(
    database: Database,
    subscription: Subscription,
    lease: str,
    now: datetime,
    *,
    standing: Standing,
    trouble: str,
    tell: bool = True,
) -> bool:
    """Nothing more goes to this subscription; what waited is dead letters. Its owner is to hear of it."""
    return await _held(
        database,
        """
        with held as (
            update continuum.subscription set status = $4, trouble = $5, to_tell = $6, tell_after = $3,
                version = version + 1, updated_at = now(), beats_at = null
            where id = $1 and lease = $2 and status in ('requested', 'active') returning id
        ), dead as (
            update continuum.delivery d set status = 'dead', reason = coalesce(d.reason, $5), settled_at = $3
            from held where d.subscription = held.id and d.status = 'pending')
        select count(*) from held
        """,
        subscription.id,
        lease,
        now,
        standing,
        trouble,
        tell,
    )


async def told(database: Database, subscription: Subscription, lease: str, *, again: datetime | None = None) -> None:
    """The owner has heard of the trouble; or is to be told again then."""
    await database.execute(
        "update continuum.subscription set to_tell = $3::timestamptz is not null, tell_after = coalesce($3, tell_after)"
        " where id = $1 and lease = $2",
        subscription.id,
        lease,
        again,
    )


async def events(database: Database, subscription: str, since: int, until: int | None, limit: int) -> list[Event]:
    """Events by their numbers, both ends included."""
    rows = await database.fetch(
        "select * from continuum.delivery where subscription = $1 and number >= $2"
        " and ($3::bigint is null or number <= $3) order by number limit $4",
        subscription,
        since,
        until,
        limit,
    )
    return [Event(**dict(r)) for r in rows]


async def replay(database: Database, tenant: str, subscription: str, since: datetime, until: datetime) -> list[str]:
    """Send again what was given up among the events of a time, each under its own id. Those ids.

    What waits or has arrived is left alone, so that asking twice sends nothing twice.
    """
    rows = await database.fetch(
        "update continuum.delivery set status = 'pending', attempts = 0, first_tried_at = null, reason = null,"
        " settled_at = null, due_at = now()"
        " where id in (select id from continuum.delivery where tenant = $1 and subscription = $2 and status = 'dead'"
        "   and at >= $3 and at <= $4 for update) returning id, number",
        tenant,
        subscription,
        since,
        until,
    )
    return [r["id"] for r in sorted(rows, key=lambda r: r["number"])]


async def counts(database: Database, tenant: str) -> dict[str, dict[str, int]]:
    """How many events of each subscription wait and were given up."""
    rows = await database.fetch(
        "select subscription, status, count(*) as n from continuum.delivery"
        " where tenant = $1 and status in ('pending', 'dead') group by 1, 2",
        tenant,
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["subscription"], {})[row["status"]] = row["n"]
    return found


async def dead(database: Database, tenant: str, subscription: str | None, limit: int) -> list[dict[str, Any]]:
    """Dead letters, the newest first."""
    rows = await database.fetch(
        "select id, subscription, number, focus, at, attempts, reason, settled_at from continuum.delivery"
        " where tenant = $1 and status = 'dead' and ($2::text is null or subscription = $2)"
        " order by at desc, id limit $3",
        tenant,
        subscription,
        limit,
    )
    return [dict(r) for r in rows]


async def _held(database: Database, sql: str, *args: Any) -> bool:
    return bool(await database.value(sql, *args))
