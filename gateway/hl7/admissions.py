"""ADT: admissions, discharges, their being taken back, who a patient is, and merged records.

Source: HL7 v2.5.1, chapter 3: A01 admit, A03 discharge, A11 and A13 take these back, A04 register, A08 update, A28 and
A31 the same of a person, A40 merge (A18 and A34 in versions before 2.3.1). Other events of an ADT feed concern beds,
leaves of absence and accounts: nothing follows from them here.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from gateway.fhir.incoming import IncomingIdentifier
from gateway.hl7.coding import coded
from gateway.hl7.identifiers import patient_numbers
from gateway.hl7.incoming import Incoming
from gateway.hl7.people import is_deceased, numbers_of
from gateway.hl7.reading import Message
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.times import moment
from gateway.inbound.deeds_data import CODE, HospitalEvent, MergePatients, NoteDemographics, Procedure
from gateway.inbound.meaning import About, Ask, Asked, Meaning, Noted

STAYS: dict[str, Literal["admitted", "discharged", "admission_cancelled", "discharge_cancelled"]] = {
    "A01": "admitted",
    "A03": "discharged",
    "A11": "admission_cancelled",
    "A13": "discharge_cancelled",
}
DEMOGRAPHICS = frozenset({"A04", "A08", "A28", "A31"})
MERGES = frozenset({"A18", "A34", "A40"})
EVENTS = frozenset(f"A{n:02}" for n in range(1, 63))
MAX_PROCEDURES = 50
_CODE = re.compile(CODE)


def adt(incoming: Incoming) -> Meaning:
    """What an ADT means. Raises Hl7Error."""
    event = incoming.event
    if event in STAYS:
        return _stay(incoming)
    if event in DEMOGRAPHICS:
        return _demographics(incoming)
    if event in MERGES:
        return _merges(incoming)
    return Noted(why="an event of a register from which nothing follows here")


def _stay(incoming: Incoming) -> Asked:
    event = STAYS[incoming.event]
    pv1 = incoming.message.first("PV1")
    admitted_at = moment(pv1, 44, incoming.zone) if pv1 else None
    discharged_at = moment(pv1, 45, incoming.zone) if pv1 else None
    at = {"admitted": admitted_at, "discharged": discharged_at}.get(event) or _happened(incoming)
    if at is None:
        raise Hl7Error("101", "when it happened is missing: EVN-6, EVN-2, or PV1-44 and PV1-45", Place("EVN", 1, 6))
    data = HospitalEvent(
        event=event,
        at=at,
        admitted_at=admitted_at if event == "discharged" else None,
        procedures=tuple(_procedures(incoming)) if event == "discharged" else (),
    )
    about = About(patient=incoming.patient_numbers())
    return Asked(asks=(Ask(name="hospital_event", about=about, data=data.model_dump(mode="json")),))


def _happened(incoming: Incoming) -> datetime | None:
    """EVN-6 when it occurred, EVN-2 when it was recorded, else MSH-7 when it was sent."""
    evn = incoming.message.first("EVN")
    said = (moment(evn, field, incoming.zone) for field in (6, 2)) if evn else ()
    return next(filter(None, said), None) or moment(incoming.message.msh, 7, incoming.zone)


def _procedures(incoming: Incoming) -> list[Procedure]:
    """One for each PR1, by its first code. More than anybody has in one stay are not read."""
    found = []
    for pr1 in list(incoming.message.all("PR1"))[:MAX_PROCEDURES]:
        first = next((code for code, _ in coded(pr1, 3) if _CODE.fullmatch(code.code)), None)
        if first is not None:
            at = moment(pr1, 5, incoming.zone)
            found.append(Procedure(code=first.code, system=first.system, at=at))
    return found


def _demographics(incoming: Incoming) -> Asked:
    pid = incoming.message.first("PID")
    about = About(patient=incoming.patient_numbers())
    data = NoteDemographics(deceased=pid is not None and is_deceased(pid))
    return Asked(asks=(Ask(name="note_demographics", about=about, data=data.model_dump(mode="json")),))


def _merges(incoming: Incoming) -> Asked:
    """One for each PID that an MRG follows: A40 may hold several."""
    incoming.patient_numbers()
    asks = tuple(_merge(group, incoming.house) for group in incoming.message.groups("PID"))
    return Asked(asks=asks)


def _merge(group: Message, house: str) -> Ask:
    pid, mrg = group.segments[0], group.first("MRG")
    if mrg is None:
        raise Hl7Error("100", "the segment MRG, which names the merged record, is missing", pid.at())
    surviving: tuple[IncomingIdentifier, ...] = numbers_of(pid, house)
    if not surviving:
        raise Hl7Error("101", "PID-3, the number that stays, is missing", pid.at(3))
    merged = tuple(n for n in patient_numbers(mrg, 1, house) if n not in surviving)
    if not merged:
        raise Hl7Error("101", "MRG-1, the number that was merged, is missing or the same as PID-3", mrg.at(1))
    data = MergePatients(surviving=len(surviving))
    about = About(patient=(*surviving, *merged))
    return Ask(name="merge_patients", about=about, data=data.model_dump(mode="json"))
