"""Making a stack from a backup: a new one from both stores, or one store of a stack that stands still."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from channels.sent_log import Left, left_since
from continuum.backup import archive
from continuum.backup.archive import Archive, Manifest, Store
from continuum.backup.taking import counts, standing_still
from continuum.backup.tools import owner_environment, owner_url, run_tool, whole
from continuum.embedded.folder import Folder, StackError, hold
from continuum.embedded.ports import LOOPBACK
from continuum.embedded.postgres import find_install
from continuum.site import bring_up_to_date
from records.database import Database
from records.doctor import restored
from records.migrate import migrations

Progress = Callable[[str], None]


async def restore(file: Path, root: Path, sent_log: Path | None, progress: Progress) -> tuple[Manifest, int]:
    """A new stack in a new or empty folder, ready for `continuum up`. What the backup holds, and how many messages that
    waited then are not sent by themselves any more.

    `sent_log`: the log of the stack that was lost, where it can still be read. Raises StackError; a folder that was
    begun is taken away again.
    """
    folder = Folder(whole(root))
    if folder.root.exists() and (not folder.root.is_dir() or any(folder.root.iterdir())):
        raise StackError(f"{folder.root} is not empty; name a new folder, or restore one store of it with --only")
    with archive.opened(file) as source:
        left = _left(sent_log, source.manifest.taken_at)
        _check(file, source, progress)
        was_there = folder.root.exists()
        try:
            folder.create()
            await _temporal(source, folder, progress)
            held = await _postgres(source, folder, left, progress)
            if sent_log is not None:
                shutil.copyfile(sent_log, folder.sent_log)
                folder.sent_log.chmod(0o600)
        except BaseException:
            shutil.rmtree(folder.root, ignore_errors=True)
            if was_there:
                folder.root.mkdir()
            raise
        return source.manifest, held


async def restore_only(
    store: Store, file: Path, root: Path, sent_log: Path | None, progress: Progress
) -> tuple[Manifest, int, Path]:
    """Put one store of a stack that stands still back to what it was. What it was until now is moved aside, to the path
    that is returned last. Without a log of its own named, the folder's says what has left. Raises StackError."""
    folder = Folder(whole(root))
    if not folder.lock.exists():
        raise StackError(f"there is no stack in {folder.root}; without --only a new one is made")
    own_log = folder.sent_log if folder.sent_log.exists() else None
    with archive.opened(file) as source:
        left = _left(sent_log or own_log, source.manifest.taken_at) if store == "postgres" else None
        _check(file, source, progress)
        now = datetime.now(UTC)
        held = 0
        if store == "temporal":
            places = [folder.root / name for name in ("temporal.db", "temporal.db-wal", "temporal.db-shm")]
            with _aside(places, folder.root / f"before-restore-{now:%Y%m%dT%H%M%SZ}", await hold(folder)) as aside:
                await _temporal(source, folder, progress)
        else:
            place = folder.postgres / "data"
            # Beside the data: it belongs to the user that PostgreSQL runs as, who must be able to take it up again.
            aside = folder.postgres / f"data.before-restore-{now:%Y%m%dT%H%M%SZ}"
            with _aside([place], aside, await hold(folder)) as aside:
                held = await _postgres(source, folder, left, progress)
        return source.manifest, held, aside


@contextmanager
def _aside(places: list[Path], aside: Path, lock: int) -> Iterator[Path]:
    """Move what is there out of the way; back again, where what is to replace it fails."""
    moved = [place for place in places if place.exists()]
    try:
        aside.mkdir(mode=0o700)
        for place in moved:
            place.rename(aside / place.name)
    finally:
        os.close(lock)  # whoever works in the folder takes it again
    try:
        yield aside
    except BaseException:
        for place in moved:
            if place.is_dir():
                shutil.rmtree(place)
            place.unlink(missing_ok=True)
            (aside / place.name).rename(place)
        aside.rmdir()
        raise


def _check(file: Path, source: Archive, progress: Progress) -> None:
    newest = migrations()[-1][0]
    if source.manifest.schema_number > newest:
        raise StackError(
            f"{file} was taken by a newer Continuum (schema {source.manifest.schema_number}, this one knows {newest}); "
            "use the one that took it, or a later one"
        )
    progress("checking the backup")
    source.verify()


def _left(sent_log: Path | None, since: datetime) -> list[Left] | None:
    if sent_log is None:
        return None
    try:
        with sent_log.open("rb") as lines:
            return left_since(lines, since)
    except OSError as error:
        raise StackError(f"{sent_log}: cannot be read ({error.strerror})") from None


async def _temporal(source: Archive, folder: Folder, progress: Progress) -> None:
    progress("restoring Temporal's state")
    packed = source.take(source.manifest.part("temporal"), folder.run)
    try:
        await asyncio.to_thread(_unpack, packed, folder.temporal_db)
    finally:
        packed.unlink()


def _unpack(packed: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with gzip.open(packed, "rb") as file, os.fdopen(descriptor, "wb") as plain:
        shutil.copyfileobj(file, plain, 1 << 20)
        plain.flush()
        os.fsync(plain.fileno())


async def _postgres(source: Archive, folder: Folder, left: list[Left] | None, progress: Progress) -> int:
    """The record, at the schema of this version, and marked as a copy before anything works with it."""
    progress("restoring the record")
    dump = source.take(source.manifest.part("postgres"), folder.run)
    try:
        async with standing_still(folder) as port:
            await run_tool(
                find_install() / "bin" / "pg_restore",
                "--host", LOOPBACK, "--port", str(port), "--username", "owner", "--no-password",
                "--dbname", "continuum", "--no-owner", "--exit-on-error", "--single-transaction", str(dump),
                environment=owner_environment(folder),
            )  # fmt: skip
            await _count(owner_url(folder, port), source.manifest)
            progress("bringing the record up to date")
            await bring_up_to_date(owner_url(folder, port), "app")
            database = await Database.open(owner_url(folder, port), size=1)
            try:
                return await restored(database, source.manifest.taken_at, left)
            finally:
                await database.close()
    finally:
        dump.unlink()


async def _count(url: str, manifest: Manifest) -> None:
    """Nothing was lost on the way. Raises StackError."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        found = await counts(connection)
        await connection.execute("analyze")
    finally:
        await connection.close()
    if found != manifest.counts:
        raise StackError(f"the record that was restored has {found}, the backup had {manifest.counts}")
