"""SIU: appointments made, moved, cancelled and missed in somebody else's book.

Source: HL7 v2.5.1, chapter 10: S12 new, S13 rescheduled, S14 modified, S15 cancelled, S16 discontinued, S17 deleted,
S26 the patient did not come. S18 to S24 concern resources and blocked slots: nothing follows from them here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.hl7.identifiers import entity
from gateway.hl7.incoming import Incoming
from gateway.hl7.people import numbers_of
from gateway.hl7.reading import Message, Segment
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.times import moment
from gateway.inbound.deeds_data import (
    CODE,
    BookAppointment,
    CancelAppointment,
    CancelReason,
    DeedData,
    MissAppointment,
    MoveAppointment,
)
from gateway.inbound.meaning import About, Ask, Asked, Meaning, Noted

EVENTS = frozenset(f"S{n}" for n in range(12, 28))
_MOVED = frozenset({"S13", "S14"})
_CANCELLED = frozenset({"S15", "S16", "S17"})
_MINUTES = {"": 1, "M": 1, "MIN": 1, "MINS": 1, "MINUTE": 1, "MINUTES": 1, "H": 60, "HR": 60, "HRS": 60, "HOUR": 60}
_LONGEST = 1_440
_CODE = re.compile(CODE)
_REASONS: dict[str, CancelReason] = {
    **dict.fromkeys(("PROVIDER", "CLINICIAN", "DOCTOR", "STAFF", "RESOURCE"), "clinician"),
    **dict.fromkeys(("CLINIC", "CLOSED", "CLINIC_CLOSED", "FACILITY"), "clinic_closed"),
}
"""SCH-6 as the sender codes it; nothing counts by this reason, so whatever else is said is the patient's."""


def siu(incoming: Incoming) -> Meaning:
    """What a SIU means. Raises Hl7Error."""
    event = incoming.event
    if event not in {"S12", "S26"} | _MOVED | _CANCELLED:
        return Noted(why="an event of an appointment book from which nothing follows here")
    message = incoming.message
    sch = message.first("SCH")
    if sch is None:
        raise Hl7Error("100", "the segment SCH, which names the appointment, is missing", Place("SCH"))
    number = entity(sch, 2) or entity(sch, 1)
    if number is None:
        raise Hl7Error("101", "the appointment's number is missing: SCH-2 of the book, else SCH-1", sch.at(2))
    number = number.removeprefix("|")
    pid = message.first("PID")
    about = About(
        appointment=number,
        referral_id=entity(sch, 26),
        patient=numbers_of(pid, incoming.house) if pid else (),
    )
    if event == "S12" and not (about.patient or about.referral_id):
        raise Hl7Error("101", "whose appointment it is is missing: PID-3, or the order in SCH-26", Place("PID", 1, 3))
    name, data = _asked(event, number, message, incoming, sch)
    return Asked(asks=(Ask(name=name, about=about, data=data.model_dump(mode="json")),))


def _asked(event: str, number: str, message: Message, incoming: Incoming, sch: Segment) -> tuple[str, DeedData]:
    if event in _CANCELLED:
        return "cancel_appointment", CancelAppointment(number=number, reason=_reason(sch))
    if event == "S26":
        return "miss_appointment", MissAppointment(number=number)
    starts_at = _starts_at(message, incoming)
    if event == "S12" and starts_at is None:
        raise Hl7Error(
            "101", "when it begins is missing: AIS-4, AIP-6, AIG-8, AIL-6, TQ1-7 or SCH-11", Place("AIS", 1, 4)
        )
    minutes = _minutes(message, incoming)
    if event == "S12":
        slot = BookAppointment(number=number, clinician=_clinician(message), starts_at=starts_at, minutes=minutes)
        return "book_appointment", slot
    return "move_appointment", MoveAppointment(
        number=number, clinician=_clinician(message), starts_at=starts_at, minutes=minutes, reason=_reason(sch)
    )


def _reason(sch: Segment) -> CancelReason:
    return _REASONS.get(sch.text(6).upper(), "patient")


def _starts_at(message: Message, incoming: Incoming) -> datetime | None:
    """Of the service first, then of who gives it and where; SCH-11 was withdrawn and comes last."""
    for name, field, component in (
        ("AIS", 4, 1),
        ("AIP", 6, 1),
        ("AIG", 8, 1),
        ("AIL", 6, 1),
        ("TQ1", 7, 1),
        ("SCH", 11, 4),
    ):
        segment = message.first(name)
        at = moment(segment, field, incoming.zone, component) if segment else None
        if at is not None:
            return at
    return None


def _minutes(message: Message, incoming: Incoming) -> int | None:
    for name, field, unit in (("AIS", 7, 8), ("AIP", 9, 10), ("SCH", 9, 10)):
        segment = message.first(name)
        minutes = _duration(segment, field, unit) if segment is not None and segment.text(field) else None
        if minutes is not None:
            return minutes
    sch = message.first("SCH")
    begin, end = (moment(sch, 11, incoming.zone, part) for part in (4, 5)) if sch else (None, None)
    if begin and end and timedelta() < end - begin <= timedelta(minutes=_LONGEST):
        return round((end - begin).total_seconds() / 60)
    return None


def _duration(segment: Segment, field: int, unit: int) -> int | None:
    """None where the unit is none of ours. Raises Hl7Error: no number, or no length of an appointment."""
    said, each = segment.text(field), _MINUTES.get(segment.text(unit).upper())
    if not (said.isascii() and said.isdigit() and len(said) <= 5):
        raise Hl7Error("102", "a duration is a whole number", segment.at(field))
    if each is None:
        return None
    minutes = int(said) * each
    if not 0 < minutes <= _LONGEST:
        raise Hl7Error("102", "a duration is between a minute and a day", segment.at(field))
    return minutes


def _clinician(message: Message) -> str | None:
    """The person who gives it, by the id that the sender's book has for them."""
    codes = (segment.text(3) for segment in _people(message))
    return next((code for code in codes if _CODE.fullmatch(code)), None)


def _people(message: Message) -> Iterator[Segment]:
    yield from message.all("AIP")
    yield from message.all("AIG")
