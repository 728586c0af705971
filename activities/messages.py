"""What leaves the house: notices by mail, answers to the referrer's system, alarms."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.addresses import addressed, resolved
from activities.replies import task_of
from activities.signatures import Delivery, Messages
from care.directory import Resolved
from care.notice import Notice
from channels.mail import Letter, Mail, Sent
from channels.templates import render
from records import notices
from records.database import Database, DatabaseAway
from records.directory import load

log = structlog.get_logger(__name__)

REPEATABLE = {"red_flag_alarm"}
"""Templates of which two are better than none: an attempt with an uncertain end is made again."""
NO_ADDRESS = "no address"
ALARM_WAITS_SECONDS = 2.0
"""So long an alarm waits for PostgreSQL before it goes out without a row of it."""


class MailMessages(Messages):
    """Sends by mail, with a row before each attempt and its outcome after it."""

    def __init__(self, database: Database, mail: Mail, *, domain: str, alarm_address: str) -> None:
        self._database = database
        self._mail = mail
        self._domain = domain
        self._alarm_address = alarm_address

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
        if notice.email is None:
            sent = Sent(outcome="failed", reason=NO_ADDRESS)
        elif notice.status == "sending" and notice.template not in REPEATABLE:
            sent = Sent(outcome="uncertain", reason="an earlier attempt was cut off")
        else:
            message_id = self._message_id(notice.id)
            again = notice.template in REPEATABLE
            if not await notices.claim(self._database, notice.id, message_id, again=again):
                return Sent(outcome="sent")
            subject, body = render(notice.template, notice.facts, journey=notice.journey, name=notice.name)  # type: ignore[arg-type]
            sent = await self._mail.send(
                Letter(message_id=message_id, to=notice.email, subject=subject, body=body, date=notice.send_after)
            )
        await notices.mark(self._database, notice.id, _status(sent), sent.reason)
        return sent

    @activity.defn(name="alarm")
    async def alarm(self, notice: Notice, tenant: str) -> str:
        """See `Messages.alarm`. The message comes first; the row of it is written when PostgreSQL can."""
        journey = notice.id.split(":", 1)[0]
        name, address = "clinician on call", self._alarm_address
        try:
            async with asyncio.timeout(ALARM_WAITS_SECONDS):
                if await notices.status(self._database, notice.id) == "sent":
                    return "sent"
                to = await self._on_call(tenant, journey, notice)
                await notices.add_alarm(self._database, tenant, journey, notice)
                if to is not None and to.email is not None:
                    name, address = to.name, to.email
                    await notices.resolved(self._database, tenant, {notice.id: (to.id, to.why)})
                await notices.claim(self._database, notice.id, self._message_id(notice.id), again=True)
        except (DatabaseAway, TimeoutError):
            log.warning("alarm_without_record", journey=journey)
        subject, body = render(notice.template, notice.facts, journey=journey, name=name)
        sent = await self._mail.send(
            Letter(
                message_id=self._message_id(notice.id),
                to=address,
                subject=subject,
                body=body,
                date=notice.send_after,
            )
        )
        if sent.outcome in ("later", "uncertain"):
            raise ApplicationError(f"the alarm has not certainly left: {sent.reason}", type="MailAway")
        await notices.add_alarm(self._database, tenant, journey, notice)
        await notices.mark(self._database, notice.id, _status(sent), sent.reason)
        return sent.outcome

    async def _on_call(self, tenant: str, journey: str, notice: Notice) -> Resolved | None:
        clinic = await notices.clinic(self._database, tenant, journey)
        try:
            directory = await load(self._database, tenant)
        except ValueError:  # what stands there is no directory: no reason for an alarm to stay here
            log.warning("directory_unreadable")
            return None
        return resolved(directory, notice.to, notice.send_after, clinic=clinic)

    def _message_id(self, notice: str) -> str:
        """The same for every attempt: some receivers collapse copies by it."""
        return f"<{sha256(notice.encode()).hexdigest()[:32]}@{self._domain}>"


def _status(sent: Sent) -> notices.Status:
    return "queued" if sent.outcome == "later" else sent.outcome
