"""What a sender is answered: ACK with MSA and ERR, and for referrals and orders the answer of their own chapter.

Original mode: AA taken, AE an error in it, AR not for us. Enhanced mode (MSH-15 or MSH-16 valued): the commit
acknowledgement CA, CE, CR as MSH-15 asks for it; else the application's, AA, AE, AR, as MSH-16 does. One message gets
one answer on its connection: the application's answer to somebody who asked for both is a message of its own, later.

Source: HL7 v2.5.1, 2.9 (processing rules), tables 0008 and 0155; 2.15.5 (ERR), 11.2 (RRI), 4.4.7 (ORG). MSA-2 is the
MSH-10 of the message that is answered.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.hl7.header import Header
from gateway.hl7.meanings import ANSWERS
from gateway.hl7.original import Original, put
from gateway.hl7.refusal import REJECTS, WORDS
from gateway.hl7.times import written
from gateway.hl7.writing import Value, Wire, Writer, message

US = "CONTINUUM"
USUAL_VERSION = "2.5.1"
STATUSES = {"P": "Pending", "A": "Accepted", "R": "Rejected", "E": "Expired"}
"""HL7 table 0283, referral status."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a message, in the words of table 0357 where it was not taken."""

    code: str | None = None
    reason: str | None = None
    place: str = "MSH^1"
    rejected: bool = False
    """AR rather than AE: it is not for us, whatever is in it."""
    journey: str | None = None
    """Ours, of a referral that was taken."""
    referral_status: str = "P"
    """Of an answer to REF."""
    order_control: str = "OK"
    """Of an answer to an order (HL7 table 0119)."""

    @property
    def taken(self) -> bool:
        """Whether it is stored and acknowledged."""
        return self.code is None

    @property
    def condition(self) -> str:
        """The second letter of the acknowledgement code: accept, error, reject."""
        return "A" if self.taken else "R" if self.rejected or self.code in REJECTS else "E"


def control_id() -> str:
    """A message id of ours: twenty characters, the most that versions before 2.7 allow."""
    return secrets.token_hex(10).upper()


def answer(raw: bytes, verdict: Verdict, now: datetime) -> bytes | None:
    """The answer to a message; None where its sender wants none. Never raises, whatever came."""
    original = Original(raw)
    header = original.header
    if header.kind in ANSWERS:
        commit = header.kind != "ACK" and _wanted(header.part(15), verdict)
        return _ack(header, f"C{verdict.condition}", verdict, now) if commit else None
    if not header.enhanced:
        return _application(original, verdict, now)
    if _wanted(header.part(15), verdict):
        return _ack(header, f"C{verdict.condition}", verdict, now)
    if _wanted(header.part(16), verdict):
        return _application(original, verdict, now)
    return None


def _wanted(condition: str, verdict: Verdict) -> bool:
    """HL7 table 0155: always, never, on error or reject only, on success only."""
    return {"AL": True, "ER": not verdict.taken, "SU": verdict.taken}.get(condition.upper(), False)


def _application(original: Original, verdict: Verdict, now: datetime) -> bytes:
    header = original.header
    if verdict.taken and header.kind == "REF":
        return message(_referral_answer(original, verdict, now))
    if verdict.taken and header.kind == "OMG":
        return message(_order_answer(original, verdict, now))
    return _ack(header, f"A{verdict.condition}", verdict, now)


def _ack(header: Header, code: str, verdict: Verdict, now: datetime) -> bytes:
    write = Writer(header.by)
    kind = write.components("ACK", Wire(header.part(9, 2)), "ACK" if _structured(header) else None)
    words = verdict.reason if not _modern(header) else None
    segments = [
        msh(header, kind, now),
        write.segment("MSA", code, Wire(header.control_id), words),
        *([] if verdict.taken else [_err(write, header, verdict)]),
    ]
    return message(segments)


def msh(header: Header, kind: Value, now: datetime, *, asks: tuple[str, str] = ("", ""), id_: str | None = None) -> str:
    """The header of an answer: the sender's names turned round, its processing id, version and character set."""
    us, house = Wire(header.raw(5)) if header.raw(5) else US, Wire(header.raw(6))
    return Writer(header.by).header(
        us,
        house,
        Wire(header.raw(3)),
        Wire(header.raw(4)),
        written(now),
        None,
        kind,
        id_ or control_id(),
        Wire(header.raw(11) or "P"),
        Wire(header.raw(12) if header.minor else USUAL_VERSION),
        None,
        None,
        *asks,
        None,
        Wire(header.raw(18)),
    )


def _err(write: Writer, header: Header, verdict: Verdict) -> str:
    """Since v2.5 place, code, severity and our words; before it one field with place and code (ELD)."""
    code = verdict.code or "207"
    place = verdict.place.split("^")
    if _modern(header):
        named = write.components(code, WORDS.get(code), "HL70357")
        return write.segment("ERR", None, write.components(*place), named, "E", None, None, None, verdict.reason)
    sub = header.by.subcomponent or " "
    named = Wire(sub.join((code, WORDS.get(code, ""), "HL70357")))
    return write.segment("ERR", write.components(*[*place, "", "", ""][:3], named))


def _referral_answer(original: Original, verdict: Verdict, now: datetime) -> Iterator[str]:
    """RRI: the referral with its status and our id, and who it is about, as the sender wrote them."""
    header = original.header
    write = Writer(header.by)
    event = header.part(9, 2)
    yield msh(header, write.components("RRI", Wire(event), f"RRI_{event}" if _structured(header) else None), now)
    yield write.segment("MSA", "AA", Wire(header.control_id))
    yield rf1(original, verdict.referral_status, verdict.journey)
    yield from original.all("PRD")
    yield from original.all("PID")


def rf1(original: Original, status: str, journey: str | None) -> str:
    """RF1 as it was sent, with the status it has here and, in RF1-11, the name it has here."""
    write = Writer(original.header.by)
    fields = put(original.first("RF1"), 1, write.components(status, STATUSES[status], "HL70283"))
    if journey is not None:
        fields = put(fields, 11, write.components(journey, US))
    return write.segment("RF1", *fields)


def _order_answer(original: Original, verdict: Verdict, now: datetime) -> Iterator[str]:
    """ORG^O20: each order as the placer named it, with our number."""
    header = original.header
    write = Writer(header.by)
    yield msh(header, write.components("ORG", "O20", "ORG_O20" if _structured(header) else None), now)
    yield write.segment("MSA", "AA", Wire(header.control_id))
    yield from original.all("PID")
    placer = original.first("ORC")[1:2]
    filler = write.components(verdict.journey, US) if verdict.journey else None
    yield write.segment("ORC", verdict.order_control, *(placer or [None]), filler)


def _modern(header: Header) -> bool:
    """Whether ERR is the one of v2.5."""
    return header.minor is None or header.minor >= 5


def _structured(header: Header) -> bool:
    """Whether MSH-9 has its third component, the structure (since v2.3.1)."""
    return header.minor is None or header.minor >= 4 or header.part(12).startswith("2.3.1")
