"""Notices and replies on their way out: claimed before the attempt, marked after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from care.notice import NOTICES, Notice, Template
from records.database import Database

Status = Literal["queued", "sent", "failed", "uncertain"]

ALARMS = [template for template, rule in NOTICES.items() if rule.kind == "alarm"]
A_PERSONS_WHEN_FAILED = [template for template, rule in NOTICES.items() if rule.undelivered == "task"]
A_PERSONS_WHEN_UNCERTAIN = [template for template, rule in NOTICES.items() if rule.uncertain != "leave"]

NO_ADDRESS = "no address"
LOST = f"""
    (n.status = 'failed' and n.template = any($1) or n.status = 'uncertain' and n.template = any($2))
    and not (n.recipient = 'patient' and n.reason is not distinct from '{NO_ADDRESS}')
"""
"""What did not, or not certainly, arrive and is a person's to deliver, by the two lists above. A patient
without an address is told at the next visit."""

UNCHANGED = "exists (select 1 from continuum.journey j where j.id = n.journey and j.seq = ${})"
"""That the journey of a notice has decided nothing since the decision of that number."""


class Queued(BaseModel):
    """A notice to send, with the address it goes to, when one is known.

    Those of the clinic's own people are not: the directory says who they are (see `activities/addresses.py`).
    """

    id: str
    tenant: str
    journey: str
    clinic: str | None
    recipient: str
    template: Template
    facts: dict[str, Any]
    send_after: datetime
    status: str
    escalation: str | None
    name: str | None
    email: str | None
    waits: bool
    """It was for later when it was queued: what is so at its hour decides whether it leaves."""
    languages: list[str]
    """Of the person who reads it, BCP 47, most wanted first; empty where it is not known."""
    series: int = 0
    """0, unless another message left under the same id before a restore."""
    digest: str = ""
    """Of what it says and to whom."""

    @property
    def mark(self) -> str:
        """What its Message-ID is made from."""
        return self.id if self.series == 0 else f"{self.id} {self.series}"


ADDRESSED = """
    select n.id, n.tenant, n.journey, j.clinic, n.recipient, n.template, n.facts, n.send_after, n.status, n.escalation,
           n.waits, n.series, continuum.notice_digest(n.recipient, n.template, n.facts) as digest,
           case when n.recipient = 'patient' then null  -- who reads over a shoulder learns no name
                when n.recipient = 'referrer' then r.requester->>'name' end as name,
           case when n.recipient = 'patient' then p.email
                when n.recipient = 'referrer' then r.requester_email end as email,
           case when n.recipient = 'patient' then p.languages else '[]' end as languages
    from continuum.notice n
    left join continuum.referral r on r.journey = n.journey
    left join continuum.patient p on p.id = r.patient
    left join continuum.journey j on j.id = n.journey
