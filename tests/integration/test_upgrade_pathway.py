"""`continuum pathways migrate`: seen for all journeys, done for one, recorded with both versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer

from activities.content import PathwayLibrary
from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import evaluate, intake
from pathways import loader
from records import journeys
from tests.care.driver import second
from tests.conftest import House
from tests.integration.tools import Ran, command, one_line
from workflows.connection import STAGES, data_converter, workflow_runner

OLD, NEW = "low_back_pain@1", "low_back_pain@2"
DOING = ("--person", "p-therapist", "--note", "The new reviews suit this patient.")


async def treated(house: House, name: str) -> Player:
    player = house.player(name)
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    await evaluate(player, nprs=7, odi=44, psfs=3, start_back="medium")
    return player


async def migrate(house: House, *arguments: str | Path) -> Ran:
    return await command("pathways", "migrate", *arguments, "--dir", house.stack.folder.root)


async def decided(house: House, journey: str) -> dict[str, Any]:
    """What the record holds of a journey, but for its messages: they leave meanwhile."""
    found = await journeys.journey(house.database, "clinic", journey)
    assert found is not None
    return {name: value for name, value in found.items() if name != "notices"}


async def test_seen_and_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    player, other = await treated(house, "migrating"), await treated(house, "staying")
    content = second("low_back_pain")
    known = {**loader.load_all(), ("low_back_pain", 2): content}
    monkeypatch.setattr(loader, "load_all", lambda directory=None: dict(known))
    before = await decided(house, player.journey)

    seen = await migrate(house, OLD, NEW, "--dry-run", "--json")
    assert seen.code in (0, 1), seen
    mine = {one["journey"]: one for one in seen.json}
    assert mine[player.journey]["outcome"] == mine[other.journey]["outcome"] == "can"
    said = {d["about"]: d for d in mine[player.journey]["preview"]["differences"]}
    assert said["follow-up extra"]["then"] == "day 60"
    assert await decided(house, player.journey) == before, "looking changes nothing"
    plain = await migrate(house, OLD, NEW, "--dry-run", "--journey", player.journey)
    assert (plain.code, plain.err) == (0, "")
    assert "days between reviews" in plain.out

    refused = await migrate(house, OLD, NEW, "--journey", player.journey, *DOING, "--role", "coordinator", "--json")
    assert refused.code == 1
    assert (refused.json[0]["outcome"], "clinician" in refused.json[0]["reason"]) == ("refused", True)

    done = await migrate(house, OLD, NEW, "--journey", player.journey, *DOING, "--json")
    assert (done.code, done.json[0]["outcome"]) == (0, "done"), done
    record = await journeys.journey(house.database, "clinic", player.journey)
    assert record is not None
    (row,) = [r for r in record["journal"] if r["kind"] == "pathway_migrated"]
    assert (row["data"]["before"], row["data"]["after"], row["pathway"]) == (OLD, NEW, NEW)
    assert (row["person"], row["role"]) == ("p-therapist", "therapist")
    assert row["note"] in {n["id"] for n in record["notes"]}
    assert record["pathway"] == NEW
    assert {p["id"]: p["body"] for p in record["plans"]} == {p["id"]: p["body"] for p in before["plans"]}
    untouched = await journeys.journey(house.database, "clinic", other.journey)
    assert untouched is not None
    assert untouched["pathway"] == OLD

    replayer = Replayer(workflows=list(STAGES), data_converter=data_converter(), workflow_runner=workflow_runner())
    await replayer.replay_workflow(await player.handle.fetch_history())
    one_line(await migrate(house, OLD, NEW, "--journey", player.journey, *DOING), OLD)
    assert (await player.state())["stage"] == Stage.THERAPY


async def test_mistakes(house: House) -> None:
    one_line(await migrate(house, OLD, "neck_pain@1", "--dry-run"), "two pathways")
    one_line(await migrate(house, OLD, OLD, "--dry-run"), "same version")
    one_line(await migrate(house, "low_back_pain", NEW, "--dry-run"), "low_back_pain@1")
    one_line(await migrate(house, OLD, "low_back_pain@99", "--dry-run"), "99")
    one_line(await migrate(house, "low_back_pain@7", OLD), "--dry-run")


async def test_a_version_is_read_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**loader.load_all(), ("low_back_pain", 2): second("low_back_pain")}
    monkeypatch.setattr(loader, "load_all", lambda directory=None: dict(known))
    library = PathwayLibrary(must_be_signed=False)
    assert (await library.load_pathway(OLD)).label == OLD
    assert (await library.load_pathway(NEW)).label == NEW
    for asked in ("low_back_pain@9", "low_back_pain@", "low_back_pain@x", "nothing@1"):
        with pytest.raises(ApplicationError, match="no such version") as refused:
            await library.load_pathway(asked)
        assert refused.value.type == "UnknownPathway"
    with pytest.raises(ApplicationError) as unsigned:
        await PathwayLibrary(must_be_signed=True).load_pathway(NEW)
    assert unsigned.value.type == "UnsignedPathway"
