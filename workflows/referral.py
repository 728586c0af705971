"""Referral: priority, and an answer to the referrer before its deadline."""

from __future__ import annotations

from temporalio import workflow

from workflows.common_actions import CommonActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.journey import Journey
    from care.steps import intake, referral


@workflow.defn
class Referral(CommonActions):
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

    @workflow.update(description="Say no to the referral, with a coded reason.")
    async def decline(self, action: act.Decline) -> act.Answer:
        return await self.carry_out(action, intake.decline)

    @decline.validator
    def _check_decline(self, action: act.Decline) -> None:
        self.check(action, intake.decline)

    @workflow.update(description="Send the referral where it belongs.")
    async def redirect(self, action: act.Redirect) -> act.Answer:
        return await self.carry_out(action, intake.redirect)

    @redirect.validator
    def _check_redirect(self, action: act.Redirect) -> None:
        self.check(action, intake.redirect)

    @workflow.update(description="Ask the referrer for something that is missing.")
    async def ask_referrer(self, action: act.AskReferrer) -> act.Answer:
        return await self.carry_out(action, intake.ask_referrer)

    @ask_referrer.validator
    def _check_ask_referrer(self, action: act.AskReferrer) -> None:
        self.check(action, intake.ask_referrer)

    @workflow.update(description="What was missing has come.")
    async def receive_information(self, action: act.ReceiveInformation) -> act.Answer:
        return await self.carry_out(action, intake.receive_information)

    @receive_information.validator
    def _check_receive_information(self, action: act.ReceiveInformation) -> None:
        self.check(action, intake.receive_information)
