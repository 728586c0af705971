"""A referral comes in: read, stored, and answered. Acknowledged means stored; the relay starts the journey."""

from __future__ import annotations

import secrets
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from care.gate import Facts
from care.referral import Referral
from care.rules import matching
from gateway.fhir import IncomingReferral, Refusal, read_referral
from pathways import loader
from records import referrals
from records.database import Database

OLDEST = 90
"""Ages from here on are one: a high age alone can name a person."""


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
    must_be_signed: bool = True,
) -> Received:
    """Store one message, whatever it is, and say what became of it. Raises DatabaseAway: then nothing is acknowledged.

    `source` names the sender where the message does not say who it is; `clinic` is the one of this tenant's that it
    was sent to; `payer` is the profile whose operating rules hold for payment, where it is known. `must_be_signed`:
    only pathways that a clinician has signed are candidates.
    """
    incoming = read_referral(raw, default_source=source)
    if isinstance(incoming, Refusal):
        return await _refuse(database, raw, tenant=tenant, source=source, reason=incoming.reason, path=incoming.path)
    stored = await referrals.store(
        database, _record(incoming, raw, tenant, now, clinic, payer=payer, must_be_signed=must_be_signed)
    )
    if stored.outcome == "conflict":
        reason = "this delivery's id was used before for other content: give every delivery an id of its own"
        return await _refuse(database, raw, tenant=tenant, source=source, reason=reason, path=incoming.path)
    return Received(outcome=stored.outcome, journey=stored.journey, reason=_WORDS[stored.outcome], path=incoming.path)


_WORDS = {
    "accepted": None,
    "duplicate": "received before; nothing was changed",
    "amendment": "the same referral with other content; kept for a person to review",
}


async def _refuse(database: Database, raw: bytes, *, tenant: str, source: str, reason: str, path: str) -> Received:
    await referrals.store_refused(
        database,
        tenant=tenant,
        source=source,
        sha256=sha256(raw).hexdigest(),
        raw=raw,
        reason=reason,
        path=path,
    )
    return Received(outcome="refused", reason=reason, path=path)


def _record(
    incoming: IncomingReferral,
    raw: bytes,
    tenant: str,
    now: datetime,
    clinic: str | None,
    *,
    payer: str | None = None,
    must_be_signed: bool,
) -> referrals.NewReferral:
    patient, requester = incoming.patient, incoming.requester
    return referrals.NewReferral(
        journey=f"j{secrets.token_hex(8)}",
        tenant=tenant,
        source=incoming.source,
        referral_id=incoming.referral_id,
        transport_key=incoming.transport_key,
        sha256=incoming.sha256,
        raw=raw,
        path=incoming.path,
        patient=patient.model_dump() if patient.matched_by_message else None,
        patient_reference=patient.reference,
        requester=requester.model_dump(),
        requester_email=requester.email,
        texts=list(incoming.texts),
        codes=[c.model_dump() for c in (*incoming.reason_codes, *incoming.codes)],
        facts=_facts(incoming, now, clinic, payer, must_be_signed=must_be_signed).model_dump(mode="json"),
        received_at=now,
    )


def _facts(
    incoming: IncomingReferral, now: datetime, clinic: str | None, payer: str | None, *, must_be_signed: bool
) -> Referral:
    """What a workflow may know. Codes and texts stay behind: only the pathways and signs they point to go on."""
    age = age_in_years(incoming.patient.birth_date, now.date())
    sex = _SEXES.get(incoming.patient.gender or "")
    known: Facts = {name: value for name, value in (("age", age), ("sex", sex)) if value is not None}
    found = matching.read(
        [(c.system or "", c.code) for c in (*incoming.reason_codes, *incoming.codes)],
        incoming.texts,
        known,
        loader.usable(must_be_signed=must_be_signed).values(),
        loader.red_flags().values(),
    )
    match, decided = matching.MATCH.apply(found)
    return Referral(
        received_at=now,
        urgency=incoming.priority or "routine",
        suggested_pathway=match.settled,
        candidates=tuple(c.pathway for c in match.candidates),
        reasons=tuple(", ".join(c.reasons) for c in match.candidates),
        questions=match.questions,
        matching=decided,
        clinic=clinic,
        payer=payer,
        age=age,
        sex=sex,
        patient_matched=incoming.patient.matched_by_message,
    )


_SEXES: dict[str, Any] = {"male": "male", "female": "female"}


def age_in_years(birth_date: str | None, today: date) -> int | None:
    """In years; a FHIR date may have only a year, or a year and a month."""
    if not birth_date:
        return None
    year, month, day = (int(part) for part in [*birth_date.split("-"), "7", "1"][:3])
    return max(0, min(OLDEST, today.year - year - ((today.month, today.day) < (month, day))))
