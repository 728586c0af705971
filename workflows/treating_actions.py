"""Actions of the stages in which a patient is treated: appointments, and the certification of the plan."""

from __future__ import annotations

from temporalio import workflow

from workflows.common_actions import CommonActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.steps import plans, visits


class TreatingActions(CommonActions):
    """A stage with appointments and plans of care."""

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
        return await self.carry_out(action, plans.certify)

    @certify_plan.validator
    def _check_certify_plan(self, action: act.CertifyPlan) -> None:
        self.check(action, plans.certify)
