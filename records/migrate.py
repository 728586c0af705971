"""Migrations: numbered SQL files, applied once each, in order, by the owner of the database."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import asyncpg

LOCK = 7_233_015


class MigrationError(Exception):
    """The database cannot be brought to this version of the code: one line that says why and what would be right."""


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and SQL of every migration, in order."""
    folder = files("records") / "migrations"
    found = sorted((f.name, f.read_text("utf-8")) for f in folder.iterdir() if f.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), name, sql) for name, sql in found]


async def migrate(owner_dsn: str, app_role: str) -> list[str]:
    """Apply what is missing and let the application role in. Returns the names applied.

    Raises MigrationError where the database is newer than this code, or a migration was edited after it was applied.
    """
    try:
        connection = await asyncpg.connect(owner_dsn, timeout=10, command_timeout=60)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(
            f"PostgreSQL cannot be reached as the database's owner ({type(error).__name__}): "
            "see that it runs and that address and password are right"
        ) from None
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        return await _apply(connection, app_role)
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, app_role: str) -> list[str]:
    await connection.execute(
        "create table if not exists public.continuum_migration ("
        "number integer primary key, name text not null, sha256 text not null,"
        "applied_at timestamptz not null default now())"
    )
    done = {r["number"]: r["sha256"] for r in await connection.fetch("select * from public.continuum_migration")}
    known = migrations()
    if newer := set(done) - {number for number, _, _ in known}:
        raise MigrationError(
            f"this database is at schema {max(newer)}, newer than this Continuum (schema {known[-1][0]}): "
            "use the Continuum that wrote it, or a later one"
        )
    applied = []
    for number, name, sql in known:
        digest = sha256(sql.encode()).hexdigest()
        if number in done:
            if done[number] != digest:
                raise MigrationError(f"migration {name} was edited after it was applied here: add a new one instead")
            continue
        try:
            async with connection.transaction():
                await connection.execute(sql)
                await connection.execute(
                    "insert into public.continuum_migration (number, name, sha256) values ($1, $2, $3)",
                    number,
                    name,
                    digest,
                )
        except asyncpg.PostgresError as error:
            raise MigrationError(
                f"migration {name} failed (SQLSTATE {error.sqlstate}) and nothing of it was kept; "
                "look at PostgreSQL's log"
            ) from None
        applied.append(name)
    await _grant(connection, app_role)
    return applied


async def _grant(connection: asyncpg.Connection, app_role: str) -> None:
    """What the application may do: insert and read the journal, never change it; delete nothing that anybody did."""
    role = '"' + app_role.replace('"', '""') + '"'
    async with connection.transaction():
        await connection.execute(
            f"grant usage on schema continuum to {role};"
            f"grant select, insert, update on all tables in schema continuum to {role};"
            f"revoke update, delete, truncate on continuum.journal, continuum.note from {role};"
            f"revoke update, delete, truncate on continuum.directory_change from {role};"
            f"revoke update, delete, truncate on continuum.patient_merge from {role};"
            f"revoke update on continuum.inbound from {role};"
            f"revoke update, delete, truncate on continuum.audit, continuum.patient_change from {role};"
            f"grant delete on continuum.jti, continuum.throttle to {role};"
            f"grant execute on all functions in schema continuum to {role};"
            f"grant select on public.continuum_migration to {role};"
        )
