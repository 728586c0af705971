"""Intake: matched patient, complete enough to act on, consent, red-flag screen, eligibility."""

from __future__ import annotations

from temporalio import workflow

from workflows.answering_actions import AnsweringActions

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Preparation
    from care import action as act
    from care.draft import Draft
    from care.journey import Journey
    from care.steps import intake


@workflow.defn
class Intake(AnsweringActions):
    """The referral has arrived and is made ready to be answered."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(self.enter)

    def enter(self, draft: Draft, preparation: Preparation | None) -> None:
        """Everything begins with the clinic, its calendar, and the pathway that the referral's codes suggest."""
        if preparation is None:
            raise LookupError("an intake begins with a preparation")
        intake.enter(draft, preparation.clinic, preparation.calendar, preparation.pathway, preparation.hinted_flags)

    def on_screen(self, draft: Draft, action: act.Screen) -> None:
        """In intake every question is asked, at once or in parts."""
        intake.screen(draft, action)

    def on_screen_signed(self, draft: Draft, action: act.SignScreen) -> None:
        """It may be the last thing that was missing."""
        intake.sign_screen(draft, action)

    def on_consent(self, draft: Draft, action: act.RecordConsent) -> None:
        """It may be the last thing that was missing."""
        intake.record_consent(draft, action)

    def on_red_flag_handled(self, draft: Draft, action: act.HandleRedFlag) -> None:
        """An all-clear lets the intake go on."""
        intake.handle_red_flag(draft, action)

    @workflow.update(description="Choose the pathway this referral is to follow.")
    async def choose_pathway(self, action: act.ChoosePathway) -> act.Answer:
        pathway = await self.read_pathway(action.pathway)
        return await self.carry_out(action, lambda draft, a: intake.choose_pathway(draft, a, pathway))

    @choose_pathway.validator
    def _check_choose_pathway(self, action: act.ChoosePathway) -> None:
        self.check(action, lambda draft, a: None)

    @workflow.update(description="The patient of the referral is known.")
    async def match_patient(self, action: act.MatchPatient) -> act.Answer:
        return await self.carry_out(action, intake.match_patient)

    @match_patient.validator
    def _check_match_patient(self, action: act.MatchPatient) -> None:
        self.check(action, intake.match_patient)
