"""What comes while a statement is under way goes into the record together with the next one: one round trip and one
commit for all of them. Whoever comes while nothing is under way waits for nobody. More than two side by
side, or two however few there are, were tried: each then carries fewer, and all together cost more.

Each waits for its own row, so that nothing is answered that is not in the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from records.database import DatabaseAway, DatabaseRefused

Item = TypeVar("Item")
Found = TypeVar("Found")

ENOUGH = 8
"""So many go beside the one statement that is under way: while PostgreSQL works on the one, the next are gathered, and
neither stands still for the other. To send fewer would cost more."""
PATIENCE_SECONDS = 0.05
"""After so long what waits goes all the same, on a connection of its own. So a statement that has to wait for a lock
does not hold up everybody who comes after it."""


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
        self._under_way: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Handle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def put(self, item: Item) -> asyncio.Future[Found]:
        """What becomes of it. Comes to DatabaseAway or DatabaseRefused where it was not written.

        It is written whether or not anybody waits for it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        future.add_done_callback(_seen)
        self._waiting.append((item, future))
        if self._may_go():
            if self._sending is None:  # whoever comes in this turn of the loop goes with it
                self._sending = loop.call_soon(self._send_waiting)
        elif self._patience is None:
            self._patience = loop.call_later(PATIENCE_SECONDS, self._send_all_the_same)
        return future

    def _may_go(self) -> bool:
        return not self._under_way or (len(self._under_way) == 1 and len(self._waiting) >= ENOUGH)

    def _send_waiting(self) -> None:
        self._sending = None
        if self._waiting and self._may_go():
            self._send_next()

    def _send_all_the_same(self) -> None:
        self._patience = None
        if self._waiting:
            self._send_next()
        if self._waiting:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._send_all_the_same)

    def _send_next(self) -> None:
        count = self._how_many([item for item, _ in self._waiting])
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        sent = asyncio.create_task(self._send(batch))
        self._under_way.add(sent)
        sent.add_done_callback(self._ended)

    def _ended(self, sent: asyncio.Task[None]) -> None:
        self._under_way.discard(sent)
        self._send_waiting()

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
