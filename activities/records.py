"""The record of the journey, in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Records, Saved
from records import decisions
from records.database import Database


class PostgresRecords(Records):
    """Writes decisions with a pool it is given, and nudges the post where one of them tells somebody something."""

    def __init__(self, database: Database, nudge: asyncio.Event | None = None) -> None:
        self._database = database
        self._nudge = nudge

    @activity.defn(name="persist")
    async def persist(self, commit: Any) -> Saved:
        """See `Records.persist`. The commit stays the JSON in which it came: PostgreSQL reads it."""
        try:
            saved = Saved(seq=await decisions.commit(self._database, commit))
        except decisions.PlaceTaken as taken:
            return Saved(seq=taken.seq, instead=taken.kept)
        except decisions.WrittenBefore as written:
            return Saved(seq=written.done.seq, before=written.done)
        except (decisions.SlotTaken, decisions.ActionReused) as refused:
            raise ApplicationError(str(refused), type=type(refused).__name__) from None
        if self._nudge is not None and (commit["notices"] or commit["replies"]):
            self._nudge.set()
        return saved

    @activity.defn(name="standing")
    async def standing(self, journey: str, seq: int) -> Saved:
        """See `Records.standing`."""
        later = await decisions.after(self._database, journey, seq)
        return Saved(seq=seq) if later is None else Saved(seq=later[0], instead=later[1])
