"""EpisodeOfCare: the whole journey, with the statuses that it went through."""

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
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Ours

_PLANNED = ("Intake", "Referral")


def build(row: Row, setting: Setting) -> Resource:
    """A journey from its referral on."""
    ended = instant(row["ended_at"]) if row["ended_at"] else None
    return compact(
        {
            **begin("EpisodeOfCare", row),
            "identifier": [{"system": "urn:continuum:journey", "value": row["journey"]}],
            "status": row["status"],
            "statusHistory": _history(row),
            "type": [concept(row["pathway"])] if row["pathway"] else [],
            "patient": a_patient(row),
            "managingOrganization": clinic(row),
            "period": compact({"start": instant(row["began_at"]) if row["began_at"] else None, "end": ended}),
            "referralRequest": [to("ServiceRequest", row["referral"])],
            "careManager": practitioner(row["clinician"]) if row["clinician"] else None,
        }
    )


def _history(row: Row) -> list[Resource]:
    """Each status for as long as it lasted; stages of one status are one entry."""
    spells: list[Resource] = []
    for move in row["moves"] or ():
        status = _status(move)
        if spells and spells[-1]["status"] == status:
            continue
        if spells:
            spells[-1]["period"]["end"] = move["at"]
        spells.append({"status": status, "period": {"start": move["at"]}})
    if row["ended_at"] is not None:
        if spells:
            spells[-1]["period"]["end"] = instant(row["ended_at"])
        spells.append({"status": row["status"], "period": {"start": instant(row["ended_at"])}})
    return spells


def _status(move: Row) -> str:
    if move["kind"] == "on_hold":
        return "onhold"
    return "planned" if move["stage"] in _PLANNED else "active"


EPISODE_OF_CARE = ResourceType(
    name="EpisodeOfCare",
    view="fhir_episode_of_care",
    build=build,
    columns=(
        *("status", "stage", "outcome", "pathway", "clinic", "clinic_name", "patient", "referral", "clinician"),
        *("began_at", "ended_at", "moves"),
    ),
    params=(
        Code("status", "status", "http://hl7.org/fhir/episode-of-care-status"),
        Date("date", "began_at", end="ended_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("incoming-referral", "referral", target="ServiceRequest"),
        Ours("care-manager", "clinician", target="Practitioner"),
    ),
    required=("status", "patient"),
    doc="Journeys, under the same id as their order and their coordination Task.",
)
