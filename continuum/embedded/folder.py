"""The state folder: where things are in it, who holds it, and the addresses of what runs in it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

STATE_VERSION = 2
"""1: before there was a gateway. An older folder is used as it is; what it does not name is chosen."""

Role = Literal["postgres", "owner", "app"]


class StackError(Exception):
    """One line for the user: what is wrong, and what would be right."""


class Stack(BaseModel):
    """The addresses of a running stack; all of them on the loopback interface."""

    model_config = ConfigDict(frozen=True)

    temporal_address: str
    temporal_namespace: str = "default"
    ui_url: str
    postgres_host: str
    postgres_port: int
    smtp_host: str
    smtp_port: int
    gateway_url: str | None = None
    """None: this stack was started without a gateway."""
    hl7_address: str | None = None
    sign_in_url: str | None = None


class StackFile(BaseModel):
    """What `stack.json` holds: the addresses, and which supervisor (by pid) they belong to."""

    model_config = ConfigDict(frozen=True)

    version: int
    pid: int
    stack: Stack


@dataclass(frozen=True)
class Folder:
    """Paths in one state folder."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held (flock) by the supervisor for as long as it lives; the text in it is its pid."""
        return self.root / "lock"

    @property
    def stack_file(self) -> Path:
        """Addresses of the stack; kept when it stops, so that the next start uses the same ports."""
        return self.root / "stack.json"

    @property
    def secrets(self) -> Path:
        """One password per file, mode 0600."""
        return self.root / "secrets"

    @property
    def postgres(self) -> Path:
        """Belongs to the user PostgreSQL runs as; the cluster is in `data` below it."""
        return self.root / "postgres"

    @property
    def temporal_db(self) -> Path:
        """Temporal's SQLite file."""
        return self.root / "temporal.db"

    @property
    def sent_log(self) -> Path:
        """What has left the house (`channels/sent_log.py`): a backup is older than it."""
        return self.root / "sent.log"

    @property
    def mail(self) -> Path:
        """One .eml file per message."""
        return self.root / "mail"

    @property
    def logs(self) -> Path:
        """One file per child."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Locks that children hold, and files by which they say that they are ready."""
        return self.root / "run"

    @property
    def bin(self) -> Path:
        """A copy of PostgreSQL's binaries, where the installed ones cannot be reached."""
        return self.root / "bin"

    def create(self) -> None:
        """Make the folder and what it needs; a folder that holds other things is refused."""
        try:
            _make_parents(self.root)
            if not self.root.exists():
                _make(self.root, _own_mode())
            elif not self.lock.exists() and any(self.root.iterdir()):
                raise StackError(f"{self.root} is not empty and not a Continuum folder; name a new or an empty folder")
            self.lock.touch(mode=0o600)  # first: it marks the folder as ours, should we be interrupted here
            for path in (self.secrets, self.mail, self.logs, self.run):
                if not path.exists():
                    _make(path, 0o700)
            if not self.postgres.exists():
                _make(self.postgres, 0o700)
        except OSError as error:
            raise StackError(
                f"cannot use the folder {self.root}: {error.strerror} ({error.filename}); "
                "name a folder that you may write to"
            ) from error

    def password(self, role: Role) -> str:
        """The role's password; made at random the first time."""
        path = self.secrets / role
        try:
            return path.read_text(encoding="ascii")
        except FileNotFoundError:
            write_private(path, secrets.token_urlsafe(32).encode("ascii"))
            return path.read_text(encoding="ascii")

    def remembered(self) -> StackFile | None:
        """The last stack of this folder, running or not."""
        try:
            text = self.stack_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StackError(f"cannot read {self.stack_file}: {error.strerror}") from error
        try:
            version = json.loads(text)["version"]
            if isinstance(version, int) and version > STATE_VERSION:
                raise StackError(
                    f"{self.root} was made by a newer Continuum (folder version {version}, this one knows "
                    f"{STATE_VERSION}); upgrade Continuum or name another folder"
                )
            return StackFile.model_validate_json(text)
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise StackError(f"{self.stack_file} is damaged; delete it, ports are then chosen anew") from error

    def remember(self, stack: Stack) -> None:
        """Write `stack.json`: from now on `read_stack` answers."""
        state = StackFile(version=STATE_VERSION, pid=os.getpid(), stack=stack)
        write_private(self.stack_file, state.model_dump_json(indent=2).encode() + b"\n")


async def hold(folder: Folder) -> int:
    """Take the folder's lock and return the descriptor that holds it; `os.close` lets go of it."""
    try:
        # `read_stack` takes the lock for an instant to look; that is not somebody using the folder.
        lock = await wait_lock(folder.lock, timeout=0.5)
    except OSError as error:
        raise StackError(f"cannot lock {folder.lock}: {error.strerror}") from error
    if lock is None:
        raise StackError(
            f"{folder.root} is in use by process {_holder(folder) or '?'}; stop that one first, or name another folder"
        )
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


async def wait_lock(path: Path, *, timeout: float) -> int | None:
    """An exclusive lock on `path`, waited for; None when somebody held it all the time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout
    try:
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            await asyncio.sleep(0.02)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_stack(root: Path) -> Stack:
    """The addresses of the stack that runs in this folder, for other processes of the same user."""
    folder = Folder(root.absolute())
    try:
        descriptor = os.open(folder.lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StackError(f"nothing runs in {folder.root}; start it with: continuum up") from None
    except OSError as error:
        raise StackError(f"cannot read {folder.lock}: {error.strerror}") from error
    try:
        if _try_lock(descriptor, fcntl.LOCK_SH):
            raise StackError(f"nothing runs in {folder.root}; start it with: continuum up")
    finally:
        os.close(descriptor)
    state = folder.remembered()
    if state is None or state.pid != _holder(folder):
        raise StackError(f"the stack in {folder.root} is still starting; try again in a moment")
    return state.stack


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A path for a state folder that vanishes afterwards; the unprivileged database user can reach it."""
    parent = Path(tempfile.mkdtemp(prefix="continuum-"))
    try:
        parent.chmod(_own_mode())
        yield parent / "state"
    finally:
        shutil.rmtree(parent)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file, readable by us only; also after a power cut it is either the old or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(folder: Folder) -> int | None:
    try:
        return int(folder.lock.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _own_mode() -> int:
    # Root hands the database to another user, who must pass through; nobody may list.
    return 0o711 if os.geteuid() == 0 else 0o700


def _make_parents(path: Path) -> None:
    for parent in reversed(path.parents):
        if not parent.exists():
            _make(parent, 0o755 if os.geteuid() == 0 else 0o700)


def _make(path: Path, mode: int) -> None:
    path.mkdir(mode=mode)
    path.chmod(mode)  # whatever the umask says; the folder is ours, just made
