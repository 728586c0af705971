"""What the record knows of systems that speak HL7 v2, and what it answers them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from records.database import Database


class Hl7Client(BaseModel):
    """A registered system: the names that its messages bear, and its TLS certificate where it must show one."""

    model_config = ConfigDict(frozen=True)

    id: str
    senders: tuple[str, ...]
    """`MSH-3|MSH-4`."""
    certificate: str | None
    """SHA-256 of it, hex."""


async def clients(database: Database, tenant: str) -> tuple[Hl7Client, ...]:
    """The tenant's systems that may send HL7 v2."""
    rows = await database.fetch(
        "select id, hl7_senders, certificate from continuum.client where tenant = $1 and active"
        " and (certificate is not null or hl7_senders <> '[]') order by id",
        tenant,
    )
    return tuple(Hl7Client(id=r["id"], senders=tuple(r["hl7_senders"]), certificate=r["certificate"]) for r in rows)


class Standing(BaseModel):
    """A referral, as its sender may ask about it."""

    model_config = ConfigDict(frozen=True)

    journey: str
    task_status: str | None
    """The last that the sender was told; None: nothing yet."""
    reason: str | None


async def standing(database: Database, tenant: str, sender: str | None, source: str, name: str) -> Standing | None:
    """The referral of that name among those of this sender."""
    row = await database.row(
        "select r.journey, y.task_status, y.reason from continuum.referral r"
        " left join lateral (select task_status, reason from continuum.reply where journey = r.journey"
        "   order by at desc, id desc limit 1) y on true"
        " where r.tenant = $1 and r.sender is not distinct from $2 and r.referral_id = $4"
        " order by r.source = $3 desc, r.received_at desc limit 1",
        tenant,
        sender,
        source,
        name,
    )
    return Standing(**dict(row)) if row else None
