"""The pool, with a deadline on every wait: to connect, for a free connection, for an answer.

asyncpg's own defaults wait for as long as a partition lasts, and `asyncio.wait_for` does not rescue them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import asyncpg

from records.patience import within

Companion = TypeVar("Companion")

CONNECT_SECONDS = 5.0
ACQUIRE_SECONDS = 3.0
COMMAND_SECONDS = 5.0
CLOSE_SECONDS = 5.0


AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
ANY = (*AWAY, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class DatabaseAway(Exception):  # noqa: N818 - what happened
    """PostgreSQL cannot be reached or does not answer. Trying later may help."""


class DatabaseRefused(Exception):  # noqa: N818
    """PostgreSQL refused the statement. Carries its SQLSTATE and no value: PostgreSQL's words may hold some."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"the database refused this (SQLSTATE {sqlstate})")
        self.sqlstate = sqlstate


class Database:
    """A pool of connections of the application role."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._companions: dict[object, object] = {}

    def companion(self, kind: Callable[[Database], Companion]) -> Companion:
        """What this process has one of beside its connections, made when it is first needed and gone with them."""
        found = self._companions.get(kind)
        if found is None:
            found = self._companions[kind] = kind(self)
        return cast(Companion, found)

    @classmethod
    async def open(cls, dsn: str, *, password: str | None = None, size: int = 10) -> Database:
        """Connect. Raises DatabaseAway."""
        try:
            pool = await asyncpg.create_pool(
                dsn,
                password=password,
                min_size=1,
                max_size=size,
                server_settings={"application_name": "continuum", "statement_timeout": "5s", "timezone": "UTC"},
                init=_json_as_objects,
                reset=_nothing_to_reset,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseAway(f"PostgreSQL cannot be reached ({type(error).__name__})") from None
        return cls(pool)

    async def close(self) -> None:
        """Give the connections back; those that do not answer are dropped."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many connections are in use, how many are idle, and the most that there may be."""
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle, self._pool.get_max_size()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """A connection. Errors come out as DatabaseAway or DatabaseRefused, without the data PostgreSQL repeats."""
        try:
            connection = await within(ACQUIRE_SECONDS, self._pool.acquire())
            try:
                yield connection
            finally:
                await self._pool.release(connection, timeout=ACQUIRE_SECONDS)
        except ANY as error:
            raise _told(error) from None

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Rows."""
        return list(await self._ask("fetch", sql, args))

    async def row(self, sql: str, *args: Any) -> asyncpg.Record | None:
        """The first row, if any."""
        found: asyncpg.Record | None = await self._ask("fetchrow", sql, args)
        return found

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row."""
        return await self._ask("fetchval", sql, args)

    async def execute(self, sql: str, *args: Any) -> None:
        """A statement without an answer."""
        await self._ask("execute", sql, args)

    async def _ask(self, how: str, sql: str, args: Sequence[Any]) -> Any:
        """As with `connection`, without what a context manager costs: every request asks at least once."""
        try:
            connection = await within(ACQUIRE_SECONDS, self._pool.acquire())
            try:
                return await getattr(connection, how)(sql, *args)
            finally:
                await self._pool.release(connection, timeout=ACQUIRE_SECONDS)
        except ANY as error:
            raise _told(error) from None


def _told(error: Exception) -> DatabaseAway | DatabaseRefused:
    if isinstance(error, AWAY):
        return DatabaseAway(f"PostgreSQL does not answer ({type(error).__name__})")
    if isinstance(error, asyncpg.PostgresError):
        return DatabaseRefused(error.sqlstate or "XX000")
    return DatabaseAway(f"the connection to PostgreSQL was lost ({type(error).__name__})")


async def _json_as_objects(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """The driver's own reset is a statement and a commit for each of ours. We leave nothing in a session: no setting,
    no cursor, no listener, and locks only for a transaction; one left open the driver has rolled back by now."""
