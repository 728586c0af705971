"""Whom a resource is about: the journey, the visit, the order or the patient that its references name.

An id that we gave counts only where its journey may be seen by whoever names it; to others it does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from gateway.access.caller import Caller
from gateway.fhir.incoming import IncomingIdentifier
from gateway.fhir.message import relative_name
from gateway.fhir.models import Reference
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing.delivery import Delivery
from gateway.inbound import About
from records import locating, orders
from records.orders import Onlooker, Standing

_OURS = re.compile(r"(?P<journey>j[0-9a-f]{16})(?P<rest>(\.[A-Za-z0-9_-]+)*)")
Named = tuple[str, Reference]
"""The element, and the reference in it."""


def onlooker(caller: Caller) -> Onlooker:
    """Whose orders a caller may know of."""
    if not caller.sees_own_only:
        return Onlooker(tenant=caller.tenant)
    return Onlooker(tenant=caller.tenant, sender=caller.sender, email=caller.email, journey=caller.journey)


def journey_of(id_: str) -> str | None:
    """The journey in an id of ours."""
    found = _OURS.fullmatch(id_)
    return found["journey"] if found else None


def ours(reference: Reference, base: str) -> tuple[str, str] | None:
    """Type and id, where a reference points into this server."""
    literal = (reference.reference or "").partition("/_history/")[0]
    name = relative_name(literal.removeprefix(f"{base}/"))
    if name is None or (literal != name and literal != f"{base}/{name}"):
        return None
    type_, _, id_ = name.partition("/")
    return type_, id_


def about(references: Iterable[Named], base: str) -> About:
    """What the references say, together. Pure; who may see it is asked afterwards (`seen`)."""
    journey = visit = referral_id = None
    patient: tuple[IncomingIdentifier, ...] = ()
    for element, reference in references:
        here = ours(reference, base)
        if here is not None and (named := journey_of(here[1])) is not None:
            journey = journey or named
            visit = visit or (here[1].replace(".", ":") if here[0] == "Appointment" else None)
        elif element in ("subject", "for", "participant"):
            patient = patient or _numbers(reference)
        else:
            referral_id = referral_id or _order(reference)
    return About(journey=journey, visit=visit if journey else None, referral_id=referral_id, patient=patient)


def _numbers(reference: Reference) -> tuple[IncomingIdentifier, ...]:
    one = reference.identifier
    if one is None or not one.system or not one.value:
        return ()
    return (IncomingIdentifier(system=one.system, value=one.value),)


def _order(reference: Reference) -> str | None:
    """An order by the name that it has at its sender, as `IncomingReferral.referral_id` has it."""
    one = reference.identifier
    if one is not None and one.system and one.value:
        return f"{one.system}|{one.value}"
    name = relative_name(reference.reference or "")
    return name if name is not None and name.startswith("ServiceRequest/") else None


async def seen(delivery: Delivery, references: list[Named], path: str) -> tuple[About, Standing | None]:
    """Whom the references mean, and its standing where an id of ours says it.

    Raises RefusedError where they name nobody, or a journey that is not there for this caller.
    """
    said = about(references, delivery.base)
    if said.journey is None:
        journey = await _known(delivery, said, _registered(references, delivery.base), path)
        said = said.model_copy(update={"journey": journey})
    if said.journey is not None:
        found = await orders.standing(delivery.gateway.database, onlooker(delivery.caller), said.journey)
        if found is None:
            raise RefusedError("not-found", "there is no such order here", path)
        return said, found
    if said.referral_id is None and not said.patient:
        reason = "name the order (basedOn or focus: ours, or an identifier with its system) or the patient by a number"
        raise RefusedError("required", reason, path)
    return said, None


async def _known(delivery: Delivery, said: About, registered: UUID | None, path: str) -> str | None:
    """The one journey that may be seen and that is called like this, if there is one by now."""
    caller, database = delivery.caller, delivery.gateway.database
    if said.referral_id is not None:
        named = await locating.by_referral(database, caller.tenant, caller.sender, said.referral_id)
        return named[0] if len(named) == 1 else None
    if registered is None:
        return None
    theirs = await orders.open_of_patient(database, onlooker(caller), registered)
    if len(theirs) == 1:
        return theirs[0]
    if theirs:
        reason = "the patient has several open journeys; name the order in basedOn or focus"
        raise RefusedError("multiple-matches", reason, path)
    raise RefusedError("not-found", "the patient that is named has no open journey here", path)


def _registered(references: Iterable[Named], base: str) -> UUID | None:
    """A patient of the register, by its id here."""
    for _, reference in references:
        here = ours(reference, base)
        if here is not None and here[0] == "Patient":
            try:
                return UUID(here[1])
            except ValueError:
                continue
    return None
