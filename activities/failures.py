"""What an activity's unexpected failure may say to Temporal: its type, never its words.

An exception's text may repeat a patient's data (a database error names the values), and Temporal stores failures
in clear text. ApplicationErrors are ours and say only what we wrote.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

log = structlog.get_logger(__name__)


class SilentFailures(Interceptor):
    """Replaces unexpected exceptions by their type."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """See `temporalio.worker.Interceptor`."""
        return _Silent(super().intercept_activity(next))


class _Silent(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        try:
            return await super().execute_activity(input)
        except (FailureError, asyncio.CancelledError):
            raise
        except Exception as error:
            name = activity.info().activity_type
            log.warning("activity_failed", activity=name, exc_info=error)
            raise ApplicationError(f"{name} failed ({type(error).__name__})", type=type(error).__name__) from None
