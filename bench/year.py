"""A year of one patient with back pain: twelve visits, five follow-ups, played on the journey's own clock.

Everybody does in time what they owe. What it costs when they do not is measured beside: the same year with a progress
review and a progress report that nobody sees to until the discharge, of which the lead is told day after day.

What is counted here does not depend on how fast the machine is: history events, workflow tasks, statements and
commits, bytes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHistory

import worker
from activities.clinics import calendar_of
from bench import content
from bench.counting import BESIDE, CountingDatabase
from bench.stack import Bench, bench
from care.journey import Stage
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from continuum.settings import Settings
from continuum.site import EXAMPLE_CLINIC
from records.database import Database

VISITS = 12
BETWEEN_VISITS = timedelta(days=3)
"""And on to the next opening."""
FOLLOW_UP_DAYS = (7, 30, 91, 182, 365)
SKIPPER = ("time_skipping", "options_updated")
"""Events that only the playing adds: in real time nobody moves the journey's clock."""
PERSIST = "persist"
"""The activity that writes a decision."""
TABLES = (
    "select table_name from information_schema.columns where table_schema = 'continuum' and column_name = 'journey'"
)


async def play(p: Player, *, neglected: bool = False) -> None:
    """One visit to be evaluated and eleven of the plan; discharged with the goals met, and well for a year."""
    await p.refer(referrals.back_pain())
    await stories.intake(p, "low_back_pain")
    plan = await stories.evaluate(p, nprs=8, odi=60, psfs=2, start_back="high")
    for n in range(1, VISITS):
        scores: dict[str, Any] = {}
        if n % 3 == 2:
            scores = {"nprs": 8 - n * 7 // (VISITS - 1), "odi": 60 - 48 * n // (VISITS - 1)}
        if n == VISITS - 1:
            scores |= {"psfs": 8, "home_programme": "independent"}
        await p.visit(after=await p.now() + BETWEEN_VISITS, scores=scores)
        if not neglected and n < VISITS - 1:
            await _see_to_what_is_owed(p, plan)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await stories.discharge(p)
    for day in FOLLOW_UP_DAYS:
        await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=day, hours=6))
        await p.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 12, "groc": 6, "hep_adherence": 80})
    await p.until_closed()


async def _see_to_what_is_owed(p: Player, plan: str) -> None:
    """The review and the report that are due before the next visit, by the plan's therapist."""
    soon = await p.now() + BETWEEN_VISITS
    owed = {task["kind"] for task in await p.owed() if task["due_at"] < soon}
    if "review_progress" in owed:
        await p.act("review_progress", "therapist", plan=plan, decision="continue")
    if "progress_report" in owed:
        await p.act("file_progress_report", "therapist", plan=plan)


@dataclass
class Histories:
    """What the runs of one journey left with Temporal."""

    events: Counter[str] = field(default_factory=Counter)
    per_run: list[int] = field(default_factory=list)
    bytes: int = 0
    largest_journey: int = 0

    def add(self, history: WorkflowHistory, size: int) -> None:
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
        found.add(history, size)
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


async def measure() -> dict[str, Any]:
    """Play one year with a worker that counts, and count."""
    async with bench(time_skipping=True) as running:
        settings = Settings(
            smtp_host=running.stack.stack.smtp_host,
            smtp_port=running.stack.stack.smtp_port,
            pathways_must_be_signed=False,
        )
        counted = await CountingDatabase.open(running.stack.dsn("app"), size=settings.database_connections)
        if not isinstance(counted, CountingDatabase):
            raise TypeError
        stop = asyncio.Event()
        async with worker.build(running.client, counted, settings):
            beside = worker.loops(running.client, counted, settings, stop)
            try:
                return await _played(running, counted)
            finally:
                stop.set()
                await asyncio.gather(*beside)
                await counted.close()


def _player(running: Bench, name: str) -> Player:
    calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
    return Player(name, running.client, running.database, calendar, tenant=EXAMPLE_CLINIC.tenant)


async def _played(running: Bench, counted: CountingDatabase) -> dict[str, Any]:
    player = _player(running, "a year")
    await play(player)
    found = await histories(player)
    journal = await running.database.fetch(
        "select action_id is not null as asked from continuum.journal where journey = $1", player.journey
    )
    decisions = counted.calls[PERSIST]
    tasks = found.events["workflow_task_completed"]
    in_activities = sum(n for who, n in counted.statements.items() if who != BESIDE)
    statements = dict(counted.statements)
    commits = counted.commits[PERSIST]
    late = _player(running, "a year of neglect")
    await play(late, neglected=True)
    return {
        "events_per_journey_neglected": (await histories(late)).total,
        "decisions_per_journey": decisions,
        "actions_per_journey": sum(1 for row in journal if row["asked"]),
        "journal_rows_per_journey": len(journal),
        "visits_per_journey": sum(1 for v in (await player.record())["visits"] if v["status"] == "attended"),
        "events_per_journey": found.total,
        "events_per_decision": round(found.total / decisions, 2),
        "max_events_per_run": max(found.per_run),
        "runs_per_journey": len(found.per_run),
        "workflow_tasks_per_journey": tasks,
        "workflow_tasks_per_decision": round(tasks / decisions, 2),
        "commits_per_decision": round(commits / decisions, 2),
        "statements_per_decision": round(in_activities / decisions, 2),
        "history_bytes_per_journey": found.bytes,
        "database_bytes_per_journey": await row_bytes(running.database, player.journey),
        "journey_max_bytes": max(found.largest_journey, content.in_therapy().largest, content.after_surgery().largest),
        "event_kinds": dict(found.events.most_common()),
        "statements": statements,
    }
