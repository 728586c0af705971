"""Pieces that all resources are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from care.score import Measure
from pathways import loader
from pathways.exchange import names
from records.clients import Profile

Row = dict[str, Any]
Resource = dict[str, Any]

CLINIC = "urn:continuum:clinic"
PERSON = "urn:continuum:person"
AS_SENT = "urn:continuum:reference-as-sent"
"""The system of a reference that meant something on the sender's server and would mean something else on ours."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a resource depends on beside its row."""

    base: str
    """Our FHIR endpoint, `https://continuum.clinic.example/fhir`."""
    profile: Profile = "cow"
    """The guide that the caller speaks."""


def begin(kind: str, row: Row) -> Resource:
    """A resource with its id and meta."""
    meta: Resource = {"versionId": str(row["version"])}
    if row["updated_at"] is not None:
        meta["lastUpdated"] = instant(row["updated_at"])
    return {"resourceType": kind, "id": row["id"], "meta": meta}


def instant(moment: datetime) -> str:
    """As FHIR writes a moment."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(resource: Resource) -> Resource:
    """Without elements that are None or empty: FHIR has neither."""
    return {name: value for name, value in resource.items() if value not in (None, [], {}, "")}


def text(words: str | None) -> str | None:
    """As FHIR's `string` wants it."""
    return " ".join((words or "").split()) or None


def concept(words: str | None, *codings: Resource) -> Resource:
    """A CodeableConcept."""
    return compact({"coding": list(codings), "text": text(words)})


def coding(system: str, code: str, display: str | None = None) -> Resource:
    """A Coding."""
    return compact({"system": system, "code": code, "display": text(display)})


def words(code: str | None) -> str | None:
    """A code of ours as people read it."""
    return code.replace("_", " ") if code else None


def to(kind: str, id: object, display: str | None = None) -> Resource:  # noqa: A002 - FHIR's own word
    """A reference to a resource of ours."""
    return compact({"reference": f"{kind}/{id}", "display": text(display)})


def named(kind: str, system: str | None, value: str, display: str | None = None) -> Resource:
    """A reference by identifier, to something that is no resource here."""
    return compact({"type": kind, "identifier": compact({"system": system, "value": value}), "display": text(display)})


def patient(row: Row) -> Resource | None:
    """A reference to the patient; None as long as nobody knows who it is."""
    return to("Patient", row["patient"]) if row["patient"] is not None else None


def a_patient(row: Row) -> Resource:
    """The same where an element is required: by the sender's own name for them, or in words."""
    known = patient(row)
    if known is not None:
        return known
    reference = text(row.get("patient_reference"))
    return named("Patient", AS_SENT, reference) if reference else {"type": "Patient", "display": "not identified yet"}


_AS_FHIR = str.maketrans(":_.", ".UD")
_AS_OURS = str.maketrans(".UD", ":_.")


def resource_id(key: str) -> str:
    """An id of ours as FHIR takes it (`continuum.fhir_id`): neither `:` nor `_`, and ours have no capital letters."""
    return key.translate(_AS_FHIR)


def key_of(id: str) -> str:  # noqa: A002 - FHIR's own word
    """Our id out of a resource's."""
    return id.translate(_AS_OURS)


def practitioner(person: str, display: str | None = None) -> Resource:
    """A reference to somebody of the directory."""
    return to("Practitioner", practitioner_id(person), display)


def practitioner_id(person: str) -> str:
    """A person's id as FHIR takes it: ours have `_`, and no capital letters."""
    return person.replace("_", "U")


def clinic(row: Row) -> Resource | None:
    """The clinic as an organisation."""
    return named("Organization", CLINIC, row["clinic"], row["clinic_name"]) if row["clinic"] else None


def requester(row: Row) -> Resource | None:
    """Who asked, by name and identifier: they are no resource here, and their own reference is the sender's."""
    said = row["requester"] or {}
    reference = said.get("reference")
    known = said.get("identifier") or said.get("organisation_identifier")
    kind = "Practitioner" if said.get("identifier") or said.get("name") else "Organization"
    found = compact(
        {
            "reference": reference if reference and reference.startswith(("http://", "https://")) else None,
            "identifier": compact(known) if known else None,
            "display": text(said.get("name") or said.get("organisation")),
        }
    )
    if not found and reference and not reference.startswith("#"):
        return {"identifier": {"system": AS_SENT, "value": reference}}
    return {"type": kind, **found} if found and "reference" not in found else found or None


@cache
def measures() -> dict[str, Measure]:
    """Every measure of our pathways, by id."""
    return {measure.id: measure for pathway in loader.load_all().values() for measure in pathway.measures}


def measure_concept(id: str) -> Resource:  # noqa: A002
    """A measure as a code: LOINC's where there is one, and ours."""
    known = measures().get(id)
    return names.measure_concept(known) if known else concept(words(id), coding(names.MEASURES, id))


def quantity(value: float, unit: str | None) -> Resource:
    """A Quantity; a unit of our content is words, not UCUM."""
    return compact({"value": int(value) if value == int(value) else value, "unit": text(unit)})
