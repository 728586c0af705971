"""Moves a journey's own clock to a moment, by the server's time skipping, whatever is killed meanwhile.

The server counts a fast-forward from where the clock is when it is asked, also when it is asked for the same one
again, and carries out what it was asked for whether or not anybody still waits. The SDK repeats a request whose
answer was lost, so its `fast_forward` may go too far: here an attempt that was cut off is stopped before the next.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import FastForwardConfig, TimeSkippingConfig, WorkflowExecution
from temporalio.api.enums.v1.time_skipping_pb2 import FastForwardPollingResult
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionTimeSkippingRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

Handle = WorkflowHandle[Any, Any]
MAX_SKIPS = 5000
ENDED = {
    FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_COMPLETED,
    FastForwardPollingResult.FAST_FORWARD_POLLING_RESULT_FAST_FORWARD_FAILED,  # the workflow ended on the way
}


class Skipper:
    """The clock of one journey."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reader = TimeSkipper(client)
        self._moving = False

    async def now(self, handle: Handle) -> datetime:
        """The journey's own time."""
        return await self._reader.get_current_time(handle)

    async def go_to(self, handle: Handle, target: datetime) -> None:
        """Move the clock on to that moment. May be cut off anywhere, and then repeated."""
        if self._moving:
            await self._set(handle, TimeSkippingConfig(enabled=False))
        left = target - await self.now(handle)
        if left > timedelta(0):
            duration = Duration()
            duration.FromTimedelta(left)
            forward = FastForwardConfig(id=str(uuid.uuid4()), duration=duration)
            self._moving = True
            await self._set(
                handle,
                TimeSkippingConfig(enabled=True, fast_forward_config=forward, max_session_skip_count=MAX_SKIPS),
            )
            await self._arrived(handle, forward.id)
        self._moving = False

    async def _set(self, handle: Handle, config: TimeSkippingConfig) -> None:
        await self._client.workflow_service.update_workflow_execution_options(
            UpdateWorkflowExecutionOptionsRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id),
                workflow_execution_options=WorkflowExecutionOptions(time_skipping_config=config),
                update_mask=FieldMask(paths=["time_skipping_config"]),
                identity=self._client.identity,
            ),
            retry=False,  # `go_to` is what may be repeated
        )

    async def _arrived(self, handle: Handle, forward: str) -> None:
        request = PollWorkflowExecutionTimeSkippingRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),  # of no run: it follows the journey's stages
            fast_forward_id=forward,
        )
        while True:
            answer = await self._client.workflow_service.poll_workflow_execution_time_skipping(request, retry=True)
            if answer.fast_forward_polling_result in ENDED:
                return
