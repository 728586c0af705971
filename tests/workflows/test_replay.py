"""Journeys that are open must survive a change of code: stored histories are replayed with the code of the day."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from care.journey import Stage
from tests.workflows import fingerprints, planted
from tests.workflows.cast import fell_back, stage_of
from tests.workflows.conftest import Season, stages_with
from tests.workflows.record_histories import FOLDER, load, scrubbed
from workflows.connection import data_converter, workflow_runner

FILES = sorted(FOLDER.glob("*.json.gz"))
MOST_BYTES = 1_500_000


def replayer(*changed: type[Any]) -> Replayer:
    """The stages, some of them in another version."""
    return Replayer(workflows=stages_with(*changed), data_converter=data_converter(), workflow_runner=workflow_runner())


def name_of(path: Path) -> str:
    return path.name.removesuffix(".json.gz")


@pytest.mark.parametrize("path", FILES, ids=name_of)
async def test_a_stored_history_replays(path: Path) -> None:
    await replayer().replay_workflow(load(path))


def test_every_stage_and_every_turn_is_stored() -> None:
    stored = {name_of(path): load(path) for path in FILES}
    commands = {name: fingerprints.commands(history) for name, history in stored.items()}
    assert {stage_of(history) for history in stored.values()} == {stage.value for stage in Stage}
    assert commands["re-entry-5-FollowUp"][-1] == "continue as Therapy"
    assert {"update hold", "update resume"} <= set(commands["held-3-Therapy"])
    assert "activity alarm" in commands["red_flag-1-Intake"]
    assert [name for name, history in stored.items() if fell_back(history)] == ["stalled-1-Intake"]
    fallback = commands["stalled-1-Intake"].index("local activity persist (failed)")
    assert commands["stalled-1-Intake"][fallback + 1] == "activity persist"


@pytest.mark.parametrize(
    ("name", "stage"), planted.CHANGED.items(), ids=lambda x: x if isinstance(x, str) else x.__name__
)
async def test_a_change_of_commands_is_found(name: str, stage: type[Any]) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(stage).replay_workflow(load(FOLDER / f"{name}.json.gz"))


async def test_a_change_of_names_is_none() -> None:
    for name in ("red_flag-1-Intake", "back_pain-1-Intake", "asked_back-1-Intake", "stalled-1-Intake"):
        await replayer(planted.Tidied).replay_workflow(load(FOLDER / f"{name}.json.gz"))


@pytest.mark.xdist_group("season")
async def test_what_was_just_played_replays(season: Season) -> None:
    """Also what no stored history has yet."""
    for played in season.played.values():
        for run in played.runs:
            await replayer().replay_workflow(run)


# --- nothing of the machine in them

SOMEWHERE = re.compile(r"(?:^|[\s\"'(:])(?:/[\w.@-]+){2,}|[A-Z]:\\\\|\d+@[A-Za-z]|\.py\b|site-packages")


def words(value: Any) -> list[str]:
    """Every string of a history, payloads decoded."""
    if isinstance(value, dict):
        found = [text for item in value.values() for text in words(item)]
        data = value.get("data")
        return found + ([base64.b64decode(data).decode()] if isinstance(data, str) else [])
    if isinstance(value, list):
        return [text for item in value for text in words(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_stored_history_names_no_machine(path: Path) -> None:
    history = json.loads(gzip.decompress(path.read_bytes()))
    assert scrubbed(history) == history
    encoded = re.compile(r"[A-Za-z0-9+/=]{40,}")
    assert [text for text in words(history) if SOMEWHERE.search(text) and not encoded.fullmatch(text)] == []


def test_the_search_for_machines_finds_them() -> None:
    for planted_ in ("123@box", 'File "/srv/app/workflows/stage.py", line 1', "see /home/somebody/x", "stage.py"):
        assert SOMEWHERE.search(planted_), planted_
    for harmless in ("p-therapist@1", "Asia/Dubai", "json/plain", "low_back_pain@1", "https://example.org/a"):
        assert not SOMEWHERE.search(harmless), harmless


def test_the_stored_histories_are_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES


def test_a_history_is_saved_as_it_was(tmp_path: Path) -> None:
    """What scrubbing leaves out is nothing that a replay looks at, and it is left out."""
    raw = {
        "events": [
            {"x": {"identity": "7@box", "kind": "TASK_QUEUE_KIND_STICKY", "name": "7@box-1", "stackTrace": "/a"}}
        ]
    }
    assert scrubbed(raw) == {
        "events": [{"x": {"identity": "worker", "kind": "TASK_QUEUE_KIND_STICKY", "name": "sticky"}}]
    }
    assert isinstance(load(FILES[0]), WorkflowHistory)
