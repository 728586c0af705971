"""What the tests look at from outside: processes, sockets, a supervisor of its own process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import asyncpg

from continuum.embedded.child import Account
from continuum.embedded.folder import Stack, StackError, read_stack

ROOT = Path(__file__).parents[2]
LISTENING = "0A"
T = TypeVar("T")

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from continuum.embedded.supervisor import Options, up
asyncio.run(up(Options(folder=Path(sys.argv[1])), progress=lambda step: print(step, flush=True)))
"""


def start_supervisor(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SUPERVISOR, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


async def wait_for_stack(folder: Path) -> Stack:
    async def running() -> Stack | None:
        try:
            return read_stack(folder)
        except StackError:
            return None

    return await eventually(running)


async def eventually(probe: Callable[[], Awaitable[T | None]], timeout: float = 20) -> T:
    deadline = time.monotonic() + timeout
    while (found := await probe()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain")
        await asyncio.sleep(0.02)
    return found


def children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return [*found, *(below for child in found for below in descendants(child))]


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


async def wait_until_gone(pids: list[int], timeout: float = 10) -> None:
    async def gone() -> bool | None:
        return True if not any(alive(pid) for pid in pids) else None

    await eventually(gone, timeout)


def listening(pid: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket that the process listens on: none, where it has ended meanwhile."""
    inodes = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


def program(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names(path: Path) -> list[str]:
    return sorted(below.name for below in path.iterdir())


@contextmanager
def bystander(user: Account | None) -> Iterator[int]:
    """The pid of a program that has nothing to do with us, and must survive."""
    process = subprocess.Popen(["sleep", "60"], user=user.uid if user else None, extra_groups=[] if user else None)
    try:
        yield process.pid
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


async def query(dsn: str, sql: str, *arguments: object) -> object:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return await connection.fetchval(sql, *arguments)
    finally:
        await connection.close()
