"""What comes at once is written together, and each is told what became of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from records import gathering
from records.database import DatabaseAway, DatabaseRefused
from records.gathering import Gathering


class Written:
    """Something to write to, that takes as long as it is told to."""

    def __init__(self, most: int = 100) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gathering: Gathering[int, str] = Gathering(self._write, how_many=lambda waiting: min(most, len(waiting)))

    async def _write(self, items: Sequence[int]) -> Sequence[str | Exception]:
        self.batches.append(list(items))
        await self.gate.wait()
        if 13 in items:
            raise DatabaseAway("away")
        return [DatabaseRefused("22P05") if item < 0 else f"{item} is written" for item in items]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_whoever_comes_alone_does_not_wait() -> None:
    written = Written()
    written.gate.set()
    assert await written.gathering.put(1) == "1 is written"
    assert await written.gathering.put(2) == "2 is written"
    assert written.batches == [[1], [2]]


async def test_what_comes_meanwhile_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(gathering, "ENOUGH", 100)
    written = Written()
    first = written.gathering.put(0)
    await turns()
    later = [written.gathering.put(n) for n in range(100, 120)]
    await turns()
    assert written.batches == [[0]], "it waits for the one that is under way"
    written.gate.set()
    found = await asyncio.gather(first, *later)
    assert written.batches == [[0], list(range(100, 120))]
    assert found[-1] == "119 is written"


async def test_enough_of_them_go_beside_one_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE_SECONDS", 30.0)
    written = Written()
    written.gathering.put(0)
    await turns()
    for n in range(1, gathering.ENOUGH):
        written.gathering.put(n)
    await turns()
    assert written.batches == [[0]]
    for n in range(3 * gathering.ENOUGH):
        written.gathering.put(n)
        await turns()
    assert [len(batch) for batch in written.batches] == [1, gathering.ENOUGH], "and no third one"
    written.gate.set()


async def test_no_more_go_together_than_may() -> None:
    written = Written(most=4)
    written.gate.set()
    await asyncio.gather(*(written.gathering.put(n) for n in range(10)))
    assert sorted(len(batch) for batch in written.batches) == [2, 4, 4]


async def test_what_is_wrong_is_told_to_whom_it_is_about() -> None:
    written = Written()
    written.gate.set()
    found = await asyncio.gather(written.gathering.put(1), written.gathering.put(-1), return_exceptions=True)
    assert found[0] == "1 is written"
    assert isinstance(found[1], DatabaseRefused)
    found = await asyncio.gather(written.gathering.put(1), written.gathering.put(13), return_exceptions=True)
    assert [type(one) for one in found] == [DatabaseAway, DatabaseAway]
    assert await written.gathering.put(2) == "2 is written", "and it goes on"


async def test_one_that_has_to_wait_does_not_hold_up_everybody() -> None:
    written = Written(most=2)
    written.gathering.put(0)
    await turns()
    for n in range(1, 6):
        written.gathering.put(n)
    await turns()
    assert written.batches == [[0]]
    await asyncio.sleep(20 * gathering.PATIENCE_SECONDS)
    assert written.batches == [[0], [1, 2], [3, 4], [5]]
    written.gate.set()


async def test_it_is_written_although_nobody_waits_any_more() -> None:
    written = Written()
    left = asyncio.ensure_future(written.gathering.put(1))
    await turns()
    left.cancel()
    written.gate.set()
    assert await written.gathering.put(2) == "2 is written"
    assert written.batches[0] == [1]
