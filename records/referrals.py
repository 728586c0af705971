"""Referrals as they came in, and which journey each of them started."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from records.database import Database


class Waiting(BaseModel):
    """A referral whose journey has not been started yet."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    journey: str
    tenant: str
    facts: dict[str, Any]
    matched: bool
    """Whether it was held against the pathways already."""
    codes: list[dict[str, Any]] = Field(repr=False)
    texts: list[str] = Field(repr=False)


async def to_start(database: Database, limit: int = 50) -> list[Waiting]:
    """Referrals stored but not yet started, oldest first; after them those that could not be started before."""
    rows = await database.fetch(
        "select journey, tenant, facts, matched, codes, texts from continuum.referral where started_at is null"
        " order by start_attempts, received_at limit $1",
        limit,
    )
    return [Waiting(**dict(r)) for r in rows]


async def started(database: Database, journey: str, facts: dict[str, Any]) -> None:
    """The journey runs, with these facts."""
    await database.execute(
        "update continuum.referral set started_at = now(), facts = $2, matched = true where journey = $1",
        journey,
        facts,
    )


async def not_started(database: Database, journey: str) -> None:
    """The journey could not be started; it is tried again after the others."""
    await database.execute(
        "update continuum.referral set start_attempts = start_attempts + 1 where journey = $1", journey
    )


async def amendments_to_note(database: Database, limit: int = 50) -> list[tuple[UUID, str, str]]:
    """Amendments that no journal row speaks of yet: inbound id, journey, tenant."""
    rows = await database.fetch(
        "select i.id, i.journey, i.tenant from continuum.inbound i"
        " join continuum.referral r on r.journey = i.journey and r.started_at is not null"
        " join continuum.journey j on j.id = i.journey and j.status <> 'closed'"
        " where i.outcome = 'amendment' and not exists (select 1 from continuum.journal l"
        "   where l.journey = i.journey and l.action_id = 'amendment-' || i.id)"
        " order by i.recorded_at limit $1",
        limit,
    )
    return [(r["id"], r["journey"], r["tenant"]) for r in rows]
