"""Where commands that read and act find a Continuum: its record and Temporal, or its staff API.

What they show and how they end is the same either way.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from care.action import Answer, Expected
from care.directory import Directory
from care.rules import Decided
from care.rules.registry import same_today
from continuum import output
from continuum.commands.common import Mistake, actor_of, finish, no_journey, speaker
from continuum.commands.remote import remote_desk
from continuum.site import Site, site
from gateway.acting import perform
from gateway.people import SPEAKER_OWNS, whose
from records import directory as stored
from records import documents
from records import journeys as reading

Row = dict[str, Any]
COORDINATOR = "p-coordinator"

Api = Annotated[
    str | None,
    typer.Option("--api", help="Use this gateway's staff API instead (default: $CONTINUUM_API).", metavar="URL"),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="The token for it (default: what $CONTINUUM_TOKEN holds).", metavar="FILE"),
]


class Desk(Protocol):
    """What those commands need of a Continuum. Each raises Mistake for what is wrong with how it was asked."""

    ui_url: str | None
    """Temporal's UI, where it is known."""

    async def journeys(self, stage: str | None, status: str | None) -> tuple[list[Row], int]:
        """Journeys, the most urgent first, and how many more are stored and begin in a moment."""
        ...

    async def journey(self, journey: str) -> Row:
        """One with all that belongs to it."""
        ...

    async def why(self, journey: str, seq: int) -> Row:
        """A row of its journal that a rule decided, with `same_today`."""
        ...

    async def document(self, journey: str, document: str) -> bytes:
        """A document as PDF."""
        ...

    async def tasks(self, owner: str | None, mine: str | None) -> list[Row]:
        """What is owed, soonest due first."""
        ...

    async def owner(self, written: str) -> str:
        """An owner as actions want it, from one as people write it: `triage`, `p-anna`, or in full."""
        ...

    async def act(
        self,
        journey: str,
        action: str,
        fields: Row,
        *,
        person: str | None,
        role: str | None,
        action_id: str | None,
        expected: Expected | None,
    ) -> Answer:
        """Do it. Raises ActionRefused, NotConfirmed."""
        ...


class LocalDesk:
    """The record and Temporal themselves."""

    def __init__(self, here: Site) -> None:
        self._here = here
        self.ui_url = here.stack.ui_url if here.stack else None

    async def journeys(self, stage: str | None, status: str | None) -> tuple[list[Row], int]:
        """See `Desk`."""
        here = self._here
        rows = await reading.journeys(here.database, here.tenant, stage=stage, status=status)
        return rows, len(await reading.to_be_started(here.database, here.tenant))

    async def journey(self, journey: str) -> Row:
        """See `Desk`."""
        record = await reading.journey(self._here.database, self._here.tenant, journey)
        if record is None:
            raise no_journey(journey)
        return record

    async def why(self, journey: str, seq: int) -> Row:
        """See `Desk`."""
        journal = (await self.journey(journey))["journal"]
        row = next((r for r in journal if r["seq"] == seq), None)
        if row is None:
            raise Mistake(f"the journal has no row {seq}; it has 1 to {len(journal)}")
        if row["rule"] is None:
            decided = ", ".join(str(r["seq"]) for r in journal if r["rule"]) or "none"
            raise Mistake(f"row {seq} was not decided by a rule; these were: {decided}")
        decided_row = Decided(
            rule=row["rule"], version=row["rule_version"], inputs=row["inputs"], outcome=row["outcome"]
        )
        return {**row, "same_today": same_today(decided_row)}

    async def document(self, journey: str, document: str) -> bytes:
        """See `Desk`."""
        return await documents.pdf(self._here.database, self._here.tenant, document) or b""

    async def tasks(self, owner: str | None, mine: str | None) -> list[Row]:
        """See `Desk`."""
        here = self._here
        found = await stored.load(here.database, here.tenant)
        rows = await reading.tasks(here.database, here.tenant, owner=owner, **_mine(found, mine))
        if owner is not None and not rows:
            exists(found, in_full(found, owner), "--owner")
        return rows

    async def owner(self, written: str) -> str:
        """See `Desk`."""
        return in_full(await stored.load(self._here.database, self._here.tenant), written)

    async def act(
        self,
        journey: str,
        action: str,
        fields: Row,
        *,
        person: str | None,
        role: str | None,
        action_id: str | None,
        expected: Expected | None,
    ) -> Answer:
        """See `Desk`."""
        here, who, as_ = self._here, person or COORDINATOR, role or "coordinator"
        # Of whom a task becomes, the gateway asks itself whether they are there.
        actor = actor_of(who, as_, here.tenant) if action in SPEAKER_OWNS else await speaker(here, who, as_)
        return await perform(
            await here.temporal(),
            here.database,
            journey=journey,
            name=action,
            data=fields,
            actor=actor,
            action_id=action_id,
            expected=expected,
        )


def _mine(directory: Directory, person: str | None) -> Row:
    if person is None:
        return {}
    if directory.person(person) is None:
        there = ", ".join(p.id for p in directory.people) or "nobody"
        raise Mistake(f"{person} is not in the directory; there are: {there}")
    return whose(directory, person, datetime.now(UTC))


def in_full(directory: Directory, written: str) -> str:
    """An owner as actions want it, from one as people write it: `triage`, `p-anna`, or in full."""
    if ":" in written:
        return written
    return f"{'queue' if written in {q.id for q in directory.queues} else 'person'}:{written}"


def exists(directory: Directory, owner: str, option: str) -> None:
    """Raises Mistake where an owner is not in the directory."""
    kind, _, id_ = owner.partition(":")
    there = sorted({q.id for q in directory.queues} if kind == "queue" else {p.id for p in directory.people})
    if id_ not in there:
        raise Mistake(f"{option}: {id_} is not in the directory; there are: {', '.join(there) or 'none'}")


def run_at(
    work: Callable[[Desk], Awaitable[int]], folder: Path | None, api: str | None, token_file: Path | None
) -> None:
    """Do the work where the options, else the environment, say; leave with its exit code.

    A folder that is named is meant, whatever the environment says of an API.
    """

    async def main() -> int:
        async with _desk(folder, api, token_file) as here:
            return await work(here)

    raise SystemExit(finish(main()))


@asynccontextmanager
async def _desk(folder: Path | None, api: str | None, token_file: Path | None) -> AsyncIterator[Desk]:
    if folder is not None and api is not None:
        raise Mistake("--dir and --api name two places: give one")
    url = api or (os.environ.get("CONTINUUM_API") if folder is None else None)
    if url:
        async with remote_desk(url, token_file) as remote:
            output.use_zone(remote.timezone)
            yield remote
        return
    if token_file is not None:
        raise Mistake("--token-file goes with --api")
    async with site(folder) as here:
        output.use_zone(here.timezone)
        yield LocalDesk(here)
