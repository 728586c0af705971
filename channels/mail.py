"""Email over SMTP: one attempt, and an honest answer about how it ended."""

from __future__ import annotations

import re
import ssl
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Literal

import aiosmtplib
from pydantic import BaseModel, ConfigDict, SecretStr

TIMEOUT_SECONDS = 15.0
LONGEST_ADDRESS = 254
"""Characters, RFC 5321 section 4.5.3.1 (a path of 256 with its angle brackets)."""
ADDRESS = re.compile(r"[\w.!#$%&'*+/=^`{|}~-]+@[\w-]+(\.[\w-]+)*")
"""One plain address: stricter than the standard, whose quotes, comments and routes nobody's address needs, and which
are how one address becomes several."""

AWAY = (aiosmtplib.SMTPException, OSError, TimeoutError)


class MailSettings(BaseModel):
    """Where mail is handed in, and under which name."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None
    tls: Literal["none", "starttls", "implicit"] = "none"


class Letter(BaseModel):
    """One message to one person. `message_id` is the same for every attempt."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    message_id: str
    to: str
    subject: str
    body: str
    date: datetime
    language: str = "en"
    references: str | None = None
    """A Message-ID that all mails about one thing name, so that a mail program shows them together."""


class Sent(BaseModel):
    """How one attempt ended.

    `later`: it certainly was not accepted and another attempt makes sense. `failed`: it was refused for good.
    `uncertain`: the connection broke after the message was handed over; it may or may not be on its way.
    """

    model_config = ConfigDict(frozen=True)

    outcome: Literal["sent", "later", "failed", "uncertain"]
    reason: str | None = None
    reached: bool = True
    """False: there was no mail server to talk to, so that no other message would fare better now."""


class Mail:
    """Sends letters."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, letter: Letter) -> Sent:
        """One attempt. Never raises for what a mail server can do; the reason carries its code, not its words."""
        try:
            message = self._message(letter)
        except ValueError:
            return Sent(outcome="failed", reason="the address or the subject is not fit for mail")
        client = self._client()
        try:
            await client.connect()
            if self._settings.username and self._settings.password:
                await client.login(self._settings.username, self._settings.password.get_secret_value())
            await client.ehlo()
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            return Sent(outcome="later", reason=f"the mail server refused our sign-in ({error.code})", reached=False)
        except AWAY as error:
            client.close()
            return Sent(outcome="later", reason=f"no mail server ({type(error).__name__})", reached=False)
        try:
            return await self._envelope(client, letter.to) or await self._content(client, message, letter.to)
        finally:
            client.close()

    async def _envelope(self, client: aiosmtplib.SMTP, to: str) -> Sent | None:
        """Say from whom to whom. Whatever goes wrong here, nothing has left; None when nothing did."""
        options = []
        if not to.isascii():
            if not client.supports_extension("smtputf8"):
                return Sent(outcome="failed", reason="the mail server does not take such an address")
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        try:
            await client.mail(parseaddr(self._settings.sender)[1], options=options, encoding="utf-8")
            await client.rcpt(to, encoding="utf-8")
        except aiosmtplib.SMTPRecipientRefused as error:
            return _refused(error.code, "recipient refused")
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code, "refused")
        except AWAY as error:
            return Sent(outcome="later", reason=f"no answer before the message ({type(error).__name__})")
        return None

    async def _content(self, client: aiosmtplib.SMTP, message: EmailMessage, to: str) -> Sent:
        """Hand over the message itself. From here on a connection that breaks leaves us in doubt."""
        try:
            await client.data(message.as_bytes(policy=SMTP if to.isascii() else SMTPUTF8))
        except AWAY as error:
            if isinstance(error, aiosmtplib.SMTPResponseException):
                return _refused(error.code, "refused")
            # The server may have stored it before the connection broke.
            return Sent(outcome="uncertain", reason=f"no answer after the message ({type(error).__name__})")
        return Sent(outcome="sent")

    def _client(self) -> aiosmtplib.SMTP:
        tls = self._settings.tls
        return aiosmtplib.SMTP(
            hostname=self._settings.host,
            port=self._settings.port,
            timeout=TIMEOUT_SECONDS,
            use_tls=tls == "implicit",
            start_tls=tls == "starttls",
            tls_context=None if tls == "none" else ssl.create_default_context(),
        )

    def _message(self, letter: Letter) -> EmailMessage:
        if len(letter.to) > LONGEST_ADDRESS or not ADDRESS.fullmatch(letter.to):
            raise ValueError("not one plain address")
        message = EmailMessage()
        message["Message-ID"] = letter.message_id
        message["From"] = self._settings.sender
        message["To"] = letter.to
        message["Subject"] = letter.subject.replace(
            "=?", "= ?"
        )  # no encoded word: it would be decoded, line breaks too
        message["Date"] = format_datetime(letter.date)
        message["Auto-Submitted"] = "auto-generated"
        if letter.references:
            message["References"] = letter.references
        message.set_content(letter.body)
        message["Content-Language"] = letter.language  # last: `set_content` drops what describes a content before
        if message_from_bytes(message.as_bytes()).keys() != message.keys():
            raise ValueError("a header became several")
        return message


def _refused(code: int, words: str) -> Sent:
    return Sent(outcome="failed" if code >= 500 else "later", reason=f"{words} ({code})")
