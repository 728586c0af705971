"""What the doctor reads of the record, and how it puts the record right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from care.commit import Commit
from care.journey import Journey
from care.keeping import kept, packed, restored_if_sound
from records.database import Database
from records.decisions import COMMIT, rows
from records.notices import A_PERSONS_WHEN_FAILED, A_PERSONS_WHEN_UNCERTAIN, LOST

PAGE = 200
NEWS_SECONDS = 2 * 86_400.0
"""So long it is told that a closed journey lost a message: it cannot be told itself, and nobody can make it undone."""
NUMBERS_TO_SPARE = 100_000
"""A record that is restored would give out again the numbers of events that subscribers have heard of already."""


class Standing(BaseModel):
    """One journey, or a referral whose journey has not begun, as the record has it."""

    model_config = ConfigDict(frozen=True)

    journey: str
    tenant: str
    referral: bool
    started: bool
    received_at: datetime | None
    stage: str | None
    status: str | None
    """None: there is no row of the journey."""
    seq: int
    journal_last: int
    journal_rows: int
    kept_seq: int | None
    """After which decision the journey is kept whole; None: it is not."""
    tasks: frozenset[str]
    visits: frozenset[str]
    plans: frozenset[str]
    """Open tasks, booked visits, active plans."""


async def standings(database: Database, after: str = "", only: Collection[str] | None = None) -> list[Standing]:
    """A page of them, by id, those after this one; or only these."""
    found = await database.fetch(
        """
        with ids as (
            select id from (select id from continuum.journey union select journey from continuum.referral
                            union select journey from continuum.journal where seq = 1) as every
            where id > $1 and ($2::text[] is null or id = any($2)) order by id limit $3
        )
        select i.id as journey, coalesce(j.tenant, r.tenant, l.tenant) as tenant, r.journey is not null as referral,
            r.started_at is not null as started, r.received_at, j.stage, j.status, coalesce(j.seq, 0) as seq,
            coalesce(l.last, 0) as journal_last, coalesce(l.rows, 0) as journal_rows,
            case when s.base is not null then s.seq end as kept_seq,
            array(select t.id from continuum.task t where t.journey = i.id and t.settled_at is null) as tasks,
            array(select v.id from continuum.visit v where v.journey = i.id and v.status = 'booked') as visits,
            array(select p.id from continuum.plan p where p.journey = i.id and p.status = 'active') as plans
        from ids i
        left join continuum.journey j on j.id = i.id
        left join continuum.referral r on r.journey = i.id
        left join continuum.journey_state s on s.journey = i.id
        left join lateral (select max(seq) as last, count(*) as rows, min(tenant) as tenant
                           from continuum.journal where journey = i.id) l on true
        order by i.id
        """,
        after,
        list(only) if only is not None else None,
        PAGE if only is None else len(only),
    )
    return [Standing(**dict(row)) for row in found]


async def last_written(database: Database, *, before_the_last_row_seconds: float, limit: int) -> list[str]:
    """The open journeys that were written to last: until so long before the last row of all, the latest first."""
    found = await database.fetch(
        "select id from continuum.journey where status <> 'closed' and recorded_at >="
        " (select max(recorded_at) from continuum.journey) - make_interval(secs => $1)"
        " order by recorded_at desc limit $2",
        before_the_last_row_seconds,
        limit,
    )
    return [row["id"] for row in found]


async def kept_journey(database: Database, journey: str) -> Journey | None:
    """An open journey as it stood after its last decision; None where the record does not hold it whole."""
    row = await database.row(
        "select state, base from continuum.journey_state where journey = $1 and base is not null", journey
    )
    return restored_if_sound(row["state"], row["base"]) if row is not None else None


async def keep(database: Database, journey: Journey) -> None:
    """Keep a journey whole, as Temporal has it; never over a later one."""
    whole = kept(journey, with_base=True)
    await database.execute(
        "insert into continuum.journey_state as s (journey, tenant, seq, state, base) values ($1, $2, $3, $4, $5)"
        " on conflict (journey) do update set seq = excluded.seq, state = excluded.state, base = excluded.base,"
        " recorded_at = now() where s.seq <= excluded.seq",
        journey.id,
        journey.tenant,
        journey.seq,
        packed(whole.state),
        packed(whole.base or ""),
    )


# --- messages on their way


class Waiting(BaseModel):
    """A message that should have left, or of which somebody should have heard, long ago."""

    model_config = ConfigDict(frozen=True)

    kind: str
    id: str
    tenant: str
    journey: str | None
    recipient: str | None = None
    journey_open: bool = False


async def waiting(database: Database, *, seconds: float) -> list[Waiting]:
    """All that has waited so long: notices, replies, asks, deliveries to subscribers."""
    found = await database.fetch(
        f"""
        select n.*, j.status is distinct from 'closed' and j.id is not null as journey_open from (
            select 'notice_unsent' as kind, id, tenant, journey, recipient from continuum.notice
            where status = 'queued' and greatest(send_after, recorded_at, case when attempts > 0 then tried_at end)
                                        < now() - make_interval(secs => $3)
            union all
            select 'notice_late', id, tenant, journey, recipient from continuum.notice
            where status = 'queued' and attempts > 0 and tried_at >= now() - make_interval(secs => $3)
              and greatest(send_after, recorded_at) < now() - make_interval(secs => $3)
            union all
            select 'notice_cut_off', id, tenant, journey, recipient from continuum.notice
            where status = 'sending' and tried_at < now() - make_interval(secs => $3)
            union all
            select 'notice_untold', n.id, n.tenant, n.journey, n.recipient from continuum.notice n
            join continuum.journey j on j.id = n.journey and j.status <> 'closed'
            where {LOST} and coalesce(n.tried_at, n.recorded_at) < now() - make_interval(secs => $3)
              and not exists (select 1 from continuum.journal l where l.journey = n.journey
                              and l.kind = 'undelivered' and l.data->>'notice' = n.id)
            union all
            select 'notice_lost', n.id, n.tenant, n.journey, n.recipient from continuum.notice n
            join continuum.journey j on j.id = n.journey and j.status = 'closed'
            where {LOST} and coalesce(n.tried_at, n.recorded_at) < now() - make_interval(secs => $3)
              and coalesce(n.tried_at, n.recorded_at) > now() - make_interval(secs => $4)
              and not exists (select 1 from continuum.journal l where l.journey = n.journey
                              and l.kind = 'undelivered' and l.data->>'notice' = n.id)
            union all
            select 'reply_unwritten', y.id, y.tenant, y.journey, null from continuum.reply y
            where y.status = 'queued' and y.recorded_at < now() - make_interval(secs => $3)
              and exists (select 1 from continuum.referral r where r.journey = y.journey)
            union all
            select 'ask_stuck', id, tenant, journey, null from continuum.ask
            where status = 'waiting' and recorded_at < now() - make_interval(secs => $3)
            union all
            select 'delivery_stuck', d.id, d.tenant, split_part(d.focus, '/', 2), null from continuum.delivery d
            join continuum.subscription s on s.id = d.subscription and s.status = 'active'
            where d.status = 'pending' and greatest(d.due_at, s.rests_until, d.at) < now() - make_interval(secs => $3)
        ) as n left join continuum.journey j on j.id = n.journey
        order by kind, id
        """,  # noqa: S608 - a constant of ours
        A_PERSONS_WHEN_FAILED,
        A_PERSONS_WHEN_UNCERTAIN,
        seconds,
        NEWS_SECONDS,
    )
    return [Waiting(**dict(row)) for row in found]


async def give_up_notice(database: Database, notice: str, status: str, reason: str) -> None:
    """Nobody sends it any more."""
    await database.execute(
        "update continuum.notice set status = $2, reason = $3, tried_at = now() - interval '1 day'"
        " where id = $1 and status in ('queued', 'sending')",
        notice,
        status,
        reason,
    )


# --- putting right


async def rewrite(database: Database, decision: Commit) -> int:
    """Write a decision that this record lost. What it told somebody may have left already: see `notice_after_restore`.

    Raises DatabaseRefused where the record holds another decision in its place.
    """
    async with database.connection() as connection, connection.transaction():
        await connection.execute("select set_config('continuum.rewriting', 'on', true)")
        return int(await connection.fetchval(COMMIT, rows(decision), None, None))


async def only_open(database: Database, journey: Journey, at: datetime, outcome: str) -> None:
    """Tasks and visits that are open in the record and not in the journey are so no more."""
    await database.execute(
        "with t as (update continuum.task set settled_at = $2, outcome = $3"
        "           where journey = $1 and settled_at is null and not id = any($4))"
        " update continuum.visit set status = 'cancelled', reason = $3"
        " where journey = $1 and status = 'booked' and not id = any($5)",
        journey.id,
        at,
        outcome,
        [t.id for t in journey.open_tasks],
        [v.id for v in journey.visits],
    )


async def close_open(database: Database, journey: str, outcome: str) -> None:
    """Nothing is open in a journey that is closed."""
    await database.execute(
        "with t as (update continuum.task set settled_at = j.at, outcome = $2 from continuum.journey j"
        "           where j.id = $1 and task.journey = $1 and settled_at is null)"
        " update continuum.visit set status = 'cancelled', reason = $2 where journey = $1 and status = 'booked'",
        journey,
        outcome,
    )


async def start_again(database: Database, journey: str) -> None:
    """The relay starts this referral's journey, as if nobody had."""
    await database.execute("update continuum.referral set started_at = null where journey = $1", journey)


