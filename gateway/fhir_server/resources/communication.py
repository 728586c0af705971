"""Communication: a notice, as a header without content. What it said is behind the link that it carried."""

from __future__ import annotations

from gateway.fhir_server.elements import (
    Resource,
    Row,
    Setting,
    begin,
    coding,
    compact,
    concept,
    instant,
    patient,
    practitioner,
    requester,
    to,
    words,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Ours
from pathways.exchange.names import HL7

TEMPLATE = "urn:continuum:notice"


def build(row: Row, setting: Setting) -> Resource:
    """To whom, about which order, when it left, and how it went."""
    return compact(
        {
            **begin("Communication", row),
            "identifier": [{"system": "urn:ietf:rfc:5322", "value": row["message_id"]}] if row["message_id"] else [],
            "basedOn": [to("ServiceRequest", row["based_on"])],
            "status": row["status"],
            "category": [concept("Notification", coding(f"{HL7}/communication-category", "notification"))],
            "medium": [concept(words(row["channel"]))] if row["channel"] else [],
            "subject": patient(row),
            "topic": concept(words(row["template"]), coding(TEMPLATE, row["template"])),
            "about": [to("ServiceRequest", row["based_on"])],
            "sent": instant(row["sent_at"]) if row["sent_at"] else None,
            "recipient": [found] if (found := _recipient(row)) else [],
        }
    )


def _recipient(row: Row) -> Resource | None:
    if row["recipient"] == "patient":
        return patient(row)
    if row["recipient"] == "referrer":
        return requester(row)
    return practitioner(row["person"]) if row["person"] else {"display": words(row["recipient"].replace(":", " "))}


COMMUNICATION = ResourceType(
    name="Communication",
    view="fhir_communication",
    build=build,
    columns=(
        *("status", "recipient", "template", "channel", "message_id", "sent_at", "patient", "based_on", "requester"),
        "person",
    ),
    params=(
        Code("status", "status", "http://hl7.org/fhir/event-status"),
        Code("topic", "template", TEMPLATE),
        Date("sent", "sent_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("based-on", "based_on", target="ServiceRequest"),
    ),
    required=("status",),
    doc="Headers of notices, without what they said. `completed` is only what left; what bounced is `stopped`.",
)
