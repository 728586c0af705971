"""What the record of a visit brought about, worked out from the journey before and after it.

Kept with the record so that it can be taken back exactly, whatever was counted by whichever rule.
"""

from __future__ import annotations

from care.journey import Journey, RecordedVisit
from care.plan import Counted
from care.task import TaskKind

ENDED: set[TaskKind] = {"first_visit", "win_back"}
"""What the record of a visit ends beside its own task."""


def number(minted: str) -> int:
    """The number of an id that the journey gave out (`journey:kind:n`)."""
    return int(minted.rpartition(":")[2])


def complete(record: RecordedVisit, before: Journey, after: Journey) -> None:
    """Note what the decision that recorded this visit counted, opened and ended."""
    stood = {t.id: t for t in before.open_tasks}
    stands = {t.id for t in after.open_tasks}
    record.opened = [number(t.id) for t in after.open_tasks if t.id not in stood]
    record.settled = [t for t in stood.values() if t.id not in stands and t.kind in ENDED]
    record.counted = _counted(record.visit.plan, before, after)


def _counted(plan_id: str | None, before: Journey, after: Journey) -> Counted:
    was, now = (journey.plan(plan_id) if plan_id else None for journey in (before, after))
    if was is None or now is None:
        missed = after.first_visits_missed - before.first_visits_missed
        return Counted(first_missed=missed, winning_back=before.winning_back)
    used_before, used = (plan.authorisation.used if plan.authorisation else 0 for plan in (was, now))
    return Counted(
        attended=now.visits_attended - was.visits_attended,
        missed=now.visits_missed - was.visits_missed,
        treatment_days=now.treatment_days - was.treatment_days,
        authorised=used - used_before,
        missed_in_a_row=(was.missed_in_a_row, now.missed_in_a_row),
        last_treatment_on=was.last_treatment_on,
        winning_back=was.winning_back,
    )
