"""Expand and contract: the newest migrations are applied while the old code goes on writing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg
import pytest

from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.upgrade.expanding import judge
from records import migrate as migrating
from records.migrate import MigrationError, migrate, migrations
from tests.integration.tools import until

PREVIOUS = 6
"""The schema that the old code knows."""
LONGEST_WAIT = 1.0
"""Seconds: no statement of the application may be kept waiting by a migration for so long. The machine may be slow, so
what is asserted is what PostgreSQL itself says of locks, not what a clock of ours says."""

NOT_ADDITIVE = {"0003_directory.sql"}
"""From before the rule: it moved mailboxes to people and dropped their table."""


# --- what is judged


@pytest.mark.parametrize(("name", "sql"), [(name, sql) for _, name, sql in migrations()], ids=lambda x: str(x)[:20])
def test_every_migration_only_adds(name: str, sql: str) -> None:
    judged = judge(name, sql)
    assert judged.additive == (name not in NOT_ADDITIVE), judged.remarks
    assert not [r for r in judged.remarks if r.verdict == "unknown"], judged.remarks


@pytest.mark.parametrize(
    "sql",
    [
        "alter table continuum.task drop column owner",
        "alter table continuum.task rename column owner to whose",
        "alter table continuum.task alter column owner type varchar(9)",
        "alter table continuum.task alter column queue set not null",
        "alter table continuum.task add column x text not null",
        "alter table continuum.task add column x text, drop column owner",
        "alter table continuum.task add constraint c check (owner <> '')",
        "drop view continuum.fhir_task",
        "drop trigger reply_told on continuum.reply",
        "vacuum full continuum.task",
        "create table continuum.new (n int); drop table continuum.task",
    ],
)
def test_what_takes_away_is_found(sql: str) -> None:
    assert not judge("x.sql", sql).additive


@pytest.mark.parametrize(
    "sql",
    [
        "create table continuum.n (n int); create index i on continuum.n (n); alter table continuum.n drop column n",
        "alter table continuum.task add column x text not null default 'drop table', add column y numeric(3, 1)",
        "create function continuum.f() returns int language sql as $$ delete from continuum.task; select 1 $$",
        "-- drop table continuum.task;\ncreate view continuum.v as select 1",
        "alter table continuum.task alter column owner drop not null",
    ],
)
def test_what_adds_is_let_by(sql: str) -> None:
    judged = judge("x.sql", sql)
    assert judged.additive
    assert judged.remarks == ()


def test_what_holds_writes_says_so() -> None:
    (remark,) = judge("x.sql", "create index i on continuum.journal (at)").remarks
    assert (remark.verdict, "continuum.journal" in remark.why) == ("holds writes", True)


# --- under load


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Supervisor]:
    """PostgreSQL; no migrations, no worker."""
    with temporary_folder() as path:
        async with running(Options(folder=path)) as stack:
            yield stack


@pytest.fixture
async def previous(server: Supervisor, request: pytest.FixtureRequest) -> str:
    """A database at the previous schema: the owner's address of it."""
    name = "d" + sha256(request.node.name.encode()).hexdigest()[:8]
    admin = await asyncpg.connect(server.dsn("postgres"))
    await admin.execute(f"create database {name} owner owner")
    await admin.close()
    url = re.sub(r"/continuum(\?|$)", rf"/{name}\1", server.dsn("owner"))
    owner = await asyncpg.connect(url)
    await owner.execute(
        "create table public.continuum_migration (number integer primary key, name text not null,"
        " sha256 text not null, applied_at timestamptz not null default now())"
    )
    for number, file, sql in migrations():
        if number <= PREVIOUS:
            await owner.execute(sql)
            digest = sha256(sql.encode()).hexdigest()
            await owner.execute("insert into public.continuum_migration values ($1, $2, $3)", number, file, digest)
    await owner.execute(
        "grant usage on schema continuum to app; grant select, insert, update on all tables in schema continuum to app;"
        "grant execute on all functions in schema continuum to app"
    )
    await owner.close()
    return url


