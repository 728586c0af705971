"""What one decision writes down: journal rows, projections, notices and replies, in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from care.actor import Actor
from care.journey import Journey, Outcome, Stage
from care.keeping import Kept
from care.model import Model
from care.notice import Notice, Reply, Stopped
from care.plan import PlanOfCare
from care.rules import Decided
from care.score import Score
from care.task import Task
from care.visit import Visit


class Entry(Model):
    """One row of the journal."""

    seq: int
    at: datetime
    stage: Stage
    kind: str
    text: str
    actor: Actor
    pathway: str | None
    decided: Decided | None = None
    data: dict[str, Any] = {}
    action_id: str | None = None
    action_digest: str | None = None
    note: str | None = None


class Commit(Model):
    """Everything one decision writes, in one statement."""

    journey: str
    tenant: str
    clinic: str
    stage: Stage
    status: str
    outcome: Outcome | None
    pathway: str | None
    priority: str | None
    waiting_on: str
    next_due: datetime | None
    overdue: bool
    at: datetime
    seq: int
    entries: tuple[Entry, ...]
    plans: tuple[PlanOfCare, ...] = ()
    visits: tuple[Visit, ...] = ()
    scores: tuple[Score, ...] = ()
    tasks: tuple[Task, ...] = ()
    notices: tuple[Notice, ...] = ()
    replies: tuple[Reply, ...] = ()
    stop_messages: bool = False
    stopped: tuple[Stopped, ...] = ()
    last_state: Journey | None = None
    """For a decision that closes the journey: the journey as it stood before, should the closing be a mistake."""
    kept: Kept | None = None
    """For one that leaves it open: the journey as it stands now, should Temporal lose it."""

    @property
    def says_nothing(self) -> bool:
        """Whether there is nothing to write down: a clock that was left over may have nothing to say."""
        return not (
            self.entries
            or self.plans
            or self.visits
            or self.scores
            or self.tasks
            or self.notices
            or self.replies
            or self.stopped
        )


def pressing(journey: Journey) -> list[Task]:
    """What somebody can do now, soonest due first: a first visit that is booked waits for its hour, and for nobody."""
    return [t for t in journey.running_tasks if t.kind != "first_visit" or not journey.visits]


def waiting_on(journey: Journey) -> str:
    """Whom or what the journey waits for: the owner of the most urgent task, else the next event."""
    if journey.status == "closed":
        return "nobody"
    tasks = pressing(journey)
    if tasks:
        return tasks[0].owner.removeprefix("queue:").removeprefix("person:")
    clock = journey.next_clock
    return clock.kind if clock else "nobody"


def next_due(journey: Journey) -> datetime | None:
    """When something falls due: the most urgent task, else the next event."""
    if tasks := pressing(journey):
        return tasks[0].due
    return journey.next_clock.due if journey.next_clock else None


def overdue(journey: Journey, now: datetime) -> bool:
    """Whether somebody is late; nobody is with what a hold has paused."""
    return any(task.due < now for task in journey.running_tasks)
