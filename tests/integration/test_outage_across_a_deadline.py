"""Worker and Temporal are dead in the very moment in which a step of a ladder falls due; later it is taken once."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from care import ladder
from care.task import Task
from continuum.demo import referrals as letters
from continuum.embedded.mail import read_mail
from tests.conftest import built
from tests.integration.hands import Hand, forbidden, hand, held_down
from tests.integration.tools import until
from tests.workflows import cast
from tests.workflows.cast import Actor

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.timeout(300)]

KIND = "complete_intake"
NEAR = timedelta(seconds=2)
"""So long before the deadline the journey's clock is set; then it runs by itself, into the outage."""
BEYOND = timedelta(seconds=1)
DIGEST_SECONDS = "1"


class Ladder:
    """The ladder of one task, as the record shows it."""

    def __init__(self, player: Actor) -> None:
        self._player = player

    async def task(self) -> Task:
        (row,) = [t for t in (await self._player.record())["tasks"] if t["kind"] == KIND]
        return Task(**{**row, "due": row["due_at"]})

    async def steps(self) -> list[dict[str, Any]]:
        """What the journal says about it."""
        record, task = await self._player.record(), await self.task()
        return [r for r in record["journal"] if r["data"].get("task") == task.id]

    async def notices(self) -> list[dict[str, Any]]:
        record, task = await self._player.record(), await self.task()
        return [n for n in record["notices"] if n["escalation"] == task.id]

    async def next_step(self) -> datetime:
        """When the step after the last one is due, by the rule."""
        return ladder.next_step(self._player._calendar, await self.task(), (await self.steps())[-1]["at"])


async def test_one_step_is_taken_after_an_outage_and_the_next_keeps_its_distance() -> None:
    """First the owner's reminder, then the supervisor's rung, falls due while nobody runs."""
    async with built() as house, hand(house.stack, CONTINUUM_DIGEST_SECONDS=DIGEST_SECONDS) as worker:
        player = await cast.actor(house, f"outage {secrets.token_hex(3)}")
        await player.refer(letters.back_pain())
        steps = Ladder(player)
        due = (await steps.task()).due
        for taken, kind in enumerate(("reminded", "escalated"), start=1):
            await outage_at(player, worker, due)
            await until(partial(taken_to, steps, taken), seconds=120)
            rows = await steps.steps()
            assert [row["kind"] for row in rows] == ["reminded", "escalated"][:taken]
            assert rows[-1]["kind"] == kind
            assert rows[-1]["at"] > due + BEYOND / 2, "taken before the outage: nothing was put to the test"
            assert rows[-1]["at"] < due + timedelta(minutes=5), "long after the deadline"
            due = await steps.next_step()
            assert due - rows[-1]["at"] >= timedelta(hours=4), "the supervisor four hours of opening time later"
            await player.wait(until=due - timedelta(minutes=1))
            assert len(await steps.steps()) == taken, "the next step did not keep its distance"
            await told_once(steps, taken)
        await player.wait(until=due + timedelta(minutes=1))
        assert (await steps.task()).rung == 3, "the ladder goes on by its table"
        await until(lambda: letters_left_once(player, steps), seconds=60)
        assert forbidden(house.stack.folder.logs) == []


async def outage_at(player: Actor, worker: Hand, due: datetime) -> None:
    """Everything that could take a step is killed just before it is due, and comes back after that."""
    await player.wait(until=due - NEAR)
    worker.kill()
    async with held_down(player.house.stack, "temporal"):
        await asyncio.sleep((NEAR + BEYOND).total_seconds())
    await worker.start()


async def taken_to(steps: Ladder, taken: int) -> bool:
    return (await steps.task()).rung >= taken


async def told_once(steps: Ladder, taken: int) -> None:
    """One notice for each step, under the id that this step has for ever."""
    task = await steps.task()
    assert task.rung == taken
    assert [n["id"] for n in await steps.notices()] == [f"{task.id}:rung:{n + 1}" for n in range(taken)]
    assert [n["template"] for n in await steps.notices()] == ["task_due", "task_escalated"][:taken]


async def letters_left_once(player: Actor, steps: Ladder) -> bool:
    """Each notice by one letter; several may share one."""
    notices = await steps.notices()
    if any(n["status"] != "sent" for n in notices):
        return False
    left = [mail.message_id for mail in read_mail(player.house.stack.folder.mail)]
    assert [left.count(n["message_id"]) for n in notices] == [1] * len(notices)
    return True
