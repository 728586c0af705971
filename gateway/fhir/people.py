"""The patient and the requester of an order, as far as the message tells.

Sources: FHIR R4 Patient, Practitioner, PractitionerRole, Organization, HumanName and ContactPoint
(https://hl7.org/fhir/R4/datatypes.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.fhir.incoming import IncomingIdentifier, IncomingPatient, IncomingRequester
from gateway.fhir.message import Located, Message, conditional_identifier, referenced_type
from gateway.fhir.models import (
    CodeableConcept,
    ContactPoint,
    HumanName,
    Identifier,
    Organization,
    Party,
    Patient,
    Person,
    PractitionerRole,
    Reference,
)
from gateway.fhir.order import NamedOrder
from gateway.fhir.refusal import RefusedError

_ADDRESS = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
_NUMBER = re.compile(r"[^\x00-\x1f]{3,40}")
_NO_LONGER = frozenset({"old", "maiden"})
_NAME_USES = ("official", "usual")


def patient_of(message: Message, order: NamedOrder) -> IncomingPatient:
    """The subject of the order; a reference to nothing in the message is kept, for a person to match."""
    path = f"{order.at.path}.subject"
    subject = order.request.subject
    if subject is None:
        raise RefusedError("required", "an order names its patient in subject", path)
    if referenced_type(subject) not in (None, "Patient"):
        raise RefusedError("value", "the subject of a referral is a Patient", f"{path}.reference")
    found = message.resolve(subject, order.at)
    if found is None:
        return _patient_by_reference(subject, path)
    if found.resource_type != "Patient":
        raise RefusedError("value", "the subject of a referral is a Patient", f"{path}.reference")
    patient = found.read(Patient)
    name = best_name(patient.name)
    identifiers = _identifiers(patient.identifier)
    family = _clean(name.family) if name else None
    given = _clean(" ".join(filter(None, name.given))) if name else None
    display = _clean(name.text if name else None) or _clean(subject.display)
    named = bool(family or given or (name and _clean(name.text)))
    return IncomingPatient(
        matched_by_message=bool(identifiers) or (named and patient.birth_date is not None),
        reference=subject.reference,
        display=display,
        identifiers=identifiers,
        family=family,
        given=given,
        birth_date=patient.birth_date,
        gender=patient.gender,
        phone=phone(patient.telecom),
        email=email(patient.telecom),
        languages=_languages(patient),
        deceased=patient.deceased_boolean or patient.deceased_date_time is not None,
    )


def _patient_by_reference(subject: Reference, path: str) -> IncomingPatient:
    known = subject.identifier or conditional_identifier(subject)
    identifiers = _identifiers([known] if known else [])
    if not subject.reference and not identifiers:
        reason = "subject names no patient; a reference or an identifier is wanted"
        raise RefusedError("required", reason, path)
    return IncomingPatient(
        matched_by_message=False,
        reference=subject.reference,
        display=_clean(subject.display),
        identifiers=identifiers,
    )


def requester_of(message: Message, order: NamedOrder) -> IncomingRequester:
    """Who asks: the order's requester, else the Task's, else the sender of the message.

    An order without a requester is legal in R4, and somebody has to get the answer.
    """
    for holder, reference in _askers(order):
        return _requester(message, holder, reference)
    return IncomingRequester()


def _askers(order: NamedOrder) -> Iterable[tuple[Located, Reference]]:
    if order.request.requester is not None:
        yield order.at, order.request.requester
    for at, task in order.tasks:
        if task.requester is not None:
            yield at, task.requester
    if order.header is not None and order.header[1].sender is not None:
        yield order.header[0], order.header[1].sender


def _requester(message: Message, holder: Located, reference: Reference) -> IncomingRequester:
    found = message.resolve(reference, holder)
    parties: list[Party] = []
    organisation: Reference | None = None
    house: Organization | None = None
    if found is not None and found.resource_type == "PractitionerRole":
        role = found.read(PractitionerRole)
        parties.append(role)
        person = message.resolve(role.practitioner, found) if role.practitioner else None
        if person is not None and person.resource_type == "Practitioner":
            parties.insert(0, person.read(Person))
        organisation = role.organization
        at = message.resolve(organisation, found) if organisation else None
        house = at.read(Organization) if at is not None and at.resource_type == "Organization" else None
    elif found is not None and found.resource_type == "Organization":
        house = found.read(Organization)
    elif found is not None and found.resource_type in ("Practitioner", "Patient", "RelatedPerson"):
        parties.append(found.read(Person))
    everyone = [*parties, *([house] if house else [])]
    names = (full_name(best_name(party.name)) for party in parties if isinstance(party, Person))
    identifiers = [one for party in parties for one in _identifiers(party.identifier)]
    own = _identifiers([reference.identifier] if reference.identifier else [])
    theirs = _identifiers([organisation.identifier] if organisation and organisation.identifier else [])
    return IncomingRequester(
        reference=reference.reference,
        name=next(filter(None, names), None) or _clean(reference.display),
        identifier=next(iter((*identifiers, *own)), None),
        phone=next(filter(None, (phone(party.telecom) for party in everyone)), None),
        email=next(filter(None, (email(party.telecom) for party in everyone)), None),
        organisation=_clean(house.name if house else organisation.display if organisation else None),
        organisation_identifier=next(iter((*_identifiers(house.identifier if house else ()), *theirs)), None),
    )


def best_name(names: Iterable[HumanName]) -> HumanName | None:
    """Official before usual before any other; a former name only when there is none else."""

    def order(name: HumanName) -> int:
        if name.use in _NAME_USES:
            return _NAME_USES.index(name.use)
        return len(_NAME_USES) + (name.use in _NO_LONGER)

    return min(names, key=order, default=None)


def full_name(name: HumanName | None) -> str | None:
    if name is None:
        return None
    parts = filter(None, (*name.prefix, *name.given, name.family))
    return _clean(name.text) or _clean(" ".join(parts))


def phone(telecom: Iterable[ContactPoint]) -> str | None:
    return _contact(telecom, ("phone", "sms"), _NUMBER)


def email(telecom: Iterable[ContactPoint]) -> str | None:
    """The first address that could be one; anything else stays in the raw message and is not written to."""
    return _contact(telecom, ("email",), _ADDRESS)


def _contact(telecom: Iterable[ContactPoint], systems: tuple[str, ...], form: re.Pattern[str]) -> str | None:
    current = [one for one in telecom if one.system in systems and one.use not in _NO_LONGER]
    for one in sorted(current, key=lambda point: point.rank or len(current) + 1):
        value = (one.value or "").strip().removeprefix("mailto:").removeprefix("tel:")
        if form.fullmatch(value):
            return value
    return None


def _identifiers(identifiers: Iterable[Identifier]) -> tuple[IncomingIdentifier, ...]:
    return tuple(
        IncomingIdentifier(system=one.system or None, value=one.value)
        for one in identifiers
        if one.value and one.use != "old"
    )


def _languages(patient: Patient) -> tuple[str, ...]:
    preferred_first = sorted(patient.communication, key=lambda one: not one.preferred)
    spoken = (_language(one.language) for one in preferred_first)
    return tuple(dict.fromkeys(filter(None, spoken)))


def _language(concept: CodeableConcept | None) -> str | None:
    if concept is None:
        return None
    return next((coding.code for coding in concept.coding if coding.code), None) or _clean(concept.text)


def _clean(text: str | None) -> str | None:
    return (text or "").strip() or None
