"""What each stage asks of Temporal, for scripted journeys, against what is on record.

A replay finds a change of commands in the paths that some stored history took; this finds it in all that the scripts
take, says what it is, and asks for a deliberate decision: `record_histories.py` says how.
"""

from __future__ import annotations

import pytest

from tests.conftest import House
from tests.workflows import cast, fingerprints, planted
from tests.workflows.conftest import Season, other_company, stages_with

pytestmark = pytest.mark.xdist_group("season")

ADVICE = """

These commands are not those on record, so journeys that are open would not replay.
Meant? Put the change behind workflow.patched(...) (CONTRIBUTING.md), or, where no journey is open, record again and
say why in the commit: .venv/bin/python -m tests.workflows.record_histories
"""


@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_the_commands_are_those_on_record(season: Season, name: str) -> None:
    now = fingerprints.of(season.played)[name]
    changed = fingerprints.changes(fingerprints.read()[name], now)
    if changed:
        pytest.fail(f"{changed}{ADVICE}", pytrace=False)


def test_nothing_else_is_on_record() -> None:
    assert set(fingerprints.read()) == set(cast.SCRIPTS)


async def test_an_unversioned_edit_is_found_and_named(house: House) -> None:
    async with other_company(house, *stages_with(planted.AlarmLater), task_queue="edited"):
        played = await cast.play(house, "red flag", task_queue="edited")
    changed = fingerprints.changes(fingerprints.read()["red flag"], fingerprints.of({"x": played})["x"])
    moved = [line for line in changed.splitlines() if line.startswith(("+I", "-I"))]
    # Nothing is to be alarmed yet when the action is committed, so it is committed the fast way.
    assert sorted(moved) == ["+Intake: local activity persist", "-Intake: activity persist"]


async def test_a_harmless_edit_is_none(house: House) -> None:
    async with other_company(house, *stages_with(planted.Tidied), task_queue="tidied"):
        played = await cast.play(house, "red flag", task_queue="tidied")
    assert fingerprints.changes(fingerprints.read()["red flag"], fingerprints.of({"x": played})["x"]) == ""
