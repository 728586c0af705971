"""The change-over: a worker of the old build and one of the new on one queue, while journeys go on.

`CONTINUUM_CHANGE_OVER_SECONDS=60` makes it as long as a real one; without it there is one round.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause

from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import intake
from continuum.embedded.folder import Folder
from continuum.embedded.supervisor import worker_environment
from tests.integration.conftest import Town
from tests.integration.test_upgrade_check import HARMLESS, PARTS
from tests.integration.tools import ROOT, environment, until
from tests.thorough import long

pytestmark = [pytest.mark.xdist_group("upgrade"), pytest.mark.timeout(600)]

SECONDS = float(os.environ.get("CONTINUUM_CHANGE_OVER_SECONDS", "0"))
JOURNEYS = 4


def new_build(tree: Path) -> Path:
    """Ours with edits that are harmless: another handler, another label."""
    tree.mkdir()
    copied = {file.split("/")[0] for file, _, _ in HARMLESS}
    for part in PARTS:
        if part in copied:
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tree / part).symlink_to(ROOT / part)
    for file, old, new in HARMLESS:
        path = tree / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    return tree


@asynccontextmanager
async def working(town: Town, tree: Path, ready: Path) -> AsyncIterator[int]:
    """A worker of that build, as a process; its id."""
    await asyncio.to_thread(ready.unlink, missing_ok=True)
    folder = Folder(town.folder)
    settings = {**worker_environment(town.stack.stack, folder), "CONTINUUM_READY_FILE": str(ready)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker"),
        cwd=tree,
        env=environment(**{**settings, "PYTHONPATH": str(tree)}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def is_ready() -> bool:
        assert process.returncode is None, "the new worker has ended"
        return await asyncio.to_thread(ready.exists)

    try:
        await until(is_ready, seconds=60)
        yield process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def begun(town: Town, name: str) -> Player:
    player = town.player(name)
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    return player


async def goes_on(player: Player) -> None:
    """Held for two days, in which its clocks are tended, and taken up again."""
    await player.act("hold", reason="patient_ill", review_on=await player.now() + timedelta(days=9))
    await player.wait(days=2)
    await player.act("resume")


async def tasks_of(player: Player) -> tuple[Counter[str], list[str]]:
    """Who worked on the runs of a journey, and which workflow tasks failed because the code was another."""
    who: Counter[str] = Counter()
    failed: list[str] = []
    async for run in player.client.list_workflows(f"WorkflowId = '{player.journey}'"):
        history = await player.client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        for event in history.events:
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                who[event.workflow_task_completed_event_attributes.identity.partition("@")[0]] += 1
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed.append(WorkflowTaskFailedCause.Name(event.workflow_task_failed_event_attributes.cause))
    return who, failed


@long
async def test_old_and_new_work_side_by_side(town: Town, tmp_path: Path) -> None:
    tree, ready = new_build(tmp_path / "build"), tmp_path / "ready"
    old = town.stack.child("worker").pid
    who: Counter[str] = Counter()
    failed: list[str] = []
    new: set[int] = set()
    ends, number = time.monotonic() + SECONDS, 0
    while number == 0 or time.monotonic() < ends:
        number += 1
        before = [await begun(town, f"before-{number}")]
        async with working(town, tree, ready) as pid:
            new.add(pid)
            during = await asyncio.gather(*(begun(town, f"during-{number}-{n}") for n in range(JOURNEYS)))
        # The new worker has gone: its journeys go on with the old one, as they do when an upgrade is taken back.
        players = [*before, *during]
        await asyncio.gather(*(goes_on(player) for player in players))
        for player in players:
            theirs, went_wrong = await tasks_of(player)
            who += theirs
            failed += went_wrong
            assert [row["kind"] for row in await player.journal()][-2:] == ["on_hold", "resumed"]
    assert not [cause for cause in failed if "NON_DETERMINISTIC" in cause], failed
    assert {str(old)} <= set(who), who
    assert {str(pid) for pid in new} & set(who), f"the new worker did nothing: {who}"
    ran = await town.run("upgrade", "--check", "--json")
    assert ran.json["wedged"] == []
