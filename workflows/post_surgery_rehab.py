"""Post-surgery rehab: phases with gates, precautions, stall, signed override."""

from __future__ import annotations

from temporalio import workflow

from workflows.treating_actions import TreatingActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.draft import Draft
    from care.journey import Journey
    from care.steps import post_surgery


@workflow.defn
class PostSurgeryRehab(TreatingActions):
    """The patient is carried through the phases after surgery."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: post_surgery.enter(draft))

    def on_scores(self, draft: Draft, action: act.RecordScores) -> None:
        """Scores may open the gate."""
        post_surgery.record_scores(draft, action)

    @workflow.update(description="Record what happened at an appointment, with scores and red-flag answers.")
    async def record_visit(self, action: act.RecordVisit) -> act.Answer:
        return await self.carry_out(action, post_surgery.record_visit)

    @record_visit.validator
    def _check_record_visit(self, action: act.RecordVisit) -> None:
        self.check(action, post_surgery.record_visit)
