"""What became of a referral, told to the system that sent it by HL7 v2: RRI to a REF, OSU to an order, SIU of a visit.

Built from the message that brought the referral, so that it goes back in that system's delimiters, version, character
set and names. The same reply always has the same MSH-10, so that a repeat is known as one.

Source: the state map of our interface guide; HL7 tables 0283 (RF1-1), 0119 (ORC-1), 0038 (ORC-5), 0278 (SCH-25).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gateway.hl7.answering import US, msh, rf1
from gateway.hl7.original import Original
from gateway.hl7.times import written
from gateway.hl7.writing import Value, Wire, Writer, message

ASKS = ("AL", "NE")
"""MSH-15 and MSH-16: that it arrived, and nothing more."""
REFERRAL_STATUS = {"received": "P", "rejected": "R", "cancelled": "R", "failed": "R"}
"""RF1-1 by Task.status; in everything else the referral is accepted."""
ORDER = {
    "received": ("SC", None),
    "accepted": ("OK", "IP"),
    "rejected": ("UA", None),
    "in-progress": ("SC", "IP"),
    "on-hold": ("SC", "HD"),
    "cancelled": ("OC", "CA"),
    "failed": ("OD", "DC"),
    "completed": ("SC", "CM"),
}
"""ORC-1 and ORC-5 by Task.status."""
SCHEDULING = {"5.1.1": ("S12", "Booked"), "5.1.2": ("S26", "Noshow"), "5.1.3": ("S15", "Cancelled")}
"""SIU event and SCH-25 by BSeR's business status."""


class ReplyRow(BaseModel):
    """A row of `continuum.reply`, and what is sent with it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    journey: str
    task_status: str
    business_status: str | None = None
    reason: str | None = None
    at: AwareDatetime


class VisitTold(BaseModel):
    """The visit that a reply is about."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    clinician: str
    starts_at: AwareDatetime
    minutes: int


class Outgoing(BaseModel):
    """A message for the wire."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    kind: str
    """`RRI^I12`."""
    control_id: str
    payload: bytes


def outgoing(original: bytes, reply: ReplyRow, now: datetime, visit: VisitTold | None = None) -> Outgoing | None:
    """The message that tells of a reply; None where the referral did not come by HL7 v2."""
    came = Original(original)
    if came.header.kind not in ("REF", "OMG", "OSU"):
        return None
    scheduling = SCHEDULING.get(reply.business_status or "")
    if scheduling is not None and visit is not None:
        return _made(f"SIU^{scheduling[0]}", _appointment(came, reply, visit, now, *scheduling), reply)
    if came.header.kind == "REF":
        return _made("RRI^I12", _referral(came, reply, now), reply)
    return _made("OSU^O51", _order(came, reply, now), reply)


def id_of(reply: ReplyRow) -> str:
    """MSH-10 of the message about a reply."""
    return sha256(reply.id.encode()).hexdigest()[:20].upper()


def _made(kind: str, segments: Iterator[str], reply: ReplyRow) -> Outgoing:
    return Outgoing(kind=kind, control_id=id_of(reply), payload=message(segments))


def _msh(came: Original, reply: ReplyRow, now: datetime, kind: str, event: str) -> str:
    named = Writer(came.header.by).components(kind, event, f"{kind}_{'S12' if kind == 'SIU' else event}")
    return msh(came.header, named, now, asks=ASKS, id_=id_of(reply))


def _referral(came: Original, reply: ReplyRow, now: datetime) -> Iterator[str]:
    write = Writer(came.header.by)
    yield _msh(came, reply, now, "RRI", "I12")
    yield write.segment("MSA", "AA", Wire(came.header.control_id))
    expired = reply.task_status == "cancelled" and reply.reason == "expired"
    yield rf1(came, "E" if expired else REFERRAL_STATUS.get(reply.task_status, "A"), reply.journey)
    yield from came.all("PRD")
    yield from came.all("PID")
    yield from _note(write, reply)


def _order(came: Original, reply: ReplyRow, now: datetime) -> Iterator[str]:
    write = Writer(came.header.by)
    control, status = ORDER.get(reply.task_status, ("SC", None))
    if reply.task_status == "cancelled" and reply.reason == "referrer_cancelled":
        control = "CR"
    if reply.reason == "cancellation_declined":
        control = "UC"
    if reply.business_status == "5.1.1":
        status = "SC"
    yield _msh(came, reply, now, "OSU", "O51")
    yield from came.all("PID")
    placer = came.first("ORC")[1:2] or [None]
    filler = write.components(reply.journey, US)
    reason = write.components(reply.reason, _words(reply)) if reply.reason else None
    orc: list[Value] = [control, *placer, filler, None, status, *[None] * 3, written(reply.at), *[None] * 6, reason]
    yield write.segment("ORC", *orc)
    yield from _note(write, reply)


def _appointment(
    came: Original, reply: ReplyRow, visit: VisitTold, now: datetime, event: str, status: str
) -> Iterator[str]:
    write = Writer(came.header.by)
    yield _msh(came, reply, now, "SIU", event)
    order = came.first("RF1")[5:6] if came.header.kind == "REF" else came.first("ORC")[1:2]
    begins = written(visit.starts_at)
    sch: list[Value] = [None] * 27
    sch[1] = write.components(visit.id, US)
    sch[5] = write.components(event, status)
    sch[8], sch[9] = str(visit.minutes), "min"
    sch[10] = write.components(None, None, str(visit.minutes), begins)
    sch[15] = sch[19] = write.components(visit.clinician)
    sch[24] = write.components(status, status, "HL70278")
    sch[25] = next(iter(order), None)
    sch[26] = write.components(reply.journey, US)
    yield write.segment("SCH", *sch)
    yield from came.all("PID")
    yield write.segment("RGS", "1")
    yield write.segment("AIP", "1", None, visit.clinician, None, None, begins, None, None, str(visit.minutes), "min")


def _note(write: Writer, reply: ReplyRow) -> Iterator[str]:
    if reply.reason:
        yield write.segment("NTE", "1", None, _words(reply))


def _words(reply: ReplyRow) -> str:
    """The coded reason as people read it."""
    return (reply.reason or "").replace("_", " ")
