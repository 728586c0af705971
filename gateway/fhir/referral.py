"""Bytes in; a referral, or the reason why not, out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from gateway.fhir.decode import decode_object
from gateway.fhir.identity import referral_id_of, replaced_by, source_of, transport_key_of
from gateway.fhir.incoming import Code, IncomingReferral
from gateway.fhir.message import Message
from gateway.fhir.models import CodeableConcept, Condition
from gateway.fhir.order import Order, find_order, order_in_task
from gateway.fhir.people import patient_of, requester_of
from gateway.fhir.refusal import Refusal, RefusedError

MAX_CODES = 50
"""Codes travel with the journey, and a journey stays small."""


def read_referral(raw: bytes, *, default_source: str = "file") -> IncomingReferral | Refusal:
    """The referral in a FHIR R4 message, or a refusal that says what would be right.

    Taken: a ServiceRequest, or a Bundle (message, transaction, collection) with one order in it. An order
    whose patient is only a reference is taken too, to be matched by a person. `default_source` names the
    sender when the message does not: the caller knows by which door it came.
    """
    try:
        return referral_in(Message(decode_object(raw)), sha256_of(raw), default_source=default_source)
    except RefusedError as refused:
        return refused.refusal


def sha256_of(raw: bytes) -> str:
    """The digest by which these bytes are known again."""
    return hashlib.sha256(raw).hexdigest()


def referral_in(message: Message, sha256: str, *, default_source: str) -> IncomingReferral:
    """As `read_referral`, of a message that was decoded already. Raises RefusedError."""
    return _referral(message, find_order(message), sha256, default_source)


def referral_in_task(message: Message, sha256: str, *, default_source: str) -> IncomingReferral:
    """The referral that a Task with a contained order asks us to fulfil. Raises RefusedError."""
    return _referral(message, order_in_task(message), sha256, default_source)


def _referral(message: Message, order: Order, sha256: str, default_source: str) -> IncomingReferral:
    request = order.request
    patient = patient_of(message, order)
    requester = requester_of(message, order)
    asked = _concepts(request.code, *request.category, *request.order_detail)
    reasons = [*request.reason_code, *_conditions(message, order)]
    notes = (*(note.text for note in request.note), request.patient_instruction)
    return IncomingReferral(
        source=source_of(message, order, requester, default_source),
        referral_id=referral_id_of(order.at, request, sha256),
        transport_key=transport_key_of(message, order, sha256),
        sha256=sha256,
        kind=order.kind,
        path=order.at.path,
        in_reply_to=_in_reply_to(order),
        replaces=replaced_by(message, order),
        status=order.status,
        intent=order.intent,
        priority=request.priority,
        authored_on=request.authored_on,
        codes=_codes(asked, order.at.path),
        reason_codes=_codes(reasons, order.at.path),
        texts=_texts([*asked, *reasons], notes),
        patient=patient,
        requester=requester,
    )


def _in_reply_to(order: Order) -> str | None:
    response = order.header[1].response if order.header else None
    return None if response is None else response.identifier or "unknown"


def _conditions(message: Message, order: Order) -> Iterator[CodeableConcept]:
    """Diagnoses given by reference, as far as they came along; the rest stay in the raw message."""
    for reference in order.request.reason_reference:
        found = message.resolve(reference, order.at)
        if found is not None and found.resource_type == "Condition":
            condition = found.read(Condition)
            yield from _concepts(condition.code)


def _concepts(*concepts: CodeableConcept | None) -> list[CodeableConcept]:
    return [concept for concept in concepts if concept is not None]


def _codes(concepts: Iterable[CodeableConcept], path: str) -> tuple[Code, ...]:
    codes = (
        Code(system=coding.system or None, code=coding.code)
        for concept in concepts
        for coding in concept.coding
        if coding.code
    )
    unique = tuple(dict.fromkeys(codes))
    if len(unique) > MAX_CODES:
        raise RefusedError("too-costly", f"the order carries more than {MAX_CODES} codes of one kind", path)
    return unique


def _texts(concepts: Iterable[CodeableConcept], notes: Iterable[str | None]) -> tuple[str, ...]:
    said = [text for concept in concepts for text in (concept.text, *(coding.display for coding in concept.coding))]
    spoken = (text.strip() for text in (*said, *notes) if text)
    return tuple(dict.fromkeys(text for text in spoken if text))
