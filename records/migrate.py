"""Migrations: numbered SQL files, applied once each, in order, by the owner of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import asyncpg

LOCK = 7_233_015

LOCK_TIMEOUT_MS = 500
"""So long a migration waits for a table. Whoever comes after it waits too, even those who would not have had to."""
TRIES = 60
PAUSE_SECONDS = 1.0
"""A migration that did not get its table lets everybody pass and tries again, so often and with so long between."""
LONGEST_SECONDS = 300
"""The longest that one migration may take: the building of an index on millions of rows."""


class MigrationError(Exception):
    """The database cannot be brought to this version of the code: one line that says why and what would be right."""


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of every migration, in order."""
    folder = files("records") / "migrations"
    found = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), name, sql) for name, sql in found]


class Applied(NamedTuple):
    """A migration that the database has."""

    number: int
    name: str
    sha256: str


class Standing(NamedTuple):
    """A database's schema beside that of this code."""

    pending: tuple[str, ...]
    """Names of the migrations still to be applied, in order."""
    newer: tuple[int, ...]
    """Numbers that this code does not know."""
    edited: tuple[str, ...]
    """Names of those that were another text when they were applied."""


def standing(applied: Iterable[Applied]) -> Standing:
    """Hold what a database has against what this code brings."""
    done = {one.number: one.sha256 for one in applied}
    known = migrations()
    return Standing(
        pending=tuple(name for number, name, _ in known if number not in done),
        newer=tuple(sorted(set(done) - {number for number, _, _ in known})),
        edited=tuple(name for number, name, sql in known if number in done and done[number] != _digest(sql)),
    )


def _digest(sql: str) -> str:
    return sha256(sql.encode()).hexdigest()


async def migrate(owner_dsn: str, app_role: str) -> list[str]:
    """Apply what is missing and let the application role in. Returns the names applied.

    The application may go on working meanwhile: a migration that would have to wait long for a table waits a moment
    only, and then tries again.

    Raises MigrationError where the database is newer than this code, where a migration was edited after it was applied,
    where another one migrates it already, or where a table could not be had in all that time.
    """
    try:
        connection = await asyncpg.connect(owner_dsn, timeout=10, command_timeout=LONGEST_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(
            f"PostgreSQL cannot be reached as the database's owner ({type(error).__name__}): "
            "see that it runs and that address and password are right"
        ) from None
    try:
        await _alone(connection)
        return await _apply(connection, app_role)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise MigrationError(
            f"PostgreSQL did not answer ({type(error).__name__}); what was not finished was not kept: try again"
        ) from None
    finally:
        await connection.close(timeout=10)


async def _alone(connection: asyncpg.Connection) -> None:
    """One at a time: the second waits for the first, and then finds nothing left to do."""
    for _ in range(TRIES):
        if await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise MigrationError("this database is being migrated by somebody else: wait until they have done, and try again")


async def _apply(connection: asyncpg.Connection, app_role: str) -> list[str]:
    await connection.execute(
        "create table if not exists public.continuum_migration ("
        "number integer primary key, name text not null, sha256 text not null,"
        "applied_at timestamptz not null default now())"
    )
    there = await connection.fetch("select number, name, sha256 from public.continuum_migration")
    found = standing(Applied(r["number"], r["name"], r["sha256"]) for r in there)
    if found.newer:
        raise MigrationError(
            f"this database is at schema {max(found.newer)}, newer than this Continuum (schema {migrations()[-1][0]}): "
            "use the Continuum that wrote it, or a later one"
        )
    if found.edited:
        raise MigrationError(f"migration {found.edited[0]} was edited after it was applied here: add a new one instead")
    applied = []
    for number, name, sql in migrations():
        if name in found.pending:
            await _patiently(connection, app_role, number, name, sql)
            applied.append(name)
    async with connection.transaction():
        await _grant(connection, app_role)
    return applied


async def _patiently(connection: asyncpg.Connection, app_role: str, number: int, name: str, sql: str) -> None:
    """Apply one, whole or not at all. Raises MigrationError.

    The application gets its rights in the same moment: a trigger that the migration brings may write to a table that it
    brings, and the old code's writes run that trigger from then on.
    """
    for attempt in range(TRIES):
        if attempt:
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}")
                await connection.execute(sql)
                await connection.execute(
                    "insert into public.continuum_migration (number, name, sha256) values ($1, $2, $3)",
                    number,
                    name,
                    _digest(sql),
                )
                await _grant(connection, app_role)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            continue
        except asyncpg.PostgresError as error:
            raise MigrationError(
                f"migration {name} failed (SQLSTATE {error.sqlstate}) and nothing of it was kept; "
                "look at PostgreSQL's log"
            ) from None
        return
    raise MigrationError(
        f"migration {name} did not get its tables in {TRIES} tries and nothing of it was kept: somebody holds them; "
        "look at pg_stat_activity for a transaction that has been open for long"
    )


APPEND_ONLY = ("audit", "directory_change", "journal", "note", "patient_change", "patient_merge")
"""What the application inserts and reads, and never changes: nothing that anybody did is deleted."""
NOT_UPDATED = ("inbound",)
FORGOTTEN = ("jti", "throttle")
"""Tables whose rows the application may delete."""


async def _grant(connection: asyncpg.Connection, app_role: str) -> None:
    """What the application may do with the tables that there are."""
    role = '"' + app_role.replace('"', '""') + '"'
    rows = await connection.fetch("select tablename from pg_catalog.pg_tables where schemaname = 'continuum'")
    there = {row["tablename"] for row in rows}
    said = [
        f"grant usage on schema continuum to {role}",
        f"grant select, insert, update on all tables in schema continuum to {role}",
        *(f"revoke update, delete, truncate on continuum.{t} from {role}" for t in APPEND_ONLY if t in there),
        *(f"revoke update on continuum.{table} from {role}" for table in NOT_UPDATED if table in there),
        *(f"grant delete on continuum.{table} to {role}" for table in FORGOTTEN if table in there),
        f"grant execute on all functions in schema continuum to {role}",
        f"grant select on public.continuum_migration to {role}",
    ]
    await connection.execute(";".join(said))
