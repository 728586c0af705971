"""The directory in PostgreSQL: read as one value, changed as a whole, each change with who made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import asyncpg

from care.directory import Absence, Change, ClinicEntry, Directory, Duty, Person, Queue, changes
from care.directory.changes import PARTS, key
from records.database import Database

Row = dict[str, Any]

_LOAD = """
select
    (select coalesce(jsonb_agg(to_jsonb(c) order by c.position, c.id), '[]')
     from continuum.clinic c where c.tenant = $1 and c.active) as clinics,
    (select coalesce(jsonb_agg(to_jsonb(p) order by p.id), '[]')
     from continuum.person p where p.tenant = $1 and p.active) as people,
    (select coalesce(jsonb_agg(to_jsonb(q) order by q.id, q.clinic), '[]')
     from continuum.queue q where q.tenant = $1 and q.active) as queues,
    (select coalesce(jsonb_agg(to_jsonb(a) order by a.begins_at, a.person), '[]')
     from continuum.absence a where a.tenant = $1 and a.active) as absences,
    (select coalesce(jsonb_agg(to_jsonb(o) order by o.begins_at, o.clinic, o.person), '[]')
     from continuum.on_call o where o.tenant = $1 and o.active) as on_call
"""


async def load(database: Database, tenant: str) -> Directory:
    """The tenant's directory as it is now; an empty one where nobody has set any up."""
    async with database.connection() as connection:
        return await _load(connection, tenant)


async def clinic_of(database: Database, tenant: str, clinic: str | None = None) -> ClinicEntry | None:
    """The clinic of that id, else the tenant's default one; None where the tenant has none at all."""
    return (await load(database, tenant)).clinic(clinic)


async def change(
    database: Database, tenant: str, by: str, edit: Callable[[Directory], Directory], *, dry_run: bool = False
) -> tuple[Change, ...]:
    """Make the directory what `edit` makes of it: one transaction, one change at a time, each with a row of who did it.

    What `edit` raises comes out, and nothing is changed. Returns what changed, or with `dry_run` what would.
    """
    async with database.connection() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtextextended('directory/' || $1, 0))", tenant)
        before = await _load(connection, tenant)
        after = edit(before)
        made = changes(before, after)
        if made and not dry_run:
            await _write(connection, tenant, before, after)
            await connection.executemany(
                "insert into continuum.directory_change (tenant, changed_by, what, part, subject, fields)"
                " values ($1, $2, $3, $4, $5, $6)",
                [(tenant, by, c.what, c.part, c.id, list(c.fields)) for c in made],
            )
        return made


async def history(database: Database, tenant: str) -> list[Row]:
    """Who changed what, the latest last."""
    rows = await database.fetch("select * from continuum.directory_change where tenant = $1 order by id", tenant)
    return [dict(row) for row in rows]


# --- from rows to entries


async def _load(connection: asyncpg.pool.PoolConnectionProxy, tenant: str) -> Directory:
    row = await connection.fetchrow(_LOAD, tenant)
    if row is None:
        return Directory()
    return Directory(
        clinics=tuple(_clinic(r) for r in row["clinics"]),
        people=tuple(_entry(Person, r) for r in row["people"]),
        queues=tuple(_entry(Queue, {**r, "clinic": r["clinic"] or None}) for r in row["queues"]),
        absences=tuple(_entry(Absence, _span(r)) for r in row["absences"]),
        on_call=tuple(_entry(Duty, {**_span(r), "clinic": r["clinic"] or None}) for r in row["on_call"]),
    )


def _entry(kind: Any, row: Row) -> Any:
    """Only what this version knows: a column of a later one is none of its business."""
    return kind.model_validate({name: value for name, value in row.items() if name in kind.model_fields})


def _span(row: Row) -> Row:
    return {**row, "begins": row["begins_at"], "ends": row["ends_at"]}


def _clinic(row: Row) -> ClinicEntry:
    week = [[{"opens": opens, "closes": closes} for opens, closes in day] for day in row["week"]]
    entry: ClinicEntry = _entry(ClinicEntry, {**row, "week": week})
    return entry


# --- from entries to rows

