"""Waiting no longer than so long, at no cost where nobody has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


async def within(seconds: float, awaitable: Awaitable[Found]) -> Found:
    """What `awaitable` comes to. Raises TimeoutError.

    As `asyncio.timeout`, which sets a clock and stops it again for each use. What is there at once, as most bodies are
    and most room for an answer is, needs none: the awaitable is begun here and now, and a clock is set only where it
    waits.
    """
    steps = awaitable.__await__()
    try:
        waits_for = next(steps)
    except StopIteration as end:
        found: Found = end.value
        return found
    async with asyncio.timeout(seconds):
        return await _resumed(steps, waits_for)


@coroutine
def _resumed(steps: Generator[Any, Any, Found], waits_for: Any) -> Generator[Any, Any, Found]:
    """The rest of something that was begun."""
    while True:
        try:
            given = yield waits_for
        except BaseException as error:
            go_on = partial(steps.throw, error)
        else:
            go_on = partial(steps.send, given)
        try:
            waits_for = go_on()
        except StopIteration as end:
            found: Found = end.value
            return found
