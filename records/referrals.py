"""Referrals as they came in, and which journey each of them started."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict

from records.database import Database


class NewReferral(BaseModel):
    """What is stored of one referral: raw bytes, identity, the patient, and the facts a workflow may know."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    journey: str
    tenant: str
    source: str
    referral_id: str
    transport_key: str
    sha256: str
    raw: bytes
    path: str
    media_type: str = "application/fhir+json"
    patient: dict[str, Any] | None
    patient_reference: str | None
    requester: dict[str, Any]
    requester_email: str | None
    texts: list[str]
    codes: list[dict[str, Any]]
    facts: dict[str, Any]
    received_at: datetime


class Stored(BaseModel):
    """What became of it."""

    outcome: Literal["accepted", "duplicate", "amendment", "conflict"]
    journey: str | None


class Waiting(BaseModel):
    """A referral whose journey has not been started yet."""

    journey: str
    tenant: str
    facts: dict[str, Any]


async def store(database: Database, new: NewReferral) -> Stored:
    """Write it once. Whoever inserts the referral's row first starts the journey; all others learn which it is.

    Same referral and same bytes: a duplicate. Same referral, other bytes: an amendment, for review. Same delivery
    (transport key), other bytes: a conflict, of which only the fact is stored.
    """
    inbound = uuid4()
    async with database.connection() as connection, connection.transaction():
        # One delivery at a time under one transport key: of two with different content one is the clash.
        key = f"{new.tenant}/{new.source}/{new.transport_key}"
        await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", key)
        clash = await connection.fetchrow(
            "select 1 from continuum.inbound where tenant = $1 and source = $2 and transport_key = $3"
            " and sha256 <> $4 and outcome <> 'refused'",
            new.tenant,
            new.source,
            new.transport_key,
            new.sha256,
        )
        if clash is not None:
            return Stored(outcome="conflict", journey=None)
        won = await connection.fetchval(
            "insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, patient_reference,"
            " requester, requester_email, texts, codes, facts, received_at)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
            " on conflict (tenant, source, referral_id) do nothing returning journey",
            new.journey,
            new.tenant,
            new.source,
            new.referral_id,
            new.sha256,
            inbound,
            new.patient_reference,
            new.requester,
            new.requester_email,
            new.texts,
            new.codes,
            new.facts,
            new.received_at,
        )
        if won is not None:
            await _patient(connection, new)
            stored = Stored(outcome="accepted", journey=new.journey)
        else:
            first = await connection.fetchrow(
                "select journey, sha256 from continuum.referral where tenant = $1 and source = $2 and referral_id = $3",
                new.tenant,
                new.source,
                new.referral_id,
            )
            assert first is not None  # noqa: S101 - the insert has just lost to this row
            same = first["sha256"] == new.sha256 or await _seen(connection, new, first["journey"])
            stored = Stored(outcome="duplicate" if same else "amendment", journey=first["journey"])
        await _inbound(connection, inbound, new, stored)
    return stored


async def _seen(connection: Any, new: NewReferral, journey: str) -> bool:
    """Whether these very bytes were stored for this journey before: the repeat of an amendment is no new one."""
    return bool(
        await connection.fetchval(
            "select 1 from continuum.inbound where journey = $1 and sha256 = $2 limit 1", journey, new.sha256
        )
    )


async def _patient(connection: Any, new: NewReferral) -> None:
    if new.patient is None:
        return
    patient = await connection.fetchval(
        "insert into continuum.patient"
        " (tenant, identifiers, family, given, birth_date, gender, phone, email, languages)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id",
        new.tenant,
        new.patient["identifiers"],
        *(new.patient[k] for k in ("family", "given", "birth_date", "gender", "phone", "email")),
        new.patient["languages"],
    )
    await connection.execute("update continuum.referral set patient = $2 where journey = $1", new.journey, patient)


async def _inbound(connection: Any, inbound: UUID, new: NewReferral, stored: Stored) -> None:
    await connection.execute(
        "insert into continuum.inbound (id, tenant, source, transport_key, sha256, raw, media_type, outcome, journey,"
        " path) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        inbound,
        new.tenant,
        new.source,
        new.transport_key,
        new.sha256,
        new.raw,
        new.media_type,
        stored.outcome,
        stored.journey,
        new.path,
    )


async def store_refused(
    database: Database, *, tenant: str, source: str, sha256: str, raw: bytes, reason: str, path: str
) -> None:
    """Keep what was refused, and why: nothing that came in is lost."""
    await database.execute(
        "insert into continuum.inbound (tenant, source, transport_key, sha256, raw, media_type, outcome, reason, path)"
        " values ($1, $2, $3, $4, $5, 'application/octet-stream', 'refused', $6, $7)",
        tenant,
        source,
        f"sha256:{sha256}",
        sha256,
        raw,
        reason,
        path,
    )


async def to_start(database: Database, limit: int = 50) -> list[Waiting]:
    """Referrals stored but not yet started, oldest first; after them those that could not be started before."""
    rows = await database.fetch(
        "select journey, tenant, facts from continuum.referral where started_at is null"
        " order by start_attempts, received_at limit $1",
        limit,
    )
    return [Waiting(journey=r["journey"], tenant=r["tenant"], facts=r["facts"]) for r in rows]


async def started(database: Database, journey: str) -> None:
    """The journey runs."""
    await database.execute("update continuum.referral set started_at = now() where journey = $1", journey)


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
