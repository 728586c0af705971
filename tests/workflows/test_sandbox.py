"""One sandbox for all runs of a stage: as strict as the SDK's own, and a run can leave nothing in it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from tests.conftest import House
from tests.workflows.forbidden import Forbidden
from workflows.connection import PASSED_THROUGH, workflow_runner

ROOT = Path(__file__).parents[2]
QUEUE = "forbidden"
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
