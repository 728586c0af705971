"""Every night: whether the record, Temporal and what leaves the house agree."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows.errands import MISSED_AFTER

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Compared, Doctoring

WITHIN = timedelta(hours=6)


@workflow.defn
class NightlyComparison:
    """One comparison of the whole site, started by a schedule."""

    @workflow.run
    async def run(self) -> Compared:
        return await workflow.execute_activity_method(
            Doctoring.compare,
            summary="Compare the record with Temporal",
            start_to_close_timeout=WITHIN,
            schedule_to_close_timeout=WITHIN,
            heartbeat_timeout=MISSED_AFTER,
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=1)),
        )
