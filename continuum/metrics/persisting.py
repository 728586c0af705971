"""When a decision was last written. How often writing fails, the SDK counts itself (`activity_type="persist"`)."""

from __future__ import annotations

import time
from typing import Any

from temporalio import activity
from temporalio.common import MetricGaugeFloat, MetricMeter
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from continuum.metrics.names import LAST_PERSIST, PREFIX

PERSIST = "persist"


class Persisting(Interceptor):
    """Notes each success."""

    def __init__(self, meter: MetricMeter) -> None:
        self._gauge = meter.create_gauge_float(
            f"{PREFIX}{LAST_PERSIST}", "When this worker last wrote a decision, in Unix time."
        )

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See `temporalio.worker.Interceptor`."""
        return _Noting(next, self._gauge)


class _Noting(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, gauge: MetricGaugeFloat) -> None:  # noqa: A002
        super().__init__(next)
        self._gauge = gauge

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        result = await super().execute_activity(input)
        if activity.info().activity_type == PERSIST:
            self._gauge.set(time.time())
        return result
