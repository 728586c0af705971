"""A record that was restored from a copy: what waited then, and what is written again, is sent at most once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from channels.ids import MessageIds
from channels.sent_log import Left
from records import doctor, notices
from records.database import Database
from tests.integration.post_office import DOMAIN, Mailroom, Server, mailroom_built, post_of, serving

NOW = datetime.now(UTC)
TAKEN = NOW - timedelta(hours=1)


@pytest.fixture
async def room() -> AsyncIterator[Mailroom]:
    """A record of its own: the mark is the whole record's."""
    async with mailroom_built() as room:
        yield room


@asynccontextmanager
async def owner(room: Mailroom) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The database's owner, who may do everything."""
    connection = await asyncpg.connect(room.owner_dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def notice(
    record: Database, n: int, *, news: str = "withdrawn", due: datetime = NOW, status: str = "queued"
) -> str:
    id_ = f"j1:notice:{n}"
    await record.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, status, hash)"
        " values ($1, 'j1', 'clinic', 'queue:intake', 'journey_news', $2, $3, $4, '')",
        id_,
        {"news": news},
        due,
        status,
    )
    return id_


async def left(record: Database, id_: str, outcome: str = "sent") -> Left:
    found = await notices.digest(record, id_)
    return Left(notice=id_, digest=found, outcome=outcome, message_id=f"<{id_}>", at=NOW)


async def status(room: Mailroom, id_: str) -> str:
    return str((await room.row(id_))["status"])


async def test_without_a_log_what_waited_is_a_persons(room: Mailroom) -> None:
    waits = await notice(room.record, 1)
    under_way = await notice(room.record, 2, status="sending")
    sent = await notice(room.record, 3, status="sent")
    to_come = await notice(room.record, 4, due=NOW + timedelta(days=1))
    assert await doctor.restored(room.record, TAKEN, None) == 2
    assert [await status(room, i) for i in (waits, under_way, sent, to_come)] == [
        "uncertain",
        "uncertain",
        "sent",
        "queued",
    ]
    # A clock that ran out in the time that was lost runs out once more, and says what it may have said then.
    assert await status(room, await notice(room.record, 5)) == "uncertain"
    assert await status(room, await notice(room.record, 6, due=NOW + timedelta(days=1))) == "queued"


async def test_with_the_log_each_is_sent_exactly_once(room: Mailroom) -> None:
    waits, has_left, may_have = [await notice(room.record, n) for n in (1, 2, 3)]
    again = await notice(room.record, 4)
    other = await notice(room.record, 5)
    log = [await left(room.record, i) for i in (has_left, again, other)]
    log.append(await left(room.record, may_have, "uncertain"))
    async with owner(room) as connection:
        await connection.execute("delete from continuum.notice where id = any($1)", [again, other])
    await doctor.restored(room.record, TAKEN, log)
    assert [await status(room, i) for i in (waits, has_left, may_have)] == ["queued", "sent", "uncertain"]
    assert await status(room, await notice(room.record, 4)) == "sent"
    # Another message under the number of one that has left is sent, under a name of its own.
    assert await status(room, await notice(room.record, 5, news="transferred")) == "queued"
    async with serving(Server()) as server:
        for _ in range(2):
            await post_of(room.record, server).once()
    ids = MessageIds(DOMAIN)
    assert server.copies == {ids.of(waits): 1, ids.of(f"{other} 1"): 1}


async def test_decisions_that_are_written_again_tell_nobody(room: Mailroom) -> None:
    async with owner(room) as connection, connection.transaction():
        await connection.execute("select set_config('continuum.rewriting', 'on', true)")
        for n, due in ((1, NOW - timedelta(minutes=1)), (2, NOW + timedelta(days=1))):
            await connection.execute(
                "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash)"
                " values ($1, 'j1', 'clinic', 'queue:intake', 'journey_news', '{}', $2, '')",
                f"j1:notice:{n}",
                due,
            )
    assert [await status(room, f"j1:notice:{n}") for n in (1, 2)] == ["uncertain", "queued"]
    assert await status(room, await notice(room.record, 3)) == "queued"  # the next transaction is as any other


async def test_subscribers_are_given_no_number_twice(room: Mailroom) -> None:
    for id_, kind in (("s1", "webhook"), ("s2", "email")):
        await room.record.execute(
            "insert into continuum.subscription (id, tenant, kind, topic, url, status, events)"
            " values ($1, 'clinic', $2, 't', 'mailto:a@x.example', 'active', 7)",
            id_,
            kind,
        )
        await room.record.execute(
            "insert into continuum.delivery (id, subscription, tenant, number, cause, focus)"
            " values ('msg_' || $1, $1, 'clinic', 7, 'c', 'Task/j1')",
            id_,
        )
    await doctor.restored(room.record, TAKEN, [])
    events = await room.record.fetch("select id, events from continuum.subscription order by id")
    assert all(row["events"] > 7 for row in events)
    rows = await room.record.fetch("select subscription, status from continuum.delivery order by id")
    assert {r["subscription"]: r["status"] for r in rows} == {"s1": "pending", "s2": "dead"}
