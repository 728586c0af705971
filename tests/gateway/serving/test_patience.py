"""Waiting no longer than so long: what is there at once sets no clock, and what waits ends as it would."""

from __future__ import annotations

import asyncio

import pytest

from records.patience import within


async def test_what_is_there_at_once_needs_no_time_at_all() -> None:
    async def there() -> int:
        return 7

    assert await within(-1.0, there()) == 7


async def test_what_comes_in_time_is_given() -> None:
    async def soon() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return "here"

    assert await within(30.0, soon()) == "here"


async def test_what_does_not_come_is_cancelled() -> None:
    ended: list[type[BaseException]] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            ended.append(type(error))
            raise

    with pytest.raises(TimeoutError):
        await within(0.001, never())
    assert ended == [asyncio.CancelledError]


async def test_an_error_comes_through_whenever_it_happens() -> None:
    async def fails(after: int) -> None:
        for _ in range(after):
            await asyncio.sleep(0)
        raise LookupError

    for after in (0, 1, 2):
        with pytest.raises(LookupError):
            await within(30.0, fails(after))


async def test_whoever_is_cancelled_cancels_what_they_wait_for() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(within(30.0, never()))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()


async def test_something_that_goes_on_after_the_end_of_its_time_may_give_up_in_its_own_way() -> None:
    async def tidy() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise
        return "never"

    with pytest.raises(TimeoutError):
        await within(0.001, tidy())
