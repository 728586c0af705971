"""Taking a backup, of a stack that runs or that stands still."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from continuum.backup import archive
from continuum.backup.archive import Manifest
from continuum.backup.tools import owner_environment, owner_url, run_tool, whole
from continuum.embedded.folder import Folder, StackError, hold, read_stack
from continuum.embedded.ports import LOOPBACK, free_port
from continuum.embedded.postgres import Postgres, find_install

Progress = Callable[[str], None]

COUNTED = ("journey", "journal", "referral", "inbound", "notice", "patient")


async def take(root: Path, to: Path, progress: Progress) -> tuple[Path, Manifest]:
    """Back the stack of a folder up, into a file, or into a folder under a name of its own. Raises StackError."""
    folder = Folder(whole(root))
    now = datetime.now(UTC)
    target = _target(to, now)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=".continuum-backup-", dir=target.parent))
    except OSError as error:
        raise StackError(f"cannot write to {target.parent}: {error.strerror}") from None
    try:
        async with _postgres(folder, progress) as port:
            progress("copying Temporal's state")
            await asyncio.to_thread(_copy_temporal, folder.temporal_db, scratch)
            progress("copying the record")
            taken = await _dump(folder, port, scratch)
        progress("writing the archive")
        parts = tuple([archive.digest(scratch / name) for name in (archive.POSTGRES, archive.TEMPORAL)])
        manifest = Manifest(format=archive.FORMAT, continuum=version("continuum"), taken_at=now, parts=parts, **taken)
        await asyncio.to_thread(archive.write, target, manifest, scratch)
    except FileExistsError:
        raise StackError(f"{target} is there already; name another file") from None
    except OSError as error:
        raise StackError(f"cannot write {target}: {error.strerror}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target, manifest


def _target(to: Path, now: datetime) -> Path:
    target = to / f"continuum-{now:%Y%m%dT%H%M%SZ}.tar" if to.is_dir() else to
    if target.exists() or target.is_symlink():
        raise StackError(f"{target} is there already; name another file")
    return target


@asynccontextmanager
async def _postgres(folder: Folder, progress: Progress) -> AsyncIterator[int]:
    """The port of the stack's PostgreSQL; of a stack that stands still, it is started for the moment."""
    if not folder.lock.exists() or not (folder.postgres / "data").exists():
        raise StackError(f"there is no stack in {folder.root}; name the folder of one with --dir")
    try:
        port = read_stack(folder.root).postgres_port
    except StackError:
        async with standing_still(folder) as postgres_port:
            progress("nothing runs here: PostgreSQL was started for the backup")
            yield postgres_port
    else:
        yield port


@asynccontextmanager
async def standing_still(folder: Folder) -> AsyncIterator[int]:
    """PostgreSQL alone, on a folder in which nothing else runs, which is held meanwhile. Its port."""
    lock = await hold(folder)
    try:
        port = free_port([])
        postgres = Postgres(folder, port=port)
        try:
            await postgres.start()
            yield port
        finally:
            await postgres.stop()
    finally:
        os.close(lock)


def _copy_temporal(source: Path, scratch: Path) -> None:
    """SQLite's online backup, in one step: a copy of one moment, also while the server writes."""
    plain = scratch / "temporal.db"
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as there,
            closing(sqlite3.connect(plain)) as here,
        ):
            there.backup(here, pages=-1)
            (sound,) = here.execute("pragma quick_check").fetchone()
    except sqlite3.Error as error:
        raise StackError(f"Temporal's state in {source} cannot be copied ({error})") from None
    if sound != "ok":
        raise StackError(f"Temporal's state in {source} is damaged; keep an older backup")
    with plain.open("rb") as file, gzip.open(scratch / archive.TEMPORAL, "wb", compresslevel=3) as packed:
        shutil.copyfileobj(file, packed, 1 << 20)
    plain.unlink()


async def counts(connection: asyncpg.Connection) -> dict[str, int]:
    """How many rows the record has of what matters most."""
    return {name: await connection.fetchval(f"select count(*) from continuum.{name}") for name in COUNTED}  # noqa: S608


async def _dump(folder: Folder, port: int, scratch: Path) -> dict[str, Any]:
    """The record, and what it holds at the very moment of the copy."""
    connection = await asyncpg.connect(owner_url(folder, port), timeout=10)
    try:
        await connection.execute("set idle_in_transaction_session_timeout = 0")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            found = {
                "record_at": await connection.fetchval("select now()"),
                "schema_number": await connection.fetchval("select max(number) from public.continuum_migration"),
                "postgres": await connection.fetchval("show server_version"),
                "counts": await counts(connection),
            }
            await run_tool(
                find_install() / "bin" / "pg_dump",
                "--host", LOOPBACK, "--port", str(port), "--username", "owner", "--no-password",
                "--dbname", "continuum", "--format", "custom", "--compress", "gzip:3", "--snapshot", snapshot,
                "--file", str(scratch / archive.POSTGRES),
                environment=owner_environment(folder),
            )  # fmt: skip
    except asyncpg.PostgresError as error:
        raise StackError(f"the record cannot be copied (SQLSTATE {error.sqlstate})") from None
    finally:
        await connection.close()
    return found
