"""Which journey a message is about, as far as the record can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from records.database import Database


async def by_id(database: Database, tenant: str, journey: str) -> str | None:
    """The journey itself, if it is this tenant's."""
    return _text(
        await database.value(
            "select journey from continuum.referral where tenant = $1 and journey = $2", tenant, journey
        )
    )


async def by_visit(database: Database, tenant: str, visit: str) -> str | None:
    """The journey to which a visit belongs."""
    return _text(
        await database.value("select journey from continuum.visit where tenant = $1 and id = $2", tenant, visit)
    )


async def by_appointment(database: Database, tenant: str, sender: str | None, number: str) -> tuple[str, str] | None:
    """Journey and visit of an appointment that a sender knows under a number of its own."""
    row = await database.row(
        "select journey, visit from continuum.appointment where tenant = $1 and sender = $2 and number = $3",
        tenant,
        sender or "",
        number,
    )
    return (row["journey"], row["visit"]) if row else None


async def remember_appointment(
    database: Database, tenant: str, sender: str | None, number: str, journey: str, visit: str
) -> None:
    """A sender's appointment is this visit now."""
    await database.execute(
        "insert into continuum.appointment (tenant, sender, number, journey, visit) values ($1, $2, $3, $4, $5)"
        " on conflict (tenant, sender, number) do update set journey = excluded.journey, visit = excluded.visit",
        tenant,
        sender or "",
        number,
        journey,
        visit,
    )


async def by_referral(database: Database, tenant: str, sender: str | None, referral_id: str) -> list[str]:
    """Journeys of an order, by the name that it has at its sender."""
    rows = await database.fetch(
        "select journey from continuum.referral where tenant = $1 and sender is not distinct from $2"
        " and referral_id = $3 order by received_at, journey",
        tenant,
        sender,
        referral_id,
    )
    return [r["journey"] for r in rows]


async def open_by_patient(database: Database, tenant: str, identifiers: Sequence[tuple[str | None, str]]) -> list[str]:
    """Open journeys of whoever has one of these numbers. A number without a system is nobody's."""
    rows = await database.fetch(
        """
        select distinct r.journey, r.received_at
        from unnest($2::text[], $3::text[]) as n(system, value)
        join continuum.patient p on p.tenant = $1
            and p.identifiers @> jsonb_build_array(jsonb_build_object('system', n.system, 'value', n.value))
        join continuum.referral r on r.tenant = $1 and r.patient = coalesce(p.merged_into, p.id)
        left join continuum.journey j on j.id = r.journey
        where coalesce(j.status, 'open') <> 'closed'
        order by r.received_at, r.journey
        """,
        tenant,
        [system for system, value in identifiers if system],
        [value for system, value in identifiers if system],
    )
    return [r["journey"] for r in rows]


async def patients_by_number(
    database: Database, tenant: str, identifiers: Sequence[tuple[str | None, str]]
) -> list[UUID]:
    """Patients in the register with one of these numbers, those that were merged away not counted."""
    rows = await database.fetch(
        """
        select distinct p.id
        from unnest($2::text[], $3::text[]) as n(system, value)
        join continuum.patient p on p.tenant = $1 and p.merged_into is null
            and p.identifiers @> jsonb_build_array(jsonb_build_object('system', n.system, 'value', n.value))
        order by p.id
        """,
        tenant,
        [system for system, value in identifiers if system],
        [value for system, value in identifiers if system],
    )
    return [r["id"] for r in rows]


async def owner(database: Database, tenant: str, journey: str) -> str | None:
    """Who sent the referral of a journey."""
    return _text(
        await database.value(
            "select sender from continuum.referral where tenant = $1 and journey = $2", tenant, journey
        )
    )


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) else None
