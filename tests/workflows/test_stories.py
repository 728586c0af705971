"""The demo's journeys, whole, against real servers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.service import RPCError, RPCStatusCode

from continuum.demo import referrals
from continuum.demo.repertoire import STORIES
from continuum.demo.stories import Story
from tests.conftest import House


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_a_story_ends_as_written(house: House, story: Story) -> None:
    player = house.player(story.name)
    await story.play(player)
    record = await player.record()
    assert (record["stage"], record["status"], record["outcome"]) == (story.stage, "closed", story.outcome)
    assert [r["seq"] for r in record["journal"]] == list(range(1, len(record["journal"]) + 1))
    # A reminder of what is settled before its digest leaves is not sent.
    undone = [n for n in record["notices"] if n["status"] != "sent"]
    assert all((n["status"], n["reason"]) == ("stopped", "settled before it was sent") for n in undone)
    assert {r["status"] for r in record["replies"]} == {"ready"}
    assert not [t for t in record["tasks"] if t["settled_at"] is None]


async def test_a_clock_stops_where_it_was_sent_also_when_the_answer_was_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = house.player("lost answer")
    await player.refer(referrals.back_pain())
    service = player.client.workflow_service
    ask = service.update_workflow_execution_options
    lost: list[Any] = []

    async def losing(request: Any, *, retry: bool, **options: Any) -> Any:
        """The first answer is lost; the SDK would ask again by itself where it may."""
        answer = await ask(request, retry=retry, **options)
        if lost:
            return answer
        lost.append(answer)
        if not retry:
            raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
        await asyncio.sleep(0.3)
        return await ask(request, retry=retry, **options)

    monkeypatch.setattr(service, "update_workflow_execution_options", losing)
    target = await player.now() + timedelta(days=40)
    await player.wait(until=target)
    assert lost
    assert timedelta(0) <= await player.now() - target < timedelta(hours=1)
    await player.act("withdraw", reason="patient_declined")
    await player.until_closed()
