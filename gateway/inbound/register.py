"""What a hospital's register says of patients, carried out on ours. Who somebody is never leaves the record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from care.actor import Actor
from gateway.hl7 import patient_in
from gateway.inbound.decisions.decision import Nothing, Quarantine, Refuse
from gateway.inbound.decisions.registering import Merge, Renumber, Update, merge_patients, note_demographics
from gateway.inbound.deeds_data import MergePatients, NoteDemographics
from gateway.inbound.finding import pairs
from gateway.inbound.meaning import About
from gateway.inbound.snapshot import RegisterSeen
from records import inbound, locating, patients
from records.database import Database
from records.inbound import AskRow

Settled = Nothing | Quarantine | Refuse
Deed = Callable[[Database, AskRow, Actor], Awaitable[Settled]]

MERGED_BY_MESSAGE = "merged as a registered system's message says"
DETAILS = {"family", "given", "birth_date", "gender", "phone", "email"}


async def demographics(database: Database, ask: AskRow, actor: Actor) -> Settled:
    """New details of a patient. They stand in the message, and are read from there."""
    about = About.model_validate(ask.about)
    seen = RegisterSeen(surviving=await _known(database, ask.tenant, about))
    match note_demographics(NoteDemographics.model_validate(ask.data), seen):
        case Update(patient):
            message = await inbound.raw(database, ask.tenant, ask.inbound)
            if message is None:
                raise LookupError("a message that asks something is kept")
            details = patient_in(message[0]).model_dump(include=DETAILS)
            changed = await patients.update_details(database, ask.tenant, UUID(patient), ask.inbound, details)
            return Nothing("the patient's details are updated" if changed else "nothing is different")
        case other:
            return other


async def merge(database: Database, ask: AskRow, actor: Actor) -> Settled:
    """Two numbers are one person's."""
    about, data = About.model_validate(ask.about), MergePatients.model_validate(ask.data)
    stay, gone = about.patient[: data.surviving], about.patient[data.surviving :]
    seen = RegisterSeen(
        surviving=await _known(database, ask.tenant, About(patient=stay)),
        merged=await _known(database, ask.tenant, About(patient=gone)),
    )
    match merge_patients(data, seen):
        case Merge(patient, into):
            try:
                await patients.merge(
                    database, from_patient=UUID(patient), into=UUID(into), note=MERGED_BY_MESSAGE, actor=actor
                )
            except patients.MergeRefused as refused:
                return Refuse(refused.kind, str(refused))
            return Nothing("the two records are merged")
        case Renumber(patient):
            numbers = [one.model_dump() for one in stay]
            await patients.add_numbers(database, ask.tenant, UUID(patient), ask.inbound, numbers)
            return Nothing("the patient bears the number that stays")
        case other:
            return other


async def _known(database: Database, tenant: str, about: About) -> tuple[str, ...]:
    found = await locating.patients_by_number(database, tenant, pairs(about.patient))
    return tuple(str(patient) for patient in found)


DEEDS: dict[str, Deed] = {"note_demographics": demographics, "merge_patients": merge}
"""By the name of the ask."""
