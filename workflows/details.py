"""The card of a journey is drawn when somebody looks, not with every decision: few of them are ever looked at.

Temporal's UI asks a workflow for its current details by a query of its own, which interceptors see like any other.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from temporalio import workflow
from temporalio.worker import (
    HandleQueryInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

METADATA = "__temporal_workflow_metadata"
"""By this query the UI learns a workflow's handlers and its current details."""


@runtime_checkable
class HasDetails(Protocol):
    """A workflow that has something to show."""

    def details(self) -> str:
        """Markdown, as things stand."""
        ...


class Details(Interceptor):
    """Answers with what the workflow shows now."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        """See `temporalio.worker.Interceptor`."""
        return _Drawing


class _Drawing(WorkflowInboundInterceptor):
    async def handle_query(self, input: HandleQueryInput) -> Any:  # noqa: A002 - the SDK's name
        answer = await super().handle_query(input)
        if input.query == METADATA and isinstance(shows := workflow.instance(), HasDetails):
            answer.current_details = shows.details()
        return answer
