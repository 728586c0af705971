"""What a patient may wait for: every wait has somebody who owes its end, and an end; every gate can be overridden."""

from __future__ import annotations

from collections.abc import Iterator

from care.clock import EVENTS, EventKind
from care.pathway import Pathway
from care.steps.common import CLINICIANS
from care.task import TASKS, TaskKind
from care.triage import Triage
from pathways.lint.finding import Problem

Wait = tuple[str, TaskKind, EventKind | None]
"""Where the content says how long; what somebody owes when it is over; the clock that runs until then, if any."""


def waits(pathway: Pathway) -> Iterator[Problem]:
    """Every wait that this content begins ends in something that somebody owes, and is chased until it is done."""
    for where, task, event in _of(pathway):
        rule = TASKS.get(task)
        if rule is None or not rule.owner.strip():
            yield where, "wait_without_owner", f"nobody owes {task}: give it a queue of the directory in care/task.py"
        elif not rule.ladder or not rule.actions:
            yield where, "wait_without_end", f"nothing ends {task}: give it a ladder and an action in care/task.py"
        if event is not None and (event not in EVENTS or not EVENTS[event].then.strip()):
            yield where, "wait_without_end", f"nothing happens after {event}: say what in care/clock.py"


def _of(pathway: Pathway) -> Iterator[Wait]:
    yield "usual_level", "first_visit", None
    yield "red_flags", "handle_red_flag", None
    yield "review", "review_progress", "review_due"
    for n, rule in enumerate(pathway.dosing):
        if rule.check_days:
            yield f"dosing[{n}].check_days", "review_progress", "self_care_check"
    for n, _ in enumerate(pathway.phases):
        yield f"phases[{n}].window_days", "review_phase", "phase_review"
    yield "follow_up", "call_patient", "follow_up_answer"
    if pathway.surgical:
        yield "before_surgery", "record_surgery", None


def triage(content: Triage, prefix: str) -> Iterator[Problem]:
    """No first visit is waited for without an end."""
    for n, level in enumerate(content.levels):
        if level.max_wait_days < 0:
            where = f"{prefix}levels[{n}].max_wait_days"
            yield where, "wait_without_end", "a wait of less than no days never ends: 0 or more"


def gates(pathway: Pathway) -> Iterator[Problem]:
    """Every gate has criteria, a date on which it is reviewed if it stays shut, and somebody who may open it."""
    for n, phase in enumerate(pathway.phases):
        where = f"phases[{n}]"
        start, end = phase.window_days
        if not phase.gate and n + 1 < len(pathway.phases):
            yield f"{where}.gate", "no_gate", "time alone never opens a gate: say what must be met"
        if start >= end:
            yield f"{where}.window_days", "window", "earliest day first, then the day of the review"
        if "override_gate" not in TASKS["review_phase"].actions or not CLINICIANS:
            yield f"{where}.gate", "no_override", "nobody may open this gate: a review of the phase lets a clinician"
