"""ServiceRequest: the order, which belongs to its sender. What is shown is what they sent last, under our id.

An order that came by HL7 v2 has no FHIR form of its own: it is made from what was read of it.
"""

from __future__ import annotations

from gateway.fhir_server.carrying import as_sent
from gateway.fhir_server.elements import (
    AS_SENT,
    Resource,
    Row,
    Setting,
    a_patient,
    begin,
    coding,
    compact,
    instant,
    requester,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Concepts, Date, Identifiers, Ours, Sent


def build(row: Row, setting: Setting) -> Resource:
    """The order."""
    ours = begin("ServiceRequest", row)
    if row["protocol"] == "fhir":
        patient = str(row["patient"]) if row["patient"] else None
        sent = as_sent(row["raw"], row["path"], kind="ServiceRequest", id=row["id"], patient=patient)
        if sent is not None:
            said = sent.get("meta")
            meta = {**said, **ours["meta"]} if isinstance(said, dict) else ours["meta"]
            return {**ours, **sent, "id": row["id"], "meta": meta}
    return compact(
        {
            **ours,
            "identifier": _placer(row["referral_id"]),
            "status": row["status"],
            "intent": "order",
            "priority": row["urgency"],
            "subject": a_patient(row),
            "authoredOn": instant(row["received_at"]),
            "requester": requester(row),
            "reasonCode": [
                {"coding": [compact({"system": code.get("system"), "code": code["code"]})]} for code in row["codes"]
            ],
        }
    )


def _placer(referral_id: str) -> list[Resource]:
    system, bar, value = referral_id.rpartition("|")
    placer = {"coding": [coding("http://terminology.hl7.org/CodeSystem/v2-0203", "PLAC")]}
    if not bar:
        return [{"type": placer, "system": AS_SENT, "value": referral_id}]
    return [compact({"type": placer, "system": system, "value": value})]


SERVICE_REQUEST = ResourceType(
    name="ServiceRequest",
    view="fhir_service_request",
    build=build,
    columns=(
        *("raw", "path", "protocol", "patient", "referral_id", "requester", "codes", "urgency", "received_at"),
        "status",
    ),
    params=(
        Identifiers("identifier", "identifiers"),
        Identifiers("requisition", "requisition"),
        Code("status", "status", "http://hl7.org/fhir/request-status"),
        Code("intent", "intent", "http://hl7.org/fhir/request-intent"),
        Code("priority", "priority", "http://hl7.org/fhir/request-priority"),
        Concepts("category", "categories"),
        Concepts("code", "asked_for"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Sent("requester", "requesters"),
        Sent("performer", "performers"),
        Date("authored", "authored_on"),
    ),
    required=("status", "intent", "subject"),
    sorts={"authored": "authored_on"},
    heavy=True,
    doc="Orders, as their sender sent them last: they are never changed here. A completed or declined referral is told "
    "by its Task.",
)
