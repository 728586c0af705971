"""What an open journey costs while nothing happens to it, and what a decision costs among many.

Journeys wait for weeks: a worker keeps as many as it has room for in memory, and reads the others from their
histories again when something happens to them. Decisions fall on all of them evenly, as they do in a clinic, so among
ten thousand most are on one that has not been touched for long.

Each journey has had its first decision before anything is measured. That of a run costs half as much again (what rarely
changes is kept with it, and Temporal's list shows the journey), and among ten thousand most would be one.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from bench.rounds import SERVERS, Side, sides
from bench.stack import Bench
from bench.therapy import Course, course
from care.action import Action, Answer

FEW = 100
PEOPLE = 8
STARTED_AT_ONCE = 64
BATCH = 500
DEED = "record_scores"
"""The one thing done here: it may be done to any journey at any time."""


async def measure(bench: Bench, *, many: int, seconds: float, windows: int, patience: float) -> dict[str, Any]:
    """CPU per decision among a hundred open journeys and among `many`, and the worker's memory for each.

    On a machine so slow that they have not begun within `patience` seconds it is measured among those that have.
    """
    work = course(datetime.now(UTC), 1)
    ours = sides(work)[0]
    await bench.start("worker", "worker")
    crowd = _Crowd(bench, work)
    names = [f"few{n}" for n in range(FEW)]
    await crowd.begin(ours, names)
    await crowd.window(names, seconds / 2)  # warms up
    before = bench.usage("worker").resident_mb
    few = [await crowd.window(names, seconds) for _ in range(windows)]
    began = time.monotonic()
    more: list[str] = []
    while len(more) < many - FEW and time.monotonic() - began < patience:
        batch = [f"many{n}" for n in range(len(more), min(len(more) + BATCH, many - FEW))]
        await crowd.begin(ours, batch)
        more += batch
    started = time.monotonic() - began
    after = bench.usage("worker").resident_mb
    many_ = [await crowd.window(names + more, seconds) for _ in range(windows)]
    return {
        "few": FEW,
        "many": FEW + len(more),
        "starts_per_second": round(len(more) / started, 1),
        "worker_memory_mb_few": round(before),
        "worker_memory_mb_many": round(bench.usage("worker").resident_mb),
        "memory_per_open_journey_kb": round(1000 * (after - before) / len(more), 1),
        "cpu_ms_per_decision_few": _median(few),
        "cpu_ms_per_decision_many": _median(many_),
    }


def _median(windows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(w[name] for w in windows), 2) for name in windows[0]}


class _Crowd:
    """People who do one thing to a journey picked at random."""

    def __init__(self, bench: Bench, work: Course) -> None:
        self._bench = bench
        self._deed = next(deed for deed in work.deeds if deed.name == DEED)
        self._chance = random.Random(1)
        self._done = 0

    async def begin(self, side: Side, names: list[str]) -> None:
        """Start journeys, each with its first decision."""
        await self._bench.add_journeys(names)
        slots = asyncio.Semaphore(STARTED_AT_ONCE)

        async def one(name: str) -> None:
            start = WithStartWorkflowOperation(
                side.workflow.run,
                side.begin(name),
                id=name,
                task_queue=side.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            )
            action = self._next(name)
            async with slots:
                await self._bench.client.execute_update_with_start_workflow(
                    DEED, action, start_workflow_operation=start, id=action.action_id, result_type=Answer
                )

        await asyncio.gather(*(one(name) for name in names))

    async def window(self, names: list[str], seconds: float) -> dict[str, float]:
        """CPU milliseconds per decision: of the worker, of Temporal, of PostgreSQL, of all three."""
        services = ("worker", *SERVERS)
        before = {name: self._bench.usage(name).cpu for name in services}
        began, done_before = time.monotonic(), self._done

        async def person() -> None:
            while time.monotonic() - began < seconds:
                await self._do(self._chance.choice(names))

        await asyncio.gather(*(person() for _ in range(PEOPLE)))
        done = self._done - done_before
        cpu = {name: 1000 * (self._bench.usage(name).cpu - before[name]) / done for name in services}
        return {**cpu, "all": sum(cpu.values()), "decisions_per_second": done / (time.monotonic() - began)}

    def _next(self, journey: str) -> Action:
        self._done += 1
        return self._deed.for_journey(journey).model_copy(update={"action_id": f"crowd-{self._done}"})

    async def _do(self, journey: str) -> None:
        action = self._next(journey)
        handle = self._bench.client.get_workflow_handle(journey)
        await handle.execute_update(DEED, action, id=action.action_id, result_type=Answer)