_PERSON = """
insert into continuum.person (tenant, id, name, email, language, roles) values ($1, $2, $3, $4, $5, $6)
on conflict (tenant, id) do update set name = excluded.name, email = excluded.email, language = excluded.language,
    roles = excluded.roles, active = true
"""
_QUEUE = """
insert into continuum.queue (tenant, id, clinic, name, mailbox, supervisor, members) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (tenant, id, clinic) do update set name = excluded.name, mailbox = excluded.mailbox,
    supervisor = excluded.supervisor, members = excluded.members, active = true
"""
_ABSENCE = """
insert into continuum.absence (tenant, person, begins_at, ends_at, delegate) values ($1, $2, $3, $4, $5)
on conflict (tenant, person, begins_at) do update set ends_at = excluded.ends_at, delegate = excluded.delegate,
    active = true
"""
_ON_CALL = """
insert into continuum.on_call (tenant, clinic, person, begins_at, ends_at) values ($1, $2, $3, $4, $5)
on conflict (tenant, clinic, person, begins_at) do update set ends_at = excluded.ends_at, active = true
"""
_CLINIC = """
insert into continuum.clinic (tenant, id, name, lead, timezone, country, subdivision, week, overrides, quiet_from,
                              quiet_until, regulator, position)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (tenant, id) do update set name = excluded.name, lead = excluded.lead, timezone = excluded.timezone,
    country = excluded.country, subdivision = excluded.subdivision, week = excluded.week,
    overrides = excluded.overrides, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
    regulator = excluded.regulator, position = excluded.position, active = true
"""
_WRITE: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    "people": (_PERSON, lambda p: (p.id, p.name, p.email, p.language, list(p.roles))),
    "queues": (_QUEUE, lambda q: (q.id, q.clinic or "", q.name, q.mailbox, q.supervisor, list(q.members))),
    "absences": (_ABSENCE, lambda a: (a.person, a.begins, a.ends, a.delegate)),
    "on_call": (_ON_CALL, lambda d: (d.clinic or "", d.person, d.begins, d.ends)),
}
_LEAVE: dict[str, tuple[str, Callable[[Any], tuple[Any, ...]]]] = {
    "clinics": ("update continuum.clinic set active = false where tenant = $1 and id = $2", lambda c: (c.id,)),
    "people": ("update continuum.person set active = false where tenant = $1 and id = $2", lambda p: (p.id,)),
    "queues": (
        "update continuum.queue set active = false where tenant = $1 and id = $2 and clinic = $3",
        lambda q: (q.id, q.clinic or ""),
    ),
    "absences": (
        "update continuum.absence set active = false where tenant = $1 and person = $2 and begins_at = $3",
        lambda a: (a.person, a.begins),
    ),
    "on_call": (
        "update continuum.on_call set active = false"
        " where tenant = $1 and clinic = $2 and person = $3 and begins_at = $4",
        lambda d: (d.clinic or "", d.person, d.begins),
    ),
}


async def _write(
    connection: asyncpg.pool.PoolConnectionProxy, tenant: str, before: Directory, after: Directory
) -> None:
    for part in PARTS:
        old, new = _by_key(getattr(before, part)), _by_key(getattr(after, part))
        sql, values = _LEAVE[part]
        await connection.executemany(sql, [(tenant, *values(old[k])) for k in old if k not in new])
        if part == "clinics":  # all of them: their order counts
            await connection.executemany(_CLINIC, [_clinic_values(tenant, c, n) for n, c in enumerate(after.clinics)])
            continue
        sql, values = _WRITE[part]
        await connection.executemany(sql, [(tenant, *values(e)) for k, e in new.items() if old.get(k) != e])


def _by_key(entries: Iterable[Any]) -> dict[Any, Any]:
    return {key(entry): entry for entry in entries}


def _clinic_values(tenant: str, clinic: ClinicEntry, position: int) -> tuple[Any, ...]:
    return (
        tenant,
        clinic.id,
        clinic.name,
        clinic.lead,
        clinic.timezone,
        clinic.country,
        clinic.subdivision,
        [[[f"{h.opens:%H:%M}", f"{h.closes:%H:%M}"] for h in day] for day in clinic.week],
        {day.isoformat(): reason for day, reason in clinic.overrides.items()},
        clinic.quiet_from,
        clinic.quiet_until,
        clinic.regulator,
        position,
    )
