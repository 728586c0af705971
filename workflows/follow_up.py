"""Follow-up: questionnaires for a year; getting worse opens a way back."""

from __future__ import annotations

from temporalio import workflow

from workflows.common_actions import CommonActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.clock import Clock
    from care.draft import Draft
    from care.journey import Journey
    from care.steps import follow_up, reopening


@workflow.defn
class FollowUp(CommonActions):
    """The patient is asked how it goes, until the last follow-up."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: follow_up.enter(draft))

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out."""
        match clock.kind:
            case "follow_up":
                follow_up.due(draft, clock)
            case "follow_up_answer":
                follow_up.no_answer(draft, clock)
            case "open_access":
                follow_up.window_closed(draft, clock)
            case _:
                super().on_clock(draft, clock)

    def on_red_flag_handled(self, draft: Draft, action: act.HandleRedFlag) -> None:
        """It may be the last thing that was owed."""
        follow_up.handle_red_flag(draft, action)

    def on_receipt(self, draft: Draft, action: act.ConfirmReceipt) -> None:
        """It may be the last thing that was owed."""
        follow_up.confirm_receipt(draft, action)

    @workflow.update(description="The patient's answers at a follow-up.")
    async def answer_follow_up(self, action: act.AnswerFollowUp) -> act.Answer:
        return await self.carry_out(action, follow_up.answer)

    @answer_follow_up.validator
    def _check_answer_follow_up(self, action: act.AnswerFollowUp) -> None:
        self.check(action, follow_up.answer)

    @workflow.update(description="What came of calling the patient.")
    async def record_call(self, action: act.RecordCall) -> act.Answer:
        return await self.carry_out(action, follow_up.record_call)

    @record_call.validator
    def _check_record_call(self, action: act.RecordCall) -> None:
        self.check(action, follow_up.record_call)

    @workflow.update(description="The patient comes back inside the open-access window.")
    async def re_enter(self, action: act.ReEnter) -> act.Answer:
        return await self.carry_out(action, follow_up.re_enter)

    @re_enter.validator
    def _check_re_enter(self, action: act.ReEnter) -> None:
        self.check(action, follow_up.re_enter)

    @workflow.update(description="The discharge was a mistake: care goes on.")
    async def reopen_care(self, action: act.ReopenCare) -> act.Answer:
        return await self.carry_out(action, reopening.reopen_care)

    @reopen_care.validator
    def _check_reopen_care(self, action: act.ReopenCare) -> None:
        self.check(action, reopening.reopen_care)
