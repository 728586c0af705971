"""Who looked at or changed what: ids only, appended before the answer leaves.

Rows that come at the same time go in by one statement (`records/gathering.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from records.database import Database
from records.gathering import Gathering

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
        self._gathering: Gathering[AuditEntry, None] = Gathering(self._write, how_many=_how_many)

    async def write(self, entry: AuditEntry) -> None:
        """Append, and wait until it is there. Raises DatabaseAway, DatabaseRefused."""
        await self.append(entry)

    def append(self, entry: AuditEntry) -> asyncio.Future[None]:
        """Append without waiting, for whoever is being cancelled."""
        return self._gathering.put(entry)

    async def _write(self, entries: Sequence[AuditEntry]) -> Sequence[None]:
        columns = zip(*(entry.values() for entry in entries), strict=True)
        await self._database.execute(_INSERT, *(list(column) for column in columns))
        return [None] * len(entries)


def _how_many(waiting: Sequence[AuditEntry]) -> int:
    return min(len(waiting), MOST_AT_ONCE)


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
