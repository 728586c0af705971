"""The house: who may import whom, downwards only, and a core of care that touches nothing.

    gateway, worker, continuum  ->  workflows, activities  ->  records, channels, pathways  ->  care

Read from the source with `ast`, so that an import inside a function or for the type checker counts as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = (
    ("care",),
    ("records", "channels", "pathways"),
    ("workflows", "activities"),
    ("gateway", "worker", "continuum"),
)
FLOOR = {name: n for n, floor in enumerate(FLOORS) for name in floor}
TOP = len(FLOORS) - 1

SIGNATURES = "activities.signatures"
"""All that workflows may know of activities: what is behind it brings a database driver into the sandbox."""

WORKFLOWS_MAY = ("care", "workflows", SIGNATURES)

NOT_IN_CARE = {
    "asyncio",
    "asyncpg",
    "httpx",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "structlog",
    "subprocess",
    "sys",
    "temporalio",
    "time",
    "uuid",
    "yaml",
}
CLOCKS = {"now", "utcnow", "today"}


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Every module of ours under a folder: its dotted name, and what is in it."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in FLOOR:
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield name, ast.parse(path.read_text("utf-8"), str(path))


def imported(module: str, tree: ast.Module, *, package: bool = False) -> Iterator[tuple[str, int]]:
    """What a module imports, by dotted name, however it says it, and on which line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                near = parts[: len(parts) - node.level + package]
                base = ".".join([*near, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value, node.lineno


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def violations(root: Path) -> list[str]:
    """Every import, and in care every look at a clock, that the house forbids."""
    found = []
    for module, tree in modules(root):
        package = (root / Path(*module.split(".")) / "__init__.py").is_file()
        for name, line in imported(module, tree, package=package):
            if (why := _forbidden(module, name)) is not None:
                found.append(f"{module}:{line} imports {name}: {why}")
        if module.split(".")[0] == "care":
            found += [f"{module}:{line} asks the machine for the time" for line in _clocks(tree)]
    return found


def _forbidden(module: str, name: str) -> str | None:
    above, below = module.split(".")[0], name.split(".")[0]
    if above == "care" and below in NOT_IN_CARE:
        return "care is pure"
    if below not in FLOOR or above == below:
        return None
    if FLOOR[below] > FLOOR[above]:
        return "upwards"
    if above == "workflows" and not any(name == may or name.startswith(f"{may}.") for may in WORKFLOWS_MAY):
        return "workflows reach nothing but care and the signatures of activities"
    if FLOOR[below] == FLOOR[above] < TOP and name.removesuffix(".*") != SIGNATURES and above != "workflows":
        return "sideways"
    return None


def _clocks(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            owner = node.value
            last = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if last in ("datetime", "date", "dt"):
                yield node.lineno


def test_all_of_the_house_is_read() -> None:
    read = {module for module, _ in modules(ROOT)}
    assert {module.split(".")[0] for module in read} == set(FLOOR)
    assert len(read) > 60
    assert {"care.steps.follow_up", "workflows.stage", "worker", "care"} <= read


def test_imports_go_downwards_only() -> None:
    assert violations(ROOT) == []


PLANTED = [
    ("care/rules/gates.py", "from records.database import Database", "upwards"),
    ("care/x.py", "import temporalio.workflow", "care is pure"),
    ("care/x.py", "def f():\n    from os import path", "care is pure"),
    ("care/x.py", "import time", "care is pure"),
    ("care/x.py", "from random import choice", "care is pure"),
    ("care/x.py", "import datetime\nnow = datetime.datetime.now()", "asks the machine"),
    ("care/x.py", "from datetime import date\nnow = date.today", "asks the machine"),
    ("care/rules/x.py", "from worker import main", "upwards"),
    ("care/x.py", "import importlib\nimportlib.import_module('workflows.stage')", "upwards"),
    ("records/x.py", "from activities.records import Persist", "upwards"),
    ("records/x.py", "import channels.mail", "sideways"),
    ("pathways/loader.py", "from gateway import acting", "upwards"),
    ("workflows/x.py", "from activities.records import PostgresRecords", "signatures"),
    ("workflows/x.py", "from activities import summary", "signatures"),
    ("workflows/x.py", "import records.database", "signatures"),
    ("workflows/x.py", "from channels.mail import Mail", "signatures"),
    ("workflows/x.py", "if TYPE_CHECKING:\n    from pathways import load", "signatures"),
    ("activities/x.py", "from workflows.stage import StageWorkflow", "sideways"),
    ("activities/x.py", "from gateway.acting import perform", "upwards"),
    ("workflows/x.py", "from worker import main", "upwards"),
]


@pytest.mark.parametrize(("path", "source", "why"), PLANTED, ids=[f"{p[0]}: {p[1].splitlines()[-1]}" for p in PLANTED])
def test_a_planted_violation_is_caught(tmp_path: Path, path: str, source: str, why: str) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source + "\n", "utf-8")
    (found,) = violations(tmp_path)
    assert why in found
    assert found.startswith(f"{path.removesuffix('.py').replace('/', '.')}:")


ALLOWED = [
    ("worker.py", "from activities.records import PostgresRecords\nfrom continuum import settings\nimport care"),
    ("gateway/x.py", "from workflows.connection import connect\nfrom records import journeys\nimport time"),
    (
        "workflows/x.py",
        "from activities.signatures import Records\nfrom activities import signatures",
    ),
    (
        "activities/x.py",
        "from activities.signatures import Records\nfrom pathways import load\nfrom care import gate",
    ),
    ("care/x.py", "from datetime import datetime, timedelta\nfrom care.gate import Facts\nfrom . import gate"),
]


@pytest.mark.parametrize(("path", "source"), ALLOWED, ids=[p for p, _ in ALLOWED])
def test_what_the_house_allows_is_allowed(tmp_path: Path, path: str, source: str) -> None:
    allowed = tmp_path / path
    allowed.parent.mkdir(parents=True, exist_ok=True)
    allowed.write_text(source + "\n", "utf-8")
    assert violations(tmp_path) == []
