"""Whether this worker is connected and takes work: the service itself says when it was last asked by us.

The ready file (`CONTINUUM_READY_FILE`) is there only as long as that is so: a container's health check looks for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.service import RPCError

from continuum.embedded.ready import ready_file_gone, touch_ready_file
from continuum.metrics.names import PREFIX, WORKER_POLLING

log = structlog.get_logger(__name__)

EVERY_SECONDS = 10.0
FIRST_SECONDS = 2.0
FRESH = timedelta(seconds=120)
"""A poll may wait for a minute before it is answered; two missed ones are an absence."""
RPC = timedelta(seconds=5)
TYPES = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


async def polls(client: Client, task_queue: str, now: datetime) -> bool:
    """Whether the service was asked for both kinds of work by this worker lately. Raises RPCError."""
    for kind in TYPES:
        described = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
            ),
            timeout=RPC,
        )
        ours = [p.last_access_time.ToDatetime(tzinfo=UTC) for p in described.pollers if p.identity == client.identity]
        if not any(now - seen < FRESH for seen in ours):
            return False
    return True


class Polling:
    """Runs beside the worker."""

    def __init__(self, client: Client, task_queue: str, meter: MetricMeter) -> None:
        self._client = client
        self._task_queue = task_queue
        self._gauge = meter.create_gauge(
            f"{PREFIX}{WORKER_POLLING}", "1: connected and taking work, as Temporal sees it; 0: not."
        )
        self._well = True  # it has just begun, and is about to ask

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        pause = FIRST_SECONDS
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            if not stop.is_set():
                await self.once()
            pause = EVERY_SECONDS

    async def once(self) -> bool:
        """Look, and say."""
        try:
            well = await polls(self._client, self._task_queue, datetime.now(UTC))
        except (RPCError, RuntimeError):  # it answers with an error, or not at all
            well = False
        self._gauge.set(int(well))
        if well != self._well:
            log.info("worker_polls") if well else log.warning("worker_does_not_poll")
            with suppress(OSError):
                touch_ready_file() if well else ready_file_gone()
        self._well = well
        return well
