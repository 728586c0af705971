"""Stages with edits that somebody might make: some change what a run asks of Temporal, some do not.

A module of its own, because the sandbox imports a workflow's module again: it must bring nothing of the tests with it.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from workflows.discharge import Discharge
from workflows.intake import Intake
from workflows.therapy import Therapy

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Preparation, Saved
    from care import action as act
    from care.commit import Commit
    from care.draft import Draft
    from care.journey import Journey
    from care.steps import discharge, therapy

# --- edits that change the commands


@workflow.defn(name="Therapy")
class TimerFirst(Therapy):
    """Waits a second before each fast commit."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: therapy.enter(draft))

    async def commit(self, draft: Draft) -> Commit:
        await workflow.sleep(timedelta(seconds=1))
        return await super().commit(draft)


@workflow.defn(name="Therapy")
class NoFastCommit(Therapy):
    """Commits everything by a regular activity."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: therapy.enter(draft))

    async def _fast(self, commit: Commit) -> Saved:
        return await self._persist(commit)


@workflow.defn(name="Intake")
class AlarmLater(Intake):
    """Raises a red flag's alarm after the commit: two activities swapped."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(self.enter)

    def raise_alarms(self, action: act.Action) -> None:
        self.errand(self._raise_later(action))

    async def _raise_later(self, action: act.Action) -> None:
        await workflow.wait_condition(self._turn.locked)
        super().raise_alarms(action)


@workflow.defn(name="Discharge")
class SummaryFirst(Discharge):
    """Writes the document when the stage begins."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        await self._write_summary()
        await workflow.sleep(timedelta(seconds=1))
        return await self.live(lambda draft, _: discharge.enter(draft))


@workflow.defn(name="Discharge")
class Hasty(Discharge):
    """Ends without waiting for its handlers: who signs would be left without an answer."""

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self.live(lambda draft, _: discharge.enter(draft))

    async def _finish(self) -> None:
        return


CHANGED: dict[str, type[Intake | Therapy | Discharge]] = {
    "back_pain-3-Therapy": TimerFirst,
    "held-3-Therapy": NoFastCommit,
    "red_flag-1-Intake": AlarmLater,
    "back_pain-4-Discharge": SummaryFirst,
}


# --- edits that do not


@workflow.defn(name="Intake")
class Tidied(Intake):
    """Private methods renamed and split, in another order."""

    @workflow.run
    async def run(self, journey: Journey) -> Journey:
        return await self._the_whole_stage()

    async def _the_whole_stage(self) -> Journey:
        return await self.live(self._enter_renamed)

    def _enter_renamed(self, draft: Draft, preparation: Preparation | None) -> None:
        self.enter(draft, preparation)

    async def commit(self, draft: Draft) -> Commit:
        return await self._write(draft)

    async def _write(self, draft: Draft) -> Commit:
        return await super().commit(draft)

    @workflow.init
    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)
