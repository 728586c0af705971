"""The check before an upgrade: every open journey gone through by this build, and held against the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from temporalio.client import Client

from care.journey import Journey
from care.keeping import restored_if_sound
from care.model import Model
from continuum.upgrade import surroundings
from continuum.upgrade.histories import count_open, open_journeys
from continuum.upgrade.impact import Change, changes
from continuum.upgrade.replaying import Replayed, replay
from continuum.upgrade.surroundings import Schema, Servers, UnknownSetting
from records.database import Database

ATTEMPTS = 4
PAUSE_SECONDS = 1.0
"""A journey that has just decided something is looked at again so often, with so long between."""

Progress = Callable[[int, int], None]
"""Journeys looked at, and about how many there are."""


class Wedged(Model):
    """A journey that would stand still under this build."""

    journey: str
    stage: str
    why: str


class Changed(Model):
    """A journey of which something would be another."""

    journey: str
    stage: str
    changes: tuple[Change, ...]


class Uncompared(Model):
    """A journey that goes on under this build, and of which nothing more can be said."""

    journey: str
    stage: str
    why: str


class Report(Model):
    """What this build would do to this site."""

    harmless: bool
    journeys: int
    """So many were gone through."""
    clean: int
    """So many of them go on as if nothing had happened."""
    wedged: tuple[Wedged, ...]
    changed: tuple[Changed, ...]
    uncompared: tuple[Uncompared, ...]
    migrations: Schema
    settings: tuple[UnknownSetting, ...]
    servers: Servers


class _Tally:
    """What was found so far. `again` is what has to be looked at once more."""

    def __init__(self) -> None:
        self.clean = 0
        self.wedged: list[Wedged] = []
        self.changed: list[Changed] = []
        self.uncompared: list[Uncompared] = []
        self.again: list[str] = []

    @property
    def journeys(self) -> int:
        return self.clean + len(self.wedged) + len(self.changed) + len(self.uncompared)


async def check(client: Client, database: Database, environment: Iterable[str], progress: Progress) -> Report:
    """Look at everything. Writes nothing. Raises StackError or DatabaseAway where a service does not answer."""
    schema = await surroundings.schema(database)
    servers = await surroundings.servers(client, database)
    settings = tuple(surroundings.unknown_settings(environment))
    tally = await _journeys(client, database, progress)
    broken = bool(tally.wedged or tally.changed or schema.troubles or servers.troubles or settings)
    return Report(
        harmless=not broken,
        journeys=tally.journeys,
        clean=tally.clean,
        wedged=_sorted(tally.wedged),
        changed=_sorted(tally.changed),
        uncompared=_sorted(tally.uncompared),
        migrations=schema,
        settings=settings,
        servers=servers,
    )


async def _journeys(client: Client, database: Database, progress: Progress) -> _Tally:
    tally = _Tally()
    about = await count_open(client)
    ids: AsyncIterator[str] = open_journeys(client)
    for attempt in range(1, ATTEMPTS + 1):
        async for one in replay(client, ids):
            await _look_at(one, database, tally, last=attempt == ATTEMPTS)
            progress(tally.journeys, max(about, tally.journeys))
        if not tally.again:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        ids, tally.again = _each(tally.again), []
    return tally


async def _look_at(one: Replayed, database: Database, tally: _Tally, *, last: bool) -> None:
    if not one.known and not await database.value(_IS_JOURNEY, one.journey):
        return  # something else that runs on our queue
    if one.wedged is not None and (one.certain or last):
        tally.wedged.append(Wedged(journey=one.journey, stage=one.stage, why=one.wedged))
        return
    if one.state is None:
        tally.again.append(one.journey)
        return
    head = await database.row(_HEAD, one.journey)
    if head is None:
        if last:
            tally.uncompared.append(_uncompared(one, "the record does not have it (yet)"))
        else:
            tally.again.append(one.journey)
        return
    tasks = [dict(row) for row in await database.fetch(_TASKS, one.journey)]
    found = changes(one.state, dict(head), tasks, await _kept(database, one.journey, head["seq"]))
    if not found:
        tally.clean += 1
    elif not last:
        tally.again.append(one.journey)  # it may have decided something between the two looks
    elif await database.value(_MOVED, one.journey, head["seq"]):
        tally.uncompared.append(_uncompared(one, "it goes on deciding while it is looked at: check again"))
    else:
        tally.changed.append(Changed(journey=one.journey, stage=one.stage, changes=tuple(found)))


async def _kept(database: Database, journey: str, seq: int) -> Journey | None:
    """The journey as the record keeps it after that row; None where it does not."""
    if not await database.value("select to_regclass('continuum.journey_state') is not null"):
        return None
    row = await database.row(_KEPT, journey, seq)
    return restored_if_sound(row["state"], row["base"]) if row is not None else None


async def _each(ids: list[str]) -> AsyncIterator[str]:
    for id_ in ids:
        yield id_


def _uncompared(one: Replayed, why: str) -> Uncompared:
    return Uncompared(journey=one.journey, stage=one.stage, why=why)


def _sorted(found: list[Any]) -> tuple[Any, ...]:
    return tuple(sorted(found, key=lambda one: (one.stage, one.journey)))


_IS_JOURNEY = "select exists (select from continuum.journey where id = $1)"
_HEAD = "select seq, stage, status, waiting_on, next_due_at from continuum.journey where id = $1"
_TASKS = (
    "select id, kind, owner, due_at from continuum.task where journey = $1 and settled_at is null order by due_at, id"
)
_MOVED = "select seq <> $2 from continuum.journey where id = $1"
_KEPT = "select state, base from continuum.journey_state where journey = $1 and seq = $2 and base is not null"
