"""How a site stands at this moment, in numbers for whoever watches it: counts and ages, never an id.

Waiting rows are few and have indexes of their own; what is done is not counted. Ages of rows are by the wall clock of
this server (`recorded_at`); what is owed is compared with `as_of` or, where a journey's own clock is ahead, with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from care.task import TASKS
from records.database import Database

PAUSES = {kind: list(rule.pauses_for) for kind, rule in TASKS.items()}


@dataclass(frozen=True)
class Reading:
    """One value of one metric."""

    metric: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


_JOURNEYS = "select stage, status, count(*) as n from continuum.journey group by 1, 2"

_TASKS = """
    select coalesce(nullif(t.queue, ''), 'none') as queue, count(*) as n,
        count(*) filter (where late.it) as overdue,
        count(*) filter (where t.kind = 'answer_referral') as unanswered,
        count(*) filter (where t.kind = 'answer_referral' and late.it) as unanswered_late
    from continuum.task t join continuum.journey j on j.id = t.journey
    cross join lateral (
        select t.due_at < greatest($1::timestamptz, j.at) and not (
            j.status = 'on_hold' and coalesce(($2::jsonb->t.kind) ? (
                select w.data->>'reason' from continuum.journal w
                where w.journey = j.id and w.kind = 'on_hold' order by w.seq desc limit 1), false)) as it) late
    where t.settled_at is null and j.status <> 'closed'
    group by 1
"""

_WAITING = """
    select 'asks' as what, status, count(*) as n, min(recorded_at) as oldest from continuum.ask
        where status = 'waiting' or status in ('quarantined', 'dead') group by status
    union all
    select 'deliveries', status, count(*), min(at) from continuum.delivery
        where status = 'pending' or status = 'dead' group by status
    union all
    select 'hl7_answers', status, count(*), min(recorded_at) from continuum.hl7_answer
        where status = 'pending' or status = 'dead' group by status
    union all
    select 'notices', status, count(*), min(send_after) from continuum.notice
        where status = 'queued' or status = 'sending' or status in ('failed', 'uncertain') group by status
    union all
    select 'relay', 'waiting', count(*), min(i.recorded_at) from continuum.referral r
        join continuum.inbound i on i.id = r.inbound where r.started_at is null
"""

WAITING: dict[str, tuple[str, ...]] = {
    "asks": ("waiting", "quarantined", "dead"),
    "deliveries": ("pending", "dead"),
    "hl7_answers": ("pending", "dead"),
    "notices": ("queued", "sending", "failed", "uncertain"),
    "relay": ("waiting",),
}
"""What may wait or lie, by status; a status of which there is none is said as 0."""

AGED = ("asks", "deliveries", "hl7_answers", "relay")
"""Those whose oldest matters. A notice waits for its hour by design."""


async def standing(database: Database, as_of: datetime) -> list[Reading]:
    """Everything at this moment. Raises DatabaseAway, DatabaseRefused."""
    found = [
        Reading("journeys", row["n"], (("stage", row["stage"]), ("status", row["status"])))
        for row in await database.fetch(_JOURNEYS)
    ]
    tasks = await database.fetch(_TASKS, as_of, PAUSES)
    for row in tasks:
        of = (("queue", row["queue"]),)
        found += [Reading("tasks_open", row["n"], of), Reading("tasks_overdue", row["overdue"], of)]
    found.append(Reading("referrals_unanswered", sum(row["unanswered"] for row in tasks)))
    found.append(Reading("referrals_unanswered_late", sum(row["unanswered_late"] for row in tasks)))
    now: datetime = await database.value("select now()")
    waiting = {(row["what"], row["status"]): row for row in await database.fetch(_WAITING)}
    for what, statuses in WAITING.items():
        for status in statuses:
            there = waiting.get((what, status))
            oldest = there["oldest"] if there else None
            age = max((now - oldest).total_seconds(), 0.0) if oldest is not None else 0.0
            found += _waiting(what, status, there["n"] if there else 0, age)
    return found


def _waiting(what: str, status: str, n: int, age: float) -> Iterator[Reading]:
    if what == "relay":
        yield Reading("relay_waiting", n)
        yield Reading("relay_lag_seconds", age)
        return
    of = (("status", status),)
    yield Reading(what, n, of)
    if what in AGED:
        yield Reading(f"{what}_oldest_seconds", age, of)
