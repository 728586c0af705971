"""What comes while statements are under way goes into the record together with the next one: one round trip and one
commit for all of them. Whoever comes while nothing is under way waits for nobody.

Each waits for its own row, so that nothing is answered that is not in the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from records.database import DatabaseAway, DatabaseRefused

Item = TypeVar("Item")
Found = TypeVar("Found")

SIDE_BY_SIDE = 3
"""So many statements are under way at once, each on a connection of its own: while PostgreSQL writes one to its disk,
this process need not stand still."""
PATIENCE_SECONDS = 0.05
"""So long the next statement waits for one of them to end; then it goes all the same. So those that have to wait for
a lock do not hold up everybody who comes after them."""


class Gathering(Generic[Item, Found]):
    """The writer of one kind of thing, in one process.

    `write` writes some of them and says of each, in their order, what was found or what was wrong; what it raises is
    said of all. `how_many` of those that wait, the first ones, may go together: at least one.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Found | Exception]]],
        how_many: Callable[[Sequence[Item]], int],
    ) -> None:
        self._write = write
        self._how_many = how_many
        self._waiting: list[tuple[Item, asyncio.Future[Found]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    def put(self, item: Item) -> asyncio.Future[Found]:
        """What becomes of it. Comes to DatabaseAway or DatabaseRefused where it was not written.

        It is written whether or not anybody waits for it.
        """
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_seen)
        self._waiting.append((item, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return future

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                count = self._how_many([item for item, _ in self._waiting])
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                sent = asyncio.create_task(self._send(batch))
                self._under_way.add(sent)
                sent.add_done_callback(self._under_way.discard)
                if len(self._under_way) >= SIDE_BY_SIDE:
                    await asyncio.wait(self._under_way, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sender = None

    async def _send(self, batch: Sequence[tuple[Item, asyncio.Future[Found]]]) -> None:
        found: Sequence[Found | Exception] = [DatabaseAway("it was not written")] * len(batch)
        try:
            found = await self._write([item for item, _ in batch])
        except (DatabaseAway, DatabaseRefused) as error:
            found = [error] * len(batch)
        finally:
            for (_, future), one in zip(batch, found, strict=True):
                if future.done():
                    continue
                if isinstance(one, Exception):
                    future.set_exception(one)
                else:
                    future.set_result(one)


def _seen(future: asyncio.Future[Found]) -> None:
    """So that nobody complains of an exception that nobody waited for."""
    if not future.cancelled():
        future.exception()
