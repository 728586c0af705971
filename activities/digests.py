"""Digests: a person's reminders in one mail instead of a flood.

A journey decides, in care time, that somebody is to be reminded, and records it. This loop gathers what was recorded
for one address and sends it together. Two workers may run it side by side: a reminder belongs to whoever claimed it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import structlog

from activities.addresses import addressed
from activities.messages import CUT_OFF, GAVE_UP, leaving, letter_for, send_noted
from care.notice import TRIED_FOR
from channels.ids import MessageIds
from channels.mail import Mail
from channels.sent_log import SentLog
from channels.templates import Filled, Item, language_for, render, render_digest
from records import digests
from records.database import Database
from records.notices import NO_ADDRESS, Queued

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
RETRY_SECONDS = 60.0
"""So long a digest rests that a mail server has put off; a server that greylists wants some minutes."""
CUT_OFF_SECONDS = 600.0
"""No attempt takes so long: one that is still open belongs to a worker that was killed."""
GIVE_UP_SECONDS = TRIED_FOR.total_seconds()
"""Then the journeys hear that nobody was reminded."""
AT_ONCE = 2000
"""Reminders looked at in one round."""


class Digests:
    """Runs beside the worker."""

    def __init__(
        self,
        database: Database,
        mail: Mail,
        *,
        domain: str,
        after_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
        sent_log: Path | None = None,
    ) -> None:
        self._database = database
        self._mail = mail
        self._ids = MessageIds(domain)
        self._after = after_seconds
        self._retry = retry_seconds
        self._log = SentLog(sent_log)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the loop."""
        while not stop.is_set():
            try:
                await self.once()
            except Exception as error:
                log.warning("digests_wait", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def once(self) -> None:
        """One round: a mail to each address whose oldest reminder has waited long enough."""
        await digests.tidy(
            self._database,
            cut_off_seconds=CUT_OFF_SECONDS,
            cut_off=CUT_OFF,
            give_up_seconds=GIVE_UP_SECONDS,
            gave_up=GAVE_UP,
        )
        found = await digests.waiting(
            self._database, after_seconds=self._after, retry_seconds=self._retry, limit=AT_ONCE
        )
        if not any(one.due for one in found):
            return
        people = {n.id: n for n in await addressed(self._database, [one.notice for one in found])}
        together: dict[tuple[str, str | None], list[Queued]] = defaultdict(list)
        due = set()
        for one in found:
            notice = people[one.notice.id]
            key = (notice.tenant, notice.email.lower() if notice.email else None)
            together[key].append(notice)
            if one.due:
                due.add(key)
        for key, notices in together.items():
            if key in due and not await self._send(notices):
                return  # the others would wait for the same server; they are looked at again in a moment

    async def _send(self, notices: list[Queued]) -> bool:
        """One mail to one address. False when no mail server can be reached."""
        claimed = set(await digests.claim(self._database, [n.id for n in notices]))
        mine = [n for n in notices if n.id in claimed]
        if not mine:
            return True
        ids, address = sorted(claimed), mine[0].email
        if address is None:
            await digests.mark(self._database, ids, "failed", NO_ADDRESS)
            return True
        message_id = self._ids.of(*(n.mark for n in mine))
        await digests.name(self._database, ids, message_id)
        ladders = {n.escalation for n in mine}
        filled = _worded(mine)
        sent = await send_noted(
            self._mail,
            self._log,
            letter_for(
                filled,
                message_id,
                address,
                date=max(n.send_after for n in mine),
                references=self._ids.thread(ladders.pop()) if len(ladders) == 1 else None,
            ),
            [leaving(n) for n in mine],
        )
        await digests.mark(self._database, ids, "queued" if sent.outcome == "later" else sent.outcome, sent.reason)
        return sent.reached


def _worded(notices: list[Queued]) -> Filled:
    """A task that several of them are about is listed once, as the last of them has it."""
    latest: dict[str, Queued] = {}
    for notice in sorted(notices, key=lambda n: (n.send_after, n.template == "task_escalated")):
        latest[notice.escalation or notice.id] = notice
    items = [Item(template=n.template, facts=n.facts, journey=n.journey) for n in latest.values()]
    name, language = notices[0].name, language_for(notices[0].languages)
    if len(items) > 1:
        return render_digest(items, name=name, language=language)
    (only,) = items
    return render(only.template, only.facts, journey=only.journey, name=name, language=language)
