"""AuditEvent: who looked at or changed what. For auditors alone."""

from __future__ import annotations

from typing import Any

from gateway.fhir_server.elements import Resource, Row, Setting, begin, coding, compact, instant
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Uri
from gateway.fhir_server.search.values import ID
from pathways.exchange.names import HL7

_LARGEST = 2**63 - 1
CALLER = "urn:continuum:caller"
_INTERACTIONS = {"R": "read", "C": "create", "U": "update", "D": "delete"}


def build(row: Row, setting: Setting) -> Resource:
    """One request that the guard let through or refused."""
    interaction = _INTERACTIONS.get(row["action"])
    subtype = [coding("http://hl7.org/fhir/restful-interaction", interaction)] if interaction else []
    agent = {
        "who": {"identifier": {"system": CALLER, "value": row["caller"]}},
        "requestor": True,
        "role": [{"coding": [coding("urn:continuum:caller-role", role)]} for role in row["roles"].split()],
    }
    return compact(
        {
            **begin("AuditEvent", row),
            "type": coding(f"{HL7}/audit-event-type", "rest", "RESTful Operation"),
            "subtype": subtype,
            "action": row["action"],
            "recorded": instant(row["updated_at"]),
            "outcome": row["outcome"],
            "outcomeDesc": f"HTTP {row['http_status']}" if row["http_status"] else None,
            "agent": [compact(agent)],
            "source": {"observer": {"display": "Continuum"}},
            "entity": [_entity(row)],
        }
    )


def _entity(row: Row) -> Resource:
    """What it was about, by our id; the request by its id."""
    kind, _, id = (row["subject"] or "").partition("/")  # noqa: A001 - FHIR's own word
    what: Resource | None = None
    if kind[:1].isupper() and kind.isalpha() and ID.fullmatch(id):
        what = {"reference": f"{kind}/{id}"}
    elif row["subject"]:
        what = {"identifier": {"value": row["subject"]}}
    detail = [{"type": "X-Request-Id", "valueString": row["request_id"]}]
    return compact({"what": what, "name": row["operation"], "detail": detail})


def key(id: str) -> Any:  # noqa: A002 - FHIR's own word
    """A number; None for what is none."""
    return int(id) if id.isascii() and id.isdigit() and len(id) <= len(str(_LARGEST)) and int(id) <= _LARGEST else None


AUDIT_EVENT = ResourceType(
    name="AuditEvent",
    view="fhir_audit_event",
    build=build,
    columns=("caller", "roles", "operation", "subject", "http_status", "request_id", "outcome", "action"),
    params=(
        Code("action", "action", "http://hl7.org/fhir/audit-event-action"),
        Code("outcome", "outcome", "http://hl7.org/fhir/audit-event-outcome"),
        Code("agent-identifier", "caller", CALLER),
        Uri("entity-name", "operation"),
        Date("date", "updated_at"),
    ),
    seen="tenant",
    roles=frozenset({"auditor"}),
    for_systems=False,
    key=key,
    in_journey=False,
    required=("type", "recorded", "agent", "source"),
    sorts={"date": "updated_at"},
    doc="For auditors. `agent-identifier` is the caller (`client:ID`, `person:ID`).",
)
