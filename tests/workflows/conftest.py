"""The scripted journeys, played once for all tests of a worker that look at them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
from temporalio import workflow
from temporalio.worker import Worker

import worker
from records.database import Database
from tests.conftest import House
from tests.workflows import cast
from tests.workflows.cast import Played
from workflows.connection import STAGES, workflow_runner

T = TypeVar("T")


@dataclass
class Season:
    """All scripts, played."""

    played: dict[str, Played]
    statements: dict[str, list[list[int]]] = field(default_factory=dict)
    """Of each journey the commit statements that PostgreSQL was sent: the journal rows in each."""

    def __getitem__(self, name: str) -> Played:
        return self.played[name]


@contextmanager
def counted() -> Iterator[dict[str, list[list[int]]]]:
    """Counts on the pool: every statement that commits a decision, by journey."""
    sent: dict[str, list[list[int]]] = defaultdict(list)
    value = Database.value

    async def spy(self: Database, sql: str, *args: Any) -> Any:
        if "commit_decision" in sql:
            sent[args[0]["journey"]].append([entry["seq"] for entry in args[0]["entries"]])
        return await value(self, sql, *args)

    with patch.object(Database, "value", spy):
        yield sent


@pytest.fixture(scope="session")
async def season(house: House) -> Season:
    """Every script of `cast.py`, played to its end."""
    with counted() as sent:
        played = await cast.play_all(house, list(cast.SCRIPTS))
    return Season(played, dict(sent))


def stages_with(*changed: type[Any]) -> list[type[Any]]:
    """The stages, some of them in another version."""
    names = {workflow._Definition.must_from_class(stage).name for stage in changed}
    return [*(stage for stage in STAGES if stage.__name__ not in names), *changed]


async def until(found: Callable[[], Awaitable[T]], *, seconds: float = 20) -> T:
    """What `found` gives as soon as it is something."""
    async with asyncio.timeout(seconds):
        while True:
            if result := await found():
                return result
            await asyncio.sleep(0.05)


@asynccontextmanager
async def other_company(house: House, *stages: type[Any], task_queue: str) -> AsyncIterator[None]:
    """A second worker with stages of its own, on a task queue of its own."""
    async with Worker(
        house.client,
        task_queue=task_queue,
        workflows=stages,
        activities=worker.activities(house.database, house.settings),
        workflow_runner=workflow_runner(),
    ):
        yield
