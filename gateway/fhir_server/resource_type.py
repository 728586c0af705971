"""What a resource type is to the server: the view it is read from, how a row becomes a resource, what is searched."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gateway.access.caller import CallerRole
from gateway.fhir_server.elements import Resource, Row, Setting, key_of
from gateway.fhir_server.search.params import Chained, Date, Flag, Id, Ours, Param, String
from gateway.fhir_server.search.params import Identifiers as IdentifierParam
from records.fhir import All, Condition, Is
from records.fhir.reading import Seen

READERS: frozenset[CallerRole] = frozenset({"coordinator", "therapist", "physician", "auditor"})
COMMON = ("key", "id", "tenant", "journey", "version", "updated_at")
"""Columns that every row is read with."""


def by_words(id: str) -> Any:  # noqa: A002 - FHIR's own word
    """The key of what a journey gave an id to (`j1:visit:2`), and of journeys themselves."""
    return key_of(id)


def by_uuid(id: str) -> Any:  # noqa: A002
    """The key of what PostgreSQL gave an id to; None for what is no UUID."""
    try:
        return UUID(id)
    except ValueError:
        return None


@dataclass(frozen=True)
class ResourceType:
    """One resource type that is made from rows of a view."""

    name: str
    view: str
    build: Callable[[Row, Setting], Resource]
    columns: tuple[str, ...]
    """What `build` needs beside `COMMON`."""
    params: tuple[Param, ...] = ()
    seen: Seen = "sender"
    roles: Collection[CallerRole] = READERS
    for_systems: bool = True
    key: Callable[[str], Any] = by_words
    in_journey: bool = True
    """Whether the key begins with the journey's id, so that its rows are found by that."""
    required: tuple[str, ...] = ()
    """Elements without which it is no resource of its type: `_elements` never leaves them out."""
    sorts: dict[str, str] = field(default_factory=dict)
    """Orders beside `_id` and `_lastUpdated`: a parameter and the column, of moments that are never missing."""
    doc: str = ""
    heavy: bool = False
    """Whether building is work that other callers should not have to wait for."""

    @property
    def search(self) -> dict[str, Param]:
        """Every search parameter, by name."""
        common = (Id("_id", "key", self.key), Date("_lastUpdated", "updated_at"))
        chained = [
            Chained(f"{param.name}.{of.name}", param.column, of)
            for param in self.params
            if isinstance(param, Ours) and param.target == "Patient"
            for of in PATIENT_PARAMS
        ]
        return {param.name: param for param in (*common, *self.params, *chained)}

    @property
    def orders(self) -> dict[str, str]:
        """What it may be sorted by: parameter and column."""
        return {"_id": "key", "_lastUpdated": "updated_at", **self.sorts}

    def references(self) -> dict[str, Ours]:
        """Parameters that lead to other resources of ours: what `_include` follows."""
        return {param.name: param for param in self.params if isinstance(param, Ours)}

    def of_id(self, id: str) -> Condition | None:  # noqa: A002
        """The row of this id; None where there can be none."""
        key = self.key(id)
        if key is None:
            return None
        found = Is("key", (key,))
        if self.in_journey and isinstance(key, str):
            return All((found, Is("journey", (key.partition(":")[0],))))
        return found


PATIENT_PARAMS: tuple[Param, ...] = (
    IdentifierParam("identifier", "identifiers"),
    String("family", "family"),
    String("given", "given"),
    String("name", "family", more=("given",)),
    Date("birthdate", "birth_first", end="birth_last", as_text=True),
    Flag("active", "active"),
)
"""Those of Patient, here because other types search through them."""
