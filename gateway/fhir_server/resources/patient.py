"""Patient: as the referral told of them. One whose record was merged into another says where they are now."""

from __future__ import annotations

from gateway.fhir_server.elements import Resource, Row, Setting, begin, compact, concept, text, to
from gateway.fhir_server.resource_type import PATIENT_PARAMS, ResourceType, by_uuid
from gateway.fhir_server.search.params import Code

_GENDERS = ("male", "female", "other", "unknown")


def build(row: Row, setting: Setting) -> Resource:
    """A patient; of a merged one nothing but where they are now, for what it said is another's to show."""
    found = begin("Patient", row)
    if row["merged_into"] is not None:
        return {**found, "active": False, "link": [{"other": to("Patient", row["merged_into"]), "type": "replaced-by"}]}
    name = compact({"family": text(row["family"]), "given": [g for g in (row["given"] or "").split() if g]})
    telecom = [
        {"system": system, "value": value}
        for system, value in (("phone", text(row["phone"])), ("email", text(row["mail"])))
        if value
    ]
    gender = row["gender"] if row["gender"] in _GENDERS else None
    return compact(
        {
            **found,
            "identifier": [compact({"system": i.get("system"), "value": i.get("value")}) for i in row["identifiers"]],
            "active": True,
            "name": [name] if name else [],
            "telecom": telecom,
            "gender": gender,
            "birthDate": row["birth_date"],
            "communication": [{"language": _language(code)} for code in row["languages"] if text(code)],
        }
    )


def _language(code: str) -> Resource:
    return concept(None, {"system": "urn:ietf:bcp:47", "code": code}) if " " not in code else concept(code)


PATIENT = ResourceType(
    name="Patient",
    view="fhir_patient",
    build=build,
    columns=("identifiers", "family", "given", "gender", "phone", "mail", "languages", "birth_date", "merged_into"),
    params=(*PATIENT_PARAMS, Code("gender", "gender", "http://hl7.org/fhir/administrative-gender")),
    seen="patient",
    key=by_uuid,
    in_journey=False,
    doc="As the referral told of them. A record that was merged into another is inactive and links to it.",
)
