"""Post-surgery rehab: phases with gates, precautions, stall, signed override."""

from __future__ import annotations

from temporalio import workflow

from workflows.treating_actions import TreatingActions

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.clock import Clock
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

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out."""
        match clock.kind:
            case "gate_opens":
                post_surgery.gate_opens(draft, clock)
            case "phase_review":
                post_surgery.phase_review(draft, clock)
            case _:
                super().on_clock(draft, clock)

    def on_scores(self, draft: Draft, action: act.RecordScores) -> None:
        """Scores may open the gate."""
        post_surgery.record_scores(draft, action)

    @workflow.update(description="Record what happened at an appointment, with scores and red-flag answers.")
    async def record_visit(self, action: act.RecordVisit) -> act.Answer:
        return await self.carry_out(action, post_surgery.record_visit)

    @record_visit.validator
    def _check_record_visit(self, action: act.RecordVisit) -> None:
        self.check(action, post_surgery.record_visit)

    @workflow.update(description="A clinician lets the patient into the next phase and signs for it.")
    async def override_gate(self, action: act.OverrideGate) -> act.Answer:
        return await self.carry_out(action, post_surgery.override_gate)

    @override_gate.validator
    def _check_override_gate(self, action: act.OverrideGate) -> None:
        self.check(action, post_surgery.override_gate)

    @workflow.update(description="Decide about a phase that has not ended by its review date.")
    async def review_phase(self, action: act.ReviewPhase) -> act.Answer:
        return await self.carry_out(action, post_surgery.review_phase)

    @review_phase.validator
    def _check_review_phase(self, action: act.ReviewPhase) -> None:
        self.check(action, post_surgery.review_phase)
