"""CarePlan: one discipline's plan of care."""

from __future__ import annotations

from gateway.fhir_server.elements import (
    Resource,
    Row,
    Setting,
    a_patient,
    begin,
    compact,
    concept,
    instant,
    practitioner,
    resource_id,
    text,
    to,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Ours


def build(row: Row, setting: Setting) -> Resource:
    """A plan: its goals, its dose, and the pathway that it was made from."""
    body = row["body"]
    return compact(
        {
            **begin("CarePlan", row),
            "instantiatesCanonical": [canonical(row["pathway"])] if row["pathway"] else [],
            "status": row["status"],
            "intent": "plan",
            "category": [concept(row["discipline"].replace("_", " "))],
            "title": text(body.get("label")),
            "subject": a_patient(row),
            "period": {"start": instant(row["started_at"])},
            "author": practitioner(row["clinician"]) if row["clinician"] else None,
            "supportingInfo": [to("ServiceRequest", row["based_on"])],
            "goal": [to("Goal", resource_id(goal["id"])) for goal in body.get("goals", ())],
            "activity": [_visits(row), *(_intervention(words, row) for words in body.get("interventions", ()))],
        }
    )


def canonical(label: str) -> str:
    """`low_back_pain@1` as the canonical address of its PlanDefinition in that version."""
    id, _, version = label.rpartition("@")  # noqa: A001 - the field's own word
    return f"urn:continuum:PlanDefinition:{id}|{version}"


def _visits(row: Row) -> Resource:
    body = row["body"]
    planned, weeks, weekly = (body[name]["value"] for name in ("visits_planned", "weeks", "visits_per_week"))
    repeat = {
        "boundsDuration": {"value": weeks, "unit": "wk", "system": "http://unitsofmeasure.org", "code": "wk"},
        **({"count": round(planned)} if round(planned) > 0 else {}),
    }
    detail = {
        "status": _activity(row),
        "scheduledTiming": {"repeat": repeat},
        "description": f"{planned:g} visits in {weeks:g} weeks, {weekly:g} a week; attended: {body['visits_attended']}",
    }
    return {"detail": detail}


def _intervention(words: str, row: Row) -> Resource:
    return {"detail": {"status": _activity(row), "description": text(words)}}


def _activity(row: Row) -> str:
    return {"active": "in-progress", "completed": "completed", "revoked": "stopped"}.get(
        row["status"], "entered-in-error"
    )


CARE_PLAN = ResourceType(
    name="CarePlan",
    view="fhir_care_plan",
    build=build,
    columns=("status", "discipline", "started_at", "body", "patient", "based_on", "pathway", "clinician"),
    params=(
        Code("status", "status", "http://hl7.org/fhir/request-status"),
        Date("date", "started_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Ours("performer", "clinician", target="Practitioner"),
    ),
    required=("status", "intent", "subject"),
    sorts={"date": "started_at"},
    doc="Plans of care, one for each discipline; a plan is written anew under its id as it changes.",
)
