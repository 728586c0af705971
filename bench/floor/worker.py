"""`python -m bench.floor.worker`: the floor's worker, built as Continuum's own is."""

from __future__ import annotations

import asyncio
import signal

from temporalio.worker import Worker

from activities.failures import SilentFailures
from activities.heartbeats import Heartbeats
from activities.records import PostgresRecords
from bench.floor.workflow import Floor
from continuum.embedded.ready import touch_ready_file
from continuum.settings import Settings
from records.database import Database
from worker import ACTIVITIES_AT_ONCE, DRAIN
from workflows.connection import connect, workflow_runner

TASK_QUEUE = "floor"
ITS_OWN = ("bench.floor.documents",)


async def main() -> None:
    """Until told to stop."""
    stop, settings = asyncio.Event(), Settings()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = await Database.open(
        settings.database_url, password=settings.database_password(), size=settings.database_connections
    )
    async with Worker(
        await connect(),
        task_queue=TASK_QUEUE,
        workflows=[Floor],
        activities=[PostgresRecords(database).persist],
        workflow_runner=workflow_runner(*ITS_OWN),
        interceptors=[SilentFailures(), Heartbeats()],
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_cached_workflows=settings.worker_cached_journeys,
        graceful_shutdown_timeout=DRAIN,
    ):
        touch_ready_file()
        await stop.wait()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
