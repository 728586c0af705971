"""Stays in hospital: a discharge may be the end of the stay in which the planned surgery was done.

From then on the patient's rehabilitation after surgery runs, with its phases counted from that day; so the day is
taken only from a message that says what was done, and everything else is put before a person.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from care.stage import Stage
from gateway.inbound.decisions.decision import Decision, Nothing, Quarantine, Wait
from gateway.inbound.deeds_data import HospitalEvent
from gateway.inbound.snapshot import Snapshot

LONGEST_STAY = timedelta(days=30)
"""Of a stay of which nobody said when it began: a design choice."""
AROUND = timedelta(days=2)
"""Days between an admission and the planned surgery that still belong together: a design choice."""


def hospital_event(data: HospitalEvent, seen: Snapshot) -> Decision:
    """What an admission or a discharge means for the journey, and what their being taken back does."""
    if seen.status == "closed":
        return Nothing("the journey is closed")
    if data.event == "admitted":
        return _admitted(data, seen)
    if data.event == "discharged":
        return _discharged(data, seen)
    if seen.surgery_done_at is not None:
        what = "admission" if data.event == "admission_cancelled" else "discharge"
        return Quarantine(f"the hospital takes an {what} back, and a surgery is on record: did it take place?")
    return Nothing("the hospital takes back what nothing had followed from")


def _admitted(data: HospitalEvent, seen: Snapshot) -> Decision:
    planned = seen.surgery_planned_for
    if planned is not None and seen.surgery_done_at is None and abs(planned - data.at) <= AROUND:
        return Nothing("admitted for the surgery that is planned; the discharge will say what was done")
    if any(v.status == "booked" and v.starts_at > seen.now for v in seen.visits):
        return Quarantine("the patient is in hospital and has visits booked here: are they to be held?")
    return Nothing("the patient is in hospital; nothing is booked here")


def _discharged(data: HospitalEvent, seen: Snapshot) -> Decision:
    if seen.surgery_done_at is not None:
        return Nothing("the surgery is on record already")
    if seen.surgery_planned_for is None:
        if seen.surgical and data.procedures:
            return Quarantine("the patient was treated in hospital; no surgery was planned: was it this pathway's?")
        return Nothing("a stay in hospital that is not about a surgery of this journey")
    if not _within(seen.surgery_planned_for, data, seen):
        return Nothing("the stay does not hold the day for which surgery is planned")
    if not data.procedures:
        return Quarantine("discharged after the day of the planned surgery, with no procedure named: was it done?")
    if seen.stage in (Stage.INTAKE, Stage.REFERRAL):
        return Wait("the referral is not accepted yet")
    if seen.stage != Stage.THERAPY:
        return Quarantine("operated on, and the journey is not in the stage in which surgery is recorded")
    return [("record_surgery", {"done_at": _done_at(seen.surgery_planned_for, data, seen).isoformat()})]


def _within(planned: datetime, data: HospitalEvent, seen: Snapshot) -> bool:
    begin = data.admitted_at or data.at - LONGEST_STAY
    return _day(begin, seen) <= _day(planned, seen) <= _day(data.at, seen)


def _done_at(planned: datetime, data: HospitalEvent, seen: Snapshot) -> datetime:
    """When a procedure of the stay was done, nearest to the planned moment; else the planned moment. Never after the
    discharge, and never after now."""
    begin = data.admitted_at or data.at - LONGEST_STAY
    said = [p.at for p in data.procedures if p.at and _day(begin, seen) <= _day(p.at, seen) <= _day(data.at, seen)]
    return min(min(said, key=lambda at: abs(at - planned), default=planned), data.at, seen.now)


def _day(at: datetime, seen: Snapshot) -> date:
    return at.astimezone(ZoneInfo(seen.timezone)).date()
