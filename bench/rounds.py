"""Continuum beside the floor, in turn, in rounds of one run: so that what else the machine does hits both alike.

Every round does the same on every side: some people, each with a journey of their own, ask for one thing after the
other as soon as the answer to the last is there (a closed loop), for some seconds. What is compared is always the
two figures of one round.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import WorkflowHandle

from bench.floor.worker import TASK_QUEUE as FLOOR_QUEUE
from bench.floor.workflow import Floor, Start
from bench.stack import Bench, floor_environment
from bench.therapy import NAME, Course, course
from care.action import Answer
from continuum.site import EXAMPLE_CLINIC
from workflows.connection import TASK_QUEUE
from workflows.therapy import Therapy

VISITS = 80
SERVERS = ("temporal", "postgres")

Begin = Callable[[str], Any]


@dataclass(frozen=True)
class Side:
    """One of those compared: its worker, and how a journey of it begins."""

    name: str
    worker: str
    queue: str
    workflow: Any
    begin: Begin


@dataclass(frozen=True)
class Window:
    """What one side did in one round."""

    decisions: int
    seconds: float
    cpu: dict[str, float]
    to_row_ms: list[float]

    @property
    def throughput(self) -> float:
        """Decisions per second."""
        return self.decisions / self.seconds

    def cpu_ms(self, *services: str) -> float:
        """CPU milliseconds of these services per decision."""
        return 1000 * sum(self.cpu[name] for name in services) / self.decisions

    def percentile(self, share: float) -> float:
        """Of the time from asking to the row."""
        ordered = sorted(self.to_row_ms)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def sides(work: Course) -> tuple[Side, ...]:
    """Continuum and the floor."""

    def bare(journey: str) -> Start:
        return Start(journey=journey, tenant=EXAMPLE_CLINIC.tenant, named=NAME, due=work.due)

    return (
        Side("continuum", "worker", TASK_QUEUE, Therapy, work.begun),
        Side("floor", "floor", FLOOR_QUEUE, Floor, bare),
    )


async def start_workers(bench: Bench, work: Course) -> None:
    """Continuum's own worker and the floor's."""
    await bench.start("worker", "worker")
    await bench.start("floor", "bench.floor.worker", **floor_environment(bench.stack.folder.root, work))


async def begin(bench: Bench, side: Side, names: Sequence[str]) -> list[WorkflowHandle[Any, Any]]:
    """Start journeys in therapy."""
    await bench.add_journeys(names)
    starting = (
        bench.client.start_workflow(side.workflow.run, side.begin(name), id=name, task_queue=side.queue)
        for name in names
    )
    return list(await asyncio.gather(*starting))


async def window(bench: Bench, side: Side, work: Course, *, people: int, seconds: float, tag: str) -> Window:
    """One side's turn in one round. The first deed of each journey warms it up and is not counted."""
    names = [f"{tag}x{n}" for n in range(people)]
    handles = await begin(bench, side, names)
    asked: dict[tuple[str, str], float] = {}

    async def do(handle: WorkflowHandle[Any, Any], n: int) -> str:
        action = work.deeds[n].for_journey(handle.id)
        asked[handle.id, action.action_id] = time.time()
        await handle.execute_update(
            work.deeds[n].name, action, id=f"{action.action_id}:{handle.id}", result_type=Answer
        )
        return action.action_id

    await asyncio.gather(*(do(handle, 0) for handle in handles))
    asked.clear()
    answered: list[tuple[str, str]] = []
    services = (side.worker, *SERVERS)
    before = {name: bench.usage(name).cpu for name in services}
    began = time.monotonic()

    async def person(handle: WorkflowHandle[Any, Any]) -> None:
        for n in range(1, len(work.deeds)):
            if time.monotonic() - began >= seconds:
                return
            answered.append((handle.id, await do(handle, n)))
        raise LookupError("the course is too short for a machine so fast")

    await asyncio.gather(*(person(handle) for handle in handles))
    took = time.monotonic() - began
    cpu = {name: bench.usage(name).cpu - before[name] for name in services}
    written = await bench.database.fetch(
        "select journey, action_id, recorded_at from continuum.journal where journey = any($1)", names
    )
    rows = {(r["journey"], r["action_id"]): r["recorded_at"].timestamp() for r in written}
    to_row = [1000 * (rows[one] - asked[one]) for one in answered]
    for handle in handles:
        await handle.terminate("measured")
    return Window(len(answered), took, cpu, to_row)


def ratios(ours: Sequence[Window], theirs: Sequence[Window], of: Callable[[Window], float]) -> dict[str, float]:
    """Of the pairs of all rounds: the median, the smallest and the largest."""
    found = [of(a) / of(b) for a, b in zip(ours, theirs, strict=True)]
    return {
        "median": round(statistics.median(found), 3),
        "least": round(min(found), 3),
        "most": round(max(found), 3),
    }


async def measure(bench: Bench, *, rounds: int, people: Sequence[int], seconds: float) -> dict[str, Any]:
    """All rounds; for each number of people at once the figures of every side, and the ratios of the pairs."""
    work = course(datetime.now(UTC), VISITS)
    await start_workers(bench, work)
    return {f"at_{crowd}": await _compare(bench, work, rounds, crowd, seconds) for crowd in people}


async def _compare(bench: Bench, work: Course, rounds: int, people: int, seconds: float) -> dict[str, Any]:
    all_sides = sides(work)
    found: dict[str, list[Window]] = {side.name: [] for side in all_sides}
    for n in range(rounds + 1):
        for side in all_sides:
            tag = f"{side.name.replace('_', '')}{people}r{n}"
            span = seconds if n else min(seconds, 2.0)
            one = await window(bench, side, work, people=people, seconds=span, tag=tag)
            if n:  # the first round warms up
                found[side.name].append(one)
    ours = found["continuum"]
    return {
        "sides": {side.name: summary(found[side.name], side.worker) for side in all_sides},
        **{
            f"to_{name}": {
                "throughput": ratios(ours, found[name], lambda w: w.throughput),
                "worker_cpu": _cpu_ratios(ours, found[name]),
                "decision_to_row_p50": ratios(ours, found[name], lambda w: w.percentile(0.5)),
                "decision_to_row_p95": ratios(ours, found[name], lambda w: w.percentile(0.95)),
            }
            for name in found
            if name != "continuum"
        },
    }


def _cpu_ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> dict[str, float]:
    return ratios(ours, theirs, lambda w: w.cpu_ms(*(name for name in w.cpu if name not in SERVERS)))


def summary(windows: Sequence[Window], worker: str) -> dict[str, float]:
    """One side's figures, each the median of all rounds."""

    def median(of: Callable[[Window], float], digits: int = 1) -> float:
        return round(statistics.median(of(w) for w in windows), digits)

    return {
        "decisions_per_second": median(lambda w: w.throughput),
        "worker_cpu_ms_per_decision": median(lambda w: w.cpu_ms(worker), 2),
        "temporal_cpu_ms_per_decision": median(lambda w: w.cpu_ms("temporal"), 2),
        "postgres_cpu_ms_per_decision": median(lambda w: w.cpu_ms("postgres"), 2),
        "decision_to_row_p50_ms": median(lambda w: w.percentile(0.5)),
        "decision_to_row_p95_ms": median(lambda w: w.percentile(0.95)),
    }
