"""A worker that may be killed at a chosen moment, and services that stay down although somebody starts them again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from continuum.embedded.supervisor import Supervisor, worker_environment
from tests.embedded.machine import descendants, eventually
from tests.integration.tools import ROOT, environment


class Hand:
    """A worker as a process of the test's own: nobody starts it again but the test."""

    def __init__(self, stack: Supervisor, module: str = "worker", **more: str) -> None:
        self.log = stack.folder.logs / "hand.log"
        self._ready = stack.folder.run / "hand.ready"
        self._module = module
        self._environment = environment(
            **{**worker_environment(stack.stack, stack.folder), "CONTINUUM_READY_FILE": str(self._ready), **more}
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and wait until it says that it works."""
        self._ready.unlink(missing_ok=True)
        self._process = started = self._spawn()

        async def works() -> bool | None:
            assert started.poll() is None, f"the worker ended by itself, see {self.log}"
            return self._ready.exists() or None

        await eventually(works, timeout=120)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", self._module],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """kill -9; nothing happens where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@asynccontextmanager
async def hand(stack: Supervisor, module: str = "worker", **more: str) -> AsyncIterator[Hand]:
    """A worker, ended with the block."""
    one = Hand(stack, module, **more)
    try:
        await one.start()
        yield one
    finally:
        one.kill()


def kill_service(stack: Supervisor, name: str) -> int:
    """kill -9 of a service of the stack with all its children. Returns how many processes that were."""
    pid = stack.child(name).pid
    victims = [*descendants(pid), pid]
    for victim in victims:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    return len(victims)


@asynccontextmanager
async def held_down(stack: Supervisor, name: str) -> AsyncIterator[None]:
    """A service is killed, and again whenever its supervisor has started it, until the block ends."""

    async def kill_on() -> None:
        while True:
            if stack.child(name).exit_code is None:
                kill_service(stack, name)
            await asyncio.sleep(0.01)

    kill_service(stack, name)
    killing = asyncio.create_task(kill_on())
    try:
        yield
    finally:
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing


def forbidden(folder: Path) -> list[str]:
    """Lines of the logs that no storm excuses."""
    return [
        f"{log.name}: {line}"
        for log in sorted(folder.glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if "Traceback" in line or "panic" in line
    ]
