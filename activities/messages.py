"""What leaves the house: alarms, and what every letter has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.addresses import resolved
from activities.signatures import Messages
from care.directory import Resolved
from care.notice import Notice
from channels.ids import MessageIds
from channels.mail import Letter, Mail, Sent
from channels.sent_log import Leaving, SentLog
from channels.templates import Filled, language_for, render
from records import notices
from records.database import Database, DatabaseAway
from records.directory import load

log = structlog.get_logger(__name__)

CUT_OFF = "an earlier attempt was cut off"
GAVE_UP = "no mail server took it in three days"
MAY_BE_TWO = 2
"""Attempts at a message that is sent again when nobody knows how the first one ended: more would be a flood."""
ALARM_WAITS_SECONDS = 2.0
"""So long an alarm waits for PostgreSQL before it goes out without a row of it."""


class MailMessages(Messages):
    """Sends alarms by mail, with a row before each attempt, where PostgreSQL can, and its outcome after it."""

    def __init__(
        self, database: Database, mail: Mail, *, domain: str, alarm_address: str, sent_log: Path | None = None
    ) -> None:
        self._database = database
        self._mail = mail
        self._ids = MessageIds(domain)
        self._alarm_address = alarm_address
        self._log = SentLog(sent_log)
        self._left: dict[str, Sent] = {}
        """Alarms that have left and of which there is no row yet: a record that is away makes no flood of them."""

    @activity.defn(name="alarm")
    async def alarm(self, notice: Notice, tenant: str) -> str:
        """See `Messages.alarm`. The message comes first; the row of it is written when PostgreSQL can."""
        journey = notice.id.split(":", 1)[0]
        sent = self._left.get(notice.id) or await self._raise(notice, tenant, journey)
        self._left[notice.id] = sent
        await notices.add_alarm(self._database, tenant, journey, notice)
        await notices.mark(self._database, notice.id, _status(sent), sent.reason)
        self._left.pop(notice.id, None)
        return sent.outcome

    async def _raise(self, notice: Notice, tenant: str, journey: str) -> Sent:
        name, address = "clinician on call", self._alarm_address
        attempt, message_id, language = 0, self._ids.of(notice.id), language_for([])
        digest = ""
        try:
            async with asyncio.timeout(ALARM_WAITS_SECONDS):
                if (known := await notices.status(self._database, notice.id)) in ("sent", "failed", "uncertain"):
                    return Sent(outcome=known)
                to = await self._on_call(tenant, journey, notice)
                await notices.add_alarm(self._database, tenant, journey, notice)
                if (known := await notices.status(self._database, notice.id)) == "sent":  # before a restore
                    return Sent(outcome=known)
                digest = await notices.digest(self._database, notice.id)
                if to is not None and to.email is not None:
                    name, address, language = to.name, to.email, language_for([to.language])
                    await notices.resolved(self._database, tenant, {notice.id: (to.id, to.why)})
                attempt = await notices.claim(self._database, notice.id, message_id, again=True)
        except (DatabaseAway, TimeoutError):
            log.warning("alarm_without_record", journey=journey)
        filled = render(notice.template, notice.facts, journey=journey, name=name, language=language)
        letter = letter_for(filled, message_id, address, date=notice.send_after)
        sent = await send_noted(self._mail, self._log, letter, [Leaving(notice=notice.id, digest=digest)], anyway=True)
        if sent.outcome == "later" or (sent.outcome == "uncertain" and attempt < MAY_BE_TWO):
            raise ApplicationError(f"the alarm has not certainly left: {sent.reason}", type="MailAway")
        return sent

    async def _on_call(self, tenant: str, journey: str, notice: Notice) -> Resolved | None:
        clinic = await notices.clinic(self._database, tenant, journey)
        try:
            directory = await load(self._database, tenant)
        except ValueError:  # what stands there is no directory: no reason for an alarm to stay here
            log.warning("directory_unreadable")
            return None
        return resolved(directory, notice.to, notice.send_after, clinic=clinic)


async def send_noted(
    mail: Mail, log: SentLog, letter: Letter, notices: Sequence[Leaving], *, anyway: bool = False
) -> Sent:
    """One attempt, with a line in the log before and after it. What cannot be noted leaves only if it must."""
    try:
        log.note("trying", letter.message_id, notices)
    except OSError:
        if not anyway:
            return Sent(outcome="later", reason="the log of what has left cannot be written", reached=False)
    sent = await mail.send(letter)
    log.ended(sent.outcome, letter.message_id, notices)
    return sent


def leaving(notice: notices.Queued) -> Leaving:
    """What the log says of it."""
    return Leaving(notice=notice.id, digest=notice.digest)


def letter_for(filled: Filled, message_id: str, to: str, *, date: datetime, references: str | None = None) -> Letter:
    """A filled template, addressed."""
    return Letter(
        message_id=message_id,
        to=to,
        subject=filled.subject,
        body=filled.body,
        date=date,
        language=filled.language,
        references=references,
    )


def _status(sent: Sent) -> notices.Status:
    return "queued" if sent.outcome == "later" else sent.outcome
