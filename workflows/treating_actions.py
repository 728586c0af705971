"""Actions of the stages in which a patient is treated: appointments, the certification of the plan, phases."""

from __future__ import annotations

from temporalio import workflow

from workflows.common_actions import CommonActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.clock import Clock
    from care.draft import Draft
    from care.steps import authorisation, certification, editing, phases, reports, visits, winning_back


class TreatingActions(CommonActions):
    """A stage with appointments and plans of care."""

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out."""
        match clock.kind:
            case "visit":
                visits.over(draft, clock)
            case "recertification":
                certification.runs_out(draft, clock)
            case "authorisation_ends":
                authorisation.ends(draft, clock)
            case "drop_off":
                winning_back.dropped_off(draft, clock)
            case "gate_opens":
                phases.gate_opens(draft, clock)
            case "phase_review":
                phases.review_date(draft, clock)
            case _:
                super().on_clock(draft, clock)

    @workflow.update(
        description="Book an appointment; refused in the past, when closed, or when the clinician is taken."
    )
    async def book_visit(self, action: act.BookVisit) -> act.Answer:
        return await self.carry_out(action, visits.book)

    @book_visit.validator
    def _check_book_visit(self, action: act.BookVisit) -> None:
        self.check(action, visits.book)

    @workflow.update(description="Cancel an appointment that has not taken place.")
    async def cancel_visit(self, action: act.CancelVisit) -> act.Answer:
        return await self.carry_out(action, visits.cancel)

    @cancel_visit.validator
    def _check_cancel_visit(self, action: act.CancelVisit) -> None:
        self.check(action, visits.cancel)

    @workflow.update(description="The plan of care is certified.")
    async def certify_plan(self, action: act.CertifyPlan) -> act.Answer:
        return await self.carry_out(action, certification.certify)

    @certify_plan.validator
    def _check_certify_plan(self, action: act.CertifyPlan) -> None:
        self.check(action, certification.certify)

    @workflow.update(description="A therapist changes the numbers or the targets of a plan of care.")
    async def edit_plan(self, action: act.EditPlan) -> act.Answer:
        return await self.carry_out(action, editing.edit_plan)

    @edit_plan.validator
    def _check_edit_plan(self, action: act.EditPlan) -> None:
        self.check(action, editing.edit_plan)

    @workflow.update(description="The progress report of a plan is written.")
    async def file_progress_report(self, action: act.FileProgressReport) -> act.Answer:
        return await self.carry_out(action, reports.file_progress_report)

    @file_progress_report.validator
    def _check_file_progress_report(self, action: act.FileProgressReport) -> None:
        self.check(action, reports.file_progress_report)

    @workflow.update(description="The payer is asked to authorise visits of a plan.")
    async def request_authorisation(self, action: act.RequestAuthorisation) -> act.Answer:
        return await self.carry_out(action, authorisation.request)

    @request_authorisation.validator
    def _check_request_authorisation(self, action: act.RequestAuthorisation) -> None:
        self.check(action, authorisation.request)

    @workflow.update(description="The payer's answer.")
    async def record_authorisation(self, action: act.RecordAuthorisation) -> act.Answer:
        return await self.carry_out(action, authorisation.record)

    @record_authorisation.validator
    def _check_record_authorisation(self, action: act.RecordAuthorisation) -> None:
        self.check(action, authorisation.record)

    @workflow.update(description="An attempt to win back a patient, and what came of it.")
    async def record_contact(self, action: act.RecordContact) -> act.Answer:
        return await self.carry_out(action, winning_back.record_contact)

    @record_contact.validator
    def _check_record_contact(self, action: act.RecordContact) -> None:
        self.check(action, winning_back.record_contact)

    @workflow.update(description="A clinician lets the patient into the next phase and signs for it.")
    async def override_gate(self, action: act.OverrideGate) -> act.Answer:
        return await self.carry_out(action, phases.override_gate)

    @override_gate.validator
    def _check_override_gate(self, action: act.OverrideGate) -> None:
        self.check(action, phases.override_gate)

    @workflow.update(description="Decide about a phase that has not ended by its review date.")
    async def review_phase(self, action: act.ReviewPhase) -> act.Answer:
        return await self.carry_out(action, phases.review_phase)

    @review_phase.validator
    def _check_review_phase(self, action: act.ReviewPhase) -> None:
        self.check(action, phases.review_phase)
