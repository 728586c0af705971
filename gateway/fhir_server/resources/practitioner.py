"""Practitioner: somebody of the clinic's directory, by name. How they are reached is nobody else's business."""

from __future__ import annotations

from typing import Any

from gateway.fhir_server.elements import PERSON, Resource, Row, Setting, begin, compact, text
from gateway.fhir_server.resource_type import ResourceType
from gateway.fhir_server.search.params import Flag, String


def build(row: Row, setting: Setting) -> Resource:
    """A person who acts, or acted."""
    return compact(
        {
            **begin("Practitioner", row),
            "identifier": [{"system": PERSON, "value": row["key"]}],
            "active": row["active"],
            "name": [{"text": text(row["name"])}] if text(row["name"]) else [],
        }
    )


def key(id: str) -> Any:  # noqa: A002 - FHIR's own word
    """A person's id out of the resource's, which has `U` where the other has `_`."""
    return id.replace("U", "_")


PRACTITIONER = ResourceType(
    name="Practitioner",
    view="fhir_practitioner",
    build=build,
    columns=("name", "active"),
    params=(String("name", "name"), Flag("active", "active")),
    seen="tenant",
    key=key,
    in_journey=False,
)
