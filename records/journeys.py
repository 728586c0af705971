"""Reading the record: journeys, their journal and what belongs to them. For people and programs that look on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from records.database import Database

Row = dict[str, Any]

NO_DUE_TIME = datetime(9000, 1, 1, tzinfo=UTC)
"""Where what is due at no time stands in the order of what is due."""

Place = tuple[bool, bool, datetime, str]
"""Where a journey stands in the list: closed, not overdue, when it is due next, its id."""


class Sight(NamedTuple):
    """Which of a tenant's journeys somebody may see: all of them, or those that bear one of these marks."""

    everything: bool = True
    sender: str | None = None
    """Who sent the referral."""
    email: str | None = None
    """Of the requester whom the referral names."""
    journey: str | None = None


EVERYTHING = Sight()


def _plain(rows: list[Any]) -> list[Row]:
    return [dict(row) for row in rows]


async def journeys(
    database: Database,
    tenant: str,
    *,
    stage: str | None = None,
    status: str | None = None,
    overdue: bool | None = None,
    waiting_on: str | None = None,
    sight: Sight = EVERYTHING,
    after: Place | None = None,
    limit: int | None = None,
) -> list[Row]:
    """Journeys, the most urgent first; with the patient's name, for staff of the clinic and who sent the patient."""
    rows = await database.fetch(
        f"""
        select j.id, j.tenant, j.clinic, j.stage, j.status, j.outcome, j.pathway, j.priority, j.waiting_on,
            j.next_due_at, j.overdue, j.seq, j.at, j.recorded_at, concat_ws(' ', p.given, p.family) as patient
        from continuum.journey j
        left join continuum.referral r on r.journey = j.id left join continuum.patient p on p.id = r.patient
        where j.tenant = $1 and ($2::text is null or lower(j.stage) = lower($2)) and ($3::text is null or j.status = $3)
            and ($4::boolean is null or j.overdue = $4) and ($5::text is null or j.waiting_on = $5)
            and {_SEEN.format(6, 7, 8, 9)}
            and ($10::boolean is null or (j.status = 'closed', not j.overdue, coalesce(j.next_due_at, $14), j.id)
                > ($10, $11, $12::timestamptz, $13))
        order by j.status = 'closed', not j.overdue, coalesce(j.next_due_at, $14), j.id limit $15
        """,  # noqa: S608 - numbers of our own parameters
        tenant,
        stage,
        status,
        overdue,
        waiting_on,
        *sight,
        *(after or (None, None, None, None)),
        NO_DUE_TIME,
        limit,
    )
    return _plain(rows)


_SEEN = "(${}::boolean or r.sender = ${}::text or lower(r.requester_email) = lower(${}::text) or r.journey = ${}::text)"


def place_of(row: Row) -> Place:
    """Where a row of `journeys` stands in their order."""
    return row["status"] == "closed", not row["overdue"], row["next_due_at"] or NO_DUE_TIME, row["id"]


async def is_seen(database: Database, tenant: str, journey_id: str, sight: Sight) -> bool:
    """Whether there is a referral or journey of that id, of this tenant, within somebody's sight."""
    found = await database.value(
        f"select true from continuum.referral r where r.tenant = $1 and r.journey = $2 and {_SEEN.format(3, 4, 5, 6)}"  # noqa: S608
        " union all select true from continuum.journey j where j.tenant = $1 and j.id = $2 and $3 limit 1",
        tenant,
        journey_id,
        *sight,
    )
    return bool(found)


async def to_be_started(database: Database, tenant: str) -> list[Row]:
    """Referrals stored whose journey has not begun: Temporal was away when they came."""
    return _plain(
        await database.fetch(
            "select r.journey as id, r.received_at from continuum.referral r where r.tenant = $1"
            " and not exists (select 1 from continuum.journey j where j.id = r.journey) order by r.received_at",
            tenant,
        )
    )


async def journey(database: Database, tenant: str, journey_id: str) -> Row | None:
    """One journey with all that belongs to it; None where there is none of that id."""
    head = await database.row(
        """
        select j.id, j.tenant, j.clinic, j.stage, j.status, j.outcome, j.pathway, j.priority, j.waiting_on,
            j.next_due_at, j.overdue, j.seq, j.at, j.recorded_at, concat_ws(' ', p.given, p.family) as patient,
            r.patient as patient_id, r.source, r.referral_id, r.received_at
        from continuum.journey j
        left join continuum.referral r on r.journey = j.id left join continuum.patient p on p.id = r.patient
        where j.tenant = $1 and j.id = $2
        """,
        tenant,
        journey_id,
    )
    if head is None:
        return None
    parts = {name: _plain(await database.fetch(sql, journey_id)) for name, sql in _PARTS.items()}
    return {**dict(head), **parts}


