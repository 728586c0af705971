"""The pages of docs/reference/ say what the code says."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from care.action import ACTIONS
from care.task import TASKS
from workflows.connection import STAGES

DOCS = Path(__file__).parents[1] / "docs"
PAGES: Callable[[], dict[str, str]] = runpy.run_path(str(DOCS / "make_reference.py"))["pages"]


@pytest.mark.parametrize(
    "page", ["actions.md", "caseload.md", "clocks.md", "directory.md", "notices.md", "rules.md", "settings.md"]
)
def test_the_reference_is_current(page: str) -> None:
    assert (DOCS / "reference" / page).read_text("utf-8") == PAGES()[page], "run: python docs/make_reference.py"


def test_every_page_is_compared() -> None:
    assert {path.name for path in (DOCS / "reference").glob("*.md")} == set(PAGES())


def test_every_action_can_be_done_somewhere_and_every_task_can_be_settled() -> None:
    assert all(any(hasattr(stage, action) for stage in STAGES) for action in ACTIONS)
    assert all(set(rule.actions) <= set(ACTIONS) for rule in TASKS.values())
