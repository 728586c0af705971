"""Notices and replies on their way out: claimed before the attempt, marked after it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from care.notice import Notice
from records.database import Database

Status = Literal["queued", "sent", "failed", "uncertain"]


class Queued(BaseModel):
    """A notice to send, with the address it goes to, when one is known.

    Those of the clinic's own people are not: the directory says who they are (see `activities/addresses.py`).
    """

    id: str
    journey: str
    clinic: str | None
    recipient: str
    template: str
    facts: dict[str, Any]
    send_after: Any
    status: str
    name: str | None
    email: str | None


async def queued(database: Database, tenant: str, ids: tuple[str, ...]) -> list[Queued]:
    """The notices among these ids that still have to be sent (or whose last attempt ended nobody knows how)."""
    rows = await database.fetch(
        """
        select n.id, n.journey, j.clinic, n.recipient, n.template, n.facts, n.send_after, n.status,
               case when n.recipient = 'patient' then null  -- who reads over a shoulder learns no name
                    when n.recipient = 'referrer' then r.requester->>'name' end as name,
               case when n.recipient = 'patient' then p.email
                    when n.recipient = 'referrer' then r.requester_email end as email
        from continuum.notice n
        left join continuum.referral r on r.journey = n.journey
        left join continuum.patient p on p.id = r.patient
        left join continuum.journey j on j.id = n.journey
        where n.tenant = $1 and n.id = any($2) and n.status in ('queued', 'sending') order by n.send_after, n.id
        """,
        tenant,
        list(ids),
    )
    return [Queued(**dict(r)) for r in rows]


async def claim(database: Database, notice: str, message_id: str, *, again: bool = False) -> bool:
    """Say that an attempt begins. False when it was sent or stopped in the meantime, or somebody else is at it.

    `again`: also where an earlier attempt began and nobody knows how it ended.
    """
    row = await database.row(
        "update continuum.notice set status = 'sending', message_id = $2, channel = 'email', attempts = attempts + 1,"
        " tried_at = now() where id = $1 and (status = 'queued' or ($3 and status = 'sending')) returning id",
        notice,
        message_id,
        again,
    )
    return row is not None


async def mark(database: Database, notice: str, outcome: Status, reason: str | None = None) -> None:
    """How the attempt ended. `queued` means that it certainly did not leave and will be tried again."""
    await database.execute(
        "update continuum.notice set status = $2, reason = $3 where id = $1", notice, outcome, reason
    )


async def lost(database: Database, tenant: str, ids: tuple[str, ...], *, but: str) -> tuple[str, ...]:
    """Those of these notices that did not, or not certainly, leave and are owed to somebody.

    Without those to the patient whose reason is `but`: a patient without an address is told at the next visit.
    """
    rows = await database.fetch(
        "select id from continuum.notice where tenant = $1 and id = any($2) and status in ('failed', 'uncertain')"
        " and not (recipient = 'patient' and reason is not distinct from $3) order by send_after, id",
        tenant,
        list(ids),
        but,
    )
    return tuple(r["id"] for r in rows)


async def add_alarm(database: Database, tenant: str, journey: str, notice: Notice) -> None:
    """A row for an alarm, which does not come with a commit."""
    await database.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash)"
        " values ($1, $2, $3, $4, $5, $6, $7, '') on conflict (id) do nothing",
        notice.id,
        journey,
        tenant,
        notice.to,
        notice.template,
        notice.facts,
        notice.send_after,
    )


async def status(database: Database, notice: str) -> str | None:
    """How a notice stands."""
    found: str | None = await database.value("select status from continuum.notice where id = $1", notice)
    return found


async def resolved(database: Database, tenant: str, to: dict[str, tuple[str, str]]) -> None:
    """Write to whom each of these notices came down in the directory (`person:ID` or `queue:NAME`), and why."""
    await database.execute(
        "update continuum.notice n set resolved_to = r.to_id, resolved_why = r.why"
        " from unnest($2::text[], $3::text[], $4::text[]) as r(id, to_id, why) where n.tenant = $1 and n.id = r.id",
        tenant,
        list(to),
        [to_id for to_id, _ in to.values()],
        [why for _, why in to.values()],
    )


async def clinic(database: Database, tenant: str, journey: str) -> str | None:
    """The clinic of a journey, for a notice that does not come with a commit."""
    found: str | None = await database.value(
        "select clinic from continuum.journey where tenant = $1 and id = $2", tenant, journey
    )
    return found


async def replies(database: Database, tenant: str, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    """The replies among these ids that are not rendered yet, with what identifies the referral to its sender."""
    rows = await database.fetch(
        "select y.*, r.source, r.referral_id, r.requester, r.received_at from continuum.reply y"
        " join continuum.referral r on r.journey = y.journey"
        " where y.tenant = $1 and y.id = any($2) and y.status = 'queued' order by y.at, y.id",
        tenant,
        list(ids),
    )
    return [dict(r) for r in rows]


async def reply_ready(database: Database, reply: str, message: dict[str, Any]) -> None:
    """The reply is rendered and stored, for the referrer's system to receive."""
    await database.execute("update continuum.reply set status = 'ready', message = $2 where id = $1", reply, message)
