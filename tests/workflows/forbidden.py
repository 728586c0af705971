"""Workflows that try what a workflow must not do. A module of its own: the sandbox imports it again."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from temporalio import workflow


@workflow.defn
class Forbidden:
    """Does what it is told, and says whether it could."""

    @workflow.run
    async def run(self, what: str) -> str:
        match what:
            case "now":
                datetime.now(UTC)
            case "time":
                time.time()
            case "random":
                random.random()
            case "open":
                open(__file__).close()  # noqa: ASYNC230, PTH123 - what must be refused
            case "nothing":
                pass
        return "done"
