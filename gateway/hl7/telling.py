"""Tells systems that refer by HL7 v2 what became of it: RRI, OSU and SIU to where each of them listens.

A loop beside the worker. One answer at a time for each system and in order, so that "declined" never overtakes
"accepted"; a system that does not listen holds up no other. The same answer has the same MSH-10 for ever: sent once
more because nobody knows how the last attempt ended, it is taken once.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from activities import retries
from channels import mllp
from gateway.hl7.outgoing import ReplyRow, VisitTold, outgoing
from records import hl7_answers
from records.database import Database
from records.hl7_answers import Due

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
AT_ONCE = 16


def machine_time() -> datetime:
    """Transport is tried again by the machine's clock."""
    return datetime.now(UTC)


class Hl7Answers:
    """Runs beside the worker; several may. `clock` and `chance` (0 to 1) say when what failed is due again."""

    def __init__(
        self,
        database: Database,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = machine_time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._tls = tls or ssl.create_default_context()
        self._clock = clock
        self._chance = chance

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the loop."""
        while not stop.is_set():
            try:
                busy = await self.once()
            except Exception as error:
                log.warning("hl7_answers_wait", error=type(error).__name__)
                busy = 0
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def once(self) -> int:
        """The next answer for each system. How many there were."""
        due = await hl7_answers.due(self._database, self._clock(), AT_ONCE)
        await asyncio.gather(*(self._tell(one) for one in due))
        return len(due)

    async def _tell(self, due: Due) -> None:
        visit = VisitTold.model_validate(due.visit) if due.visit else None
        made = outgoing(due.original, ReplyRow.model_validate(due.said), self._clock(), visit)
        if made is None:
            await hl7_answers.settle(self._database, due.reply, "nothing", kind=None)
            return
        host, _, port = due.address.rpartition(":")
        peer = mllp.Peer(host=host, port=int(port), tls=self._tls if due.tls else None)
        sent = await mllp.send(peer, made.payload, made.control_id)
        if sent.outcome == "sent":
            await hl7_answers.settle(self._database, due.reply, "sent", kind=made.kind)
            return
        wait = None
        if sent.outcome != "failed":
            wait = retries.again(due.attempts, len(retries.SCHEDULE_SECONDS), None, self._chance())
        if wait is None:
            log.warning("hl7_answer_dead", client=due.client, kind=made.kind, reason=sent.reason)
            await hl7_answers.settle(self._database, due.reply, "dead", kind=made.kind, reason=sent.reason)
        else:
            await hl7_answers.try_later(self._database, due.reply, self._clock() + wait, sent.reason)
