"""What leaves the house: notices by mail, answers to the referrer's system, alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.addresses import addressed, resolved
from activities.replies import task_of
from activities.signatures import Delivery, Messages
from care.directory import Resolved
from care.notice import NOTICES, Notice
from channels.ids import MessageIds
from channels.mail import Letter, Mail, Sent
from channels.sent_log import Leaving, SentLog
from channels.templates import Filled, language_for, render
from records import notices
from records.database import Database, DatabaseAway
from records.directory import load

log = structlog.get_logger(__name__)

NO_ADDRESS = "no address"
CUT_OFF = "an earlier attempt was cut off"
MAY_BE_TWO = 2
"""Attempts at a message that is sent again when nobody knows how the first one ended: more would be a flood."""
ALARM_WAITS_SECONDS = 2.0
"""So long an alarm waits for PostgreSQL before it goes out without a row of it."""


class MailMessages(Messages):
    """Sends by mail, with a row before each attempt and its outcome after it."""

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

    @activity.defn(name="deliver")
    async def deliver(self, delivery: Delivery) -> tuple[str, ...]:
        """See `Messages.deliver`. Asks to be tried again while the mail server cannot be reached."""
        for reply in await notices.replies(self._database, delivery.tenant, delivery.ids):
            await notices.reply_ready(self._database, reply["id"], task_of(reply))
        waiting = 0
        queued = await notices.queued(self._database, delivery.tenant, delivery.ids)
        for notice in await addressed(self._database, delivery.tenant, queued):
            sent = await self._attempt(notice)
            waiting += sent.outcome == "later"
        if waiting:
            raise ApplicationError(f"{waiting} message(s) wait for the mail server", type="MailAway")
        # From the record: an earlier attempt of this activity, cut off or made to wait, may have lost some too.
        return await notices.lost(self._database, delivery.tenant, delivery.ids, but=NO_ADDRESS)

    async def _attempt(self, notice: notices.Queued) -> Sent:
        resend = NOTICES[notice.template].uncertain == "resend"
        if notice.email is None:
            sent = Sent(outcome="failed", reason=NO_ADDRESS)
        elif notice.status == "sending" and not resend:
            sent = Sent(outcome="uncertain", reason=CUT_OFF)
        else:
            message_id = self._ids.of(notice.mark)
            attempt = await notices.claim(self._database, notice.id, message_id, again=resend)
            if not attempt:
                return Sent(outcome="sent")
            letter = self._letter(notice, notice.email, message_id)
            sent = await send_noted(self._mail, self._log, letter, [leaving(notice)])
            if sent.outcome == "uncertain" and resend and attempt < MAY_BE_TWO:
                sent = Sent(outcome="later", reason=sent.reason)
        await notices.mark(self._database, notice.id, _status(sent), sent.reason)
        return sent

    def _letter(self, notice: notices.Queued, address: str, message_id: str) -> Letter:
        filled = render(
            notice.template,
            notice.facts,
            journey=notice.journey,
            name=notice.name,
            language=language_for(notice.languages),
        )
        return _letter(filled, message_id, address, notice, references=self._ids.thread(notice.escalation))

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
        letter = _letter(filled, message_id, address, notice)
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


def _letter(
    filled: Filled, message_id: str, to: str, notice: notices.Queued | Notice, references: str | None = None
) -> Letter:
    return Letter(
        message_id=message_id,
        to=to,
        subject=filled.subject,
        body=filled.body,
        date=notice.send_after,
        language=filled.language,
        references=references,
    )


def _status(sent: Sent) -> notices.Status:
    return "queued" if sent.outcome == "later" else sent.outcome
