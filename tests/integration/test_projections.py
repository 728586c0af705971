"""The model, the journal and the projections agree, after any sequence of actions, clocks and outages.

Each random walk of `tests/care/test_care_always.py` leaves its decisions; they are written into a real PostgreSQL, some
of them twice, and what stands there is compared with the journey in memory.
"""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any, ClassVar

import asyncpg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from care.commit import next_due, overdue, waiting_on
from records import decisions
from tests.care.driver import Driver
from tests.care.test_care_always import Walk
from tests.conftest import House
from tests.thorough import times

WALKS = times(40, 150)
STEPS = 30
REPEATED = 5
"""Every so many decisions one is written again, as after a lost answer."""


class Written(Walk):
    """A walk whose decisions are written down; see the module."""

    dsn: ClassVar[str]
    rows: ClassVar[int] = 0

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "driver"):
            Written.rows += asyncio.run(compare(self.dsn, self.driver))


async def test_model_journal_and_projections_agree(quiet_house: House) -> None:
    Written.dsn = quiet_house.stack.dsn("app")
    limits = settings(
        max_examples=WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
    await asyncio.to_thread(run_state_machine_as_test, Written, settings=limits)
    assert Written.rows > WALKS * 5


async def compare(dsn: str, driver: Driver) -> int:
    """Write it all within a transaction that is rolled back, and look. Returns the number of journal rows."""
    connection = await asyncpg.connect(dsn)
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    try:
        transaction = connection.transaction()
        await transaction.start()
        for n, commit in enumerate(driver.commits):
            for _ in range(2 if n % REPEATED == 0 else 1):
                await connection.execute("select continuum.commit_decision($1)", decisions.rows(commit))
        await journal_is_the_models(connection, driver)
        await projections_are_the_models(connection, driver)
        await transaction.rollback()
    finally:
        await connection.close()
    return len(driver.journal)


async def journal_is_the_models(connection: asyncpg.Connection, driver: Driver) -> None:
    rows = await connection.fetch("select * from continuum.journal where journey = $1 order by seq", driver.journey.id)
    assert [r["seq"] for r in rows] == list(range(1, driver.journey.seq + 1))
    found = [(r["kind"], r["stage"], r["text"], r["at"], r["person"], r["action_id"]) for r in rows]
    assert found == [(e.kind, e.stage, e.text, e.at, e.actor.person, e.action_id) for e in driver.journal]


async def projections_are_the_models(connection: asyncpg.Connection, driver: Driver) -> None:
    journey, last = driver.journey, driver.commits[-1].at

    async def of(table: str) -> dict[str, dict[str, Any]]:
        key = "id" if table == "journey" else "journey"
        found = await connection.fetch(f"select * from continuum.{table} where {key} = $1", journey.id)
        return {row["id"]: dict(row) for row in found}

    head = (await of("journey"))[journey.id]
    assert (head["stage"], head["status"], head["outcome"], head["seq"]) == (
        journey.stage,
        journey.status,
        journey.outcome,
        journey.seq,
    )
    assert (head["waiting_on"], head["next_due_at"], head["overdue"]) == (
        waiting_on(journey),
        next_due(journey),
        overdue(journey, last),
    )
    assert (head["last_state"] is not None) == (journey.status == "closed")

    tasks = await of("task")
    stands = {t.id: (t.owner, t.due, t.rung, t.quiet_until) for t in journey.open_tasks}
    assert {
        i: (t["owner"], t["due_at"], t["rung"], t["quiet_until"]) for i, t in tasks.items() if not t["settled_at"]
    } == stands
    assert all(t["outcome"] for t in tasks.values() if t["settled_at"])

    visits = await of("visit")
    assert {i for i, v in visits.items() if v["status"] == "booked"} == {v.id for v in journey.visits}
    plans = await of("plan")
    assert {i: (p["status"], p["visits_attended"]) for i, p in plans.items()} == {
        p.id: (p.status, p.visits_attended) for p in journey.plans
    }
    scores = await of("score")
    assert {i: scores[i]["in_error"] for i in (s.id for s in journey.scores)} == {
        s.id: s.in_error for s in journey.scores
    }
    notices = await of("notice")
    assert set(notices) == {n.id for n in driver.notices}
    assert {i for i, n in notices.items() if n["status"] == "stopped"} >= {
        s.id for c in driver.commits for s in c.stopped
    }
    assert len(await of("reply")) == len(driver.replies)
    assert isinstance(head["at"], datetime)
