"""The MLLP server: connections, their deadlines, and one message at a time on each.

A connection may be kept open between messages for as long as nobody else needs its place; within a frame it has
seconds. When all places are taken the connection that has been silent longest gives way, and if none is silent the
new one is closed at once.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

import structlog

from gateway.context import Gateway
from gateway.hl7.framing import MAX_FRAME, Framer, NotMllp, framed
from gateway.hl7.reception import Reception
from gateway.hl7.refusal import Hl7Error

log = structlog.get_logger(__name__)

CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how many."""

    connections: int = 200
    frame_seconds: float = 10.0
    """From a frame's first byte to its last."""
    idle_seconds: float = 600.0
    """Between two frames."""
    first_seconds: float = 15.0
    """From the connection to its first frame."""
    write_seconds: float = 10.0
    handshake_seconds: float = 10.0
    drain_seconds: float = 10.0
    """When the listener stops: for messages that are being taken in."""


async def serve_mllp(
    gateway: Gateway,
    host: str,
    port: int,
    *,
    ssl_context: ssl.SSLContext | None = None,
    stop: asyncio.Event,
    limits: Limits | None = None,
    bound: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stop` is set; messages under way are answered first. `bound` is told the port, when it is open.

    Raises OSError: the port cannot be had.
    """
    listener = _Listener(Reception(gateway), limits or Limits(), stop)
    server = await asyncio.start_server(
        listener.connected,
        host,
        port,
        limit=CHUNK,
        ssl=ssl_context,
        ssl_handshake_timeout=(limits or Limits()).handshake_seconds if ssl_context else None,
    )
    async with server:
        if bound is not None:
            bound(server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        await listener.drained()


@dataclass(eq=False)
class _Connection:
    task: asyncio.Task[None]
    active_at: float
    busy: bool = False
    """A frame has begun or a message is being taken in."""


@dataclass
class _Listener:
    reception: Reception
    limits: Limits
    stop: asyncio.Event
    connections: set[_Connection] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        if task is None or not self._place():
            log.warning("hl7_connection_refused", connections=len(self.connections))
            writer.close()
            return
        connection = _Connection(task, asyncio.get_running_loop().time())
        self.connections.add(connection)
        try:
            await self._converse(connection, reader, writer)
        except (OSError, TimeoutError, NotMllp) as error:
            log.info("hl7_connection_cut", why=type(error).__name__)
        except asyncio.CancelledError:  # it gave way, or the listener stops: nobody waits for this task
            pass
        except Exception as error:  # a connection's fault is its own
            log.error("hl7_connection_failed", error=type(error).__name__)
        finally:
            self.connections.discard(connection)
            writer.close()
            with suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    def _place(self) -> bool:
        """Whether there is a place for one more, if need be that of a connection that says nothing."""
        if len(self.connections) < self.limits.connections:
            return True
        silent = min((c for c in self.connections if not c.busy), key=lambda c: c.active_at, default=None)
        if silent is None:
            return False
        self.connections.discard(silent)
        silent.task.cancel()
        return True

    async def _converse(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Messages in order, each answered before the next is taken in. Raises TimeoutError, OSError, NotMllp."""
        loop = asyncio.get_running_loop()
        framer, certificate = Framer(), _certificate(writer)
        deadline = loop.time() + self.limits.first_seconds
        while (chunk := await self._read(reader, deadline)) != b"":
            was_inside = framer.inside
            connection.active_at, connection.busy = loop.time(), True
            frames = framer.feed(chunk)
            for frame in frames:
                if frame.too_large:
                    large = Hl7Error("102", f"a message has at most {MAX_FRAME} bytes")
                    await self._write(writer, self.reception.refusal(frame.payload, large, rejected=True))
                    return
                await self._write(writer, await self.reception.frame(frame.payload, certificate))
                if self.stop.is_set():
                    return
            connection.busy = framer.inside
            if framer.inside and (frames or not was_inside):
                deadline = loop.time() + self.limits.frame_seconds
            elif frames:
                deadline = loop.time() + self.limits.idle_seconds

    async def _read(self, reader: asyncio.StreamReader, deadline: float) -> bytes:
        """The next bytes; none at the end, or when the listener stops. Raises TimeoutError."""
        reading = asyncio.ensure_future(reader.read(CHUNK))
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else b""
        finally:
            for one in (reading, stopping):
                one.cancel()
            await asyncio.gather(reading, stopping, return_exceptions=True)

    async def _write(self, writer: asyncio.StreamWriter, answers: list[bytes]) -> None:
        for answer in answers:
            writer.write(framed(answer))
        async with asyncio.timeout(self.limits.write_seconds):
            await writer.drain()

    async def drained(self) -> None:
        """Until the last connection has ended, or has had its time."""
        tasks = [c.task for c in self.connections]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.limits.drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _certificate(writer: asyncio.StreamWriter) -> str | None:
    """SHA-256 of the TLS certificate that the other side showed, hex."""
    tls = writer.get_extra_info("ssl_object")
    shown = tls.getpeercert(binary_form=True) if tls is not None else None
    return sha256(shown).hexdigest() if shown else None
