"""DocumentReference and Binary: a discharge summary and its PDF. Referrers see it once a clinician has signed it."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from gateway.fhir_server.elements import (
    Resource,
    Row,
    Setting,
    a_patient,
    begin,
    coding,
    compact,
    concept,
    instant,
    practitioner,
    to,
    words,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Coded, Date, Ours
from pathways.exchange.names import LOINC

PDF = "application/pdf"
KINDS = {"discharge_summary": ("18842-5", "Discharge summary")}


def build(row: Row, setting: Setting) -> Resource:
    """A document; its bytes are at the address of the attachment."""
    pdf: bytes = row["pdf"]
    attachment = {
        "contentType": PDF,
        "url": f"{setting.base}/Binary/{row['id']}",
        "size": len(pdf),
        # Of what stands at the address, and SHA-1 because R4 says so.
        "hash": b64encode(sha1(pdf, usedforsecurity=False).digest()).decode(),
        "title": words(row["kind"]),
        "creation": instant(row["written_at"]),
    }
    code = KINDS.get(row["kind"])
    return compact(
        {
            **begin("DocumentReference", row),
            "status": row["status"],
            "docStatus": row["doc_status"],
            "type": concept(words(row["kind"]), *([coding(LOINC, *code)] if code else [])),
            "subject": a_patient(row),
            "date": instant(row["written_at"]),
            "authenticator": practitioner(row["person"]) if row["person"] else None,
            "content": [{"attachment": attachment}],
            "context": {"related": [to("ServiceRequest", row["based_on"])]},
        }
    )


def binary(row: Row, setting: Setting) -> Resource:
    """The bytes as a resource, for who asks for FHIR."""
    return {
        **begin("Binary", row),
        "contentType": PDF,
        "securityContext": to("DocumentReference", row["id"]),
        "data": b64encode(row["pdf"]).decode(),
    }


def _types(setting: Setting, system: str | None, code: str) -> tuple[str, ...]:
    return tuple(kind for kind, (loinc, _) in KINDS.items() if code == loinc and system in (None, LOINC))


_COLUMNS = ("status", "doc_status", "kind", "written_at", "pdf", "patient", "based_on", "person")

DOCUMENT_REFERENCE = ResourceType(
    name="DocumentReference",
    view="fhir_document",
    build=build,
    columns=_COLUMNS,
    params=(
        Code("status", "status", "http://hl7.org/fhir/document-reference-status"),
        Coded("type", "kind", _types),
        Date("date", "written_at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Ours("related", "based_on", target="ServiceRequest"),
    ),
    required=("status", "content"),
    sorts={"date": "written_at"},
    doc="Discharge summaries; a referrer sees one once it is signed. The PDF is at the attachment's address.",
)

BINARY = ResourceType(
    name="Binary",
    view="fhir_document",
    build=binary,
    columns=_COLUMNS,
    required=("contentType",),
    doc="The PDF of a DocumentReference: as it is, or as a resource for who accepts application/fhir+json alone.",
)
