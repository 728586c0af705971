"""Observation: one dated score of a measure."""

from __future__ import annotations

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
    measure_concept,
    measures,
    quantity,
    to,
    words,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Coded, Date, Ours
from pathways.exchange.names import HL7, LOINC, MEASURES, loinc

CATEGORIES = f"{HL7}/observation-category"
_ASKED = ("prom", "screen")


def build(row: Row, setting: Setting) -> Resource:
    """A score. One that was entered in error says so and keeps its value."""
    return compact(
        {
            **begin("Observation", row),
            "basedOn": [to("ServiceRequest", row["based_on"])],
            "status": row["status"],
            "category": [concept(None, coding(CATEGORIES, _category(row["measure"])))],
            "code": measure_concept(row["measure"]),
            "subject": a_patient(row),
            "effectiveDateTime": instant(row["at"]),
            **_value(row),
        }
    )


def _category(measure: str) -> str:
    known = measures().get(measure)
    return "survey" if known is not None and known.kind in _ASKED else "exam"


def _value(row: Row) -> Resource:
    value, known = row["value"], measures().get(row["measure"])
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, int | float):
        return {"valueQuantity": quantity(value, known.unit if known else None)}
    return {"valueCodeableConcept": concept(words(value))}


def _of_code(setting: Setting, system: str | None, code: str) -> tuple[str, ...]:
    """The measures that a code means: ours, or LOINC's where it is known."""
    ours = (code,) if system in (None, MEASURES) else ()
    theirs = tuple(name for name, known in measures().items() if system in (None, LOINC) and code in loinc(known))
    return (*ours, *theirs)


OBSERVATION = ResourceType(
    name="Observation",
    view="fhir_observation",
    build=build,
    columns=("status", "measure", "value", "at", "patient", "based_on"),
    params=(
        Coded("code", "measure", _of_code),
        Code("status", "status", "http://hl7.org/fhir/observation-status"),
        Date("date", "at"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("subject", "patient", target="Patient", uuid=True),
        Ours("based-on", "based_on", target="ServiceRequest"),
    ),
    required=("status", "code"),
    sorts={"date": "at"},
    doc="Scores of outcome measures, under LOINC's code where the measure has one, and always under ours.",
)
