"""Which journey an ask is about. What cannot be told for sure is for a person; what may still come is waited for."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.fhir.incoming import IncomingIdentifier
from gateway.inbound.meaning import About
from records import locating
from records.database import Database


@dataclass(frozen=True, slots=True)
class Found:
    """The journey, and the visit where the message names one."""

    journey: str
    visit: str | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing here bears that name, but it may still come: a cancellation can be quicker than its order."""

    reason: str


@dataclass(frozen=True, slots=True)
class Nobody:
    """No open journey is of a patient with these numbers."""

    reason: str = "no open journey of a patient with these numbers"


@dataclass(frozen=True, slots=True)
class Unclear:
    """A person has to say which."""

    reason: str


async def find(database: Database, tenant: str, sender: str | None, about: About) -> Found | NotYet | Nobody | Unclear:
    """The journey that a message of this sender means."""
    if about.journey is not None:
        journey = await locating.by_id(database, tenant, about.journey)
        return Found(journey) if journey else Unclear("there is no journey of that id")
    if about.visit is not None:
        journey = await locating.by_visit(database, tenant, about.visit)
        return Found(journey, about.visit) if journey else Unclear("there is no visit of that id")
    if about.appointment is not None:
        known = await locating.by_appointment(database, tenant, sender, about.appointment)
        if known is not None:
            return Found(*known)
        if about.referral_id is None and not about.patient:
            return NotYet("the appointment is not known yet")
    if about.referral_id is not None:
        found = await locating.by_referral(database, tenant, sender, about.referral_id)
        if not found and not about.patient:
            return NotYet("the referral that it names is not known yet")
        if found:
            return _only(found, "the order's name stands for several referrals")
    found = await locating.open_by_patient(database, tenant, pairs(about.patient))
    if not found:
        return Nobody()
    return _only(found, "the patient has several open journeys")


def pairs(identifiers: tuple[IncomingIdentifier, ...]) -> list[tuple[str | None, str]]:
    """Numbers as the record looks them up."""
    return [(one.system, one.value) for one in identifiers]


def _only(journeys: list[str], otherwise: str) -> Found | Unclear:
    return Found(journeys[0]) if len(journeys) == 1 else Unclear(otherwise)
