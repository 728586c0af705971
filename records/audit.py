"""Who looked at or changed what: ids only, appended before the answer leaves.

Rows that come at the same time go in by one statement: while one is under way the next ones gather. Each writer waits
for its own row, so that nothing is answered that is not in the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from records.database import Database, DatabaseAway, DatabaseRefused

MOST_AT_ONCE = 500

_INSERT = """
insert into continuum.audit (tenant, caller, roles, operation, subject, outcome, request_id)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[])
"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One operation and what came of it. Our own ids and codes, never a name."""

    tenant: str
    caller: str
    """`Caller.sender`, or `nobody` where it is not known who asked."""
    roles: str
    """In alphabetical order, with spaces between."""
    operation: str
    """Method and path template (`GET /fhir/Task/{id}`), or the message type of another protocol."""
    subject: str | None
    """What it was about: `ServiceRequest/ID`, or an id alone."""
    outcome: int
    """HTTP status, or 0 for what has none."""
    request_id: str

    def values(self) -> tuple[Any, ...]:
        """In the order of the columns."""
        return (
            self.tenant,
            self.caller,
            self.roles,
            self.operation,
            self.subject,
            self.outcome,
            self.request_id,
        )


class Audit:
    """The audit's writer in one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[AuditEntry, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, entry: AuditEntry) -> None:
        """Append, and wait until it is there. Raises DatabaseAway, DatabaseRefused."""
        await self.append(entry)

    def append(self, entry: AuditEntry) -> asyncio.Future[None]:
        """Append without waiting, for whoever is being cancelled."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_seen)
        self._waiting.append((entry, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return future

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._write(batch)
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[tuple[AuditEntry, asyncio.Future[None]]]) -> None:
        columns = zip(*(entry.values() for entry, _ in batch), strict=True)
        failed: BaseException | None = None
        try:
            await self._database.execute(_INSERT, *(list(column) for column in columns))
        except (DatabaseAway, DatabaseRefused) as error:
            failed = error
        except BaseException:
            failed = DatabaseAway("the audit was not written")
            raise
        finally:
            for _, future in batch:
                if not future.done():
                    future.set_exception(failed) if failed is not None else future.set_result(None)


def _seen(future: asyncio.Future[None]) -> None:
    """So that nobody complains of an exception that nobody waited for."""
    if not future.cancelled():
        future.exception()


async def events(
    database: Database,
    tenant: str,
    *,
    caller: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """What the audit has, the latest first; `before` is the id that ended the page before."""
    rows = await database.fetch(
        "select * from continuum.audit where tenant = $1 and ($2::text is null or caller = $2)"
        " and ($3::text is null or subject = $3) and ($4::timestamptz is null or recorded_at >= $4)"
        " and ($5::bigint is null or id < $5) order by id desc limit $6",
        tenant,
        caller,
        subject,
        since,
        before,
        limit,
    )
    return [dict(row) for row in rows]
