"""Ladders: when the next person is told that something is owed. Pure functions of the table and a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from care.calendar import Calendar
from care.clock import Backdated
from care.task import TASKS, Rung, Task, TaskKind

SPREAD_HOURS = 40
"""Clocks that had run out before a caseload was taken over take their first step within so many hours of opening
time: about five days. A design choice."""


def after(calendar: Calendar, moment: datetime, hours: float, *, round_the_clock: bool) -> datetime:
    """So many hours after a moment (or before it, where negative), of opening time or of plain time."""
    if round_the_clock:
        return moment + timedelta(hours=hours)
    if hours < 0:
        return calendar.before_hours(moment, -hours)
    return calendar.after_hours(moment, hours) if hours else in_hours(calendar, moment)


def in_hours(calendar: Calendar, moment: datetime) -> datetime:
    """The moment itself, closing time included; outside opening hours the next opening."""
    return moment if calendar.is_open(moment, moment) else calendar.opening(moment)


def moment_of(calendar: Calendar, kind: TaskKind, due: datetime, rung: Rung) -> datetime:
    """When a step of the ladder is taken, counted from the task's due time."""
    return after(calendar, due, rung.after_hours, round_the_clock=TASKS[kind].round_the_clock)


def first_rung(calendar: Calendar, kind: TaskKind, due: datetime, now: datetime) -> int:
    """The step that a new task begins with: those that lie before the due time are left out when they are past."""
    ladder = TASKS[kind].ladder
    return next(
        n for n, rung in enumerate(ladder) if rung.after_hours >= 0 or moment_of(calendar, kind, due, rung) > now
    )


def next_step(calendar: Calendar, task: Task, now: datetime) -> datetime:
    """When the step after the one just taken is due.

    Counted from the due time; where that step was taken late (nobody ran at the time), the next keeps its distance
    to it, so that an outage is followed by one step and not by the whole ladder. After the last step comes one every
    open day, or every 24 hours.
    """
    rule = TASKS[task.kind]
    if task.rung >= len(rule.ladder):
        return now + timedelta(days=1) if rule.round_the_clock else calendar.after_days(now, 1)
    taken, coming = rule.ladder[task.rung - 1], rule.ladder[task.rung]
    distance = coming.after_hours - taken.after_hours
    return max(
        moment_of(calendar, task.kind, task.due, coming),
        after(calendar, now, distance, round_the_clock=rule.round_the_clock),
    )


def quiet_until(calendar: Calendar, kind: TaskKind, now: datetime) -> datetime:
    """Until when an acknowledgement keeps the ladder silent."""
    rule = TASKS[kind]
    return after(calendar, now, rule.acknowledged_hours, round_the_clock=rule.round_the_clock)


def taken_over(calendar: Calendar, due: datetime, policy: Backdated, now: datetime, key: str) -> datetime | None:
    """When a clock that ran out before a caseload was taken over takes its first step; None for never.

    `key` tells clocks apart: the same one is spread to the same hour whenever it is asked.
    """
    if due > now:
        return due
    match policy:
        case "skip":
            return None
        case "do_now":
            return now
        case "spread":
            share = int.from_bytes(sha256(key.encode()).digest()[:4]) / 2**32
            return calendar.after_hours(now, share * SPREAD_HOURS)
