"""Actions of the stages in which the referrer still waits for an answer."""

from __future__ import annotations

from temporalio import workflow

from workflows.common_actions import CommonActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.steps import intake


class AnsweringActions(CommonActions):
    """A stage in which the referral can be declined, redirected, or asked about."""

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
