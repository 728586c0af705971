"""QuestionnaireResponse: answers as they were received."""

from __future__ import annotations

from gateway.fhir_server.carrying import as_sent
from gateway.fhir_server.elements import Resource, Row, Setting, begin, compact, instant, patient, to
from gateway.fhir_server.resource_type import ResourceType, by_uuid
from gateway.fhir_server.search.params import Code, Date, Identifiers, Ours, Uri


def build(row: Row, setting: Setting) -> Resource:
    """Answers, with our references to patient and order."""
    ours = begin("QuestionnaireResponse", row)
    known = str(row["patient"]) if row["patient"] else None
    sent = as_sent(row["raw"], row["path"], kind="QuestionnaireResponse", id=row["id"], patient=known)
    if sent is None:
        return compact(
            {**ours, "status": "completed", "subject": patient(row), "authored": instant(row["authored_on"])}
        )
    said = sent.get("meta")
    found = {**ours, **sent, "id": row["id"], "meta": {**(said if isinstance(said, dict) else {}), **ours["meta"]}}
    if row["based_on"]:
        found["basedOn"] = [to("ServiceRequest", row["based_on"])]
    return found


QUESTIONNAIRE_RESPONSE = ResourceType(
    name="QuestionnaireResponse",
    view="fhir_questionnaire_response",
    build=build,
    columns=("raw", "path", "patient", "based_on", "authored_on"),
    params=(
        Identifiers("identifier", "identifiers"),
        Code("status", "status", "http://hl7.org/fhir/questionnaire-answers-status"),
        Uri("questionnaire", "questionnaire"),
        Date("authored", "authored_on"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Ours("based-on", "based_on", target="ServiceRequest"),
    ),
    seen="author",
    key=by_uuid,
    in_journey=False,
    required=("status",),
    sorts={"authored": "authored_on"},
    heavy=True,
)
