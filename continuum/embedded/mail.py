"""A mail server that delivers nothing: each message becomes one file, to be read on the same machine.

It runs as a child of its own (`python -m continuum.embedded.mail FOLDER PORT`), so that a message which makes
the parser fall over takes neither the supervisor nor the databases with it.
"""

from __future__ import annotations

import asyncio
import email.policy
import email.utils
import logging
import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import BaseModel, ConfigDict

from continuum.embedded.child import Child
from continuum.embedded.folder import Folder, StackError, write_private
from continuum.embedded.ports import LOOPBACK
from continuum.embedded.ready import start_until_ready, touch_ready_file

STORED = "Continuum-Received"


class StoredMail(BaseModel):
    """One message of the sink."""

    model_config = ConfigDict(frozen=True)

    number: int
    received_at: datetime
    message_id: str
    to: list[str]
    subject: str
    body: str


def read_mail(directory: Path) -> list[StoredMail]:
    """All messages in a mail folder (`Folder.mail`), oldest first."""
    return [_read(path) for path in sorted(directory.glob("[0-9]*.eml"), key=_number)]


class Sink:
    """Stores what aiosmtpd hands it; the answer 250 comes after the message is on disk."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last = max((_number(path) for path in directory.glob("[0-9]*.eml")), default=0)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd for each message."""
        content = envelope.original_content or b""
        head = f"{STORED}: {datetime.now(UTC).isoformat()}\r\n"
        head += "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos)
        # Synchronous on purpose: one message at a time, in order of arrival.
        write_private(self._directory / f"{self._last + 1:06}.eml", head.encode() + content)
        self._last += 1
        return "250 stored"


class MailSink:
    """The sink as a child."""

    name = "mail"

    def __init__(self, folder: Folder, *, port: int, environment: Mapping[str, str]) -> None:
        self.child: Child | None = None
        self._folder = folder
        self._port = port
        self._environment = environment

    async def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "continuum.embedded.mail", str(self._folder.mail), str(self._port)]
        await start_until_ready(self, command, folder=self._folder, environment=self._environment)

    async def stop(self) -> None:
        """Stop it."""
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, 3.0))


async def serve(directory: Path, port: int) -> None:
    """Listen until SIGTERM."""
    logging.getLogger("mail.log").disabled = True  # aiosmtpd's log: addresses and commands
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    sink = Sink(directory)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", ident="Continuum", enable_SMTPUTF8=True, loop=loop),
        LOOPBACK,
        port,
    )
    touch_ready_file()
    await stopping.wait()
    server.close()


def main(arguments: list[str]) -> None:
    """Run the sink: FOLDER PORT."""
    os.umask(0o077)
    directory, port = arguments
    try:
        asyncio.run(serve(Path(directory), int(port)))
    except OSError as error:
        raise StackError(f"cannot receive mail on port {port}: {error.strerror}") from error


def _number(path: Path) -> int:
    return int(path.stem)


def _read(path: Path) -> StoredMail:
    message = email.message_from_bytes(path.read_bytes(), EmailMessage, policy=email.policy.default)
    return StoredMail(
        number=_number(path),
        received_at=datetime.fromisoformat(message[STORED]),
        message_id=_header(message, "Message-ID"),
        to=[str(address) for address in message.get_all("Delivered-To", [])],
        subject=_header(message, "Subject"),
        body=_body(message),
    )


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, "")).strip()


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except LookupError:  # a charset that nobody knows
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


if __name__ == "__main__":
    main(sys.argv[1:])
