"""What people do with tasks, whatever these are about: take, give, acknowledge, ask for help, hand over."""

from __future__ import annotations

from temporalio import workflow

from workflows.stage import StageWorkflow

with workflow.unsafe.imports_passed_through():
    from care import action as act
    from care.steps import tasks


class TaskActions(StageWorkflow):
    """A stage in which somebody owes something: all of them."""

    @workflow.update(description="Take a task from its queue.")
    async def claim_task(self, action: act.ClaimTask) -> act.Answer:
        return await self.carry_out(action, tasks.claim)

    @claim_task.validator
    def _check_claim_task(self, action: act.ClaimTask) -> None:
        self.check(action, tasks.claim)

    @workflow.update(description="Give a task to a person, or back to a queue.")
    async def assign_task(self, action: act.AssignTask) -> act.Answer:
        return await self.carry_out(action, tasks.assign)

    @assign_task.validator
    def _check_assign_task(self, action: act.AssignTask) -> None:
        self.check(action, tasks.assign)

    @workflow.update(description="Somebody is on it: its ladder is silent for a while.")
    async def acknowledge_task(self, action: act.AcknowledgeTask) -> act.Answer:
        return await self.carry_out(action, tasks.acknowledge)

    @acknowledge_task.validator
    def _check_acknowledge_task(self, action: act.AcknowledgeTask) -> None:
        self.check(action, tasks.acknowledge)

    @workflow.update(description="Ask a colleague or a queue for help with a task.")
    async def request_help(self, action: act.RequestHelp) -> act.Answer:
        return await self.carry_out(action, tasks.request_help)

    @request_help.validator
    def _check_request_help(self, action: act.RequestHelp) -> None:
        self.check(action, tasks.request_help)

    @workflow.update(description="Help was given, or cannot be.")
    async def give_help(self, action: act.GiveHelp) -> act.Answer:
        return await self.carry_out(action, tasks.give_help)

    @give_help.validator
    def _check_give_help(self, action: act.GiveHelp) -> None:
        self.check(action, tasks.give_help)

    @workflow.update(description="Hand over what one person owes here to another.")
    async def hand_over(self, action: act.HandOver) -> act.Answer:
        return await self.carry_out(action, tasks.hand_over)

    @hand_over.validator
    def _check_hand_over(self, action: act.HandOver) -> None:
        self.check(action, tasks.hand_over)

    @workflow.update(description="Take over from a colleague.")
    async def accept_handover(self, action: act.AcceptHandover) -> act.Answer:
        return await self.carry_out(action, tasks.accept_handover)

    @accept_handover.validator
    def _check_accept_handover(self, action: act.AcceptHandover) -> None:
        self.check(action, tasks.accept_handover)
