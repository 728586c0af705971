"""Clocks: deadlines started by an event, paused only for a stated reason, never reset by an edit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from care.model import State

ClockKind = Literal[
    "task",
    "review_due",
    "gate_opens",
    "phase_review",
    "self_care_check",
    "follow_up",
    "follow_up_answer",
    "visit",
]
"""`task`: a person owes something (see `care/task.py` for kinds, owners and ladders). The others are events of
the plan itself: nobody owes anything until they come."""

PAUSED_BY_HOLD: dict[ClockKind, bool] = {
    "task": False,  # decided by the kind of task
    "review_due": True,
    "gate_opens": True,
    "phase_review": True,
    "self_care_check": True,
    "follow_up": True,
    "follow_up_answer": True,
    "visit": False,
}


class Clock(State):
    """One deadline of a journey. `subject` is what it is about: the id of a task, a plan, a visit, an occasion."""

    id: str
    kind: ClockKind
    subject: str
    label: str
    started_at: datetime
    due: datetime
    paused_at: datetime | None = None
