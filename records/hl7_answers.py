"""Answers that go out by HL7 v2, each until it is taken or given up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from records.database import Database

Row = dict[str, Any]
LEASE_SECONDS = 60.0


class Due(BaseModel):
    """The next answer for one client, with all that it is made from."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    reply: str
    tenant: str
    client: str
    address: str
    tls: bool
    attempts: int
    original: bytes = Field(repr=False)
    said: Row
    visit: Row | None


async def due(database: Database, now: datetime, limit: int) -> list[Due]:
    """For each client the oldest answer that has not gone out, where it is due; leased to the caller.

    One at a time and in order: a later answer never overtakes an earlier one.
    """
    rows = await database.fetch(
        """
        with first as (
            select distinct on (a.client) a.reply, a.due_at from continuum.hl7_answer a
            where a.status = 'pending' order by a.client, a.at, a.reply
        ), mine as (
            select a.reply from continuum.hl7_answer a join first f on f.reply = a.reply
            where a.status = 'pending' and a.due_at <= $1 order by a.due_at limit $2 for update of a skip locked
        ), leased as (
            update continuum.hl7_answer a set due_at = $1 + make_interval(secs => $3), attempts = a.attempts + 1
            from mine where a.reply = mine.reply returning a.*
        )
        select l.reply, l.tenant, l.client, c.hl7_answers as address, c.hl7_answers_tls as tls, l.attempts,
            i.raw as original,
            jsonb_build_object('id', p.id, 'journey', p.journey, 'task_status', p.task_status,
                'business_status', p.business_status, 'reason', p.reason, 'at', p.at) as said,
            (select jsonb_build_object('id', v.id, 'clinician', v.clinician, 'starts_at', v.starts_at, 'minutes',
                round(extract(epoch from v.ends_at - v.starts_at) / 60)::int)
             from continuum.visit v join continuum.journal j on j.journey = v.journey and j.seq = v.seq
             where v.journey = p.journey and j.at = p.at order by v.seq desc, v.id limit 1) as visit
        from leased l
        join continuum.reply p on p.id = l.reply
        join continuum.referral r on r.journey = l.journey
        join continuum.inbound i on i.id = r.inbound
        join continuum.client c on c.id = l.client
        """,
        now,
        limit,
        LEASE_SECONDS,
    )
    return [Due(**dict(row)) for row in rows]


async def settle(database: Database, reply: str, status: str, *, kind: str | None, reason: str | None = None) -> None:
    """It was taken (`sent`), is given up (`dead`), or there is no message for it (`nothing`)."""
    await database.execute(
        "update continuum.hl7_answer set status = $2, kind = $3, reason = $4, settled_at = now()"
        " where reply = $1 and status = 'pending'",
        reply,
        status,
        kind,
        reason,
    )


async def try_later(database: Database, reply: str, at: datetime, reason: str | None) -> None:
    """Tried in vain; the client's later answers wait for it."""
    await database.execute(
        "update continuum.hl7_answer set due_at = $2, reason = $3 where reply = $1 and status = 'pending'",
        reply,
        at,
        reason,
    )


async def listed(database: Database, tenant: str, status: str | None = None, limit: int = 200) -> list[Row]:
    """Answers by HL7 v2, the newest first."""
    rows = await database.fetch(
        "select reply, client, journey, at, status, kind, reason, attempts, due_at from continuum.hl7_answer"
        " where tenant = $1 and ($2::text is null or status = $2) order by at desc, reply limit $3",
        tenant,
        status,
        limit,
    )
    return [dict(row) for row in rows]


async def replay(database: Database, tenant: str, client: str) -> int:
    """Try a client's dead letters once more. How many there are."""
    rows = await database.fetch(
        "update continuum.hl7_answer set status = 'pending', attempts = 0, due_at = now(), settled_at = null"
        " where tenant = $1 and client = $2 and status = 'dead' returning reply",
        tenant,
        client,
    )
    return len(rows)
