"""A receiver of webhooks on this machine: it does what it is told, and checks who sent what with `standardwebhooks`."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

OK = "204"
REASONS = {"200": "OK", "204": "No Content", "302": "Found", "410": "Gone", "429": "Too Many Requests"}


@dataclass
class Got:
    """One request that arrived whole."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Of the SubscriptionStatus of a FHIR notification."""
        found: list[dict[str, Any]] = self.json["entry"][0]["resource"]["parameter"]
        return found

    def said(self, name: str) -> Any:
        """A value of the SubscriptionStatus."""
        (one,) = (p for p in self.parameters if p["name"] == name)
        (value,) = (v for k, v in one.items() if k.startswith("value"))
        return value

    @property
    def numbers(self) -> list[int]:
        """Event numbers of a FHIR notification."""
        events = [p["part"] for p in self.parameters if p["name"] == "notification-event"]
        return [int(part["valueString"]) for event in events for part in event if part["name"] == "event-number"]


@dataclass
class Receiver:
    """Answers by `script`, one word for each request, and with `then` after that.

    A number is a status (`429 120`: with Retry-After). `hang` waits, `cut` closes, both after reading the request.
    """

    script: list[str] = field(default_factory=list)
    then: str = OK
    got: list[Got] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    port: int = 0
    location: str = ""
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    @property
    def at(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def verified(self, secret: str) -> list[Any]:
        """What every request said, as a receiver with this secret believes it. Raises WebhookVerificationError."""
        return [Webhook(secret).verify(one.body, one.headers) for one in self.got]

    async def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.got) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            async with self.arrived:
                self.got.append(Got(head[0].split()[1], headers, body))
                self.arrived.notify_all()
            word = self.script.pop(0) if self.script else self.then
            if word == "hang":
                await self.let_go.wait()
                word = OK
            if word != "cut":
                status, _, wait = word.partition(" ")
                more = f"Retry-After: {wait}\r\n" if wait else ""
                more += f"Location: {self.location}\r\n" if self.location else ""
                words = f"HTTP/1.1 {status} {REASONS.get(status, 'X')}\r\n{more}Content-Length: 0\r\n\r\n"
                writer.write(words.encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*, tls: ssl.SSLContext | None = None, then: str = OK) -> AsyncIterator[Receiver]:
    """A receiver, listening until the end."""
    receiver = Receiver(tls=tls, then=then)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.close()
        await asyncio.sleep(0)
