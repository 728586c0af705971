"""Two records in the register turn out to be one person's. The journeys concerned are told by the relay."""

from __future__ import annotations

from uuid import UUID

from care.actor import Actor
from gateway.acting import ActionRefused
from records import patients
from records.database import Database


async def merge(database: Database, *, from_: str, into: str, note: str, actor: Actor) -> patients.Merged:
    """Merge patient `from_` into patient `into`. Raises ActionRefused."""
    if not actor.is_staff:
        raise ActionRefused("NotAllowed", "patients are merged by the clinic's staff")
    if not note.strip():
        raise ActionRefused("NoteNeeded", "a merge needs a note that says how they are known to be one")
    try:
        ids = UUID(from_), UUID(into)
    except ValueError:
        raise ActionRefused("NoSuchPatient", "a patient's id is a UUID; continuum show ID --json has it") from None
    try:
        return await patients.merge(database, from_patient=ids[0], into=ids[1], note=note, actor=actor)
    except patients.MergeRefused as refused:
        raise ActionRefused(refused.kind, str(refused)) from None


async def merge_of_journeys(database: Database, *, journey: str, into: str, note: str, actor: Actor) -> patients.Merged:
    """The same, with each patient named by one of their journeys. A repeat finds both with one patient: refused."""
    found = [await patients.of_journey(database, actor.tenant, one) for one in (journey, into)]
    if found[0] is None or found[1] is None:
        raise ActionRefused("NoSuchPatient", "one of these journeys is not there, or has no patient in the register")
    return await merge(database, from_=str(found[0]), into=str(found[1]), note=note, actor=actor)
