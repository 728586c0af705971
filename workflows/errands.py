"""What leaves the house on behalf of a journey: alarms and messages. Care never waits for any of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Delivery, Messages
    from care import action as act
    from care.draft import Draft, Refused
    from care.journey import Journey
    from care.notice import Notice, Outgoing
    from care.steps import common, messages, screening

RETRY_AT_MOST = timedelta(seconds=10)
"""What a person waits for is tried again within so long, however long the outage was."""
RETRY_MESSAGES = timedelta(minutes=1)
DELIVERY_DAYS = timedelta(days=3)
MISSED_AFTER = timedelta(seconds=10)
SUMMARY_LENGTH = 160


class Errands:
    """The messages of one stage that are on their way."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.errands: set[asyncio.Task[None]] = set()
        self.alarms = {notice.id: notice for notice in journey.alarms}
        self._sending: set[str] = set()
        self._sent: set[str] = set()

    async def decide(self, step: Callable[[Draft], object]) -> None:
        """A decision of Continuum's own; see `StageWorkflow`."""
        raise NotImplementedError

    def raise_alarms(self, action: act.Action) -> None:
        """A red flag's alarm waits for nothing, least of all for the record."""
        try:
            common.check_expected(self.journey, action)
            answers = screening.said_in(self.journey, action)
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

    def run_errands(self) -> None:
        """Hand to their channels what the commit queued. Care never waits for it."""
        waiting = [o for o in messages.leaving(self.journey) if o.id not in self._sending]
        if waiting:
            self._sending.update(o.id for o in waiting)
            self.errand(self._deliver(waiting))

    async def _deliver(self, outgoing: list[Outgoing]) -> None:
        undelivered = ids = tuple(o.id for o in outgoing)
        try:
            undelivered = await workflow.execute_activity_method(
                Messages.deliver,
                Delivery(journey=self.journey.id, tenant=self.journey.tenant, ids=ids),
                summary=short(f"Tell {', '.join(o.words for o in outgoing)}"),
                start_to_close_timeout=timedelta(minutes=2),
                heartbeat_timeout=MISSED_AFTER,
                schedule_to_close_timeout=DELIVERY_DAYS,
                retry_policy=RetryPolicy(maximum_interval=RETRY_MESSAGES),
            )
        except ActivityError:
            workflow.logger.warning("messages could not be sent", extra={"count": len(ids)})
        self._sent.update(ids)
        self.forget_sent()
        lost = [o for o in outgoing if o.id in undelivered]
        if lost:
            await self.decide(lambda draft: messages.undelivered(draft, lost))

    def forget_sent(self) -> None:
        """What has left needs no place in the journey."""
        self.journey.outgoing = [o for o in self.journey.outgoing if o.id not in self._sent]

    def errand(self, work: Coroutine[None, None, None]) -> None:
        """Something to do beside care."""
        task = asyncio.create_task(work)
        self.errands.add(task)
        task.add_done_callback(self.errands.discard)


def short(words: str) -> str:
    """As much of the words as Temporal's UI shows well."""
    return words if len(words) <= SUMMARY_LENGTH else f"{words[: SUMMARY_LENGTH - 3]}..."
