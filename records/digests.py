"""Reminders that wait to go out together: who has some, and who sends them.

What waits is measured on the machine's clock from when a row was recorded: this is about transport. When a reminder
is due was decided before, in care time, and is not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from records.database import Database
from records.notices import ADDRESSED, Queued, Status


class Waiting(BaseModel):
    """A reminder, and whether it has waited long enough to call for a mail."""

    notice: Queued
    due: bool


async def waiting(database: Database, *, after_seconds: float, retry_seconds: float, limit: int) -> list[Waiting]:
    """Reminders that wait, the longest waiting first: those not yet due too, since they can go with one that is.

    One that a mail server put off rests for `retry_seconds`.
    """
    rows = await database.fetch(
        f"""
        select a.*, w.recorded_at <= now() - make_interval(secs => $1) as due from ({ADDRESSED}) as a
        join continuum.notice w on w.id = a.id
        where w.digest and w.status = 'queued'
          and (w.tried_at is null or w.tried_at <= now() - make_interval(secs => $2))
        order by w.recorded_at, w.id limit $3
        """,  # noqa: S608 - a constant of ours
        after_seconds,
        retry_seconds,
        limit,
    )
    return [Waiting(notice=Queued(**dict(r)), due=r["due"]) for r in rows]


async def claim(database: Database, ids: Sequence[str]) -> list[str]:
    """Say that an attempt begins, of as many of these as nobody else has begun with. Which those are."""
    rows = await database.fetch(
        "update continuum.notice set status = 'sending', channel = 'email', attempts = attempts + 1, tried_at = now()"
        " where id in (select id from continuum.notice where id = any($1) and digest and status = 'queued'"
        "              for update skip locked) returning id",
        list(ids),
    )
    return sorted(r["id"] for r in rows)


async def name(database: Database, ids: Sequence[str], message_id: str) -> None:
    """Under which Message-ID these leave together."""
    await database.execute(
        "update continuum.notice set message_id = $2 where id in"
        " (select id from continuum.notice where id = any($1) order by id for update)",  # one order: no deadlock
        list(ids),
        message_id,
    )


async def mark(database: Database, ids: Sequence[str], outcome: Status, reason: str | None) -> None:
    """How the attempt ended, for all of them."""
    await database.execute(
        "update continuum.notice set status = $2, reason = $3 where id in (select id from continuum.notice"
        " where id = any($1) and status in ('queued', 'sending') order by id for update)",
        list(ids),
        outcome,
        reason,
    )


async def tidy(
    database: Database, *, cut_off_seconds: float, cut_off: str, give_up_seconds: float, gave_up: str
) -> None:
    """Reminders that no mail is needed for, or that none will come of.

    One whose task was settled meanwhile is stopped. One whose attempt was cut off so long ago that it cannot be under
    way any more is uncertain. One that no mail server took in all the time is lost.
    """
    await database.execute(
        "update continuum.notice set status = 'stopped', reason = 'settled before it was sent' where id in"
        " (select n.id from continuum.notice n join continuum.task t on t.id = n.escalation and t.tenant = n.tenant"
        "  where t.settled_at is not null and n.digest and n.status = 'queued' for update of n skip locked)"
    )
    await database.execute(
        "update continuum.notice set status = 'uncertain', reason = $2"
        " where id in (select id from continuum.notice where digest and status = 'sending'"
        "              and tried_at <= now() - make_interval(secs => $1) for update skip locked)",
        cut_off_seconds,
        cut_off,
    )
    await database.execute(
        "update continuum.notice set status = 'failed', reason = $2"
        " where id in (select id from continuum.notice where digest and status = 'queued' and attempts > 0"
        "              and recorded_at <= now() - make_interval(secs => $1) for update skip locked)",
        give_up_seconds,
        gave_up,
    )
