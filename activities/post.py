"""The post: messages that leave as soon as they may, each in a letter of its own, and answers to referrers' systems.

A journey decides that somebody is told, and the decision's commit queues it. This loop takes it from there, so that no
message costs its journey anything. Two workers may run it side by side: a message belongs to whoever claimed it.

What waits for its hour is decided upon here, when the hour has come, by the rules in `care/steps/messages.py` and by
what the record holds of the journey. The claim holds only if the journey has decided nothing since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from activities.addresses import addressed
from activities.messages import CUT_OFF, GAVE_UP, leaving, letter_for, send_noted
from activities.replies import task_of
from care.notice import TRIED_FOR, Outgoing
from care.steps.messages import CLOSED, verdict
from channels.ids import MessageIds
from channels.mail import Letter, Mail
from channels.sent_log import SentLog
from channels.templates import language_for, render
from records import notices, post
from records.database import Database, DatabaseAway
from records.notices import NO_ADDRESS, Queued

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
WHILE_MOVING_SECONDS = 0.1
"""The same where somebody moves the clock of a journey through months: each of its reminders is waited for."""
RETRY_SECONDS = 60.0
"""So long a message rests at most that a mail server has put off; a server that greylists wants some minutes."""
TIDY_SECONDS = 10.0
CUT_OFF_SECONDS = 120.0
"""Hardly an attempt takes so long: one that is still open belongs to a worker that was killed. Should it be under way
after all, it stays uncertain, and is not made again."""
AT_ONCE = 200
"""Messages taken up in one round."""
CARRIERS = 8
"""Letters under way at once: a mail server that is slow with one holds up few others."""


class Post:
    """Runs beside the worker."""

    def __init__(
        self,
        database: Database,
        mail: Mail,
        *,
        domain: str,
        retry_seconds: float = RETRY_SECONDS,
        sent_log: Path | None = None,
        nudge: asyncio.Event | None = None,
    ) -> None:
        self._database = database
        self._mail = mail
        self._ids = MessageIds(domain)
        self._retry = retry_seconds
        self._log = SentLog(sent_log)
        self._nudge = nudge or asyncio.Event()
        self._tidied = float("-inf")
        self._closing = False
        self._every = EVERY_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the loop.

        Whoever nudges is not made to wait for the next round. A letter under way is let end, so that nobody has to
        ask whether it has left.
        """
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._nudge.clear()
                letters = asyncio.create_task(self._round())
                try:
                    await asyncio.shield(letters)
                except asyncio.CancelledError:
                    self._closing = True
                    await letters
                    raise
                nudged = asyncio.create_task(self._nudge.wait())
                await asyncio.wait((stopped, nudged), timeout=self._every, return_when=asyncio.FIRST_COMPLETED)
                nudged.cancel()
        finally:
            stopped.cancel()

    async def _round(self) -> None:
        try:
            await self.once()
        except Exception as error:
            log.warning("post_waits", error=type(error).__name__)

    async def once(self) -> None:
        """One round: everything that may leave."""
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            await post.tidy(
                self._database,
                cut_off_seconds=CUT_OFF_SECONDS,
                cut_off=CUT_OFF,
                give_up_seconds=TRIED_FOR.total_seconds(),
                gave_up=GAVE_UP,
            )
            self._tidied = time.monotonic()
        found = await post.look(self._database, retry_seconds=self._retry)
        self._every = WHILE_MOVING_SECONDS if found.moving else EVERY_SECONDS
        if found.replies:
            await self._write_replies()
        if found.notices:
            await self._send_all(await post.ready(self._database, retry_seconds=self._retry, limit=AT_ONCE))

    async def _write_replies(self) -> None:
        """For the referrers' systems to receive. One that cannot be written holds up no other."""
        for reply in await notices.unwritten(self._database, limit=AT_ONCE):
            try:
                message = task_of(reply)
            except Exception as error:
                log.warning("reply_unwritten", reply=reply["id"], error=type(error).__name__)
                continue
            await notices.reply_ready(self._database, reply["id"], message)

    async def _send_all(self, found: list[Queued]) -> None:
        letters = iter(await addressed(self._database, found))
        ended = await asyncio.gather(*(self._carry(letters) for _ in range(CARRIERS)), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure

    async def _carry(self, letters: Iterator[Queued]) -> None:
        """One after the other, until there is none left, or no mail server or record to be reached."""
        for notice in letters:
            try:
                if self._closing or not await self._send(notice):
                    return
            except DatabaseAway:
                raise
            except Exception as error:  # of this one: it holds up no other
                log.warning("message_waits", notice=notice.id, error=type(error).__name__)
                await post.rest(self._database, notice.id)

    async def _send(self, notice: Queued) -> bool:
        """One letter, if it may leave. False when no mail server can be reached."""
        seq = None
        if notice.waits and (seq := await self._decided(notice)) is None:
            return True
        if notice.email is None:
            await notices.mark(self._database, notice.id, "failed", NO_ADDRESS)
            return True
        letter = self._letter(notice, notice.email)
        if not await notices.claim(self._database, notice.id, letter.message_id, seq=seq):
            return True  # somebody else is at it, it was stopped, or its journey has decided something
        sent = await send_noted(self._mail, self._log, letter, [leaving(notice)])
        outcome = "queued" if sent.outcome == "later" else sent.outcome
        await notices.mark(self._database, notice.id, outcome, sent.reason)
        return sent.reached

    async def _decided(self, notice: Queued) -> int | None:
        """After which decision of its journey a message whose hour has come may leave; None where it may not."""
        found = await post.standing(self._database, notice.journey)
        if found is not None and found.closed:
            await post.stop(self._database, notice.id, CLOSED, seq=found.seq)
            return None
        if found is None or found.journey is None:  # the nightly comparison sees to it that the journey is kept
            log.warning("message_undecided", notice=notice.id)
            await post.rest(self._database, notice.id)
            return None
        unlisted = Outgoing(id=notice.id, to=notice.recipient, send_after=notice.send_after)
        outgoing = next((o for o in found.journey.outgoing if o.id == notice.id), unlisted)
        reached = verdict(found.journey, outgoing, found.now)
        if reached.stopped is not None:
            await post.stop(self._database, notice.id, reached.stopped, seq=found.seq)
            return None
        if reached.waits_until is not None:
            await post.postpone(self._database, notice.id, reached.waits_until, seq=found.seq)
            return None
        return found.seq

    def _letter(self, notice: Queued, address: str) -> Letter:
        filled = render(
            notice.template,
            notice.facts,
            journey=notice.journey,
            name=notice.name,
            language=language_for(notice.languages),
        )
        return letter_for(
            filled,
            self._ids.of(notice.mark),
            address,
            date=notice.send_after,
            references=self._ids.thread(notice.escalation),
        )
