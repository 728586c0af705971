"""What a message means, by its type and event (MSH-9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.hl7.admissions import EVENTS as ADT_EVENTS
from gateway.hl7.admissions import adt
from gateway.hl7.appointments import EVENTS as SIU_EVENTS
from gateway.hl7.appointments import siu
from gateway.hl7.header import Header
from gateway.hl7.incoming import Incoming
from gateway.hl7.reading import read
from gateway.hl7.referrals import order_of, referral_of
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.results import oru
from gateway.inbound.meaning import Meaning, Noted, Refused

ANSWERS = frozenset({"ACK", "RRI", "ORG", "SRR", "ORR", "MCF"})
"""Answers to messages of ours. They are answered at most by a commit acknowledgement, an ACK by none: else two systems
would go on for ever (HL7 v2.5.1, 2.9)."""

_READERS: dict[str, tuple[frozenset[str] | None, Callable[[Incoming], Meaning]]] = {
    "REF": (frozenset({"I12", "I13", "I14", "I15"}), referral_of),
    "OMG": (frozenset({"O19"}), order_of),
    "OSU": (frozenset({"O51"}), order_of),
    "ADT": (ADT_EVENTS, adt),
    "SIU": (SIU_EVENTS, siu),
    "ORU": (None, oru),
}
SUPPORTED = ", ".join(sorted(_READERS))
PRODUCTION = frozenset({"P"})
ANY_PROCESSING = frozenset({"P", "T", "D"})
"""HL7 table 0103: production, training, debugging."""


def meaning_of(
    raw: bytes,
    header: Header,
    *,
    zone: ZoneInfo,
    received_at: datetime,
    processing: frozenset[str] = PRODUCTION,
) -> Meaning:
    """What a message means; a `Refused` with a code of HL7 table 0357 for one that is not fit. Never raises.

    `zone` is the clinic's, for times that name none. `processing`: which messages are taken as meant (MSH-11).
    """
    try:
        message = read(raw)
        _check(header, processing)
        incoming = Incoming(raw, header, message, zone, received_at)
        if header.kind in ANSWERS:
            return Noted(why="an answer to a message of ours")
        events, reader = _READERS[header.kind]
        if events is not None and incoming.event not in events:
            raise Hl7Error("201", "this event is not supported", Place("MSH", 1, 9, None, 2))
        return reader(incoming)
    except Hl7Error as error:
        return Refused(code=error.code, reason=error.reason, path=str(error.place))


def _check(header: Header, processing: frozenset[str]) -> None:
    """MSH, before anything is done about the rest. Raises Hl7Error."""
    if header.raw(12) and header.minor is None:
        raise Hl7Error("203", "versions 2.1 to 2.9 are supported", Place("MSH", 1, 12))
    if not header.kind:
        raise Hl7Error("101", "MSH-9, the message type, is missing", Place("MSH", 1, 9))
    if header.kind not in _READERS and header.kind not in ANSWERS:
        raise Hl7Error("200", f"this message type is not supported; {SUPPORTED} are", Place("MSH", 1, 9))
    if not header.control_id:
        raise Hl7Error("101", "MSH-10, the message control id, is missing", Place("MSH", 1, 10))
    if not header.part(11):
        raise Hl7Error("101", "MSH-11, the processing id, is missing; P is wanted", Place("MSH", 1, 11))
    if header.part(11).upper() not in processing:
        what = "P is wanted here" if header.part(11).upper() in ANY_PROCESSING else "P, T or D is wanted"
        raise Hl7Error("202", what, Place("MSH", 1, 11))
