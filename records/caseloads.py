"""What a caseload is held against before it is taken over: journeys there already, and slots that are taken."""

from __future__ import annotations

from datetime import datetime

from records.database import Database


async def known(database: Database, tenant: str, source: str) -> dict[str, tuple[str, str]]:
    """Journeys of a source by their id there: our id, and the digest of what came first."""
    rows = await database.fetch(
        "select referral_id, journey, sha256 from continuum.referral where tenant = $1 and source = $2", tenant, source
    )
    return {r["referral_id"]: (r["journey"], r["sha256"]) for r in rows}


async def booked_slots(database: Database, tenant: str, after: datetime) -> list[tuple[str, datetime, datetime]]:
    """Clinician, begin and end of every visit booked that ends after a moment."""
    rows = await database.fetch(
        "select clinician, starts_at, ends_at from continuum.visit where tenant = $1 and status = 'booked'"
        " and ends_at > $2",
        tenant,
        after,
    )
    return [(r["clinician"], r["starts_at"], r["ends_at"]) for r in rows]
