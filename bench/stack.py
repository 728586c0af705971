"""The stack to measure on: real PostgreSQL, Temporal and SMTP, Continuum's worker and the floor's, side by side."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client

from bench.floor.documents import FILE
from bench.processes import Usage, usage
from bench.therapy import Course
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, Worker, running, worker_environment
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from workflows.connection import connect

ROOT = Path(__file__).parents[1]
INTO_THERAPY = """
    with message as (
        insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type, outcome)
        select $1, 'bench', journey, '', '', 'application/json', 'accepted' from unnest($2::text[]) as journey
        returning id, transport_key as journey
    ), person as (
        insert into continuum.patient (id, tenant, family, email)
        select id, $1, 'Bench', 'bench@mail.example' from message returning id
    )
    insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, patient, facts, received_at,
                                    started_at)
    select journey, $1, 'bench', journey, '', id, id, '{}', now(), now() from message
"""
"""Journeys that begin in therapy: each has its referral and a patient with an address, and nothing starts it again."""


@dataclass
class Bench:
    """What runs, and how to reach it."""

    stack: Supervisor
    client: Client
    database: Database
    workers: dict[str, Worker] = field(default_factory=dict)

    def usage(self, name: str) -> Usage:
        """Of a worker, `temporal` or `postgres`."""
        worker = self.workers.get(name)
        child = worker.child if worker is not None else self.stack.child(name)
        if child is None:
            raise LookupError(f"{name} does not run")
        return usage(child.pid)

    async def start(self, name: str, module: str, **environment: str) -> None:
        """Start a worker under that name, and wait until it is ready."""
        worker = Worker((sys.executable, "-m", module), self.stack.folder, {**self.environment(), **environment})
        worker.name = name
        self.workers[name] = worker
        await worker.start()

    async def stop(self, name: str) -> None:
        """Stop a worker."""
        await self.workers.pop(name).stop()

    def environment(self) -> Mapping[str, str]:
        """What a worker needs to use this stack."""
        found = worker_environment(self.stack.stack, self.stack.folder)
        return {**found, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    async def add_journeys(self, names: Sequence[str]) -> None:
        """Their referrals and patients."""
        await self.database.execute(INTO_THERAPY, EXAMPLE_CLINIC.tenant, list(names))


@asynccontextmanager
async def bench(*, time_skipping: bool = False) -> AsyncIterator[Bench]:
    """The stack without a worker."""
    with temporary_folder() as folder:
        async with running(Options(folder=folder, migrate=bring_up_to_date, time_skipping=time_skipping)) as stack:
            database = await Database.open(stack.dsn("owner"), size=4)
            found = Bench(stack, await connect(stack.stack.temporal_address), database)
            try:
                yield found
            finally:
                for name in list(found.workers):
                    await found.stop(name)
                await database.close()


def floor_environment(folder: Path, course: Course) -> dict[str, str]:
    """What the floor's worker needs beside: the documents it writes."""
    path = folder / "floor.json"
    path.write_text(course.floor(), "utf-8")
    return {FILE: str(path)}