_PARTS = {
    "journal": "select * from continuum.journal where journey = $1 order by seq",
    "plans": "select id, status, body from continuum.plan where journey = $1 order by started_at, id",
    "visits": "select * from continuum.visit where journey = $1 order by starts_at, id",
    "scores": "select * from continuum.score where journey = $1 order by at, id",
    "tasks": "select * from continuum.task where journey = $1 order by opened_at, id",
    "notices": "select * from continuum.notice where journey = $1 order by send_after, id",
    "replies": "select * from continuum.reply where journey = $1 order by at, id",
    "notes": "select id, author, body, recorded_at from continuum.note where journey = $1 order by recorded_at",
    "documents": "select id, kind, body, recorded_at from continuum.document where journey = $1 order by id",
}


async def open_tasks(database: Database, tenant: str, journey_id: str) -> list[Row]:
    """What is owed now on one journey, soonest due first."""
    return _plain(
        await database.fetch(
            "select * from continuum.task where tenant = $1 and journey = $2 and settled_at is null"
            " order by due_at, id",
            tenant,
            journey_id,
        )
    )


async def journal_since(database: Database, tenant: str, journey_id: str, seq: int) -> list[Row]:
    """The rows of a journey's journal after that one."""
    return _plain(
        await database.fetch(
            "select * from continuum.journal where tenant = $1 and journey = $2 and seq > $3 order by seq",
            tenant,
            journey_id,
            seq,
        )
    )


async def tasks(
    database: Database,
    tenant: str,
    *,
    owner: str | None = None,
    people: Sequence[str] | None = None,
    queues: Collection[tuple[str, str]] = (),
    kind: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int | None = None,
) -> list[Row]:
    """What is owed now, soonest due first: by anybody, by one queue or person, or by these people and queues.

    A queue of `queues` is named with the clinic at which it is meant.
    """
    rows = await database.fetch(
        """
        select t.*, j.stage, j.priority, concat_ws(' ', p.given, p.family) as patient
        from continuum.task t join continuum.journey j on j.id = t.journey
        left join continuum.referral r on r.journey = j.id left join continuum.patient p on p.id = r.patient
        where t.tenant = $1 and t.settled_at is null and ($2::text is null or t.owner in ($2, 'queue:' || $2))
            and ($3::text is null or t.kind = $3)
            and ($4::text[] is null or t.owner = any($4) or (t.owner, t.clinic) in (
                select 'queue:' || q.id, q.clinic from unnest($5::text[], $6::text[]) as q(id, clinic)))
            and ($7::timestamptz is null or (t.due_at, t.id) > ($7, $8))
        order by t.due_at, t.id limit $9
        """,
        tenant,
        owner,
        kind,
        [f"person:{person}" for person in people] if people is not None else None,
        [queue for queue, _ in queues],
        [clinic for _, clinic in queues],
        *(after or (None, None)),
        limit,
    )
    return _plain(rows)


async def notices(database: Database, tenant: str, *, journey_id: str | None = None) -> list[Row]:
    """What was said to whom, and how it went."""
    rows = await database.fetch(
        "select * from continuum.notice where tenant = $1 and ($2::text is null or journey = $2)"
        " order by send_after, id",
        tenant,
        journey_id,
    )
    return _plain(rows)


async def part(database: Database, journey_id: str, name: str) -> list[Row]:
    """One of the lists that belong to a journey (`journey`), for whoever needs no more of it."""
    return _plain(await database.fetch(_PARTS[name], journey_id))


async def action_row(database: Database, journey_id: str, action_id: str) -> Row | None:
    """The journal row that an action was written to."""
    row = await database.row(
        "select j.seq, j.stage, j.text, j.action_digest, p.status from continuum.journal j"
        " join continuum.journey p on p.id = j.journey where j.journey = $1 and j.action_id = $2",
        journey_id,
        action_id,
    )
    return dict(row) if row else None


async def last_state(database: Database, tenant: str, journey_id: str) -> Row | None:
    """A closed journey as it stood before it closed; None while it is open, or where nothing was kept.

    Rows that the journal got since then have been given out too, so it is at the last of them.
    """
    found = await database.value(
        "select jsonb_set(last_state, '{seq}', to_jsonb(seq)) from continuum.journey"
        " where tenant = $1 and id = $2 and status = 'closed'",
        tenant,
        journey_id,
    )
    return found if isinstance(found, dict) else None


async def add_note(database: Database, *, note_id: str, tenant: str, journey_id: str, author: str, body: str) -> str:
    """Keep a note; an action may then carry its id. Returns what is kept under it: notes never change."""
    await database.execute(
        "insert into continuum.note (id, tenant, journey, author, body) values ($1, $2, $3, $4, $5)"
        " on conflict (id) do nothing",
        note_id,
        tenant,
        journey_id,
        author,
        body,
    )
    return str(await database.value("select body from continuum.note where id = $1", note_id))


async def journey_row(database: Database, tenant: str, journey_id: str) -> Row | None:
    """A journey as it stands; a referral that is stored but not begun yet stands in intake."""
    row = await database.row(
        "select id, stage, status, outcome, seq, pathway, priority, next_due_at from continuum.journey"
        " where tenant = $1 and id = $2"
        " union all select journey, 'Intake', 'open', null, 0, null, null, null from continuum.referral r"
        " where tenant = $1 and journey = $2"
        "   and not exists (select 1 from continuum.journey j where j.id = r.journey)",
        tenant,
        journey_id,
    )
    return dict(row) if row else None
