"""`make bench`: content and decisions (`bench.content`), what a year of a journey costs, and how fast an action is
answered, on this machine, now.

Absolute figures differ from machine to machine and from hour to hour; compare ratios from one run only. Nothing
here is a test: there is no threshold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import psutil

from activities.clinics import calendar_of
from bench import content
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records.database import Database
from workflows.connection import connect

SERVICES = ("worker", "temporal", "postgres")


def usage(stack: Supervisor) -> dict[str, tuple[float, float]]:
    """CPU seconds and resident MB of each service, with its children."""
    found = {}
    for name in SERVICES:
        process = psutil.Process(stack.child(name).pid)
        family = [process, *process.children(recursive=True)]
        times = [p.cpu_times() for p in family]
        found[name] = (
            sum(t.user + t.system for t in times),
            sum(p.memory_info().rss for p in family) / 1_000_000,
        )
    return found


async def measure(journeys: int) -> dict[str, Any]:
    """Plays so many years of back pain, one after the other, and a row of quick actions."""
    with temporary_folder() as folder:
        options = Options(folder=folder, migrate=bring_up_to_date, worker_env={}, time_skipping=True)
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            client = await connect(stack.stack.temporal_address)
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())

            def player(name: str) -> Player:
                tenant = EXAMPLE_CLINIC.tenant
                return Player(name, client, database, calendar, tenant=tenant, narrate=lambda who, row: None)

            await stories.back_pain(player("warm-up"))
            before, began = usage(stack), time.monotonic()
            last = player("none")
            for n in range(journeys):
                last = player(f"journey-{n}")
                await stories.back_pain(last)
            wall, after = time.monotonic() - began, usage(stack)
            figures = await _figures(last, before, after, wall, journeys)
            figures["action_ms"] = await _actions(player("quick"))
            await database.close()
            return figures


async def _figures(
    last: Player,
    before: dict[str, tuple[float, float]],
    after: dict[str, tuple[float, float]],
    wall: float,
    journeys: int,
) -> dict[str, Any]:
    history = Counter[str]()
    async for run in last.client.list_workflows(f"WorkflowId = '{last.journey}'"):
        handle = last.client.get_workflow_handle(last.journey, run_id=run.run_id)
        async for event in handle.fetch_history_events():
            history[event.WhichOneof("attributes") or "other"] += 1
    skipped = sum(n for kind, n in history.items() if "skipping" in kind or "options_updated" in kind)
    record = await last.record()
    actions = sum(1 for row in record["journal"] if row["action_id"])
    return {
        "journeys": journeys,
        "seconds_per_journey": round(wall / journeys, 2),
        "cpu_ms_per_journey": {name: round(1000 * (after[name][0] - before[name][0]) / journeys) for name in SERVICES},
        "resident_mb": {name: round(after[name][1]) for name in SERVICES},
        "decisions_per_journey": len({row["action_id"] or row["seq"] for row in record["journal"]}),
        "actions_per_journey": actions,
        "events_per_journey_without_skipping": sum(history.values()) - skipped,
        "workflow_tasks_per_journey": history["workflow_task_completed_event_attributes"],
    }


async def _actions(quick: Player, count: int = 40) -> dict[str, float]:
    """From asking to the confirmed answer, scores recorded one after the other in intake."""
    await quick.refer(referrals.back_pain())
    taken = []
    for n in range(count):
        began = time.perf_counter()
        await quick.act("record_scores", scores={"nprs": n % 11})
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    return {"p50": round(statistics.median(taken), 1), "p95": round(taken[int(0.95 * count)], 1)}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    options = parser.parse_args()
    rows = content.measure()
    if not options.json:
        content.show(rows)
    figures = asyncio.run(measure(options.journeys))
    print(json.dumps({"content": rows, "journeys": figures} if options.json else figures, indent=2))


if __name__ == "__main__":
    main()
