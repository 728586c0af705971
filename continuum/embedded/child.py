"""A child process that never outlives its supervisor."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from continuum.embedded.folder import Folder, StackError, wait_lock

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000  # bytes; a longer log becomes NAME.log.1 at the next start
LINGER = 25.0  # seconds; how long a start waits for a predecessor that is still going down

# Loaded and resolved before any fork: between fork and exec nothing may take a lock.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """A user to run a child as."""

    name: str
    uid: int
    gid: int


class Child:
    """One started process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.started = time.monotonic()
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        folder: Folder,
        environment: Mapping[str, str],
        account: Account | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start `command`; it gets `death_signal` when this process ends, however it ends.

        The child (and whatever it forks) holds a lock on `run/NAME.lock`, so that a successor never meets a
        predecessor that is still going down. Its output goes to `logs/NAME.log`.
        """
        if threading.current_thread() is not threading.main_thread():
            # The kernel sends the death signal when the starting *thread* ends.
            raise RuntimeError("children must be started from the main thread")
        lock = await wait_lock(folder.run / f"{name}.lock", timeout=LINGER)
        if lock is None:
            raise StackError(f"an earlier {name} process of {folder.root} is still running; end it, then start again")
        try:
            log = _open_log(folder.logs / f"{name}.log")
            try:
                process = _spawn(command, environment, account, death_signal, lock=lock, log=log)
            finally:
                os.close(log)
        except OSError as error:
            raise StackError(f"cannot start {name} ({command[0]}): {error.strerror}") from error
        finally:
            os.close(lock)  # the child's copy keeps it locked
        return cls(name, process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait for its end; the exit code."""
        while (code := self.exit_code) is None:  # noqa: ASYNC110 - a process is no asyncio.Event
            await asyncio.sleep(0.02)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        self._process.send_signal(number)

    async def stop(self, *signals: tuple[signal.Signals, float]) -> int:
        """Send each signal and wait so many seconds for the end; kill it if none helped."""
        for number, patience in signals:
            self.send(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    return await self.wait()
        self.send(signal.SIGKILL)
        return await self.wait()


def describe_end(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    account: Account | None,
    death_signal: signal.Signals,
    *,
    lock: int,
    log: int,
) -> subprocess.Popen[bytes]:
    with warnings.catch_warnings():
        # Python 3.12+ warns of a fork with threads; `_die_with_parent` takes no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=dict(environment),
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which stops in order
            umask=0o077,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            # Runs after the change of user, which would clear the death signal.
            preexec_fn=_die_with_parent(os.getpid(), int(death_signal)),
        )


def _die_with_parent(parent: int, number: int) -> Callable[[], None] | None:
    prctl = _prctl
    if prctl is None:
        return None

    def arm() -> None:
        if prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(125)  # the parent died before it could be watched

    return arm


def _open_log(path: Path) -> int:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.rename(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
