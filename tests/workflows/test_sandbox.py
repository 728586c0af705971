"""One sandbox for all runs of a stage: as strict as the SDK's own, and a run can leave nothing in it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from tests.conftest import House
from tests.workflows.forbidden import Forbidden
from tests.workflows.overrunning import Overrunning
from workflows.connection import PASSED_THROUGH, workflow_runner

ROOT = Path(__file__).parents[2]
QUEUE = "forbidden"
SLOW = "overrunning"
TRIES = ("now", "time", "random", "open")
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


async def test_what_is_forbidden_stays_forbidden_beside_runs_that_end(house: House) -> None:
    """Runs of one type share a sandbox and run in several threads: one that ends must not open the door for another."""

    async def run(what: str, n: int) -> str:
        return await house.client.execute_workflow(Forbidden.run, what, id=f"{QUEUE}-{what}-{n}", task_queue=QUEUE)

    async with Worker(
        house.client,
        task_queue=QUEUE,
        workflows=[Forbidden],
        workflow_runner=workflow_runner(),
        workflow_failure_exception_types=[Exception],
    ):
        wanted = [(what, n) for n in range(5) for what in (*TRIES, "nothing")]
        came = await asyncio.gather(*(run(what, n) for what, n in wanted), return_exceptions=True)
    for (what, _), result in zip(wanted, came, strict=True):
        if what == "nothing":
            assert result == "done"
        else:
            assert isinstance(result, WorkflowFailureError), f"{what} was allowed"
            assert "Cannot access" in str(result.cause)


async def test_a_run_that_took_too_long_and_was_not_interrupted_goes_on(
    quiet_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Two threads in one run would leave it half taken apart: never evicted, never gone on with, until a restart."""
    client = quiet_house.client
    async with Worker(
        client,
        task_queue=SLOW,
        workflows=[Overrunning],
        workflow_runner=workflow_runner("tests.workflows.overrunning"),
    ):
        handle = await client.start_workflow(Overrunning.run, id=SLOW, task_queue=SLOW)
        async with asyncio.timeout(60):
            assert await handle.execute_update(Overrunning.ask) == "answered"
            assert await handle.result() == "done"
    assert "TMPRL1101" in caplog.text, "it did not take too long"
    assert "tasks remain" not in caplog.text


def _kept(tree: ast.Module) -> Iterator[str]:
    """Names of a module's own that hold something that can change."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if isinstance(value, MUTABLE):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if isinstance(value, MUTABLE):
                yield name
            case ast.FunctionDef(decorator_list=decorators) if any("cache" in ast.unparse(d) for d in decorators):
                yield node.name
    yield from (name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)


def test_modules_of_workflows_keep_nothing_between_runs() -> None:
    """What one run left in a module's variable another would see, and a replay would not."""
    outside = {"connection", "sandbox"}  # not imported by any workflow
    found = {
        f"{path.stem}.{name}"
        for path in (ROOT / "workflows").glob("*.py")
        if path.stem not in outside and f"workflows.{path.stem}" not in PASSED_THROUGH
        for name in _kept(ast.parse(path.read_text("utf-8")))
    }
    assert not found


def test_the_check_sees_what_a_module_keeps() -> None:
    """A module that keeps a list, a cache or a global is found."""
    source = "SEEN = []\nONCE: dict = {}\n@cache\ndef f(): ...\ndef g():\n    global N\n    N = 1\nFIXED = (1, 2)\n"
    assert set(_kept(ast.parse(source))) == {"SEEN", "ONCE", "f", "N"}
