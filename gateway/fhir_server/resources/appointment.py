"""Appointment: a visit, and what became of it."""

from __future__ import annotations

from gateway.fhir_server.elements import (
    Resource,
    Row,
    Setting,
    a_patient,
    begin,
    clinic,
    compact,
    concept,
    instant,
    practitioner,
    to,
    words,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Identifiers, Ours


def build(row: Row, setting: Setting) -> Resource:
    """A visit. Every time the patient and one clinician; where it is, is the clinic's name."""
    came = {"fulfilled": "accepted", "noshow": "accepted", "booked": "accepted"}.get(row["status"], "declined")
    place = clinic(row)
    participants = [
        {"actor": a_patient(row), "required": "required", "status": came},
        {"actor": practitioner(row["clinician"]), "required": "required", "status": came},
    ]
    if place is not None:
        participants.append({"actor": {**place, "type": "Location"}, "required": "information-only", "status": came})
    minutes = int((row["ends_at"] - row["starts_at"]).total_seconds() // 60)
    return compact(
        {
            **begin("Appointment", row),
            "identifier": row["identifiers"],
            "status": row["status"],
            "cancelationReason": concept(words(row["reason"])) if row["reason"] else None,
            "start": instant(row["starts_at"]),
            "end": instant(row["ends_at"]),
            "minutesDuration": minutes if minutes > 0 else None,
            "basedOn": [to("ServiceRequest", row["based_on"])],
            "participant": participants,
        }
    )


APPOINTMENT = ResourceType(
    name="Appointment",
    view="fhir_appointment",
    build=build,
    columns=(
        *("status", "starts_at", "ends_at", "reason", "clinician", "clinic", "clinic_name", "patient", "based_on"),
        "identifiers",
    ),
    params=(
        Identifiers("identifier", "identifiers"),
        Code("status", "status", "http://hl7.org/fhir/appointmentstatus"),
        Date("date", "starts_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("practitioner", "clinician", target="Practitioner"),
        Ours("actor", "clinician", target="Practitioner"),
        Ours("based-on", "based_on", target="ServiceRequest"),
    ),
    required=("status", "participant"),
    sorts={"date": "starts_at"},
    doc="Visits: booked, fulfilled, noshow, cancelled, entered-in-error.",
)
