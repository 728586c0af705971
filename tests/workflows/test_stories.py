"""The demo's journeys, whole, against real servers."""

from __future__ import annotations

import pytest

from continuum.demo.stories import STORIES, Story
from tests.conftest import House


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_a_story_ends_as_written(house: House, story: Story) -> None:
    player = house.player(story.name)
    await story.play(player)
    record = await player.record()
    assert (record["stage"], record["status"], record["outcome"]) == (story.stage, "closed", story.outcome)
    assert [r["seq"] for r in record["journal"]] == list(range(1, len(record["journal"]) + 1))
    assert {n["status"] for n in record["notices"]} == {"sent"}
    assert {r["status"] for r in record["replies"]} == {"ready"}
    assert not [t for t in record["tasks"] if t["settled_at"] is None]