async def repaired(database: Database, *, tenant: str, journey: str | None, kind: str, detail: str, done: str) -> None:
    """Write down what the doctor did."""
    await database.execute(
        "insert into continuum.repair (tenant, journey, kind, detail, done) values ($1, $2, $3, $4, $5)",
        tenant,
        journey,
        kind,
        detail,
        done,
    )


async def repairs(database: Database, journey: str | None = None) -> list[dict[str, Any]]:
    """What the doctor did, the latest first."""
    found = await database.fetch(
        "select * from continuum.repair where $1::text is null or journey = $1 order by id desc limit 1000", journey
    )
    return [dict(row) for row in found]


# --- after a restore


class Left(Protocol):
    """A notice that has left, or may have: see `channels/sent_log.py`."""

    @property
    def notice(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def at(self) -> datetime: ...


async def restored(database: Database, taken_at: datetime, left: Sequence[Left] | None) -> int:
    """Say that this record is a copy taken then, before anything works with it. `left` is what left the house since,
    None where nobody knows. Returns how many notices that were to be sent are not sent any more.

    A notice that waits and has left is sent; where nobody knows what has left, one that waited may have. Events that
    were told by mail are not told again, others under the same id (their receivers know repeats by it).
    """
    async with database.connection() as connection, connection.transaction():
        for page in _pages(list(left or ())):
            await connection.execute(
                "insert into continuum.sent_before (notice, digest, outcome, message_id, at)"
                " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])"
                " on conflict (notice, digest) do update set outcome = excluded.outcome,"
                " message_id = excluded.message_id, at = excluded.at",
                [one.notice for one in page],
                [one.digest for one in page],
                [one.outcome for one in page],
                [one.message_id for one in page],
                [one.at for one in page],
            )
        held = await connection.fetchval(
            """
            with told as (
                update continuum.notice n set status = s.outcome, message_id = s.message_id,
                    reason = 'left before the restore'
                from continuum.sent_before s where s.notice = n.id and n.status in ('queued', 'sending')
                    and s.digest in ('', continuum.notice_digest(n.recipient, n.template, n.facts))
                returning n.id),
            doubtful as (
                update continuum.notice n set status = 'uncertain', reason = 'may have left before the restore'
                where n.status in ('queued', 'sending') and n.send_after <= now() and not $1
                    and not exists (select 1 from continuum.sent_before s where s.notice = n.id)
                returning n.id)
            select (select count(*) from told) + (select count(*) from doubtful)
            """,
            left is not None,
        )
        await connection.execute(
            "update continuum.delivery d set status = 'dead', reason = 'may have left before the restore',"
            " settled_at = now() from continuum.subscription s"
            " where s.id = d.subscription and s.kind = 'email' and d.status = 'pending'"
        )
        await connection.execute("update continuum.subscription set events = events + $1", NUMBERS_TO_SPARE)
        await connection.execute(
            "insert into continuum.restored (taken_at, sent_known) values ($1, $2)", taken_at, left is not None
        )
        return int(held)


async def last_restore(database: Database) -> datetime | None:
    """When the copy was taken that this record last was restored from; None: it never was."""
    found: datetime | None = await database.value("select taken_at from continuum.restored order by id desc limit 1")
    return found


def _pages(all_: Sequence[Left]) -> Iterable[Sequence[Left]]:
    return (all_[n : n + 1000] for n in range(0, len(all_), 1000))
