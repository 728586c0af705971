"""Senders in a closed loop: each sends the next message as soon as the last was acknowledged, for some seconds.

Written on bare sockets: on a machine of two cores a comfortable client costs more than the server it measures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[bool]]
"""Sends one message and hears its answer; whether the connection may be used again."""
END = b"\x1c\r"


@dataclass(frozen=True)
class Heard:
    """How long each acknowledged message took, in milliseconds, and all of them together, in seconds."""

    ms: list[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Messages acknowledged per second."""
        return len(self.ms) / self.seconds

    def percentile(self, share: float) -> float:
        """Of the time from sending to the acknowledgement."""
        ordered = sorted(self.ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Refused(Exception):  # noqa: N818
    """Something was answered that is no acknowledgement: the figures would say nothing."""


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bool:
    """One request and its answer; whether the connection may be used again."""
    writer.write(message)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 201", b"HTTP/1.1 200")):
        raise Refused(head.split(b"\r\n", 1)[0].decode("ascii", "replace"))
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(lower[at + 15 : lower.index(b"\r", at)]))
    elif b"transfer-encoding: chunked" in lower:
        await reader.readuntil(b"0\r\n\r\n")
    return b"connection: close" not in lower


async def mllp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bool:
    """One message and its acknowledgement."""
    writer.write(b"\x0b" + message + END)
    answer = await reader.readuntil(END)
    if b"MSA|AA|" not in answer:
        raise Refused("no AA")
    return True


async def run(
    port: int,
    converse: Converse,
    make: Callable[[], bytes],
    *,
    connections: int,
    seconds: float,
) -> Heard:
    """All senders for so long. `make` gives the next message. Raises Refused."""
    ms: list[float] = []
    began = time.perf_counter()

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (sent := time.perf_counter()) - began < seconds:
                again = await converse(reader, writer, make())
                ms.append(1000 * (time.perf_counter() - sent))
                if not again:
                    writer.close()
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(sender())
    return Heard(ms, time.perf_counter() - began)
