"""A journey as the record has it, for whoever decides upon a message about it."""

from __future__ import annotations

from typing import Any

from records.database import Database

Row = dict[str, Any]


async def of_journey(database: Database, tenant: str, journey: str) -> Row | None:
    """Stage, status, pathway, the clinic's time zone, the days of surgery, and all visits; None where there is none."""
    row = await database.row(
        """
        select coalesce(j.stage, 'Intake') as stage, coalesce(j.status, 'open') as status, j.pathway,
            coalesce((select c.timezone from continuum.clinic c where c.tenant = r.tenant and c.active
                      order by c.id = j.clinic desc, c.position, c.id limit 1), 'UTC') as timezone,
            (select l.data->>'planned_for' from continuum.journal l where l.journey = r.journey
             and l.kind = 'surgery_planned' order by l.seq desc limit 1) as surgery_planned_for,
            (select l.data->>'done_at' from continuum.journal l where l.journey = r.journey
             and l.kind = 'surgery_done' order by l.seq desc limit 1) as surgery_done_at,
            (select coalesce(jsonb_agg(jsonb_build_object('id', v.id, 'status', v.status, 'clinician', v.clinician,
                 'starts_at', v.starts_at, 'ends_at', v.ends_at) order by v.starts_at, v.id), '[]')
             from continuum.visit v where v.journey = r.journey) as visits,
            (select coalesce(jsonb_agg(p.id), '[]') from continuum.person p
             where p.tenant = r.tenant and p.active) as people
        from continuum.referral r left join continuum.journey j on j.id = r.journey
        where r.tenant = $1 and r.journey = $2
        """,
        tenant,
        journey,
    )
    return dict(row) if row else None


async def visit_of_row(database: Database, journey: str, seq: int) -> str | None:
    """The visit that a row of the journal booked."""
    found = await database.value(
        "select id from continuum.visit where journey = $1 and seq = $2 and status = 'booked' order by id limit 1",
        journey,
        seq,
    )
    return str(found) if found else None
