"""Plays many vignettes, several at once: they wait for one another's answers far more than they compute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client

from continuum.demo.player import Player, patiently
from continuum.embedded.folder import temporary_folder
from continuum.site import bring_up_to_date
from continuum.vignettes.case import Case, Difference
from continuum.vignettes.clinic import Clinics
from continuum.vignettes.people import People
from pathways import loader
from pathways.source import PathwayError
from pathways.vignette import Vignette, VignetteFile
from records.database import Database
from workflows.connection import connect

AT_ONCE = 8
"""Measured on two cores: more does not make it faster."""
PATIENCE_SECONDS = 300.0
"""A vignette that takes so long stands still."""


@dataclass(frozen=True)
class Script:
    """One vignette, with where it is written and the pathways on which it may take place."""

    file: VignetteFile
    n: int
    about: tuple[str, ...]

    @property
    def vignette(self) -> Vignette:
        """The vignette itself."""
        return self.file.content.vignettes[self.n]


@dataclass(frozen=True)
class Outcome:
    """How one vignette went."""

    script: Script
    differences: tuple[Difference, ...]
    seconds: float

    def lines(self) -> list[str]:
        """What differed, each with file and line."""
        script = self.script
        return [
            f"{script.file.name}:{script.file.line(script.n, *d.place)}: {script.vignette.id}: {d}"
            for d in self.differences
        ]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        script = self.script
        return {
            "file": script.file.name,
            "line": script.file.line(script.n),
            "id": script.vignette.id,
            "title": script.vignette.title,
            "basis": script.vignette.basis,
            "as_expected": not self.differences,
            "seconds": round(self.seconds, 2),
            "differences": [
                {
                    "line": script.file.line(script.n, *d.place),
                    "when": d.when,
                    "what": d.what,
                    "expected": d.expected,
                    "found": d.found,
                }
                for d in self.differences
            ],
        }


def scripts(file: VignetteFile) -> list[Script]:
    """The vignettes of a file, each with its pathways. Raises PathwayError where there is none for them."""
    content, known = file.content, loader.latest()
    if content.pathway is not None:
        if content.pathway not in known:
            raise file.source.error("pathway", f"there is no such pathway; there are: {', '.join(sorted(known))}")
        about: tuple[str, ...] = (content.pathway,)
    else:
        about = tuple(p.id for p in known.values() if p.red_flag(content.flag or "") and p.status != "sketch")
        if not about:
            raise file.source.error("flag", "no pathway screens for this red flag: correct it, or add it to a pathway")
    return [Script(file, n, about) for n in range(len(content.vignettes))]


@dataclass
class Stage:
    """Where vignettes are played: a Temporal whose clocks may be moved, and a record."""

    client: Client
    database: Database
    clinics: Clinics

    async def play(self, script: Script) -> Outcome:
        """One vignette, in a clinic of its own."""
        began = time.monotonic()
        vignette = script.vignette
        days = [step.day for step in vignette.course]
        clinic = await patiently(lambda: self.clinics.open(days))
        player = Player(vignette.id, self.client, self.database, clinic.calendar, tenant=clinic.tenant)
        case = Case(vignette, People(player, clinic), about=script.about)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                differences = await case.play()
        except (LookupError, TimeoutError) as error:
            stands = Difference((), "it", "played", "that it can be played", str(error) or "that it stands still")
            differences = [*case.differences, stands]
        return Outcome(script, tuple(differences), time.monotonic() - began)

    async def play_all(
        self, what: Sequence[Script], *, at_once: int = AT_ONCE, done: Callable[[Outcome], None] = lambda _: None
    ) -> list[Outcome]:
        """All of them, in the order given; `done` hears of each as soon as it is over."""
        turn = asyncio.Semaphore(at_once)

        async def one(script: Script) -> Outcome:
            async with turn:
                outcome = await self.play(script)
            done(outcome)
            return outcome

        async with asyncio.TaskGroup() as group:
            # The longest first, so that none of them is left alone at the end.
            tasks = {n: group.create_task(one(script)) for n, script in sorted(enumerate(what), key=_longest_first)}
        return [tasks[n].result() for n in range(len(what))]


def _longest_first(numbered: tuple[int, Script]) -> tuple[bool, int]:
    vignette = numbered[1].vignette
    return not vignette.to_the_end, -len(vignette.course)


@asynccontextmanager
async def stage(progress: Callable[[str], None]) -> AsyncIterator[Stage]:
    """A stack of its own in a temporary folder, gone afterwards."""
    from continuum.embedded import supervisor  # a worker is installed without it

    with temporary_folder() as path:
        options = supervisor.Options(folder=path, migrate=bring_up_to_date, worker_env={}, time_skipping=True)
        async with supervisor.running(options, progress) as stack:
            database = await Database.open(stack.dsn("app"), size=AT_ONCE)
            owner = await Database.open(stack.dsn("owner"), size=2)
            try:
                client = await connect(stack.stack.temporal_address)
                yield Stage(client, database, Clinics(owner, datetime.now(UTC)))
            finally:
                await owner.close()
                await database.close()


def read_all(files: Iterable[VignetteFile]) -> list[Script]:
    """The vignettes of all files. Raises PathwayError with all that is wrong with them."""
    found: list[Script] = []
    wrong: list[PathwayError] = []
    for file in files:
        try:
            found += scripts(file)
        except PathwayError as error:
            wrong += error.all
    if wrong:
        first = wrong[0]
        raise PathwayError(first.file, first.where, first.what, line=first.line, others=tuple(wrong[1:]))
    return found
