"""Therapy: evaluation, individual plan of care, visits, and reviews that decide how to go on."""

from __future__ import annotations

from temporalio import workflow

from workflows.treating_actions import TreatingActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.clock import Clock
    from care.draft import Draft
    from care.journey import Journey
    from care.steps import therapy


@workflow.defn
class Therapy(TreatingActions):
    """The patient is treated by an individual plan of care."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: therapy.enter(draft))

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out."""
        match clock.kind:
            case "review_due":
                therapy.review_due(draft, clock)
            case "self_care_check":
                therapy.self_care_check(draft, clock)
            case _:
                super().on_clock(draft, clock)

    def on_scores(self, draft: Draft, action: act.RecordScores) -> None:
        """Scores may meet a goal, or ask for a review."""
        therapy.record_scores(draft, action)

    @workflow.update(description="Record what happened at an appointment, with scores and red-flag answers.")
    async def record_visit(self, action: act.RecordVisit) -> act.Answer:
        return await self.carry_out(action, therapy.record_visit)

    @record_visit.validator
    def _check_record_visit(self, action: act.RecordVisit) -> None:
        self.check(action, therapy.record_visit)

    @workflow.update(description="Record the evaluation; the individual plan of care is made from it.")
    async def evaluate(self, action: act.Evaluate) -> act.Answer:
        return await self.carry_out(action, therapy.evaluate)

    @evaluate.validator
    def _check_evaluate(self, action: act.Evaluate) -> None:
        self.check(action, therapy.evaluate)

    @workflow.update(description="Decide at a progress review: continue, change, ask a surgeon, discharge.")
    async def review_progress(self, action: act.ReviewProgress) -> act.Answer:
        return await self.carry_out(action, therapy.review_progress)

    @review_progress.validator
    def _check_review_progress(self, action: act.ReviewProgress) -> None:
        self.check(action, therapy.review_progress)

    @workflow.update(description="The patient answers a check of self-care.")
    async def answer_check(self, action: act.AnswerCheck) -> act.Answer:
        return await self.carry_out(action, therapy.answer_check)

    @answer_check.validator
    def _check_answer_check(self, action: act.AnswerCheck) -> None:
        self.check(action, therapy.answer_check)

    @workflow.update(description="The surgeon's answer to the question of surgery.")
    async def record_surgical_opinion(self, action: act.RecordSurgicalOpinion) -> act.Answer:
        return await self.carry_out(action, therapy.record_surgical_opinion)

    @record_surgical_opinion.validator
    def _check_record_surgical_opinion(self, action: act.RecordSurgicalOpinion) -> None:
        self.check(action, therapy.record_surgical_opinion)

    @workflow.update(description="Surgery has a date.")
    async def plan_surgery(self, action: act.PlanSurgery) -> act.Answer:
        return await self.carry_out(action, therapy.plan_surgery)

    @plan_surgery.validator
    def _check_plan_surgery(self, action: act.PlanSurgery) -> None:
        self.check(action, therapy.plan_surgery)

    @workflow.update(description="Surgery took place; rehabilitation after it begins.")
    async def record_surgery(self, action: act.RecordSurgery) -> act.Answer:
        return await self.carry_out(action, therapy.record_surgery)

    @record_surgery.validator
    def _check_record_surgery(self, action: act.RecordSurgery) -> None:
        self.check(action, therapy.record_surgery)
