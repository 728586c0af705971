"""Provenance: a row of the journal, as who did what, when and by which rule; never what a note of it says."""

from __future__ import annotations

from gateway.fhir_server.elements import (
    PERSON,
    Resource,
    Row,
    Setting,
    begin,
    coding,
    compact,
    concept,
    instant,
    named,
    practitioner,
    to,
    words,
)
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Code, Date, Ours

KIND = "urn:continuum:journal"
ROLE = "urn:continuum:role"


def build(row: Row, setting: Setting) -> Resource:
    """A row of the journal of a journey."""
    who = practitioner(row["person"]) if row["known_person"] else named("Practitioner", PERSON, row["person"])
    if row["person"] == "continuum":
        who = {"type": "Device", "display": "Continuum"}
    behalf = named("Practitioner", PERSON, row["on_behalf_of"]) if row["on_behalf_of"] else None
    return compact(
        {
            **begin("Provenance", row),
            "target": [to("EpisodeOfCare", row["target"])],
            "occurredDateTime": instant(row["at"]),
            "recorded": instant(row["updated_at"]),
            "policy": [_rule(row)] if row["rule"] else [],
            "reason": [concept(words(row["rule"]))] if row["rule"] else [],
            "activity": concept(words(row["kind"]), coding(KIND, row["kind"])),
            "agent": [
                compact(
                    {"type": concept(words(row["role"]), coding(ROLE, row["role"])), "who": who, "onBehalfOf": behalf}
                )
            ],
        }
    )


def _rule(row: Row) -> str:
    version = f":{row['rule_version']}" if row["rule_version"] is not None else ""
    return f"urn:continuum:rule:{row['rule'].replace(' ', '_')}{version}"


PROVENANCE = ResourceType(
    name="Provenance",
    view="fhir_provenance",
    build=build,
    columns=(
        *("kind", "stage", "at", "person", "role", "on_behalf_of", "rule", "rule_version", "target", "known_person"),
        "patient",
    ),
    params=(
        Ours("target", "target", target="EpisodeOfCare"),
        Ours("patient", "patient", target="Patient", uuid=True),
        Ours("agent", "person", target="Practitioner"),
        Code("activity", "kind", KIND),
        Date("recorded", "updated_at"),
        Date("when", "at"),
    ),
    required=("target", "recorded", "agent"),
    sorts={"recorded": "updated_at"},
    doc="The journal of a journey. `activity` and `when` are names of ours for what R4 has no parameter for.",
)
