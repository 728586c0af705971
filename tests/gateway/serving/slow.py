"""Clients that are slow on purpose: each says after how many seconds it was cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

Slow = Callable[[int], Coroutine[Any, Any, float]]
GIVE_UP_SECONDS = 25.0
TRICKLE_SECONDS = 0.7


async def idle(port: int) -> float:
    """Connects, and says nothing."""
    return await _until_cut(port, b"", None)


async def trickled_headers(port: int) -> float:
    """Sends its headers byte by byte."""
    return await _until_cut(port, b"POST /fhir/ServiceRequest HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a")


async def stalled_body(port: int) -> float:
    """Announces a body, and sends its first byte."""
    head = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    return await _until_cut(port, head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\ng", None)


async def trickled_body(port: int) -> float:
    """Sends its body byte by byte, in chunks whose end is never in sight."""
    head = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    return await _until_cut(port, head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n", b"1\r\na\r\n")


async def _until_cut(port: int, begin: bytes, more: bytes | None) -> float:
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(begin)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            cut = asyncio.create_task(_end_of(reader))
            while not cut.done():
                await asyncio.wait({cut}, timeout=TRICKLE_SECONDS)
                if more and not cut.done():
                    writer.write(more)
            await cut
    except TimeoutError:
        return float("inf")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return time.monotonic() - began


async def _end_of(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65536):
            pass
