"""Alarms: what leaves the house by the journey itself, beside care, which never waits for it.

All other messages are rows that somebody else sends (`activities/post.py`); no journey knows when they leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Messages
    from care import action as act
    from care.draft import Refused
    from care.journey import Journey
    from care.notice import Notice
    from care.steps import common, screening

RETRY_AT_MOST = timedelta(seconds=10)
"""What a person waits for is tried again within so long, however long the outage was."""
MISSED_AFTER = timedelta(seconds=10)
SUMMARY_LENGTH = 160


class Errands:
    """The alarms of one stage that are on their way."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.errands: set[asyncio.Task[None]] = set()
        self.alarms = {notice.id: notice for notice in journey.alarms}

    def raise_alarms(self, action: act.Action) -> None:
        """A red flag's alarm waits for nothing, least of all for the record."""
        try:
            answers = screening.said_in(self.journey, action)
            if not answers:
                return
            common.check_expected(self.journey, action)
            alarms = screening.alarms(self.journey, answers, action.action_id, workflow.now())
        except Refused:
            return
        except Exception:  # the action itself goes on: it opens the task, whose ladder tells the same people
            workflow.logger.error("the alarms of an action could not be worked out", exc_info=True)
            return
        for notice in alarms:
            self.alarms[notice.id] = notice
            self.errand(self.send_alarm(notice))

    async def send_alarm(self, notice: Notice) -> None:
        """Until it has certainly left, or is known to have failed."""
        await workflow.execute_activity_method(
            Messages.alarm,
            args=[notice, self.journey.tenant],
            summary="Red flag: alarm the clinician on call",
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=MISSED_AFTER,
            retry_policy=RetryPolicy(maximum_interval=RETRY_AT_MOST),
        )
        self.alarms.pop(notice.id, None)

    def errand(self, work: Coroutine[None, None, None]) -> None:
        """Something to do beside care."""
        task = asyncio.create_task(work)
        self.errands.add(task)
        task.add_done_callback(self.errands.discard)


def short(words: str) -> str:
    """As much of the words as Temporal's UI shows well."""
    return words if len(words) <= SUMMARY_LENGTH else f"{words[: SUMMARY_LENGTH - 3]}..."
