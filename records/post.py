"""Messages that may leave, each in a letter of its own: which those are, and what the record says of a journey then.

A message for later is for a care time. A journey's care time is the machine's own, but where a demo or a test has moved
that journey's clock: how far, stands in `moved_clock`.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from care.journey import Journey
from care.keeping import restored_if_sound
from records.database import Database
from records.notices import ADDRESSED, ALARMS, UNCHANGED, Queued

RESTED = """n.template <> all($1) and (n.tried_at is null or n.tried_at <= now() - make_interval(
        secs => case when n.attempts = 0 then $2 else least($2, power(2, least(n.attempts, 16))) end))"""
READY = f"""
    select n.id, n.recorded_at from continuum.notice n
    where n.status = 'queued' and not n.digest and not n.waits
      and {RESTED}
    union all
    select n.id, n.recorded_at from continuum.notice n
    where n.status = 'queued' and not n.digest and n.waits and n.send_after <= now()
      and {RESTED}
    union all
    select n.id, n.recorded_at from continuum.moved_clock m join continuum.notice n on n.journey = m.journey
    where n.status = 'queued' and not n.digest and n.waits and n.send_after > now() and n.send_after <= now() + m.ahead
      and {RESTED}
"""  # noqa: S608 - a constant of ours
"""In three parts, each of which has an index: those for now, those whose hour has come, those of moved clocks."""


class Look(BaseModel):
    """Whether there is anything to do."""

    replies: bool
    notices: bool
    moving: bool
    """Somebody is moving a journey's clock, and waits for its messages to leave."""


async def look(database: Database, *, retry_seconds: float) -> Look:
    """The one question of a round in which nothing is to be done."""
    row = await database.row(
        "select exists (select 1 from continuum.reply where status = 'queued') as replies,"  # noqa: S608 - ours
        f" exists ({READY}) as notices,"
        " exists (select 1 from continuum.moved_clock where moved_at > now() - interval '1 minute') as moving",
        ALARMS,
        retry_seconds,
    )
    return Look.model_validate(dict(row or {}))


async def ready(database: Database, *, retry_seconds: float, limit: int) -> list[Queued]:
    """Messages that may leave, the oldest first. One that a mail server put off rests twice as long each time, for
    `retry_seconds` at most."""
    rows = await database.fetch(
        f"select a.* from ({ADDRESSED}) as a join ({READY} order by 2, 1 limit $3) as r on r.id = a.id"  # noqa: S608
        " order by r.recorded_at, r.id",
        ALARMS,
        retry_seconds,
        limit,
    )
    return [Queued(**dict(r)) for r in rows]


class Standing(BaseModel):
    """A journey at the hour of one of its messages."""

    model_config = ConfigDict(frozen=True)

    seq: int
    """The number of its last decision."""
    closed: bool
    now: datetime
    """Its own time."""
    journey: Journey | None
    """As it stands after that decision; None where the record does not hold it whole."""


async def standing(database: Database, journey: str) -> Standing | None:
    """How a journey stands; None where there is none."""
    row = await database.row(
        "select j.seq, j.status = 'closed' as closed, now() + coalesce(m.ahead, interval '0') as now, s.state, s.base"
        " from continuum.journey j"
        " left join continuum.journey_state s on s.journey = j.id and s.seq = j.seq and s.base is not null"
        " left join continuum.moved_clock m on m.journey = j.id where j.id = $1",
        journey,
    )
    if row is None:
        return None
    readable = row["state"] is not None and not row["closed"]
    kept = restored_if_sound(row["state"], row["base"]) if readable else None
    return Standing(seq=row["seq"], closed=row["closed"], now=row["now"], journey=kept)


async def stop(database: Database, notice: str, reason: str, *, seq: int) -> None:
    """Do not send it after all, unless the journey has decided something since."""
    await database.execute(
        f"update continuum.notice n set status = 'stopped', reason = $2"  # noqa: S608 - a constant of ours
        f" where n.id = $1 and n.status = 'queued' and {UNCHANGED.format(3)}",
        notice,
        reason,
        seq,
    )


async def postpone(database: Database, notice: str, until: datetime, *, seq: int) -> None:
    """Its hour is another, unless the journey has decided something since."""
    await database.execute(
        f"update continuum.notice n set send_after = $2"  # noqa: S608 - a constant of ours
        f" where n.id = $1 and n.status = 'queued' and {UNCHANGED.format(3)}",
        notice,
        until,
        seq,
    )


async def rest(database: Database, notice: str) -> None:
    """It cannot be sent now, and is looked at again later. That is no attempt."""
    await database.execute("update continuum.notice set tried_at = now() where id = $1 and status = 'queued'", notice)


async def tidy(
    database: Database, *, cut_off_seconds: float, cut_off: str, give_up_seconds: float, gave_up: str
) -> None:
    """Messages that will not leave any more, or may have left.

    One whose attempt was cut off so long ago that it cannot be under way any more is uncertain. One that no mail server
    took in all the time since it might leave is lost.
    """
    await database.execute(
        "update continuum.notice set status = 'uncertain', reason = $2"
        " where id in (select id from continuum.notice where status = 'sending' and not digest"
        "              and template <> all($3) and tried_at <= now() - make_interval(secs => $1)"
        "              for update skip locked)",
        cut_off_seconds,
        cut_off,
        ALARMS,
    )
    await database.execute(
        "update continuum.notice set status = 'failed', reason = $2"
        " where id in (select n.id from continuum.notice n left join continuum.moved_clock m on m.journey = n.journey"
        "   where n.status = 'queued' and not n.digest and n.template <> all($3) and n.attempts > 0"
        "     and greatest(n.recorded_at, case when n.waits then n.send_after - coalesce(m.ahead, interval '0') end)"
        "         <= now() - make_interval(secs => $1) for update of n skip locked)",
        give_up_seconds,
        gave_up,
        ALARMS,
    )


# --- a journey whose clock is moved: for a demo and for tests


async def clock_moved(database: Database, journey: str, now: datetime) -> None:
    """Write down what that journey's clock shows now."""
    await database.execute(
        "insert into continuum.moved_clock (journey, ahead) values ($1, $2::timestamptz - now())"
        " on conflict (journey) do update set ahead = excluded.ahead, moved_at = now()",
        journey,
        now,
    )


async def next_hour(database: Database, journey: str, after: datetime) -> datetime | None:
    """When the next message of a journey that waits is to leave."""
    hour: datetime | None = await database.value(
        "select min(send_after) from continuum.notice"
        " where journey = $1 and status = 'queued' and not digest and waits and send_after > $2",
        journey,
        after,
    )
    return hour


async def on_its_way(database: Database, journey: str, now: datetime) -> bool:
    """Whether that journey has something that may leave and was not tried yet, or is being tried."""
    return bool(
        await database.value(
            "select exists (select 1 from continuum.reply where journey = $1 and status = 'queued')"
            " or exists (select 1 from continuum.notice where journey = $1 and not digest and template <> all($3)"
            " and (status = 'sending' or status = 'queued' and attempts = 0 and (not waits or send_after <= $2)))",
            journey,
            now,
            ALARMS,
        )
    )