def decision(journey: str, seq: int) -> str:
    """What the old code sent for a decision."""
    now = datetime.now(UTC).isoformat()
    actor = {"person": "p-therapist", "role": "therapist", "on_behalf_of": None}
    entry = {"seq": seq, "at": now, "stage": "Therapy", "kind": "consent", "text": "x", "actor": actor, "data": {}}
    task = {
        "id": f"{journey}:task:{seq}",
        "kind": "book_visit",
        "subject": "p",
        "label": "Book",
        "queue": "front_desk",
        "owner": "queue:front_desk",
        "opened_at": now,
        "due": now,
        "rung": 0,
        "acknowledged_by": None,
        "quiet_until": None,
        "settled_at": None,
        "outcome": None,
    }
    notice: dict[str, Any] = {
        "id": f"{journey}:notice:{seq}",
        "to": "queue:front_desk",
        "template": "task_due",
        "facts": {},
        "send_after": now,
        "escalation": None,
        "digest": True,
        "hash": f"n{seq}",
    }
    reply: dict[str, Any] = {
        "id": f"{journey}:reply:{seq}",
        "status": "in-progress",
        "business_status": None,
        "reason": None,
        "visits_done": None,
        "visits_planned": None,
        "at": now,
        "hash": f"r{seq}",
    }
    empty: dict[str, Any] = {k: [] for k in ("plans", "visits", "scores", "stopped")}
    head = {"journey": journey, "tenant": "clinic", "clinic": "main", "stage": "Therapy", "status": "open"}
    more = {"outcome": None, "pathway": "low_back_pain@1", "priority": "P2", "waiting_on": "front_desk"}
    last = {"next_due": now, "overdue": False, "at": now, "seq": seq, "stop_messages": False, "last_state": None}
    said = {"tasks": [task], "notices": [notice], "replies": [reply]}
    return json.dumps({**head, **more, **last, **empty, "entries": [{**entry, "hash": f"h{seq}"}], **said})


@dataclass
class Writers:
    """The old code, writing."""

    done: int = 0
    failed: list[str] = field(default_factory=list)

    async def more(self) -> None:
        """Wait until they have written a good deal more."""
        before = self.done

        async def enough() -> bool:
            return self.done > before + 20

        await until(enough, seconds=60)

    async def write(self, url: str, number: int, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(url)
        try:
            seq = 0
            while not stop.is_set():
                seq += 1
                try:
                    await connection.execute("select continuum.commit_decision($1::jsonb)", decision(f"j{number}", seq))
                    await connection.execute(_REFERRAL, f"jr{number}x{seq}", f"R-{number}-{seq}")
                    await connection.fetch("select * from continuum.task where settled_at is null limit 5")
                    self.done += 1
                except asyncpg.PostgresError as error:
                    self.failed.append(type(error).__name__)
        finally:
            await connection.close()


_REFERRAL = (
    "insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type, outcome, journey)"
    " values ('clinic', 'old', $2, 'h', '\\x7b7d'::bytea, 'application/fhir+json', 'accepted', $1)"
)


@asynccontextmanager
async def writing(url: str, writers: int = 4) -> AsyncIterator[Writers]:
    stop, found = asyncio.Event(), Writers()
    tasks = [asyncio.create_task(found.write(url, n, stop)) for n in range(writers)]
    try:
        yield found
    finally:
        stop.set()
        await asyncio.gather(*tasks)


def as_app(server: Supervisor, url: str) -> str:
    return url.replace(server.dsn("owner").split("@")[0], server.dsn("app").split("@")[0])


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "PAUSE_SECONDS", 0.05)
        yield


async def test_the_old_code_goes_on_while_the_new_schema_comes(server: Supervisor, previous: str) -> None:
    app = as_app(server, previous)
    async with writing(app) as old:
        await old.more()
        applied = await migrate(previous, "app")
        await old.more()
    assert applied == [name for number, name, _ in migrations() if number > PREVIOUS]
    assert old.failed == []
    owner = await asyncpg.connect(previous)
    rows = await owner.fetchval("select count(*) from continuum.journal")
    await owner.close()
    assert rows == old.done, "every decision is there, once"


async def test_a_table_that_is_held_stops_nobody_else(
    server: Supervisor, previous: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report reads a table for long. The migration waits for it again and again; writers pass in between."""
    app = as_app(server, previous)
    report = await asyncpg.connect(app)
    held = report.transaction()
    await held.start()
    await report.fetch("select * from continuum.referral limit 1")
    with quick(monkeypatch):
        async with writing(app) as old:
            coming = asyncio.create_task(migrate(previous, "app"))
            watcher = await asyncpg.connect(previous)
            waited = [await _longest_wait(watcher) for _ in range(30)]
            assert not coming.done()
            await old.more()
            await held.rollback()
            applied = await asyncio.wait_for(coming, 60)
            await watcher.close()
    await report.close()
    assert applied
    assert old.failed == []
    assert max(waited) < 2 * LONGEST_WAIT, "the migration lets go of its place in the queue"
    assert max(waited) > 0, "it did wait"


async def test_a_table_that_is_never_free_is_given_up_whole(
    server: Supervisor, previous: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "TRIES", 2)
    report = await asyncpg.connect(as_app(server, previous))
    async with report.transaction():
        await report.fetch("select * from continuum.referral limit 1")
        with quick(monkeypatch), pytest.raises(MigrationError, match=r"0007_gateway\.sql did not get its tables"):
            await migrate(previous, "app")
        there = await report.fetchval("select to_regclass('continuum.ask')")
    await report.close()
    assert there is None


async def _longest_wait(connection: asyncpg.Connection) -> float:
    """How long, by PostgreSQL's own clock, the one has waited that has waited longest for a lock on a table."""
    await asyncio.sleep(0.05)
    found = await connection.fetchval(
        "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0) from pg_locks"
        " where not granted and locktype = 'relation' and waitstart is not null"
    )
    return float(found)
