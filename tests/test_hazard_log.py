"""Every test that the hazard log names exists, and every hazard says all that has to be said of one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOG = (ROOT / "docs" / "safety" / "hazards.md").read_text("utf-8")
PARTS = ("Cause", "Harm", "Judged", "Control", "Shown by", "Left")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests in a file, also of those in classes; none where there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(text: str) -> list[str]:
    return [f"{file}::{name}" for file, name in NAMED.findall(text) if name not in names_in(file)]


def faults(text: str) -> list[str]:
    """What is wrong with the entries of a log."""
    told = []
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    numbers = [entry.split(" ", 1)[0] for entry in entries]
    if numbers != [f"H{n:02}" for n in range(1, len(entries) + 1)]:
        told.append("the hazards are not numbered one after the other")
    for number, entry in zip(numbers, entries, strict=True):
        body = entry.split("\n## ")[0]
        told += [
            f"{number}: no {part}" for part in PARTS if not re.search(rf"^- {part}:(?: |\n  )\S", body, re.MULTILINE)
        ]
        judged = re.search(r"^- Judged: severity (\d), likelihood (\d)\.$", body, re.MULTILINE)
        if judged is None or not all(1 <= int(n) <= 5 for n in judged.groups()):
            told.append(f"{number}: severity and likelihood are 1 to 5")
        shown = re.search(r"^- Shown by:(.*?)^- Left", body, re.MULTILINE | re.DOTALL)
        if shown is not None and not NAMED.search(shown[1]) and "no test yet" not in shown[1]:
            told.append(f"{number}: no test is named, and it does not say that there is none")
    return told


def test_every_test_in_the_log_exists() -> None:
    assert len(NAMED.findall(LOG)) > 60
    assert missing(LOG) == []


def test_every_hazard_says_everything() -> None:
    assert LOG.count("\n### H") >= 25
    assert faults(LOG) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- Left: nothing known.", ""),
        ("severity 5, likelihood 1", "severity 6, likelihood 1"),
        ("### H02", "### H77"),
        ("- Harm: as H23.", "- Harm:"),
    ],
)
def test_a_planted_fault_in_the_log_is_found(old: str, new: str) -> None:
    assert old in LOG
    assert faults(LOG.replace(old, new, 1))


def test_a_test_that_is_gone_is_found() -> None:
    assert missing("`tests/test_hazard_log.py::test_that_was_renamed`")
    assert missing("`tests/test_no_such_file.py::test_x`")
    assert not missing("`tests/test_hazard_log.py::test_a_test_that_is_gone_is_found`")
