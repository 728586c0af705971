"""What a worker that was killed may have left: a decision in the record of which Temporal has never heard.

Whoever next decides something of that journey finds it, and goes on from there (`workflows/commits.py`). Until then
no clock runs that the decision started. So a worker that starts looks through the journeys that were written to last,
and tells those that are behind to look at the record. What it does not find, the night does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from continuum.doctor.examining import SECOND_LOOK_SECONDS, behind
from continuum.doctor.repairing import write_down
from records import doctor
from records.database import Database, DatabaseAway

log = structlog.get_logger(__name__)

BEFORE_THE_LAST_ROW_SECONDS = 600.0
AT_MOST = 200
"""Journeys looked at: a look replays a history, some hundredths of a second each."""
RETRY_SECONDS = 5.0


class AfterACrash:
    """Runs once beside a worker that has just started."""

    def __init__(self, client: Client, database: Database, *, again_after: float = SECOND_LOOK_SECONDS) -> None:
        self._client = client
        self._database = database
        self._again_after = again_after

    async def run(self, stop: asyncio.Event) -> None:
        """Until it has looked, or is stopped."""
        while not stop.is_set():
            try:
                await self.once()
            except (DatabaseAway, RPCError) as away:
                log.warning("look_after_a_crash_waits", error=type(away).__name__)
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)

    async def once(self) -> None:
        """Look, and tell those that are behind."""
        journeys = await doctor.last_written(
            self._database, before_the_last_row_seconds=BEFORE_THE_LAST_ROW_SECONDS, limit=AT_MOST
        )
        for mismatch in await behind(self._client, self._database, journeys, again_after=self._again_after):
            if mismatch.journey is not None:
                await self._client.get_workflow_handle(mismatch.journey).signal("look_at_record")
                log.warning("journey_was_behind", journey=mismatch.journey, detail=mismatch.detail)
                await write_down(self._database, mismatch, "told it to look at the record")
