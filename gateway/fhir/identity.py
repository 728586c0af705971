"""Who sent a referral, which referral it is, and which delivery of it.

Two rules decide every choice here. A name that means something only inside the sender's house (an identifier
without a system, a relative reference) is never taken for one that means the same everywhere. And two orders
that may be distinct must not fall together: a journey too many is seen and closed, a referral taken for
another is lost.

Sources: FHIR R4 Identifier (https://hl7.org/fhir/R4/datatypes.html#Identifier: without a system, two
identifiers cannot be compared), Meta.source (resource.html#Meta: a fragment may mark the one request), the
reliable-messaging identities of messaging.html; HL7 v2 table 0203 (PLAC, FILL).
"""

from __future__ import annotations

from gateway.fhir.incoming import IncomingIdentifier, IncomingRequester
from gateway.fhir.message import Located, Message, is_absolute, relative_name
from gateway.fhir.models import Identifier, PractitionerRole, Reference, ServiceRequest
from gateway.fhir.order import NamedOrder
from gateway.fhir.refusal import RefusedError

_V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
_MAX_SOURCE = 500
_MAX_KEY = 1000
"""Bytes. Both go into one unique index, and PostgreSQL's B-tree takes 2,704 in all."""


def source_of(message: Message, order: NamedOrder, requester: IncomingRequester, default: str) -> str:
    """The sender: the endpoint it names, else the server its resources come from, else the requester's house.

    All of them are claims of the message. Who is allowed to speak for a source is for sign-in to decide.
    """
    header = order.header
    if header is not None and header[1].source is not None and header[1].source.endpoint:
        return _bounded(header[1].source.endpoint, _MAX_SOURCE, f"{header[0].path}.source.endpoint")
    bundle = message.bundle
    for meta, path in (
        (bundle.meta if bundle else None, "Bundle.meta.source"),
        (order.request.meta, f"{order.at.path}.meta.source"),
    ):
        stable = (meta.source or "").partition("#")[0] if meta else ""
        if stable:
            return _bounded(stable, _MAX_SOURCE, path)
    if order.at.base is not None:
        return _bounded(order.at.base, _MAX_SOURCE, f"{order.at.path}.fullUrl")
    return _bounded(_house(message, order, requester) or default, _MAX_SOURCE, f"{order.at.path}.requester")


def _house(message: Message, order: NamedOrder, requester: IncomingRequester) -> str | None:
    if requester.organisation_identifier is not None and requester.organisation_identifier.system:
        return _joined(requester.organisation_identifier)
    reference = order.request.requester
    found = message.resolve(reference, order.at) if reference else None
    if found is not None and found.resource_type == "PractitionerRole":
        reference = found.read(PractitionerRole).organization
    elif found is None or found.resource_type != "Organization":
        reference = None
    literal = (reference.reference or "") if reference else ""
    return literal if is_absolute(literal) else None


def referral_id_of(at: Located, request: ServiceRequest, sha256: str) -> str:
    """The order's name at its sender; the bytes themselves when it gives none."""
    return name_of_order(at, request) or f"sha256:{sha256}"


def name_of_order(at: Located, request: ServiceRequest) -> str | None:
    """What names an order at its sender; None where it says nothing.

    The placer's identifier with a system; else the resource's id, or the one its fullUrl gives it; else an
    identifier without a system, which ranks last because real messages repeat such values for other orders.
    """
    identifiers = [one for one in request.identifier if one.value and one.use != "old"]
    ours = [one for one in identifiers if _typed(one, "FILL")]
    theirs = [one for one in identifiers if one not in ours]
    by_placer = sorted((*theirs, *ours), key=lambda one: (one in ours, not _typed(one, "PLAC")))
    path = f"{at.path}.identifier"
    for one in by_placer:
        if one.system:
            return _bounded(f"{one.system}|{one.value}", _MAX_KEY, path)
    if at.id is not None:
        return _bounded(f"ServiceRequest/{at.id}", _MAX_KEY, f"{at.path}.id")
    if at.full_url is not None:
        return _bounded(_name_of(at.full_url), _MAX_KEY, f"{at.path}.fullUrl")
    for one in by_placer:
        return _bounded(f"|{one.value}", _MAX_KEY, path)
    return None


def replaced_by(message: Message, order: NamedOrder) -> tuple[str, ...]:
    """The referrals this order replaces, named as they were when they came."""
    named = (_replaced(message, order.at, reference) for reference in order.request.replaces)
    return tuple(dict.fromkeys(filter(None, named)))


def _replaced(message: Message, at: Located, reference: Reference) -> str | None:
    found = message.resolve(reference, at)
    if found is not None and found.resource_type == "ServiceRequest":
        return name_of_order(found, found.read(ServiceRequest))
    path = f"{at.path}.replaces"
    if reference.identifier is not None and reference.identifier.value:
        identifier = reference.identifier
        return _bounded(f"{identifier.system or ''}|{identifier.value}", _MAX_KEY, path)
    return _bounded(_name_of(reference.reference), _MAX_KEY, path) if reference.reference else None


def transport_key_of(message: Message, order: NamedOrder, sha256: str) -> str:
    """This delivery: the message's id, else the Bundle's identifier, else the Bundle's id, else the bytes."""
    if order.header is not None and order.header[0].id is not None:
        return _bounded(f"MessageHeader/{order.header[0].id}", _MAX_KEY, f"{order.header[0].path}.id")
    bundle = message.bundle
    if bundle is not None and bundle.identifier is not None and bundle.identifier.value:
        identifier = bundle.identifier
        return _bounded(f"{identifier.system or ''}|{identifier.value}", _MAX_KEY, "Bundle.identifier")
    if bundle is not None and bundle.id:
        return _bounded(f"Bundle/{bundle.id}", _MAX_KEY, "Bundle.id")
    return f"sha256:{sha256}"


def _name_of(address: str) -> str:
    """One name for an order, whether its id is in the resource or, as a UUID, only in its fullUrl.

    The Booking and Referral Standard sends the same order both ways: `urn:uuid:<id>` is its fullUrl by rule.
    """
    if address[:9].lower() == "urn:uuid:":
        return f"ServiceRequest/{address[9:]}"
    return relative_name(address) or address


def _typed(identifier: Identifier, code: str) -> bool:
    return identifier.type is not None and identifier.type.has(_V2_0203, code)


def _joined(identifier: IncomingIdentifier) -> str:
    return f"{identifier.system or ''}|{identifier.value}"


def _bounded(name: str, limit: int, path: str) -> str:
    if len(name.encode()) > limit:
        raise RefusedError("too-long", f"what names the referral is longer than {limit} bytes", path)
    return name
