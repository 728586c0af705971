"""Documents, and what a discharge summary is written from."""

from __future__ import annotations

from typing import Any

from records.database import Database


async def save(
    database: Database, *, document: str, journey: str, tenant: str, kind: str, body: str, pdf: bytes
) -> None:
    """Write a document; a later version replaces the draft under the same id."""
    await database.execute(
        "insert into continuum.document (id, journey, tenant, kind, body, pdf) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (id) do update set body = excluded.body, pdf = excluded.pdf, recorded_at = now()",
        document,
        journey,
        tenant,
        kind,
        body,
        pdf,
    )


async def pdf(database: Database, tenant: str, document: str) -> bytes | None:
    """The PDF of a document."""
    found: bytes | None = await database.value(
        "select pdf from continuum.document where tenant = $1 and id = $2", tenant, document
    )
    return found


TOLD = (
    "pathway",
    "screened",
    "red_flag",
    "red_flag_handled",
    "reviewed",
    "surgery_done",
    "phase",
    "gate_overridden",
    "discharge_reason",
    "summary_signed",
)
"""The kinds of journal rows that a summary tells of."""


async def course(database: Database, tenant: str, journey: str) -> dict[str, Any]:
    """Everything a summary tells: who, why, what was done, how it went.

    `people` has the directory's names of those who acted, by id; `pathway` is the label (`low_back_pain@1`) of the
    version that the journey is pinned to, None where it has none.
    """
    head = await database.row(
        """
        select r.referral_id, r.received_at, r.requester, p.family, p.given, p.birth_date, c.name as clinic, c.timezone
        from continuum.referral r
        left join continuum.journey j on j.id = r.journey and j.tenant = r.tenant
        left join continuum.patient p on p.id = r.patient and p.tenant = r.tenant
        left join continuum.clinic c on c.tenant = r.tenant and c.id = coalesce(j.clinic, c.id)
        where r.tenant = $1 and r.journey = $2 order by c.position, c.id limit 1
        """,
        tenant,
        journey,
    )
    plans = await database.fetch(
        "select body from continuum.plan where tenant = $1 and journey = $2 order by started_at, id", tenant, journey
    )
    scores = await database.fetch(
        "select measure, value, at from continuum.score where tenant = $1 and journey = $2 and not in_error"
        " order by at, id",
        tenant,
        journey,
    )
    rows = await database.fetch(
        "select kind, text, at, person, role, pathway, data, outcome from continuum.journal"
        " where tenant = $1 and journey = $2 and kind = any($3) order by seq",
        tenant,
        journey,
        list(TOLD),
    )
    visits = await database.fetch(
        "select status, count(*) as n from continuum.visit where tenant = $1 and journey = $2 group by status",
        tenant,
        journey,
    )
    pathway = await database.value(
        """
        select coalesce(
            (select pathway from continuum.journey where tenant = $1 and id = $2),
            (select pathway from continuum.journal where tenant = $1 and journey = $2 and pathway is not null
             order by seq desc limit 1))
        """,
        tenant,
        journey,
    )
    people = await database.fetch(
        "select id, name from continuum.person where tenant = $1 and id = any($2)",
        tenant,
        sorted({r["person"] for r in rows}),
    )
    return {
        "head": dict(head) if head else {},
        "pathway": pathway,
        "plans": [r["body"] for r in plans],
        "scores": [dict(r) for r in scores],
        "rows": [dict(r) for r in rows],
        "visits": {r["status"]: r["n"] for r in visits},
        "people": {r["id"]: r["name"] for r in people},
    }
