"""Somebody says "I am on it" in the very moment in which the next step falls due: one of the two, never both."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from care import ladder
from care.action import Expected
from care.actor import Actor as Person
from care.journey import Stage
from care.task import TASKS, Task
from continuum.demo import referrals as letters
from gateway.acting import ActionRefused, NotConfirmed, perform
from records import journeys
from tests.conftest import House
from tests.thorough import times
from tests.workflows import cast
from tests.workflows.cast import Actor

pytestmark = [pytest.mark.xdist_group("season"), pytest.mark.timeout(400)]

JOURNEYS = 25
RACES = times(8, 20)
TOGETHER = 5
NEAR = timedelta(milliseconds=200)
"""So long before the deadline the journey's clock is set; then it runs by itself, through the race."""


class Race:
    """One journey whose referral nobody answers, and somebody who is always on it at the last moment."""

    def __init__(self, player: Actor) -> None:
        self.player = player
        self.won: Counter[str] = Counter()
        self.acknowledged: list[tuple[int, datetime]] = []
        """Step that was forestalled, and the moment at which it would have been taken."""

    async def run(self) -> None:
        await self.player.refer(letters.back_pain())
        for n in range(RACES):
            task, due = await self._next_step()
            await self.player.wait(until=due - NEAR)
            await asyncio.sleep(secrets.randbelow(2 * NEAR // timedelta(milliseconds=1)) / 1000)
            await self._acknowledge(n, task, due)
        await self.player.act("withdraw", reason="duplicate_referral")
        await self.player.until_closed()

    async def _next_step(self) -> tuple[Task, datetime]:
        """Where the ladder stands, and when its next step falls due."""
        record = await self.player.record()
        (row,) = [t for t in record["tasks"] if t["kind"] == "answer_referral"]
        task = Task(**{**row, "due": row["due_at"]})
        calendar = self.player._calendar
        taken = [r["at"] for r in record["journal"] if r["data"].get("task") == task.id and r["kind"] != "acknowledged"]
        if task.rung == 0:
            due = ladder.moment_of(calendar, task.kind, task.due, TASKS[task.kind].ladder[0])
        else:
            due = ladder.next_step(calendar, task, taken[-1])
        return task, max(due, task.quiet_until) if task.quiet_until else due

    async def _acknowledge(self, n: int, task: Task, due: datetime) -> None:
        player = self.player
        while True:
            try:
                await perform(
                    player.client,
                    player.house.database,
                    journey=player.journey,
                    name="acknowledge_task",
                    data={"task": task.id, "rung": task.rung},
                    actor=Person(person="p-therapist", role="therapist", tenant=player.tenant),
                    action_id=f"race-{n}",
                    expected=Expected(stage=Stage.INTAKE),
                )
            except NotConfirmed:
                continue
            except ActionRefused as refused:
                if refused.kind != "LadderMoved":
                    raise
                self.won["deadline"] += 1
            else:
                self.won["acknowledgement"] += 1
                self.acknowledged.append((task.rung, due))
            return


async def test_acknowledgement_and_deadline_hundreds_of_times(
    house: House, record_property: Callable[[str, object], None]
) -> None:
    turn = asyncio.Semaphore(TOGETHER)

    async def one(n: int) -> Race:
        async with turn:
            race = Race(await cast.actor(house, f"race {n} {secrets.token_hex(3)}"))
            await race.run()
            return race

    races = await asyncio.gather(*(one(n) for n in range(JOURNEYS)))
    won = sum((race.won for race in races), Counter[str]())
    record_property("won", dict(won))
    assert won.total() == JOURNEYS * RACES
    assert min(won["deadline"], won["acknowledgement"]) >= won.total() // 10, f"no race: {won}"
    for race in races:
        await check(race)


async def check(race: Race) -> None:
    record = await journeys.journey(race.player.house.database, race.player.tenant, race.player.journey)
    assert record is not None
    (task,) = [t for t in record["tasks"] if t["kind"] == "answer_referral"]
    rows = [r for r in record["journal"] if r["data"].get("task") == task["id"]]
    steps = [r for r in rows if r["kind"] in ("reminded", "escalated")]
    said = [r for r in rows if r["kind"] == "acknowledged"]
    assert len(steps) == race.won["deadline"] == task["rung"]
    assert len(said) == race.won["acknowledgement"]
    for (rung, due), row in zip(race.acknowledged, said, strict=True):
        assert row["data"]["rung"] == rung
        near = [s for s in steps if abs(s["at"] - due) < timedelta(minutes=30)]
        assert not near, "acknowledged in time, and escalated all the same"
    told = [n for n in record["notices"] if n["escalation"] == task["id"]]
    assert [n["id"] for n in told] == [f"{task['id']}:rung:{n + 1}" for n in range(len(steps))]
