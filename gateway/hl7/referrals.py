"""Referrals: REF^I12 to I15, and orders (OMG^O19, OSU^O51) as IHE's 360X sends them.

Source: HL7 v2.5.1 and v2.7.1, chapter 11 (patient referral); chapter 4.4.6 (OMG) and table 0119 (order control); IHE
Patient Care Coordination, 360 Exchange Closed Loop Referral: ORC-1 NW asks, CA takes back, TQ1-9 is the priority.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from gateway.fhir.incoming import IncomingPatient, IncomingReferral, IncomingRequester
from gateway.hl7.coding import MAX_SAID, coded, said, unique
from gateway.hl7.identifiers import entity
from gateway.hl7.incoming import Incoming
from gateway.hl7.people import orderer_of, patient_of, referrer_of
from gateway.hl7.reading import Message, Segment
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.times import day
from gateway.inbound.meaning import REQUEST_CANCELLATION, About, Ask, Asked, Meaning, NewReferral, Noted

Urgency = Literal["routine", "urgent", "asap", "stat"]

PRIORITIES: dict[str, Urgency] = {
    "S": "stat",
    "A": "asap",
    "R": "routine",
    "T": "urgent",
    "U": "urgent",
    "P": "routine",
}
"""HL7 tables 0280 (referral priority) and 0485 (order priority): T is timing critical, P before an operation."""
OVER = {"R": "it was rejected", "E": "it has expired"}
"""HL7 table 0283, referral status: those with which nobody refers."""
NEW, CHANGE, CANCEL = frozenset({"NW"}), frozenset({"XO", "XX", "RP"}), frozenset({"CA", "DC"})
"""HL7 table 0119, order control: what a placer asks of a filler. All other codes tell of something."""
STATUS_REQUEST = "request_status"
"""Not a deed: who asks is answered from the record at once."""
_NARRATIVE = frozenset({"TX", "FT", "ST"})


def referral_of(incoming: Incoming) -> Meaning:
    """What a REF means. Raises Hl7Error."""
    message = incoming.message
    rf1 = message.first("RF1")
    if rf1 is None:
        raise Hl7Error("100", "the segment RF1, which says what the referral is, is missing", Place("RF1"))
    name = entity(rf1, 6)
    if name is None:
        raise Hl7Error("101", "RF1-6, the originating referral identifier, is missing", rf1.at(6))
    if incoming.event == "I15":
        return Noted(why="a request for status, answered from the record")
    patient = patient_of(message, incoming.house)
    if incoming.event == "I14":
        return cancellation(name, patient)
    over = OVER.get(rf1.text(1).upper())
    if over is not None:
        raise Hl7Error("103", f"a referral of this status starts nothing: {over}", rf1.at(1))
    return NewReferral(
        referral=_referral(
            incoming,
            message,
            name=name,
            priority=PRIORITIES.get(rf1.text(2).upper()),
            authored_on=day(rf1, 7),
            patient=patient,
            requester=referrer_of(message),
            at=rf1,
        )
    )


def order_of(incoming: Incoming) -> Meaning:
    """What an OMG or OSU means. Raises Hl7Error.

    One message, one order: it has one answer, and half a message accepted could not be told from the whole.
    """
    message = incoming.message
    orders = message.groups("ORC")
    if not orders:
        raise Hl7Error("100", "the segment ORC, which says what is asked, is missing", Place("ORC"))
    asking = [order for order in orders if _control(order) in NEW | CHANGE | CANCEL]
    if incoming.kind == "OSU":
        asking = [order for order in asking if _control(order) in NEW | CANCEL]
    if not asking:
        return Noted(why="tells of an order and asks for nothing")
    if len(asking) > 1:
        raise Hl7Error("100", "several orders in one message; send one a message", asking[1].segments[0].at())
    (order,) = asking
    orc, obr = order.segments[0], order.first("OBR")
    name = entity(orc, 2) or (entity(obr, 2) if obr else None)
    if name is None:
        raise Hl7Error("101", "ORC-2, the placer's order number, is missing", orc.at(2))
    patient = patient_of(message, incoming.house)
    if _control(order) in CANCEL:
        return cancellation(name, patient)
    if obr is None:
        raise Hl7Error("100", "the segment OBR, which says what is ordered, is missing", Place("OBR"))
    return NewReferral(
        referral=_referral(
            incoming,
            order,
            name=name,
            priority=_order_priority(order, orc, obr),
            authored_on=day(orc, 9),
            patient=patient,
            requester=orderer_of(order),
            at=orc,
        )
    )


def cancellation(name: str, patient: IncomingPatient) -> Asked:
    """The referrer takes its referral back."""
    about = About(referral_id=name, patient=patient.identifiers)
    return Asked(asks=(Ask(name=REQUEST_CANCELLATION, about=about),))


def _control(order: Message) -> str:
    return order.segments[0].text(1).upper()


def _order_priority(order: Message, orc: Segment, obr: Segment) -> Urgency | None:
    """TQ1-9 since v2.5; before it the sixth component of ORC-7 or OBR-27."""
    tq1 = order.first("TQ1")
    said = (tq1.text(9) if tq1 else "") or orc.text(7, 6) or obr.text(27, 6)
    return PRIORITIES.get(said.upper())


def _referral(
    incoming: Incoming,
    content: Message,
    *,
    name: str,
    priority: Urgency | None,
    authored_on: str | None,
    patient: IncomingPatient,
    requester: IncomingRequester,
    at: Segment,
) -> IncomingReferral:
    diagnoses = [dg1 for dg1 in content.all("DG1") if dg1.text(21).upper() != "D"]
    services = [(segment, 3 if segment.name == "PR1" else 4) for segment in content.all("PR1", "OBR")]
    reasons = [(dg1, 3) for dg1 in diagnoses]
    reasons += [(obr, 31) for obr in content.all("OBR")]
    reasons += [(rf1, 10) for rf1 in content.all("RF1") if _clinical(rf1.text(10, 3))]
    return IncomingReferral(
        source=incoming.source,
        referral_id=name,
        transport_key=incoming.transport_key,
        sha256=incoming.sha256,
        kind="hl7v2",
        path=str(at.at()),
        status="active",
        intent="order",
        priority=priority,
        authored_on=authored_on,
        codes=unique((code for s, field in services for code, _ in coded(s, field)), at.at()),
        reason_codes=unique(
            (code for s, field in reasons for code, _ in coded(s, field, usual=_method(s))),
            diagnoses[0].at(3) if diagnoses else at.at(),
        ),
        texts=_texts(_words(content, diagnoses, [*services, *reasons]), at.at()),
        patient=patient,
        requester=requester,
    )


def _clinical(system: str) -> bool:
    """RF1-10 is as a rule a code of table 0336 (second opinion, work load): why somebody refers, not what ails them."""
    return bool(system) and not system.upper().startswith("HL7")


def _method(segment: Segment) -> str:
    """DG1-2, where versions before 2.4 name the coding system."""
    return segment.text(2) if segment.name == "DG1" else ""


def _words(
    content: Message, diagnoses: Iterable[Segment], coded_fields: Iterable[tuple[Segment, int]]
) -> Iterator[str]:
    """What the sender wrote: names of codes, descriptions, notes, and observations that are text."""
    for segment, field in coded_fields:
        yield from said(segment, field)
    for dg1 in diagnoses:
        yield dg1.text(4)
    for segment in content.all("PR1", "OBR", "NTE", "OBX"):
        if segment.name == "PR1":
            yield segment.text(4)
        elif segment.name == "OBR":
            yield segment.whole(13)
        elif segment.name == "NTE":
            yield segment.whole(3)
        elif segment.text(2).upper() in _NARRATIVE:
            yield segment.whole(5)


def _texts(words: Iterable[str], place: Place) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for count, text in enumerate(words, start=1):
        if count > MAX_SAID * 3:
            raise Hl7Error("102", "a referral has fewer words and notes than this", place)
        if text:
            found[text] = None
    return tuple(found)
