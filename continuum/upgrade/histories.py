"""The histories of what is open here, read from Temporal one after the other, a few ahead of whoever reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from continuum.embedded.folder import StackError
from workflows.connection import TASK_QUEUE

OPEN = f"TaskQueue = '{TASK_QUEUE}' and ExecutionStatus = 'Running'"
AHEAD = 8
"""So many histories are asked for at once, and held at most."""
PAGE = 500


async def open_journeys(client: Client) -> AsyncIterator[str]:
    """The id of everything that runs on our queue, each once. Raises StackError where Temporal does not answer."""
    seen: set[str] = set()
    try:
        async for run in client.list_workflows(OPEN, page_size=PAGE):
            if run.id not in seen:  # one that has just gone on to its next stage may be listed twice
                seen.add(run.id)
                yield run.id
    except RPCError as error:
        raise _silent(error) from None


async def count_open(client: Client) -> int:
    """About how many there are. Raises StackError."""
    try:
        return (await client.count_workflows(OPEN)).count
    except RPCError as error:
        raise _silent(error) from None


async def histories(client: Client, ids: AsyncIterator[str]) -> AsyncIterator[WorkflowHistory]:
    """The present run of each, in their order. One that is gone by now is left out. Raises StackError."""
    asked: deque[asyncio.Task[WorkflowHistory | None]] = deque()
    try:
        async for id_ in ids:
            asked.append(asyncio.create_task(_history(client, id_)))
            if len(asked) >= AHEAD and (found := await asked.popleft()) is not None:
                yield found
        while asked:
            if (found := await asked.popleft()) is not None:
                yield found
    finally:
        for task in asked:
            task.cancel()


async def _history(client: Client, id_: str) -> WorkflowHistory | None:
    try:
        return await client.get_workflow_handle(id_).fetch_history()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise _silent(error) from None


def _silent(error: RPCError) -> StackError:
    return StackError(f"Temporal does not answer ({error.status.name}); nothing was changed: try again")
