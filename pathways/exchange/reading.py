"""Files of FHIR, read in: every PlanDefinition among them becomes a pathway, or is refused."""

from __future__ import annotations

from collections.abc import Iterable

from pathways.exchange import foreign, own
from pathways.exchange.names import Resource
from pathways.exchange.result import Imported, Refused
from pathways.loader import Library

DEEPEST = 3
"""Bundles in Bundles; nobody nests them deeper."""


def read(given: Iterable[Resource], library: Library) -> list[Imported | Refused]:
    """What became of each PlanDefinition, in their order. `given`: resources, alone or in Bundles."""
    plans, others = own.sort_out([one for resource in given for one in _flat(resource, DEEPEST)])
    return [
        own.read(plan, others) if own.is_ours(plan) else foreign.read(plan, list(others.values()), library)
        for plan in plans
    ]


def _flat(resource: Resource, depth: int) -> Iterable[Resource]:
    """A resource, or all those in a Bundle."""
    if resource.get("resourceType") != "Bundle":
        return [resource]
    entries = resource.get("entry")
    inner = [one.get("resource") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    resources = [one for one in inner if isinstance(one, dict)]
    return [found for one in resources for found in _flat(one, depth - 1)] if depth else []
