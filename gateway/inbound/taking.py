"""A message and its meaning go into the record, in one statement. After it, and not before, it is acknowledged."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from care.referral import Referral
from gateway.inbound.ages import age_in_years
from gateway.inbound.meaning import Ask, Asked, Envelope, Meaning, NewReferral, Noted, Refused
from gateway.spans import spans
from records import inbound
from records.audit import AuditEntry
from records.database import Database

CONFLICT = "this delivery's id was used before for other content: give every delivery an id of its own"
WORDS: dict[inbound.Outcome, str] = {
    "duplicate": "received before; nothing was changed",
    "amendment": "the same referral with other content; kept for a person to review",
    "conflict": CONFLICT,
}
CONTINUED = ("accepted", "asked", "amendment")
"""Of these something comes later."""
Said = Callable[[str], AuditEntry | None]
"""What the audit is to say of a journey that begins."""
_SEXES: dict[str, Literal["male", "female"]] = {"male": "male", "female": "female"}


class Taken(BaseModel):
    """What became of a message, for its protocol to answer with.

    Of a duplicate, `inbound` and `asks` are those of the first, so that it gets the first one's answer.
    """

    model_config = ConfigDict(frozen=True)

    outcome: inbound.Outcome
    inbound: UUID
    journey: str | None = None
    asks: tuple[str, ...] = ()
    audited: bool = False
    """Whether the audit says so already."""
    code: str | None = None
    reason: str | None = None
    path: str | None = None


async def take_in(database: Database, envelope: Envelope, meaning: Meaning, *, audit: Said | None = None) -> Taken:
    """Store it. `audit`: what the audit is to say of a journey that begins by it, in the same statement.

    Raises DatabaseAway: then nothing is acknowledged.
    """
    message = message_of(envelope, meaning, audit)
    stored = await inbound.take_in(database, message, envelope.raw)
    if stored.outcome in CONTINUED:
        # A journey that begins is found by its own id; all else that comes of a message, by the message's.
        began = stored.journey if stored.outcome == "accepted" and stored.journey else str(stored.inbound)
        spans().taken_in(began, protocol=envelope.protocol, outcome=stored.outcome, since=envelope.received_at)
    refused = message.outcome == "refused"
    return Taken(
        outcome=stored.outcome,
        inbound=stored.inbound,
        journey=stored.journey,
        asks=stored.asks,
        audited=stored.audited,
        code=message.code if refused else "duplicate" if stored.outcome == "conflict" else None,
        reason=message.reason if refused else WORDS.get(stored.outcome),
        path=message.path,
    )


def message_of(envelope: Envelope, meaning: Meaning, audit: Said | None = None) -> inbound.NewMessage:
    """The row of a message, with the referral that it brings or with what it asks."""
    digest = sha256(envelope.raw).hexdigest()
    new = partial(
        inbound.NewMessage,
        tenant=envelope.tenant,
        protocol=envelope.protocol,
        sender=envelope.sender,
        source=envelope.source,
        transport_key=envelope.transport_key,
        sha256=digest,
        media_type=envelope.media_type,
        kind=envelope.kind,
        received_at=envelope.received_at,
    )
    match meaning:
        case NewReferral():
            referral = _referral(envelope, meaning)
            said = audit(referral.journey) if audit is not None else None
            return new(outcome="accepted", path=meaning.referral.path, referral=referral, audit=said)
        case Asked(asks=asks):
            return new(outcome="asked", asks=tuple(_ask(ask) for ask in asks))
        case Noted():
            return new(outcome="noted")
        case Refused():
            # By its bytes: a corrected message may come under the same name.
            return new(
                outcome="refused",
                transport_key=f"sha256:{digest}",
                code=meaning.code,
                reason=meaning.reason,
                path=meaning.path,
            )


def _ask(ask: Ask) -> inbound.Row:
    return {"id": f"ask-{secrets.token_hex(12)}", **ask.model_dump(mode="json")}


def _referral(envelope: Envelope, meaning: NewReferral) -> inbound.NewReferral:
    referral = meaning.referral
    patient = referral.patient
    facts = Referral(
        received_at=envelope.received_at,
        urgency=referral.priority or "routine",
        clinic=meaning.clinic,
        payer=meaning.payer,
        age=age_in_years(patient.birth_date, envelope.received_at.date()),
        sex=_SEXES.get(patient.gender or ""),
        patient_matched=patient.matched_by_message,
    )
    return inbound.NewReferral(
        journey=f"j{secrets.token_hex(8)}",
        referral_id=referral.referral_id,
        patient=patient if patient.matched_by_message else None,
        patient_reference=patient.reference,
        birth_date=patient.birth_date,
        gender=patient.gender,
        requester=referral.requester,
        requester_email=referral.requester.email,
        texts=list(referral.texts),
        codes=[{"system": c.system, "code": c.code} for c in (*referral.reason_codes, *referral.codes)],
        facts=facts,
    )
