"""What an upgrade changes for one journey: the journey as the new build believes it to be, beside what the record says.

The record was written by the build that ran until now. A worker of the new build makes the decisions of the present
stage anew, with its own tables of tasks and clocks; what comes out is what holds from then on, whatever the record
says. What earlier stages decided travels in the journey as it was decided, so it changes nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from care.commit import next_due, waiting_on
from care.journey import Journey
from care.model import Model

Row = Mapping[str, Any]
Field = Literal["due", "owner", "kind", "opened", "gone", "next due", "waiting on", "clock", "stage", "status", "rows"]


class Change(Model):
    """One thing that would be another."""

    about: str
    """A task by its id, a clock by its kind and subject, or `journey`."""
    what: Field
    recorded: str | None
    """As it stands in the record."""
    then: str | None
    """As it would be."""


def changes(state: Journey, head: Row, tasks: Sequence[Row], kept: Journey | None) -> list[Change]:
    """Every open task, date, owner and clock that differs.

    `head` is the journey's row, `tasks` its open tasks; `kept` the journey as the record keeps it, if it does: the
    clocks are known only from that.
    """
    found = _of_journey(state, head)
    if any(change.what == "rows" for change in found):
        return found  # after other decisions everything else differs too
    return [*found, *_of_tasks(state, tasks), *(_of_clocks(state, kept) if kept is not None else ())]


def _of_journey(state: Journey, head: Row) -> list[Change]:
    pairs: tuple[tuple[Field, Any, Any], ...] = (
        ("rows", head["seq"], state.seq),
        ("stage", head["stage"], str(state.stage)),
        ("status", head["status"], state.status),
        ("waiting on", head["waiting_on"], waiting_on(state)),
        ("next due", head["next_due_at"], next_due(state)),
    )
    return [_change("journey", what, old, new) for what, old, new in pairs if old != new]


def _of_tasks(state: Journey, tasks: Sequence[Row]) -> list[Change]:
    found: list[Change] = []
    owed = {task.id: task for task in state.open_tasks}
    for row in tasks:
        task = owed.pop(row["id"], None)
        if task is None:
            found.append(_change(row["id"], "gone", row["kind"], None))
            continue
        pairs: tuple[tuple[Field, Any, Any], ...] = (
            ("kind", row["kind"], task.kind),
            ("due", row["due_at"], task.due),
            ("owner", row["owner"], task.owner),
        )
        found += [_change(task.id, what, old, new) for what, old, new in pairs if old != new]
    return found + [_change(task.id, "opened", None, task.kind) for task in owed.values()]


def _of_clocks(state: Journey, kept: Journey) -> list[Change]:
    before, after = _clocks(kept), _clocks(state)
    return [
        _change(about, "clock", before.get(about), after.get(about))
        for about in sorted(before.keys() | after.keys())
        if before.get(about) != after.get(about)
    ]


def _clocks(journey: Journey) -> dict[str, datetime | str]:
    return {
        f"{clock.kind} {clock.subject}": "paused" if clock.paused_at is not None else clock.due
        for clock in journey.clocks
    }


def _change(about: str, what: Field, old: Any, new: Any) -> Change:
    return Change(about=about, what=what, recorded=_said(old), then=_said(new))


def _said(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return None if value is None else str(value)
