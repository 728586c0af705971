"""A database that counts: what each activity sends to PostgreSQL, statement by statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.connection import LoggedQuery
from temporalio import activity

from records.database import Database

BESIDE = "beside the worker"
"""Who sends what no activity does: the loops."""
WITHIN = ("begin", "commit", "rollback", "savepoint", "release")


class CountingDatabase(Database):
    """Counts statements and transactions by the activity that sends them.

    The driver tells of everything it sends, also of what the pool adds. Outside an explicit transaction every statement
    is one.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.statements = Counter[str]()
        self.commits = Counter[str]()
        self._attempts: set[tuple[str, str, str, int]] = set()

    @property
    def calls(self) -> Counter[str]:
        """How many activities of each type asked for anything."""
        return Counter(kind for kind, *_ in self._attempts)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        """See `Database.connection`."""
        if activity.in_activity():
            info = activity.info()
            self._attempts.add((info.activity_type, info.workflow_run_id or "", info.activity_id, info.attempt))
        async with super().connection() as connection:
            connection.add_query_logger(self._sent)  # never taken off: what follows on release counts too
            yield connection

    async def _ask(self, how: str, sql: str, args: Sequence[Any]) -> Any:
        async with self.connection() as connection:
            return await getattr(connection, how)(sql, *args)

    def _sent(self, query: LoggedQuery) -> None:
        who = activity.info().activity_type if activity.in_activity() else BESIDE
        self.statements[who] += 1
        first = query.query.split(None, 1)[0].strip(";").lower()
        if first not in WITHIN or first == "commit":
            self.commits[who] += 1
