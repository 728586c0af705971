"""A mail server that misbehaves as it is told, and a record whose mail goes there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from activities.post import Post
from channels.mail import Mail, MailSettings
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, running
from continuum.site import bring_up_to_date
from records.database import Database
from records.notices import A_PERSONS_WHEN_FAILED, A_PERSONS_WHEN_UNCERTAIN, LOST

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
DOMAIN = "clinic.example"


@dataclass
class Server:
    """A mail server that does to each message what `script` says, and keeps what it took."""

    script: dict[str, str] = field(default_factory=dict)
    stored: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        what = self.script.get(address, "")
        if what == "rcpt abort":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if what.startswith("rcpt "):
            return what.removeprefix("rcpt ")
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        what = self.script.get(envelope.rcpt_tos[0], "250 ok")
        if what[0] in "45":
            return what
        self.stored.append(envelope.original_content or b"")
        self.recipients += envelope.rcpt_tos
        if what == "abort":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if what.startswith("stall"):
            await asyncio.sleep(float(what.removeprefix("stall") or 3))
        return "250 ok"

    @property
    def copies(self) -> Counter[str]:
        return Counter(str(message_from_bytes(raw)["Message-ID"]) for raw in self.stored)

    @property
    def letters(self) -> list[EmailMessage]:
        """What it took, as a mail program reads it."""
        return [message_from_bytes(raw, policy=policy.default) for raw in self.stored]


@asynccontextmanager
async def serving(server: Server, port: int = 0) -> AsyncIterator[Server]:
    """The server, listening until the end."""
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(server, loop=loop), "127.0.0.1", port)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await asyncio.sleep(0)


@dataclass
class Mailroom:
    """A stack of its own without a worker: the record, and where to find the rest."""

    record: Database
    temporal: str
    app_dsn: str
    owner_dsn: str

    async def row(self, notice: str) -> dict[str, Any]:
        """A notice as it stands."""
        found = await self.record.row("select * from continuum.notice where id = $1", notice)
        assert found is not None
        return dict(found)


@asynccontextmanager
async def mailroom_built() -> AsyncIterator[Mailroom]:
    """One, for as long as it is needed."""
    with temporary_folder() as path:
        async with running(Options(folder=path, time_skipping=True, migrate=bring_up_to_date)) as stack:
            record = await Database.open(stack.dsn("app"), size=8)
            yield Mailroom(record, stack.stack.temporal_address, stack.dsn("app"), stack.dsn("owner"))
            await record.close()


def post_of(record: Database, server: Server, *, retry: float = 0) -> Post:
    """The loop that sends what is queued, with this mail server."""
    return Post(record, mail_to(server), domain=DOMAIN, retry_seconds=retry)


async def a_persons(record: Database, *notices: str) -> set[str]:
    """Those of these notices that did not arrive and are for a person to deliver."""
    rows = await record.fetch(
        f"select n.id from continuum.notice n where n.id = any($3) and {LOST}",
        A_PERSONS_WHEN_FAILED,
        A_PERSONS_WHEN_UNCERTAIN,
        list(notices),
    )
    return {row["id"] for row in rows}


def mail_to(server: Server) -> Mail:
    """Mail that is handed to this server."""
    return Mail(MailSettings(host="127.0.0.1", port=server.port, sender=f"continuum@{DOMAIN}"))
