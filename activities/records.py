"""The record of the journey, in PostgreSQL."""

from __future__ import annotations

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Records, Saved
from care.commit import Commit
from records import decisions
from records.database import Database


class PostgresRecords(Records):
    """Writes decisions with a pool it is given, and nudges the post where one of them tells somebody something."""

    def __init__(self, database: Database, nudge: asyncio.Event | None = None) -> None:
        self._database = database
        self._nudge = nudge

    @activity.defn(name="persist")
    async def persist(self, commit: Commit) -> Saved:
        """See `Records.persist`."""
        try:
            saved = Saved(seq=await decisions.commit(self._database, commit))
        except (decisions.SlotTaken, decisions.ActionReused) as refused:
            raise ApplicationError(str(refused), type=type(refused).__name__) from None
        if self._nudge is not None and (commit.notices or commit.replies):
            self._nudge.set()
        return saved
