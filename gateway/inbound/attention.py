"""Tells the intake team that messages of other systems wait for a person.

What a journey has gets a task there, with its ladder. What no journey has would wait unseen: this loop writes to the
team's mailbox, once for all that came in since the last time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from care.directory import Nobody, resolve
from channels.ids import MessageIds
from channels.mail import Letter, Mail
from channels.templates import language_for, render_waiting
from records import directory, inbound
from records.database import Database

log = structlog.get_logger(__name__)

TEAM = "queue:intake"


class Attention:
    """Runs beside the worker; several may."""

    def __init__(self, database: Database, mail: Mail, *, domain: str, every_seconds: float) -> None:
        self._database = database
        self._mail = mail
        self._ids = MessageIds(domain)
        self._every = every_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a while; nothing ends the loop."""
        while not stop.is_set():
            try:
                await self.once()
            except Exception as error:
                log.warning("attention_waits", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._every)

    async def once(self) -> None:
        """One mail to each tenant's team where something new waits. It is marked as told after it has left: two workers
        may tell twice, under one Message-ID, and none is killed in between and tells nobody."""
        for tenant, ids in (await inbound.untold(self._database)).items():
            if await self._tell(tenant, ids):
                await inbound.told(self._database, ids)

    async def _tell(self, tenant: str, ids: list[str]) -> bool:
        now = datetime.now(UTC)
        try:
            to = resolve(await directory.load(self._database, tenant), TEAM, now)
        except Nobody:
            return False
        if to.email is None:
            return False
        filled = render_waiting(len(ids), name=to.name, language=language_for([to.language]))
        sent = await self._mail.send(
            Letter(
                message_id=self._ids.of(*ids),
                to=to.email,
                subject=filled.subject,
                body=filled.body,
                date=now,
                language=filled.language,
            )
        )
        return sent.outcome in ("sent", "uncertain")
