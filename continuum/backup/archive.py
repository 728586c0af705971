"""The archive: one tar file, readable by its owner only, with a manifest that says what must be in it.

Not in it: the folder's secrets (a new folder gets its own; those that sign links and tokens are to be kept apart from
the data they protect), the logs, and the mail that the sink received.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from continuum.embedded.folder import StackError

FORMAT = 1
MANIFEST = "manifest.json"
POSTGRES = "postgres.dump"
TEMPORAL = "temporal.db.gz"
MOST_OF_A_MANIFEST = 1_000_000

Store = Literal["postgres", "temporal"]
MEMBERS: Mapping[Store, str] = {"postgres": POSTGRES, "temporal": TEMPORAL}


class Part(BaseModel):
    """One file of the archive."""

    model_config = ConfigDict(frozen=True)

    name: str
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What an archive holds."""

    model_config = ConfigDict(frozen=True)

    format: int
    continuum: str
    """The version that took it."""
    taken_at: datetime
    """When its older part was taken."""
    record_at: datetime
    """When the record was copied."""
    schema_number: int
    """The last migration of the record."""
    postgres: str
    """The version of PostgreSQL that wrote it."""
    counts: dict[str, int]
    """Rows of the record at that moment."""
    parts: tuple[Part, ...]

    def part(self, store: Store) -> Part:
        """The part of one store. Raises StackError."""
        found = next((p for p in self.parts if p.name == MEMBERS[store]), None)
        if found is None:
            raise StackError(f"this backup has no {MEMBERS[store]}")
        return found


def digest(path: Path) -> Part:
    """What the manifest says of a file."""
    with path.open("rb") as file:
        return Part(name=path.name, bytes=path.stat().st_size, sha256=file_digest(file, "sha256").hexdigest())


def write(target: Path, manifest: Manifest, folder: Path) -> None:
    """Put the parts, which lie in `folder`, into one file: whole or not at all. Raises OSError."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", "utf-8")
    unfinished = target.with_name(f".{target.name}.part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for name in (MANIFEST, *(part.name for part in manifest.parts)):
                    tar.add(folder / name, arcname=name, filter=_nobodys)
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, target)  # never over a file that is there
    finally:
        unfinished.unlink(missing_ok=True)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


class Archive:
    """An archive that is being read."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._path = path
        self._tar = tar
        self.manifest = self._manifest()

    def take(self, part: Part, folder: Path) -> Path:
        """Copy a part into a folder, and see that it is what was backed up. Raises StackError."""
        target = folder / part.name
        with self._open(part.name) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        if digest(target) != part:
            target.unlink()
            raise StackError(f"{self._path}: {part.name} is damaged (its digest is another); use another backup")
        return target

    def verify(self) -> None:
        """See that every part is whole. Raises StackError."""
        for part in self.manifest.parts:
            with self._open(part.name) as source:
                found = file_digest(source, "sha256").hexdigest()
            if found != part.sha256:
                raise StackError(f"{self._path}: {part.name} is damaged (its digest is another); use another backup")

    def _manifest(self) -> Manifest:
        with self._open(MANIFEST) as source:
            text = source.read(MOST_OF_A_MANIFEST)
        try:
            manifest = Manifest.model_validate_json(text)
        except ValidationError:
            raise StackError(f"{self._path}: its manifest cannot be read; use another backup") from None
        if manifest.format != FORMAT:
            raise StackError(
                f"{self._path} has format {manifest.format}, this Continuum knows {FORMAT}; use the one that took it"
            )
        return manifest

    def _open(self, name: str) -> BufferedReader:
        try:
            found = self._tar.extractfile(name)
        except (KeyError, tarfile.TarError):
            found = None
        if found is None:
            raise StackError(f"{self._path} is no backup of Continuum, or not a whole one: it has no {name}")
        return cast(BufferedReader, found)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """An archive to read. Raises StackError where it is none."""
    try:
        with tarfile.open(path, "r:") as tar:
            yield Archive(path, tar)
    except tarfile.TarError:
        raise StackError(f"{path} is no backup of Continuum: it is no tar file") from None
    except (OSError, EOFError) as error:
        why = error.strerror if isinstance(error, OSError) else "it ends too early"
        raise StackError(f"{path}: cannot be read ({why})") from None
