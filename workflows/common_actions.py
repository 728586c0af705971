"""Actions that every stage has: hold, end, red flags, scores, the referrer's changes.

The update methods are inherited with their validators and descriptions. A stage that does more on one of them
overrides the plain method behind it (`on_scores` and its like), never the update: overriding an update drops its
validator without a word.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.errands import RETRY_AT_MOST
from workflows.task_actions import TaskActions

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Content
    from care import action as act
    from care.draft import Draft
    from care.pathway import Pathway
    from care.steps import (
        amendments,
        cancellations,
        common,
        corrections,
        endings,
        inbound,
        messages,
        migrating,
        screening,
    )


class CommonActions(TaskActions):
    """A stage with the actions that all stages share."""

    def on_screen(self, draft: Draft, action: act.Screen) -> None:
        """Red-flag questions were answered."""
        screening.screen(draft, action)

    def on_consent(self, draft: Draft, action: act.RecordConsent) -> None:
        """The patient said whether to be written to."""
        common.record_consent(draft, action)

    def on_red_flag_handled(self, draft: Draft, action: act.HandleRedFlag) -> None:
        """A red flag was handled."""
        screening.handle_red_flag(draft, action)

    def on_screen_signed(self, draft: Draft, action: act.SignScreen) -> None:
        """A clinician signed that open questions cannot be answered."""
        screening.sign_screen(draft, action)

    def on_scores(self, draft: Draft, action: act.RecordScores) -> None:
        """Scores came in outside a visit."""
        common.record_scores(draft, action)

    def on_receipt(self, draft: Draft, action: act.ConfirmReceipt) -> None:
        """The referrer confirmed receipt."""
        common.confirm_receipt(draft, action)

    async def read_pathway(self, pathway: str) -> Pathway:
        """The content of a pathway, by its id or as `ID@VERSION`."""
        try:
            return await workflow.execute_activity_method(
                Content.load_pathway,
                pathway,
                summary="Read the pathway",
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_interval=RETRY_AT_MOST),
            )
        except ActivityError as failure:
            if isinstance(failure.cause, ApplicationError):
                raise ApplicationError(failure.cause.message, type=failure.cause.type, non_retryable=True) from None
            raise

    @workflow.update(description="Pause the journey for a stated reason, until a review date.")
    async def hold(self, action: act.Hold) -> act.Answer:
        return await self.carry_out(action, endings.hold)

    @hold.validator
    def _check_hold(self, action: act.Hold) -> None:
        self.check(action, endings.hold)

    @workflow.update(description="End the hold; paused clocks go on.")
    async def resume(self, action: act.Resume) -> act.Answer:
        return await self.carry_out(action, endings.resume)

    @resume.validator
    def _check_resume(self, action: act.Resume) -> None:
        self.check(action, endings.resume)

    @workflow.update(description="End the journey: patient or referrer no longer want it.")
    async def withdraw(self, action: act.Withdraw) -> act.Answer:
        return await self.carry_out(action, endings.withdraw)

    @withdraw.validator
    def _check_withdraw(self, action: act.Withdraw) -> None:
        self.check(action, endings.withdraw)

    @workflow.update(description="The patient died: everything stops, every message too.")
    async def record_death(self, action: act.RecordDeath) -> act.Answer:
        return await self.carry_out(action, endings.record_death)

    @record_death.validator
    def _check_record_death(self, action: act.RecordDeath) -> None:
        self.check(action, endings.record_death)

    @workflow.update(description="Hand the patient over to another provider.")
    async def transfer(self, action: act.Transfer) -> act.Answer:
        return await self.carry_out(action, endings.transfer)

    @transfer.validator
    def _check_transfer(self, action: act.Transfer) -> None:
        self.check(action, endings.transfer)

    @workflow.update(description="The referrer has received the discharge summary.")
    async def confirm_receipt(self, action: act.ConfirmReceipt) -> act.Answer:
        return await self.carry_out(action, self.on_receipt)

    @confirm_receipt.validator
    def _check_confirm_receipt(self, action: act.ConfirmReceipt) -> None:
        self.check(action, self.on_receipt)

    @workflow.update(description="Say what became of a red flag.")
    async def handle_red_flag(self, action: act.HandleRedFlag) -> act.Answer:
        return await self.carry_out(action, self.on_red_flag_handled)

    @handle_red_flag.validator
    def _check_handle_red_flag(self, action: act.HandleRedFlag) -> None:
        self.check(action, self.on_red_flag_handled)

    @workflow.update(description="Answer red-flag questions, and those about treatments; a part is accepted and kept.")
    async def screen(self, action: act.Screen) -> act.Answer:
        return await self.carry_out(action, self.on_screen)

    @screen.validator
    def _check_screen(self, action: act.Screen) -> None:
        self.check(action, self.on_screen)

    @workflow.update(description="Sign that red-flag questions still open cannot be answered; needs a note.")
    async def sign_screen(self, action: act.SignScreen) -> act.Answer:
        return await self.carry_out(action, self.on_screen_signed)

    @sign_screen.validator
    def _check_sign_screen(self, action: act.SignScreen) -> None:
        self.check(action, self.on_screen_signed)

    @workflow.update(description="Record results of measures.")
    async def record_scores(self, action: act.RecordScores) -> act.Answer:
        return await self.carry_out(action, self.on_scores)

    @record_scores.validator
    def _check_record_scores(self, action: act.RecordScores) -> None:
        self.check(action, self.on_scores)

    @workflow.update(description="Mark something as entered in error; it no longer counts.")
    async def enter_in_error(self, action: act.EnterInError) -> act.Answer:
        return await self.carry_out(action, corrections.enter_in_error)

    @enter_in_error.validator
    def _check_enter_in_error(self, action: act.EnterInError) -> None:
        self.check(action, corrections.enter_in_error)

    @workflow.update(description="The referrer's system sent a change to the referral.")
    async def note_amendment(self, action: act.NoteAmendment) -> act.Answer:
        return await self.carry_out(action, amendments.note_amendment)

    @note_amendment.validator
    def _check_note_amendment(self, action: act.NoteAmendment) -> None:
        self.check(action, amendments.note_amendment)

    @workflow.update(description="Say what was done with the referrer's change.")
    async def review_amendment(self, action: act.ReviewAmendment) -> act.Answer:
        return await self.carry_out(action, amendments.review_amendment)

    @review_amendment.validator
    def _check_review_amendment(self, action: act.ReviewAmendment) -> None:
        self.check(action, amendments.review_amendment)

    @workflow.update(description="The referrer's system asks to cancel.")
    async def note_cancellation(self, action: act.NoteCancellation) -> act.Answer:
        return await self.carry_out(action, cancellations.note_cancellation)

    @note_cancellation.validator
    def _check_note_cancellation(self, action: act.NoteCancellation) -> None:
        self.check(action, cancellations.note_cancellation)

    @workflow.update(description="Decide whether care ends because the referrer asks for it.")
    async def review_cancellation(self, action: act.ReviewCancellation) -> act.Answer:
        return await self.carry_out(action, cancellations.review_cancellation)

    @review_cancellation.validator
    def _check_review_cancellation(self, action: act.ReviewCancellation) -> None:
        self.check(action, cancellations.review_cancellation)

    @workflow.update(description="A message of another system has to be looked at.")
    async def note_message(self, action: act.NoteMessage) -> act.Answer:
        return await self.carry_out(action, inbound.note_message)

    @note_message.validator
    def _check_note_message(self, action: act.NoteMessage) -> None:
        self.check(action, inbound.note_message)

    @workflow.update(description="Say what came of looking at a message of another system.")
    async def review_message(self, action: act.ReviewMessage) -> act.Answer:
        return await self.carry_out(action, inbound.review_message)

    @review_message.validator
    def _check_review_message(self, action: act.ReviewMessage) -> None:
        self.check(action, inbound.review_message)

    @workflow.update(description="An undelivered message was dealt with.")
    async def settle_notice(self, action: act.SettleNotice) -> act.Answer:
        return await self.carry_out(action, messages.settle_notice)

    @settle_notice.validator
    def _check_settle_notice(self, action: act.SettleNotice) -> None:
        self.check(action, messages.settle_notice)

    @workflow.update(description="Record whether the patient wants to be written to.")
    async def record_consent(self, action: act.RecordConsent) -> act.Answer:
        return await self.carry_out(action, self.on_consent)

    @record_consent.validator
    def _check_record_consent(self, action: act.RecordConsent) -> None:
        self.check(action, self.on_consent)

    @workflow.update(description="A message came back, or could not be sent after all.")
    async def note_undelivered(self, action: act.NoteUndelivered) -> act.Answer:
        return await self.carry_out(action, messages.note_undelivered)

    @note_undelivered.validator
    def _check_note_undelivered(self, action: act.NoteUndelivered) -> None:
        self.check(action, messages.note_undelivered)

    @workflow.update(description="The register merged this patient's record with another.")
    async def note_merge(self, action: act.NoteMerge) -> act.Answer:
        return await self.carry_out(action, corrections.note_merge)

    @note_merge.validator
    def _check_note_merge(self, action: act.NoteMerge) -> None:
        self.check(action, corrections.note_merge)

    @workflow.update(description="Decide about two journeys of one patient.")
    async def review_duplicate(self, action: act.ReviewDuplicate) -> act.Answer:
        return await self.carry_out(action, corrections.review_duplicate)

    @review_duplicate.validator
    def _check_review_duplicate(self, action: act.ReviewDuplicate) -> None:
        self.check(action, corrections.review_duplicate)

    @workflow.update(description="Give the journey another version of its pathway.")
    async def migrate_pathway(self, action: act.MigratePathway) -> act.Answer:
        pathway = await self.read_pathway(f"{action.pathway}@{action.to_version}")
        return await self.carry_out(action, lambda draft, a: migrating.migrate(draft, a, pathway))

    @migrate_pathway.validator
    def _check_migrate_pathway(self, action: act.MigratePathway) -> None:
        self.check(action, migrating.check)
