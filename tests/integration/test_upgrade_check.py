"""`continuum upgrade --check` on a live folder, run by builds that differ from the one that wrote the histories."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.stories import evaluate, intake
from continuum.upgrade.surroundings import unknown_settings
from records import journeys
from tests.integration.conftest import Town
from tests.integration.tools import ROOT, Ran, command, environment, is_calm, one_line
from tests.thorough import long

pytestmark = pytest.mark.xdist_group("upgrade")

PARTS = ("activities", "care", "channels", "continuum", "gateway", "pathways", "records", "workflows", "worker.py")
Edit = tuple[str, str, str]
"""A file, words that are in it once, and what stands there instead."""


@dataclass(frozen=True)
class Open:
    """Journeys that are open, in several stages."""

    intake: str
    alarmed: str
    """In intake, with a red flag that nobody has handled."""
    therapy: str


@pytest.fixture(scope="module")
async def journeys_open(town: Town) -> Open:
    waiting = await town.begin("upgrade-intake.json")
    alarmed = town.player("upgrade-alarmed")
    await alarmed.refer(referrals.back_pain())
    await alarmed.act("screen", answers={"bladder_new": True})
    therapy = town.player("upgrade-treated")
    await therapy.refer(referrals.back_pain())
    await intake(therapy, "low_back_pain")
    await evaluate(therapy, nprs=7, odi=44, psfs=3, start_back="medium")
    return Open(waiting, alarmed.journey, therapy.journey)


@pytest.fixture
def build(town: Town, tmp_path: Path) -> Callable[..., Any]:
    """Another build, made of ours by edits; it checks the town."""

    async def check(*edits: Edit) -> Ran:
        tree = tmp_path / "build"
        tree.mkdir()
        copied = {file.split("/")[0] for file, _, _ in edits}
        for part in PARTS:
            if part in copied:
                shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (tree / part).symlink_to(ROOT / part)
        for file, old, new in edits:
            text = (tree / file).read_text("utf-8")
            assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
            (tree / file).write_text(text.replace(old, new), "utf-8")
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "continuum", "upgrade", "--check", "--json", "--dir", str(town.folder)),
            cwd=tree,
            env=environment(PYTHONPATH=str(tree)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(started.communicate(), 100)
        assert started.returncode is not None
        return Ran(started.returncode, out.decode(), err.decode())

    return check


def by_journey(ran: Ran, kind: str) -> dict[str, dict[str, Any]]:
    return {one["journey"]: one for one in ran.json[kind]}


ALARM_LATER: tuple[Edit, ...] = (
    ("workflows/stage.py", "            self.raise_alarms(action)\n", ""),
    (
        "workflows/stage.py",
        "        done.set_result(answer)\n",
        "        self.raise_alarms(action)\n        done.set_result(answer)\n",
    ),
)
"""A red flag's alarm after the commit: two activities in another order."""

HARMLESS: tuple[Edit, ...] = (
    (
        "workflows/common_actions.py",
        '    @workflow.update(description="End the hold; paused clocks go on.")\n',
        "    @workflow.signal\n    async def stroll(self) -> None:\n"
        '        """A new handler."""\n        self.strolled = True\n\n'
        '    @workflow.update(description="End the hold; paused clocks go on.")\n',
    ),
    ("care/task.py", '"Complete the intake",', '"Make the intake complete",'),
)

OTHER_TERMS: tuple[Edit, ...] = (
    (
        "care/task.py",
        '        "Complete the intake",\n        "intake",\n        1,\n',
        '        "Complete the intake",\n        "front_desk",\n        3,\n',
    ),
)
"""The intake is owed by others, and later."""


async def test_the_build_that_runs_changes_nothing(town: Town, journeys_open: Open) -> None:
    ran = await town.run("upgrade", "--check", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["harmless"] is True
    assert ran.json["clean"] >= 3
    assert (ran.json["wedged"], ran.json["changed"]) == ([], [])
    assert ran.json["migrations"] == {"pending": [], "newer": [], "edited": []}
    plain = await town.run("upgrade", "--check")
    assert plain.code == 0
    assert "Harmless" in plain.out


async def test_activities_in_another_order_are_found_and_named(build: Callable[..., Any], journeys_open: Open) -> None:
    ran = await build(*ALARM_LATER)
    is_calm(ran)
    assert (ran.code, ran.err) == (1, "")
    wedged = by_journey(ran, "wedged")
    assert wedged[journeys_open.alarmed]["stage"] == "Intake"
    assert "persist" in wedged[journeys_open.alarmed]["why"]
    assert not {journeys_open.intake, journeys_open.therapy} & set(wedged)


async def test_a_new_handler_and_another_label_pass(build: Callable[..., Any], journeys_open: Open) -> None:
    ran = await build(*HARMLESS)
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["harmless"] is True
    assert ran.json["clean"] >= 3


@long
async def test_other_dates_and_owners_are_said_task_by_task(
    town: Town, build: Callable[..., Any], journeys_open: Open
) -> None:
    ran = await build(*OTHER_TERMS)
    assert (ran.code, ran.err) == (1, "")
    assert ran.json["wedged"] == []
    changed = by_journey(ran, "changed")
    assert journeys_open.therapy not in changed, "what an earlier stage decided stands as it was decided"
    owed = {r["kind"]: r for r in await journeys.open_tasks(town.database, "clinic", journeys_open.intake)}
    task = owed["complete_intake"]
    found = {(c["about"], c["what"]): c for c in changed[journeys_open.intake]["changes"]}
    assert found[task["id"], "owner"]["recorded"] == "queue:intake"
    assert found[task["id"], "owner"]["then"] == "queue:front_desk"
    assert found[task["id"], "due"]["recorded"] == task["due_at"].isoformat(timespec="seconds")
    assert found[task["id"], "due"]["then"] > found[task["id"], "due"]["recorded"]
    assert {about for about, what in found if what == "due"} == {task["id"]}
    assert (f"task {task['id']}", "clock") in found, "its ladder begins later too"


@long
async def test_a_stage_that_is_gone_is_named(build: Callable[..., Any], journeys_open: Open) -> None:
    ran = await build(
        ("workflows/connection.py", "(Intake, Referral, Therapy,", "(Intake, Referral,"),
    )
    assert ran.code == 1
    assert by_journey(ran, "wedged")[journeys_open.therapy]["why"] == f"this build has no {Stage.THERAPY}"
    assert journeys_open.intake not in by_journey(ran, "wedged")


async def test_a_setting_that_this_build_does_not_read_is_named(
    town: Town, journeys_open: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTINUUM_DIGEST_SECOND", "5")
    told = await town.run("upgrade", "--check", "--json")
    assert told.code == 1
    assert told.json["settings"] == [{"name": "CONTINUUM_DIGEST_SECOND", "close": "CONTINUUM_DIGEST_SECONDS"}]


def test_every_variable_that_we_deploy_with_is_known() -> None:
    files = [ROOT / "docker-compose.yml", *(f for f in (ROOT / "deploy").rglob("*") if f.suffix in (".yml", ".yaml"))]
    named = {name for file in files for name in re.findall(r"CONTINUUM_[A-Z0-9_]+", file.read_text("utf-8"))}
    assert len(named) > 20
    assert unknown_settings(named) == []


async def test_mistakes(town: Town, tmp_path: Path) -> None:
    one_line(await town.run("upgrade"), "--check")
    one_line(await command("upgrade", "--check", "--dir", tmp_path / "nowhere"))
