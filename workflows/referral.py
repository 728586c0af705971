"""Referral: priority, and an answer to the referrer before its deadline."""

from __future__ import annotations

from temporalio import workflow

from workflows.answering_actions import AnsweringActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.journey import Journey
    from care.steps import referral


@workflow.defn
class Referral(AnsweringActions):
    """The referral is offered to those who can accept it."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: referral.enter(draft))

    @workflow.update(description="Take the patient on.")
    async def accept(self, action: act.Accept) -> act.Answer:
        return await self.carry_out(action, referral.accept)

    @accept.validator
    def _check_accept(self, action: act.Accept) -> None:
        self.check(action, referral.accept)
