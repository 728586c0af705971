"""A workflow whose first workflow task takes too long, and does not hear that it is to stop."""

from __future__ import annotations

import time

from temporalio import workflow

TOO_LONG = 3.0
"""Seconds; the SDK gives a workflow task two."""

_overran: list[str] = []


def overrun_once(run: str) -> None:
    """As a long collection of garbage does: the interruption comes in a callback whose exceptions are ignored."""
    if run in _overran:
        return
    _overran.append(run)
    until = time.monotonic() + TOO_LONG
    while time.monotonic() < until:
        try:
            time.sleep(0.05)
        except BaseException:
            continue


@workflow.defn
class Overrunning:
    """Answers one update."""

    def __init__(self) -> None:
        self._asked = False

    @workflow.run
    async def run(self) -> str:
        """Until it is asked."""
        await workflow.wait_condition(lambda: self._asked)
        return "done"

    @workflow.update
    async def ask(self) -> str:
        """Too late at first."""
        overrun_once(workflow.info().run_id)
        self._asked = True
        return "answered"
