"""A referral that staff take in from a file, as a sender's system would send it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.fhir import IncomingReferral, Refusal, read_referral
from gateway.inbound import Envelope, Meaning, NewReferral, Refused, take_in, taking
from records import inbound
from records.database import Database


class Received(BaseModel):
    """What a sender is told of one message."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["accepted", "duplicate", "amendment", "refused"]
    journey: str | None = None
    reason: str | None = None
    path: str | None = None


async def receive(
    database: Database,
    raw: bytes,
    *,
    tenant: str,
    source: str,
    now: datetime,
    clinic: str | None = None,
    payer: str | None = None,
) -> Received:
    """Store one message, whatever it is, and say what became of it. Raises DatabaseAway: then nothing is acknowledged.

    `source` names the sender where the message does not say who it is; `clinic` is the one of this tenant's that it
    was sent to; `payer` is the profile whose operating rules hold for payment, where it is known.
    """
    envelope, meaning = _read(raw, tenant=tenant, source=source, now=now, clinic=clinic, payer=payer)
    taken = await take_in(database, envelope, meaning)
    outcome = taken.outcome
    assert outcome not in ("asked", "noted")  # noqa: S101 - a file brings a referral or nothing
    return Received(
        outcome="refused" if outcome == "conflict" else outcome,
        journey=taken.journey,
        reason=taken.reason,
        path=taken.path,
    )


def message_of(raw: bytes, *, tenant: str, source: str, now: datetime) -> inbound.NewMessage:
    """What `receive` would store, for whoever stores it in their own time."""
    return taking.message_of(*_read(raw, tenant=tenant, source=source, now=now, clinic=None, payer=None))


def _read(
    raw: bytes, *, tenant: str, source: str, now: datetime, clinic: str | None, payer: str | None
) -> tuple[Envelope, Meaning]:
    read = read_referral(raw, default_source=source)
    if isinstance(read, Refusal):
        source, key, media_type, kind = source, "", "application/octet-stream", "file"
    else:
        source, key, media_type, kind = read.source, read.transport_key, "application/fhir+json", read.kind
    envelope = Envelope(
        tenant=tenant,
        protocol="fhir",
        sender=None,
        source=source,
        transport_key=key,
        raw=raw,
        media_type=media_type,
        kind=kind,
        received_at=now,
    )
    return envelope, meaning_of(read, clinic=clinic, payer=payer)


def meaning_of(read: IncomingReferral | Refusal, *, clinic: str | None = None, payer: str | None = None) -> Meaning:
    """What a FHIR message with an order means."""
    if isinstance(read, Refusal):
        return Refused(code=read.code, reason=read.reason, path=read.path)
    return NewReferral(referral=read, clinic=clinic, payer=payer)
