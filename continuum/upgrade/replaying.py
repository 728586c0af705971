"""Open histories, gone through again by the code that runs this command.

A worker that takes a journey up does the same: it makes every decision of the present run anew and holds what it asks
of Temporal against what the history says was asked. Where the two differ, the journey stands still until somebody
brings the old code back. So this is not a model of an upgrade but the upgrade itself, without its effects.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from care.journey import Journey
from continuum.upgrade.histories import histories
from workflows.connection import STAGES, data_converter, workflow_runner


@dataclass(frozen=True)
class Replayed:
    """How the present run of one journey went."""

    journey: str
    stage: str
    events: int
    wedged: str | None
    """Why the journey would stand still, in our own words; None where it goes on."""
    state: Journey | None
    """As this build believes it to be, where it goes on."""
    known: bool = True
    """False for a workflow type that this build does not have. It may be no journey at all."""
    certain: bool = True
    """False where trying again may come out differently: the machine was too busy, or the history grew."""


class _Watch(Interceptor):
    """Keeps the workflow object of each run, so that its journey can be read afterwards."""

    def __init__(self) -> None:
        self.instances: dict[str, Any] = {}

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the SDK's own name
        """See `Interceptor`."""
        instances = self.instances

        class Keep(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
                instances[workflow.info().workflow_id] = workflow.instance()
                return await super().execute_workflow(input)

        return Keep

    def journey(self, id_: str) -> Journey | None:
        """What the run of that id left, once."""
        found = getattr(self.instances.pop(id_, None), "journey", None)
        return found if isinstance(found, Journey) else None


async def replay(client: Client, ids: AsyncIterator[str]) -> AsyncIterator[Replayed]:
    """Go through the present run of each of these journeys. Raises StackError where Temporal does not answer."""
    watch = _Watch()
    replayer = Replayer(
        workflows=list(STAGES),
        data_converter=data_converter(),
        workflow_runner=workflow_runner(),
        interceptors=[watch],
        runtime=_mute(),
    )
    known = {stage.__name__ for stage in STAGES}
    strangers: list[Replayed] = []

    async def ours() -> AsyncIterator[WorkflowHistory]:
        async for history in histories(client, ids):
            if (stage := stage_of(history)) in known:
                yield history
            else:
                strangers.append(_stranger(history, stage))

    with _quiet():
        async with replayer.workflow_replay_iterator(ours()) as results:
            async for result in results:
                while strangers:
                    yield strangers.pop()
                state = watch.journey(result.history.workflow_id)
                yield _replayed(result.history, result.replay_failure, state)
    for stranger in strangers:
        yield stranger


def stage_of(history: WorkflowHistory) -> str:
    """The workflow type of a run."""
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def _stranger(history: WorkflowHistory, stage: str) -> Replayed:
    why = f"this build has no {stage}"
    return Replayed(history.workflow_id, stage, len(history.events), why, None, known=False)


def _replayed(history: WorkflowHistory, failure: Exception | None, state: Journey | None) -> Replayed:
    why, certain = None, True
    if isinstance(failure, workflow.NondeterminismError):
        why = differs(history, str(failure))
    elif failure is not None:
        why, certain = "a step of its course fails in this build, or what its history holds cannot be read", False
    elif state is None:
        why, certain = "this build did not begin it", False
    return Replayed(
        history.workflow_id,
        stage_of(history),
        len(history.events),
        why,
        state if why is None else None,
        certain=certain,
    )


# --- why, in our own words: the SDK's may hold what a payload held

_AT_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_OTHER_TYPE = re.compile(r"type of scheduled event '(\w+)' does not match activity type of activity command '(\w+)'")


def differs(history: WorkflowHistory, said: str) -> str:
    """Where the history and this build part, from what the SDK said of it."""
    if (names := _OTHER_TYPE.search(said)) is not None:
        return f"its history has the activity {names[1]} where this build asks for {names[2]}"
    at = _AT_EVENT.search(said)
    event = next((e for e in history.events if at is not None and e.event_id == int(at[1])), None)
    if event is None:
        return "this build asks for other things, or in another order, than its history says were asked"
    return f"its history has {_words(event)} (event {event.event_id}) where this build asks for something else"


def _words(event: HistoryEvent) -> str:
    match event.event_type:
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return f"the activity {event.activity_task_scheduled_event_attributes.activity_type.name}"
        case EventType.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes.marker_name
            return "a local activity" if marker == "core_local_activity" else f"a marker ({marker})"
        case EventType.EVENT_TYPE_TIMER_STARTED:
            return "a timer"
        case EventType.EVENT_TYPE_TIMER_CANCELED:
            return "the end of a timer"
        case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            return "a change of search attributes"
        case other:
            name = EventType.Name(other).removeprefix("EVENT_TYPE_")
            return f"{name.replace('_', ' ').lower()}"


# --- the SDK prints what failed, with a traceback and what a payload held; we say it ourselves


@functools.cache
def _mute() -> Runtime:
    """One whose core says nothing."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the rest of it print nothing either while histories are gone through."""
    logger = logging.getLogger("temporalio")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
