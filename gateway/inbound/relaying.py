"""Carries out, one after the other, what messages ask of journeys. Runs beside the worker."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from gateway.context import Temporal
from gateway.inbound.carrying_out import attempt
from gateway.spans import spans
from records import inbound
from records.database import Database

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.5
AT_ONCE = 5


class AskRelay:
    """Several may run: each ask is leased to one of them."""

    def __init__(self, temporal: Temporal, database: Database) -> None:
        self._temporal = temporal
        self._database = database

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the relay."""
        while not stop.is_set():
            try:
                busy = await self.once()
            except Exception as error:
                log.warning("ask_relay_waits", error=type(error).__name__)
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def once(self) -> bool:
        """What is due. Asks of one sender about one journey keep their order; others go side by side."""
        due = await inbound.asks_to_do(self._database)
        lanes: dict[str, list[inbound.AskRow]] = {}
        for ask in due:
            lanes.setdefault(_lane(ask), []).append(ask)
        slots = asyncio.Semaphore(AT_ONCE)

        async def lane(asks: list[inbound.AskRow]) -> None:
            async with slots:
                for ask in asks:
                    with spans().later(str(ask.inbound), f"CarryOut:{ask.name}", ask=ask.id):
                        await attempt(self._database, self._temporal, ask)

        await asyncio.gather(*(lane(asks) for asks in lanes.values()))
        return bool(due)


def _lane(ask: inbound.AskRow) -> str:
    about = ask.about
    named = about.get("journey") or about.get("appointment") or about.get("referral_id")
    return f"{ask.tenant}/{ask.sender}/{named or about.get('patient')}"
