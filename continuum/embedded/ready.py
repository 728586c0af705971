"""How a child of ours says that it serves: it touches the file named by CONTINUUM_READY_FILE."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from continuum.embedded.child import Child, describe_end
from continuum.embedded.folder import Folder, StackError

READY_FILE = "CONTINUUM_READY_FILE"
START_PATIENCE = 60.0


class Service(Protocol):
    """One part of the stack."""

    name: str
    child: Child | None

    async def start(self) -> None:
        """Start it and return when it serves; `child` is set as soon as there is something to stop."""

    async def stop(self) -> None:
        """Stop it; nothing happens when it does not run."""


def touch_ready_file() -> None:
    """For the child: say that it serves. Nothing happens outside the embedded stack."""
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def ready_file_gone() -> None:
    """For the child: say that it does not serve any more. Whoever watches may end it or wait."""
    if path := os.environ.get(READY_FILE):
        Path(path).unlink(missing_ok=True)


async def start_until_ready(
    service: Service, command: Sequence[str], *, folder: Folder, environment: Mapping[str, str]
) -> None:
    """Start the service's child and wait for its ready file."""
    ready = folder.run / f"{service.name}.ready"
    ready.unlink(missing_ok=True)
    service.child = child = await Child.start(
        service.name, command, folder=folder, environment={**environment, READY_FILE: str(ready)}
    )
    log = folder.logs / f"{service.name}.log"
    deadline = time.monotonic() + START_PATIENCE
    while not ready.exists():
        if (code := child.exit_code) is not None:
            raise StackError(f"{service.name} ended while starting ({describe_end(code)}); see {log}")
        if time.monotonic() >= deadline:
            raise StackError(f"{service.name} was not ready within {START_PATIENCE:.0f} s; see {log}")
        await asyncio.sleep(0.02)
