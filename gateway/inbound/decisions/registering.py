"""What a hospital's register says of patients: their details, that they died, that two records are one person's.

Numbers that fit nobody are none of our patients'; numbers that fit several are a person's to look at.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.inbound.decisions.decision import Nothing, Quarantine
from gateway.inbound.deeds_data import MergePatients, NoteDemographics
from gateway.inbound.snapshot import RegisterSeen


@dataclass(frozen=True, slots=True)
class Update:
    """Write the details that the message gives to this patient's record."""

    patient: str


@dataclass(frozen=True, slots=True)
class Renumber:
    """This patient, known by the number that was merged away, bears the surviving numbers from now on."""

    patient: str


@dataclass(frozen=True, slots=True)
class Merge:
    """One record goes into the other; the journeys concerned are told, and a person reviews them."""

    patient: str
    into: str


def note_demographics(data: NoteDemographics, seen: RegisterSeen) -> Update | Nothing | Quarantine:
    """New details. That somebody died stops everything, so a person says it, and is asked at once."""
    if not seen.surviving:
        return Nothing("no patient of ours has these numbers")
    if len(seen.surviving) > 1:
        return Quarantine("several patients of ours have these numbers")
    if data.deceased:
        return Quarantine("the hospital's register says that the patient died: record_death stops every message")
    return Update(seen.surviving[0])


def merge_patients(data: MergePatients, seen: RegisterSeen) -> Merge | Renumber | Nothing | Quarantine:
    """Two numbers are one person's."""
    if not seen.merged:
        return Nothing("no patient of ours has the number that was merged")
    if len(seen.merged) > 1 or len(seen.surviving) > 1:
        return Quarantine("several patients of ours have these numbers")
    if not seen.surviving:
        return Renumber(seen.merged[0])
    if seen.surviving == seen.merged:
        return Nothing("both numbers are one patient's already")
    return Merge(seen.merged[0], into=seen.surviving[0])
