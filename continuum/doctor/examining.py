"""Looking at a whole site: every journey of the record beside every one of Temporal's, and what waits to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from continuum.doctor import histories
from continuum.doctor.comparing import compare
from continuum.doctor.histories import Run
from continuum.doctor.mismatch import Mismatch
from records import doctor
from records.database import Database
from records.doctor import PAGE, Standing

SECOND_LOOK_SECONDS = 3.0
"""Between two looks: a decision that was under way at the first is through by the second."""
WAITS_SECONDS = 3600.0
"""So long a message may take before it is looked at."""
BEFORE_THE_COPY = timedelta(hours=1)


async def examine(
    client: Client,
    database: Database,
    *,
    again_after: float = SECOND_LOOK_SECONDS,
    waits: float = WAITS_SECONDS,
) -> list[Mismatch]:
    """Everything that is wrong at two looks, by journey. What is being decided meanwhile is no mismatch."""
    first = await _look(client, database, None, waits)
    if not first:
        return []
    await asyncio.sleep(again_after)
    again = await _look(client, database, {m.journey for m in first if m.journey is not None}, waits)
    seen = {m.key for m in first}
    return sorted((m for m in again if m.key in seen), key=lambda m: (m.journey or "", m.kind, m.about or ""))


async def behind(
    client: Client, database: Database, journeys: Collection[str], *, again_after: float = SECOND_LOOK_SECONDS
) -> list[Mismatch]:
    """Which of these journeys Temporal is behind with, at two looks."""
    if first := await _behind_now(client, database, journeys):
        await asyncio.sleep(again_after)
        return await _behind_now(client, database, {m.journey for m in first if m.journey is not None})
    return []


async def _behind_now(client: Client, database: Database, journeys: Collection[str]) -> list[Mismatch]:
    page = await doctor.standings(database, only=journeys)
    found = await _compared(client, database, page, await _runs(client, database, journeys))
    return [m for m in found if m.kind == "workflow_behind"]


async def _look(client: Client, database: Database, only: Collection[str] | None, waits: float) -> list[Mismatch]:
    runs = await _runs(client, database, only)
    found: list[Mismatch] = []
    waiting = await doctor.waiting(database, seconds=waits)
    after, known = "", set[str]()
    while True:
        page = await doctor.standings(database, after, only)
        known.update(row.journey for row in page)
        found += await _compared(client, database, page, runs)
        if only is not None or len(page) < PAGE:
            break
        after = page[-1].journey
    strangers = [run for id_, run in runs.items() if id_ not in known]
    told = await histories.replayed(client, strangers)
    now = datetime.now(UTC)
    found += [m for run in strangers for m in compare(None, run, told.get(run.journey), None, now)]
    return [*found, *[_waits(one) for one in waiting]]


async def _runs(client: Client, database: Database, only: Collection[str] | None) -> dict[str, Run]:
    """The latest runs by journey: those that run, and after a restore those that have ended since."""
    if only is not None:
        found = [await histories.latest(client, journey) for journey in sorted(only)]
        return {run.journey: run for run in found if run is not None}
    runs = {}
    if (taken := await doctor.last_restore(database)) is not None:
        since = (taken - BEFORE_THE_COPY).strftime("%Y-%m-%dT%H:%M:%SZ")
        runs = {run.journey: run async for run in histories.ended_since(client, since)}
    return runs | {run.journey: run async for run in histories.running(client)}


async def _compared(client: Client, database: Database, page: list[Standing], runs: dict[str, Run]) -> list[Mismatch]:
    for row in page:
        # Open here and not running there: it may have ended there, and the record may not have heard of it.
        if row.journey not in runs and (row.status in ("open", "on_hold") or (row.status is None and row.started)):
            run = await histories.latest(client, row.journey)
            if run is not None:
                runs[row.journey] = run
    told = await histories.replayed(client, [runs[row.journey] for row in page if row.journey in runs])
    now, found = datetime.now(UTC), []
    for row in page:
        kept = None
        if row.status in ("open", "on_hold") and row.kept_seq == row.journal_last:
            kept = await doctor.kept_journey(database, row.journey)
        found += compare(row, runs.get(row.journey), told.get(row.journey), kept, now)
    return found


def _waits(one: doctor.Waiting) -> Mismatch:
    detail = f"{one.id} to {one.recipient}" if one.recipient else one.id
    return Mismatch(kind=one.kind, journey=one.journey, tenant=one.tenant, detail=detail, about=one.id)
