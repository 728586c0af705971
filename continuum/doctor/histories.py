"""What Temporal knows of a journey, from its histories: they are a second copy of the record.

A history is replayed in this process with the workflow code of this version, which needs no worker. What comes out is
the journey as its workflow has it, and every decision it ever committed, as it handed it to the record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    StartActivityInput,
    StartLocalActivityInput,
    UnsandboxedWorkflowRunner,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from care.commit import Commit
from care.journey import Journey
from workflows.connection import STAGES, data_converter

PERSIST = "persist"
AT_ONCE = 50
"""Histories in memory at one time."""


@dataclass(frozen=True)
class Run:
    """The latest run of a journey's workflow."""

    journey: str
    run: str
    stage: str
    running: bool


@dataclass
class Told:
    """What one run's history tells."""

    began: int = 0
    """The journal's last row when the run began."""
    journey: Journey | None = None
    """As the workflow has it now."""
    commits: list[Commit] = field(default_factory=list)
    """Decisions that the record took, in order."""
    does_not_replay: bool = False
    instance: Any = None

    def settle(self) -> None:
        """Take what is wanted of the workflow, and let go of the rest."""
        if self.instance is not None and not self.does_not_replay:
            self.journey = self.instance.journey
        self.instance = None


async def running(client: Client) -> AsyncIterator[Run]:
    """The latest run of each journey that is open in Temporal."""
    async for run in _listed(client, "ExecutionStatus = 'Running'"):
        yield run


async def ended_since(client: Client, since: str) -> AsyncIterator[Run]:
    """Journeys whose last run has completed since that time (RFC 3339)."""
    async for run in _listed(client, f"ExecutionStatus = 'Completed' AND CloseTime >= '{since}'"):
        yield run


async def _listed(client: Client, query: str) -> AsyncIterator[Run]:
    types = ", ".join(f"'{stage.__name__}'" for stage in STAGES)
    async for found in client.list_workflows(f"{query} AND WorkflowType IN ({types})"):
        is_running = found.status == WorkflowExecutionStatus.RUNNING
        yield Run(found.id, found.run_id, found.workflow_type, is_running)


async def latest(client: Client, journey: str) -> Run | None:
    """The latest run of one journey; None where Temporal knows none."""
    try:
        found = await client.get_workflow_handle(journey).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise
    return Run(journey, found.run_id, found.workflow_type, found.status == WorkflowExecutionStatus.RUNNING)


async def replayed(client: Client, runs: list[Run]) -> dict[str, Told]:
    """What the histories of these runs tell, by journey. A run that has vanished meanwhile is left out."""
    found: dict[str, Told] = {}
    for n in range(0, len(runs), AT_ONCE):
        histories = [h for run in runs[n : n + AT_ONCE] if (h := await _history(client, run)) is not None]
        for history, told in zip(histories, await _replay(histories), strict=True):
            found[history.workflow_id] = told
    return found


async def decisions(client: Client, run: Run, after: int) -> list[Commit]:
    """What a journey decided after that row of its journal, from this run and those before it, in order.

    Raises LookupError where a history is gone or does not replay.
    """
    found: list[Commit] = []
    wanted: str | None = run.run
    while wanted is not None:
        history = await _history(client, Run(run.journey, wanted, run.stage, running=False))
        if history is None:
            raise LookupError("a history of this journey is gone")
        (told,) = await _replay([history])
        if told.does_not_replay:
            raise LookupError("a history of this journey does not replay")
        found = [*(c for c in told.commits if c.seq > after), *found]
        started = history.events[0].workflow_execution_started_event_attributes
        wanted = (started.continued_execution_run_id or None) if told.began > after else None
    return found


async def _history(client: Client, run: Run) -> WorkflowHistory | None:
    try:
        return await client.get_workflow_handle(run.journey, run_id=run.run).fetch_history()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _replay(histories: list[WorkflowHistory]) -> list[Told]:
    told = [Told() for _ in histories]
    for history, into in zip(histories, told, strict=True):
        # One replayer for each: what it tells is then that history's own. No sandbox, so that it can tell.
        replayer = Replayer(
            workflows=STAGES,
            data_converter=data_converter(),
            workflow_runner=UnsandboxedWorkflowRunner(),
            interceptors=[_Listening(into)],
        )
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        into.does_not_replay = result.replay_failure is not None
        into.settle()
    return told


class _Listening(Interceptor):
    """Hears what a workflow decides."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        """See `temporalio.worker.Interceptor`."""
        told = self._told

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, told))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
                told.began = input.args[0].seq
                told.instance = workflow.instance()
                return await super().execute_workflow(input)

        return Inbound


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, told: Told) -> None:
        super().__init__(following)
        self._told = told

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002
        """See `WorkflowOutboundInterceptor`."""
        return self._heard(input.activity, input.args, self.next.start_activity(input))

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:  # noqa: A002
        """See `WorkflowOutboundInterceptor`."""
        return self._heard(input.activity, input.args, self.next.start_local_activity(input))

    def _heard(self, name: str, args: Any, handle: ActivityHandle[Any]) -> ActivityHandle[Any]:
        if name == PERSIST:
            commit = args[0]

            def taken(done: ActivityHandle[Any]) -> None:
                if not done.cancelled() and done.exception() is None and done.result().taken:
                    self._told.commits.append(commit)

            handle.add_done_callback(taken)
        return handle
