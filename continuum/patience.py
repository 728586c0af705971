"""How a process comes and goes: it waits for what it needs rather than fail, and does not wait for ever to leave."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

import structlog

from records.database import DatabaseAway

T = TypeVar("T")

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 2.0
LEAVE_SECONDS = 13.0


async def patiently(attempt: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T | None:
    """Try until PostgreSQL or Temporal is there; None when told to stop before."""
    while not stop.is_set():
        try:
            return await attempt()
        except (DatabaseAway, RuntimeError) as away:  # RuntimeError is how Temporal's client says it
            log.warning("waiting", for_=type(away).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PATIENCE_SECONDS)
    return None


async def leave_in_time(who: str) -> NoReturn:
    """Once told to stop: whoever stops us does not wait for ever, and all that matters is stored by then. To be
    cancelled by whoever came to an end in order."""
    await asyncio.sleep(LEAVE_SECONDS)
    log.warning(f"{who}_left_without_goodbye")
    os._exit(1)


def leave(code: int) -> NoReturn:
    """Once all is said, done and closed: the threads of Temporal's client now and then hang or crash an interpreter
    that takes itself apart."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
