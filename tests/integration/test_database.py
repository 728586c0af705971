"""PostgreSQL: migrations, what the application role may not do, and a deadline on every wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

import asyncpg
import pytest

from continuum.embedded.folder import StackError, temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import bring_up_to_date
from records import database as pool
from records import migrate as migrating
from records.database import Database, DatabaseAway, DatabaseRefused
from records.migrate import MigrationError, migrate, migrations
from tests.integration.tools import Ran, one_line, process, proxy_to

SLACK = 4.0


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Supervisor]:
    with temporary_folder() as path:
        async with running(Options(folder=path, migrate=bring_up_to_date)) as supervisor:
            yield supervisor


@pytest.fixture
async def owner(stack: Supervisor) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.dsn("owner"))
    yield connection
    await connection.close()


@pytest.fixture
async def app(stack: Supervisor) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.dsn("app"))
    yield connection
    await connection.close()


class TestMigrations:
    async def test_a_second_time_nothing_happens(self, stack: Supervisor, owner: asyncpg.Connection) -> None:
        before = await owner.fetch("select * from public.continuum_migration order by number")
        assert len(before) == len(migrations())
        assert await migrate(stack.dsn("owner"), "app") == []
        assert await owner.fetch("select * from public.continuum_migration order by number") == before

    async def test_several_at_once_apply_each_once(self, stack: Supervisor) -> None:
        admin = await asyncpg.connect(stack.dsn("postgres"))
        await admin.execute("create database fresh owner owner")
        await admin.close()
        url = stack.dsn("owner").replace("/continuum?", "/fresh?")
        applied = await asyncio.gather(*(migrate(url, "app") for _ in range(4)))
        assert sorted(name for names in applied for name in names) == [name for _, name, _ in migrations()]

    async def test_an_edited_one_is_refused(self, stack: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
        edited = [(number, name, f"{sql}\n-- edited") for number, name, sql in migrations()]
        monkeypatch.setattr(migrating, "migrations", lambda: edited)
        with pytest.raises(MigrationError, match=r"0001_the_record\.sql was edited after it was applied here"):
            await migrate(stack.dsn("owner"), "app")
        with pytest.raises(StackError, match="add a new one instead"):
            await bring_up_to_date(stack.dsn("owner"), "app")

    async def test_one_that_fails_leaves_nothing(
        self, stack: Supervisor, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = [*migrations(), (9000, "9000_bad.sql", "create table continuum.half (n int); select 1/0;")]
        monkeypatch.setattr(migrating, "migrations", lambda: more)
        with pytest.raises(MigrationError, match=r"9000_bad.sql failed \(SQLSTATE 22012\)"):
            await migrate(stack.dsn("owner"), "app")
        assert await owner.fetchval("select to_regclass('continuum.half')") is None
        assert await owner.fetchval("select max(number) from public.continuum_migration") < 9000

    async def test_up_on_a_newer_schema_says_so_in_one_line(self) -> None:
        with temporary_folder() as path:
            async with running(Options(folder=path, migrate=bring_up_to_date)) as stack:
                owner = await asyncpg.connect(stack.dsn("owner"))
                await owner.execute("insert into public.continuum_migration values (9999, '9999_later.sql', 'x')")
                await owner.close()
            ran = await process("up", "--dir", path)
            *_, last = ran.err.splitlines()
            one_line(Ran(ran.code, ran.out, f"{last}\n"), "schema 9999, newer than this Continuum", "or a later one")
            assert "Traceback" not in ran.err


class TestTheApplicationRole:
    @pytest.mark.parametrize(
        "sql",
        [
            "update continuum.journal set text = 'other'",
            "delete from continuum.journal",
            "truncate continuum.journal",
            "update continuum.note set body = 'other'",
            "delete from continuum.note",
            "update continuum.inbound set raw = ''",
            "delete from continuum.inbound",
            "delete from continuum.notice",
            "delete from continuum.referral",
            "delete from continuum.patient",
            "drop table continuum.journal",
            "alter table continuum.journal disable trigger all",
            "create table continuum.mine (n int)",
            "create table public.mine (n int)",
            "insert into public.continuum_migration values (9, 'x', 'x')",
            "set role owner",
            "create or replace function continuum.commit_decision(d jsonb) returns integer language sql as 'select 1'",
        ],
    )
    async def test_may_not(self, app: asyncpg.Connection, sql: str) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(sql)

    async def test_may_read_and_add(self, app: asyncpg.Connection) -> None:
        assert await app.fetchval("select count(*) from continuum.journal") >= 0
        await app.execute("insert into continuum.note (id, tenant, journey, author, body) values ('n','t','j','a','b')")


class TestDeadlines:
    """Nothing waits for ever, whatever stops answering; the bounds are generous."""

    async def away(self, work: Awaitable[object], seconds: float) -> None:
        began = time.monotonic()
        with pytest.raises(DatabaseAway):
            await work
        assert time.monotonic() - began < seconds + SLACK

    async def test_to_connect(self, stack: Supervisor) -> None:
        async with proxy_to(stack.stack.postgres_port) as proxy:
            proxy.swallow()
            await self.away(Database.open(through(stack, proxy.port), size=1), pool.CONNECT_SECONDS)
            assert proxy.connections >= 1

    async def test_for_an_answer_and_for_a_free_connection(self, stack: Supervisor) -> None:
        async with proxy_to(stack.stack.postgres_port) as proxy:
            database = await Database.open(through(stack, proxy.port), size=2)
            assert await database.value("select 1") == 1
            proxy.swallow()
            bound = pool.ACQUIRE_SECONDS + 2 * pool.COMMAND_SECONDS + pool.CONNECT_SECONDS
            await asyncio.gather(*(self.away(database.value("select 1"), bound) for _ in range(6)))
            proxy.heal()
            await asyncio.sleep(0.1)
            assert await database.value("select 1") == 1, "well again without a new start"
            proxy.swallow()
            began = time.monotonic()
            await database.close()
            assert time.monotonic() - began < pool.CLOSE_SECONDS + SLACK

    async def test_for_a_lock_that_somebody_holds(self, stack: Supervisor, owner: asyncpg.Connection) -> None:
        database = await Database.open(stack.dsn("app"), size=1)
        async with owner.transaction():
            await owner.execute("lock table continuum.clinic in access exclusive mode")
            await self.away(database.value("select count(*) from continuum.clinic"), pool.COMMAND_SECONDS)
        assert await database.value("select count(*) from continuum.clinic") == 1
        await database.close()

    async def test_no_free_connection(self, stack: Supervisor) -> None:
        database = await Database.open(stack.dsn("app"), size=1)
        async with database.connection():
            await self.away(database.value("select 1"), pool.ACQUIRE_SECONDS)
        await database.close()

    async def test_the_command_line_ends_too(self, stack: Supervisor) -> None:
        async with proxy_to(stack.stack.postgres_port) as proxy:
            proxy.swallow()
            ran = await process("journeys", env={"CONTINUUM_DATABASE_URL": through(stack, proxy.port)})
            one_line(ran, "PostgreSQL cannot be reached")


def through(stack: Supervisor, port: int) -> str:
    return stack.dsn("app").replace(f":{stack.stack.postgres_port}/", f":{port}/")


async def test_what_postgresql_refuses_has_no_value_in_it(stack: Supervisor) -> None:
    database = await Database.open(stack.dsn("app"), size=1)
    insert = "insert into continuum.person (tenant, id, name, email) values ('t', $1, 'n', 'e')"
    await database.execute(insert, "Zq-Jane-1980")
    for value in ("Zq-Jane-1980", "Zq\0Jane", "Zq\ud800Jane"):
        with pytest.raises(DatabaseRefused) as refused:
            await database.execute(insert, value)
        assert "Zq" not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.sqlstate.startswith("2")
    await database.close()


async def test_too_many_connections_is_away_and_no_refusal(stack: Supervisor) -> None:
    """Trying later may help."""
    owner = await asyncpg.connect(stack.dsn("postgres"))
    await owner.execute("alter role app connection limit 0")
    try:
        with pytest.raises(DatabaseAway):
            await Database.open(stack.dsn("app"), size=1)
    finally:
        await owner.execute("alter role app connection limit -1")
        await owner.close()
