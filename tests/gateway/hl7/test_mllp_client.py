"""Sending a message: one attempt, and what is said of it is true whatever the other side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from channels.mllp import Peer, framed, outcome_of, send

MESSAGE = b"MSH|^~\\&|CONTINUUM|REHAB|EPICARE|NORTHSIDE|20261102||RRI^I12^RRI_I12|OUT1|P|2.5.1\rMSA|AA|REF1005\r"
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ack(code: str, about: str = "OUT1", more: str = "") -> bytes:
    return f"MSH|^~\\&|EPICARE|NORTHSIDE|CONTINUUM|REHAB|20261102||ACK|A1|P|2.5.1\rMSA|{code}|{about}\r{more}".encode()


@asynccontextmanager
async def other_system(behave: Behaviour) -> AsyncIterator[Peer]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield Peer(host="127.0.0.1", port=server.sockets[0].getsockname()[1], answer_seconds=0.5)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (ack("AA"), "sent"),
        (ack("CA"), "sent"),
        (ack("AE"), "failed"),
        (ack("AR"), "failed"),
        (ack("AE", more="ERR||PID^1^3|101^Required field missing^HL70357|E\r"), "failed"),
        (ack("AE", more="ERR|||207^Application internal error^HL70357|E\r"), "later"),
        (ack("CE", more="ERR|||206^Application record locked^HL70357|E\r"), "later"),
        (ack("AE", more="ERR|MSH^1^10^207&Application internal error&HL70357\r"), "later"),
        (ack("AA", about="OUT2"), "uncertain"),
        (ack("XX"), "uncertain"),
        (b"HTTP/1.1 400 Bad Request\r\n", "uncertain"),
        (b"", "uncertain"),
    ],
)
def test_what_an_acknowledgement_says(answer: bytes, outcome: str) -> None:
    sent = outcome_of(b"\x0b" + answer + b"\x1c", "OUT1")
    assert sent.outcome == outcome
    assert "NORTHSIDE" not in (sent.reason or "")


async def test_a_message_is_framed_and_its_acknowledgement_awaited() -> None:
    came: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\x1c\r"))
        for byte in framed(ack("AA")):
            writer.write(bytes((byte,)))
            await writer.drain()

    async with other_system(behave) as peer:
        assert (await send(peer, MESSAGE, "OUT1")).outcome == "sent"
    assert came == [b"\x0b" + MESSAGE + b"\x1c\r"]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\x1c\r")
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\x1c\r")


async def never_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\x1c\r")
    writer.write(b"\x0b" + b"x" * 500_000)
    await writer.drain()


@pytest.mark.parametrize("behave", [silent, hangs_up, never_ends])
async def test_without_an_acknowledgement_nobody_knows(behave: Behaviour) -> None:
    async with other_system(behave) as peer:
        sent = await send(peer, MESSAGE, "OUT1")
    assert (sent.outcome, sent.reached) == ("uncertain", True)


async def test_where_nobody_listens_it_is_tried_later() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    sent = await send(Peer(host="127.0.0.1", port=port), MESSAGE, "OUT1")
    assert (sent.outcome, sent.reached) == ("later", False)
