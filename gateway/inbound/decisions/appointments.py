"""Appointments of a sender's own book, and the visits they come to here.

A visit is booked, cancelled and recorded by the same actions as by the clinic's own people, with the same checks; what
these refuse is refused. What the two books cannot agree on by themselves is a person's to decide.
"""

from __future__ import annotations

from typing import Any

from care.stage import Stage
from gateway.inbound.decisions.decision import Decision, Nothing, Quarantine, Refuse, Wait
from gateway.inbound.deeds_data import (
    BookAppointment,
    CancelAppointment,
    MissAppointment,
    MoveAppointment,
    Slot,
)
from gateway.inbound.snapshot import Snapshot, VisitSeen

UNKNOWN = "the appointment is not known yet"
BEFORE_CARE = (Stage.INTAKE, Stage.REFERRAL)
TREATING = (Stage.THERAPY, Stage.POST_SURGERY_REHAB)
"""Stages in which visits are booked."""


def book(data: BookAppointment, seen: Snapshot, visit: str | None) -> Decision:
    """A new appointment; one that is known already, where a message came twice or was overtaken, is as if moved."""
    known = seen.visit(visit)
    if known is not None:
        return _changed(data, seen, known, "patient")
    return _booking(data, seen)


def move(data: MoveAppointment, seen: Snapshot, visit: str | None) -> Decision:
    """Another time or another clinician: the visit is cancelled and a new one booked."""
    known = seen.visit(visit)
    return Wait(UNKNOWN) if known is None else _changed(data, seen, known, data.reason)


def cancel(data: CancelAppointment, seen: Snapshot, visit: str | None) -> Decision:
    """It will not take place."""
    known = seen.visit(visit)
    match known.status if known else None:
        case None:
            return Wait(UNKNOWN)
        case "booked":
            return [("cancel_visit", {"visit": visit, "reason": data.reason})]
        case "cancelled" | "entered_in_error":
            return Nothing("the visit is cancelled already")
        case _:
            return Quarantine("the sender cancels a visit of which it is on record what happened")


def miss(data: MissAppointment, seen: Snapshot, visit: str | None) -> Decision:
    """The patient did not come."""
    known = seen.visit(visit)
    match known.status if known else None:
        case None:
            return Wait(UNKNOWN)
        case "no_show":
            return Nothing("that the patient did not come is on record already")
        case "booked" if known is not None and known.starts_at > seen.now:
            return Wait("the visit lies in the future")
        case "booked":
            return [("record_visit", {"visit": visit, "outcome": "no_show"})]
        case _:
            return Quarantine("the sender says that the patient did not come; the record says otherwise")


def _changed(slot: Slot, seen: Snapshot, known: VisitSeen, reason: str) -> Decision:
    if known.status in ("attended", "no_show"):
        return Quarantine("the sender moves a visit of which it is on record what happened")
    if known.status != "booked":
        # It may have been overtaken by its own cancellation.
        return Quarantine("the sender books or moves an appointment that is cancelled")
    if _same(slot, known):
        return Nothing("the visit is booked like that already")
    wanted = slot.model_copy(
        update={
            "clinician": slot.clinician or known.clinician,
            "starts_at": slot.starts_at or known.starts_at,
            "minutes": slot.minutes or known.minutes,
        }
    )
    booking = _booking(wanted, seen)
    if not isinstance(booking, list):
        return booking
    return [("cancel_visit", {"visit": known.id, "reason": reason}), *booking]


def _same(slot: Slot, known: VisitSeen) -> bool:
    return (
        slot.starts_at in (None, known.starts_at)
        and slot.minutes in (None, known.minutes)
        and (slot.clinician is None or _person(slot.clinician) == known.clinician)
    )


def _booking(slot: Slot, seen: Snapshot) -> Decision:
    if seen.status == "closed":
        return Refuse("Closed", "the journey is closed")
    if slot.starts_at is None:
        return Refuse("BadData", "the appointment says no time")
    if slot.starts_at <= seen.now:
        return Quarantine("the appointment's time came before it could be booked")
    if slot.clinician is None or _person(slot.clinician) not in seen.people:
        return Quarantine("nobody of the directory bears the id of the appointment's clinician")
    if seen.stage in BEFORE_CARE:
        return Wait("the referral is not accepted yet")
    if seen.stage not in TREATING:
        return Quarantine("care has ended here, and the sender books another appointment")
    data: dict[str, Any] = {"clinician": _person(slot.clinician), "starts_at": slot.starts_at.isoformat()}
    return [("book_visit", {**data, **({"minutes": slot.minutes} if slot.minutes else {})})]


def _person(code: str) -> str:
    """The directory writes its ids in small letters."""
    return code.strip().lower()
