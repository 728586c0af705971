"""The whole draft: how a stage and a journey end, and the commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from care import recorded
from care.commit import Commit, next_due, overdue, waiting_on
from care.draft.findings import Findings
from care.journey import Journey, Outcome, Stage
from care.model import copy_of
from care.plan import PlanOfCare
from care.score import Score
from care.task import Task
from care.visit import Visit


class Draft(Findings):
    """A journey being changed by one actor at one moment."""

    # --- moving on

    def leave_for(self, stage: Stage) -> None:
        """End this stage; the next begins when this draft is committed."""
        self.journey.next_stage = stage

    @property
    def before(self) -> Journey:
        """The journey as it stood before this decision; not to be changed."""
        return self._before

    def close(self, outcome: Outcome) -> None:
        """End the journey: no plan is under way, nothing is owed any more and no clock runs."""
        for plan in self.journey.active_plans:
            plan.status = "ended"
            self.save_plan(plan)
        self.settle_all(outcome)
        self.stop_to_patient("the journey is closed")
        self.journey.clocks = []
        self.journey.hold_reason = None
        self._closing = True
        self.journey.status = "closed"
        self.journey.outcome = outcome

    def stop_messages(self) -> None:
        """No notice that is queued is sent any more. What the referrer's system is to hear still leaves."""
        self._stop_messages = True
        self._notices = []
        self.journey.outgoing = []

    # --- the commit

    def commit(self) -> Commit:
        """What has to be written. Settled tasks leave the journey with it."""
        if self._recorded is not None:
            recorded.complete(self._recorded, self._before, self.journey)
        self.journey.tasks = self.journey.open_tasks
        self.name_rules()
        return Commit(
            journey=self.journey.id,
            tenant=self.journey.tenant,
            clinic=self.journey.clinic.id if self.journey.clinic else "unassigned",
            stage=self.journey.stage,
            status=self.journey.status,
            outcome=self.journey.outcome,
            pathway=self.journey.pathway.label if self.journey.pathway else None,
            priority=self.journey.referral.priority,
            waiting_on=waiting_on(self.journey),
            next_due=next_due(self.journey),
            overdue=overdue(self.journey, self.now),
            at=self.now,
            seq=self.journey.seq,
            entries=tuple(self._entries),
            plans=_copies(self._plans.values()),
            visits=_copies(self._visits.values()),
            scores=_copies(self._scores.values()),
            tasks=_copies(self._tasks.values()),
            notices=tuple(self._notices),
            replies=tuple(self._replies),
            stop_messages=self._stop_messages,
            stopped=tuple(self._stopped),
            last_state=self._last_state() if self._closing else None,
        )

    def _last_state(self) -> Journey:
        """The journey before it closed; what it has given out since is not given out again."""
        after = self.journey
        return self._before.model_copy(
            update={"seq": after.seq, "minted": after.minted, "done": after.done, "outgoing": [], "alarms": []}
        )


S = TypeVar("S", PlanOfCare, Visit, Score, Task)


def _copies(items: Iterable[S]) -> tuple[S, ...]:
    return tuple(copy_of(item) for item in items)
