"""Task: the execution of an order, what its sender asks for by a Task, and, for staff, what people owe.

The first is the coordination Task of HL7's Clinical Order Workflows: its id is the journey's, its focus the order, its
progress a ratio of sessions in `output`. What each guide calls a state is in `gateway/fhir_server/profiles.py`.
"""

from __future__ import annotations

from activities.replies import CONSULT_NOTE, TASK_CODE
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
    resource_id,
    to,
    words,
)
from gateway.fhir_server.profiles import STATES, TASK_STATUS, states_of_business, states_of_status
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Coded, Date, Identifiers, Ours, OursOrSent, Sent

WORK = "urn:continuum:task-kind"
STAGE = "urn:continuum:stage"
REVIEW = "review_report"
_REQUESTS = ("fulfill", "abort")
_THEIRS = (*_REQUESTS, REVIEW)


def build(row: Row, setting: Setting) -> Resource:
    """Any of the three kinds."""
    state = STATES[row["state"]]
    work = row["kind"] not in _THEIRS
    reason = words(row["reason"]) or (state.words if setting.profile == "bser" and not work else None)
    business = state.business(setting.profile)
    return compact(
        {
            **begin("Task", row),
            "identifier": row["identifiers"],
            "basedOn": [to("ServiceRequest", row["journey"])] if row["kind"] == "fulfill" else [],
            "partOf": [to("Task", row["part_of"])] if row["kind"] not in _REQUESTS and row["part_of"] else [],
            "status": state.status(setting.profile),
            "statusReason": concept(reason) if reason else None,
            "businessStatus": concept(state.words, *business) if business else None,
            "intent": "order",
            "priority": row["urgency"],
            "code": _code(row),
            "focus": _focus(row),
            "for": patient(row),
            "authoredOn": instant(row["authored_on"]),
            "lastModified": instant(row["changed_on"] or row["authored_on"]),
            "requester": requester(row),
            "owner": _owner(row),
            "restriction": {"period": {"end": instant(row["due_at"])}} if row["due_at"] else None,
            "output": [*_progress(row), *_note(row)],
        }
    )


def _code(row: Row) -> Resource:
    if row["kind"] in _REQUESTS:
        return concept(None, coding(TASK_CODE, row["kind"]))
    label = "The report was read" if row["kind"] == REVIEW else row["label"]
    return concept(label, coding(WORK, row["kind"], label))


def _focus(row: Row) -> Resource | None:
    if row["kind"] == "abort":
        return to("Task", row["part_of"]) if row["part_of"] else None
    return to("ServiceRequest", row["focus"]) if row["focus"] else None


def _owner(row: Row) -> Resource | None:
    if row["owner_person"]:
        return practitioner(row["owner_person"])
    if not row["owners"]:
        return None
    return compact({"type": "Organization", **row["owners"][0], "display": row["owner_name"]})


def _progress(row: Row) -> list[Resource]:
    if not row["visits_planned"]:
        return []
    ratio = {"numerator": _sessions(row["visits_done"] or 0), "denominator": _sessions(row["visits_planned"])}
    return [{"type": concept("Visits attended of planned"), "valueRatio": ratio}]


def _note(row: Row) -> list[Resource]:
    """The consult note, once it is signed: a discharge summary, whose receipt is chased."""
    if row["state"] != "completed" or not row["document"]:
        return []
    return [{"type": CONSULT_NOTE, "valueReference": to("DocumentReference", resource_id(row["document"]))}]


def _sessions(count: int) -> Resource:
    return {"value": count, "unit": "session", "system": "http://unitsofmeasure.org", "code": "{session}"}


def _states(setting: Setting, system: str | None, code: str) -> tuple[str, ...]:
    return states_of_status(setting.profile, code) if system in (None, TASK_STATUS) else ()


def _business(setting: Setting, system: str | None, code: str) -> tuple[str, ...]:
    return states_of_business(setting.profile, system, code)


def _kinds(setting: Setting, system: str | None, code: str) -> tuple[str, ...]:
    request = code in _REQUESTS
    return (code,) if system in (None, TASK_CODE if request else WORK) else ()


TASK = ResourceType(
    name="Task",
    view="fhir_task",
    build=build,
    columns=(
        *("kind", "state", "reason", "visits_done", "visits_planned", "label", "patient", "focus", "part_of"),
        *("requester", "identifiers", "urgency", "authored_on", "changed_on", "due_at", "owner_person", "owners"),
        *("owner_name", "document"),
    ),
    params=(
        Identifiers("identifier", "identifiers"),
        Coded("status", "state", _states),
        Coded("business-status", "state", _business),
        Coded("code", "kind", _kinds),
        Code("priority", "urgency", "http://hl7.org/fhir/request-priority"),
        Ours("focus", "focus", target="ServiceRequest"),
        Ours("based-on", "focus", target="ServiceRequest"),
        Ours("part-of", "part_of", target="Task"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Sent("requester", "requesters"),
        OursOrSent("owner", "owner_person", sent="owners"),
        Date("authored-on", "authored_on"),
        Date("modified", "updated_at"),
    ),
    in_journey=False,
    required=("status", "intent"),
    sorts={"authored-on": "authored_on", "modified": "updated_at"},
    doc="One per order for its execution (code fulfill, the id is the journey's), one per request to cancel it "
    "(code abort), and for staff what people of the clinic owe. Statuses are those of the guide that the client is "
    "registered for.",
)
