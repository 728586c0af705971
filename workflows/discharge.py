"""Discharge: the summary is signed, and the loop closed with the referrer."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from workflows.common_actions import CommonActions
from workflows.errands import MISSED_AFTER

with workflow.unsafe.imports_passed_through():
    from activities.signatures import DischargeSummary, Documents
    from care import action as act
    from care.journey import Journey
    from care.steps import discharge, reopening


WRITTEN_WITHIN = timedelta(days=1)
RETRY_WRITING = timedelta(minutes=1)


@workflow.defn
class Discharge(CommonActions):
    """Care has ended; the referrer is to have the summary."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: discharge.enter(draft))

    @workflow.update(description="Sign the discharge summary; it goes to the referrer.")
    async def sign_summary(self, action: act.SignSummary) -> act.Answer:
        answer = await self.carry_out(action, discharge.sign_summary)
        await self._write_summary()
        return answer

    async def _write_summary(self) -> None:
        """The document is on record before the stage ends, which waits for its handlers; or a person owes it."""
        ending = self.journey.ending
        if ending is None or ending.document is None:
            return
        try:
            await workflow.execute_activity_method(
                Documents.write_summary,
                DischargeSummary(journey=self.journey.id, tenant=self.journey.tenant, document=ending.document),
                summary="Write the discharge summary as text and PDF",
                start_to_close_timeout=timedelta(minutes=1),
                heartbeat_timeout=MISSED_AFTER,
                schedule_to_close_timeout=WRITTEN_WITHIN,
                retry_policy=RetryPolicy(maximum_interval=RETRY_WRITING),
            )
        except ActivityError:
            await self.decide(discharge.not_written)

    @sign_summary.validator
    def _check_sign_summary(self, action: act.SignSummary) -> None:
        self.check(action, discharge.sign_summary)

    @workflow.update(description="The discharge was a mistake: care goes on.")
    async def reopen_care(self, action: act.ReopenCare) -> act.Answer:
        return await self.carry_out(action, reopening.reopen_care)

    @reopen_care.validator
    def _check_reopen_care(self, action: act.ReopenCare) -> None:
        self.check(action, reopening.reopen_care)