"""
"""Notices with the person each is for, as `Queued` reads them."""


async def claim(
    database: Database, notice: str, message_id: str, *, again: bool = False, seq: int | None = None
) -> int:
    """Say that an attempt begins. Its number; 0 when it was sent or stopped meanwhile, or somebody else is at it.

    `again`: also where an earlier attempt began and nobody knows how it ended. `seq`: only while that is the last
    decision of its journey.
    """
    row = await database.row(
        "update continuum.notice n set status = 'sending', message_id = $2,"  # noqa: S608 - a constant of ours
        " channel = 'email', attempts = attempts + 1,"
        " tried_at = now() where id = $1 and (status = 'queued' or ($3 and status = 'sending')) and ($4::int is null"
        f" or {UNCHANGED.format(4)}) returning attempts",
        notice,
        message_id,
        again,
        seq,
    )
    return int(row["attempts"]) if row else 0


async def mark(database: Database, notice: str, outcome: Status, reason: str | None = None) -> None:
    """How the attempt ended. `queued` means that it certainly did not leave and will be tried again.

    A bounce that was quicker than this stands.
    """
    await database.execute(
        "update continuum.notice set status = $2, reason = $3 where id = $1 and status in ('queued', 'sending')",
        notice,
        outcome,
        reason,
    )


async def bounced(database: Database, tenant: str, message_id: str, status: str) -> tuple[int, int]:
    """A message came back: none of its notices has arrived. How many are marked now, and how many it spoke of.

    A second report about the same message changes nothing.
    """
    row = await database.row(
        """
        with spoken as (
            select id, status in ('sending', 'sent', 'uncertain') as told_otherwise
            from continuum.notice where tenant = $1 and message_id = $2 for update
        ), marked as (
            update continuum.notice n set status = 'failed', reason = $3, bounced_at = now()
            from spoken s where n.id = s.id and s.told_otherwise returning n.id
        )
        select (select count(*) from marked) as marked, (select count(*) from spoken) as spoken
        """,
        tenant,
        message_id,
        f"bounced ({status})",
    )
    return (row["marked"], row["spoken"]) if row else (0, 0)


class Undelivered(BaseModel):
    """A notice that did not arrive, of which its journey has not heard."""

    id: str
    journey: str
    tenant: str
    recipient: str


async def undelivered_to_note(database: Database, limit: int = 50) -> list[Undelivered]:
    """Those that a person has to deliver and that no journal row speaks of yet, of journeys that are open."""
    rows = await database.fetch(
        "select n.id, n.journey, n.tenant, n.recipient from continuum.notice n"  # noqa: S608 - a constant of ours
        " join continuum.journey j on j.id = n.journey and j.tenant = n.tenant and j.status <> 'closed'"
        f" where {LOST}"
        " and not exists (select 1 from continuum.journal l"
        "   where l.journey = n.journey and l.kind = 'undelivered' and l.data->>'notice' = n.id)"
        " order by n.tried_at, n.id limit $3",
        A_PERSONS_WHEN_FAILED,
        A_PERSONS_WHEN_UNCERTAIN,
        limit,
    )
    return [Undelivered(**dict(r)) for r in rows]


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


async def digest(database: Database, notice: str) -> str:
    """Of what a notice says and to whom; empty where there is none of that id."""
    found: str | None = await database.value(
        "select continuum.notice_digest(recipient, template, facts) from continuum.notice where id = $1", notice
    )
    return found or ""


async def status(database: Database, notice: str) -> Status | None:
    """How a notice stands."""
    found: Status | None = await database.value("select status from continuum.notice where id = $1", notice)
    return found


async def resolved(database: Database, tenant: str, to: dict[str, tuple[str, str]]) -> None:
    """Write to whom each of these notices came down in the directory (`person:ID` or `queue:NAME`), and why."""
    await database.execute(
        "with mine as (select id from continuum.notice where tenant = $1 and id = any($2) order by id for update)"
        " update continuum.notice n set resolved_to = r.to_id, resolved_why = r.why"
        " from unnest($2::text[], $3::text[], $4::text[]) as r(id, to_id, why) join mine on mine.id = r.id"
        " where n.id = mine.id",
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


async def unwritten(database: Database, only: Sequence[str] | None = None, *, limit: int = 200) -> list[dict[str, Any]]:
    """Replies that are not rendered yet (of these ids), with what identifies the referral to its sender."""
    rows = await database.fetch(
        "select y.*, r.source, r.referral_id, r.requester, r.received_at,"
        " case when y.task_status = 'completed' then (select l.data->>'document' from continuum.journal l"
        "   where l.journey = y.journey and l.kind = 'summary_signed' order by l.seq desc limit 1) end as document"
        " from continuum.reply y"
        " join continuum.referral r on r.journey = y.journey"
        " where y.status = 'queued' and ($1::text[] is null or y.id = any($1)) order by y.recorded_at, y.id limit $2",
        list(only) if only is not None else None,
        limit,
    )
    return [dict(r) for r in rows]


async def reply_ready(database: Database, reply: str, message: dict[str, Any]) -> None:
    """The reply is rendered and stored, for the referrer's system to receive; once, whoever comes to it first."""
    await database.execute(
        "update continuum.reply set status = 'ready', message = $2 where id = $1 and status = 'queued'", reply, message
    )
