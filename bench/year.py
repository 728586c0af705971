"""A year of one patient with back pain: twelve visits, five follow-ups, played on the journey's own clock.

What is counted here does not depend on how fast the machine is: history events, workflow tasks, statements and
commits, bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from activities.clinics import calendar_of
from bench.counting import CountingDatabase
from care.journey import Stage
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.embedded.supervisor import Supervisor
from continuum.site import EXAMPLE_CLINIC
from records.database import Database
from workflows.connection import connect

VISITS = 12
FOLLOW_UP_DAYS = (7, 30, 91, 182, 365)
SKIPPER = ("time_skipping", "options_updated")
"""Events that only the playing adds: in real time nobody moves the journey's clock."""
TABLES = (
    "select table_name from information_schema.columns where table_schema = 'continuum' and column_name = 'journey'"
)


async def play(p: Player) -> None:
    """One visit to be evaluated and eleven of the plan; discharged with the goals met, and well for a year."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    plan = await stories.evaluate(p, nprs=8, odi=60, psfs=2, start_back="high")
    for n in range(1, VISITS):
        scores = {"nprs": 8 - n * 7 // (VISITS - 1), "odi": 60 - 48 * n // (VISITS - 1)} if n % 3 == 2 else {}
        if n == VISITS - 1:
            scores |= {"psfs": 8, "home_programme": "independent"}
        await p.visit(after=await p.now() + timedelta(days=3), scores=scores)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await stories.discharge(p)
    for day in FOLLOW_UP_DAYS:
        await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=day, hours=6))
        await p.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 12, "groc": 6, "hep_adherence": 80})
    await p.until_closed()


@dataclass
class Histories:
    """What the runs of one journey left with Temporal."""

    events: Counter[str] = field(default_factory=Counter)
    per_run: list[int] = field(default_factory=list)
    bytes: int = 0
    largest_journey: int = 0

    def add(self, history: WorkflowHistory, size: int, converter: DataConverter) -> None:
        """One run more."""
        kinds = [str(event.WhichOneof("attributes")).removesuffix("_event_attributes") for event in history.events]
        ours = [kind for kind in kinds if not any(word in kind for word in SKIPPER)]
        self.events.update(ours)
        self.per_run.append(len(ours))
        self.bytes += size
        started = history.events[0].workflow_execution_started_event_attributes
        self.largest_journey = max(self.largest_journey, *(len(p.data) for p in started.input.payloads))

    @property
    def total(self) -> int:
        """Events, without those of whoever moved the clock."""
        return sum(self.events.values())


async def histories(p: Player) -> Histories:
    """All runs of a journey, from its intake on."""
    found = Histories()
    async for run in p.client.list_workflows(f"WorkflowId = '{p.journey}'"):
        history = await p.client.get_workflow_handle(p.journey, run_id=run.run_id).fetch_history()
        described = await p.client.get_workflow_handle(p.journey, run_id=run.run_id).describe()
        size = described.raw_description.workflow_execution_info.history_size_bytes
        found.add(history, size, p.client.data_converter)
    return found


async def row_bytes(database: Database, journey: str) -> int:
    """Bytes of all rows of a journey in PostgreSQL, as stored; without indexes and free space."""
    total = 0
    for row in await database.fetch(TABLES):
        table = row["table_name"]
        if not table.startswith("fhir_"):
            total += int(
                await database.value(
                    f"select coalesce(sum(pg_column_size(t.*)), 0) from continuum.{table} t where t.journey = $1",
                    journey,
                )
            )
    return total + int(
        await database.value(
            "select coalesce(sum(pg_column_size(t.*)), 0) from continuum.journey t where t.id = $1", journey
        )
    )


async def measure(stack: Supervisor, counted: CountingDatabase, database: Database) -> dict[str, Any]:
    """Play one year with the worker that writes through `counted`, and count. `database` is the player's own."""
    client = await connect(stack.stack.temporal_address)
    player = Player(
        "a year",
        client,
        database,
        calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date()),
        tenant=EXAMPLE_CLINIC.tenant,
    )
    await play(player)
    found = await histories(player)
    record = await player.record()
    decisions = len({row["action_id"] or row["at"] for row in record["journal"]})
    asked = sum(1 for row in record["journal"] if row["action_id"])
    return {
        "decisions_per_journey": decisions,
        "actions_per_journey": asked,
        "visits_per_journey": sum(1 for v in record["visits"] if v["status"] == "attended"),
        "events_per_journey": found.total,
        "events_per_decision": round(found.total / decisions, 2),
        "max_events_per_run": max(found.per_run),
        "runs_per_journey": len(found.per_run),
        "workflow_tasks_per_journey": found.events["workflow_task_completed"],
        "workflow_tasks_per_decision": round(found.events["workflow_task_completed"] / decisions, 2),
        "history_bytes_per_journey": found.bytes,
        "database_bytes_per_journey": await row_bytes(database, player.journey),
        "journey_largest_at_a_border_bytes": found.largest_journey,
        "event_kinds": dict(found.events.most_common()),
        "statements": dict(counted.statements),
        "commits": dict(counted.commits),
    }
