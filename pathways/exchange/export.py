"""Pathways as FHIR resources: each for itself, or all in one Bundle."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5

from care.pathway import Pathway
from pathways.exchange.activity_definition import activities
from pathways.exchange.names import Resource, versioned
from pathways.exchange.plan_definition import plan_definition
from pathways.exchange.questionnaire import questionnaires
from pathways.exchange.seal import sealed


def resources(pathway: Pathway) -> list[Resource]:
    """Everything of one pathway: the PlanDefinition first, then what it refers to."""
    found = (plan_definition(pathway), *activities(pathway), *questionnaires(pathway))
    return [sealed(one) for one in found]


def bundle(pathways: Iterable[Pathway]) -> Resource:
    """All of these in one Bundle; a questionnaire that several use is there once."""
    by_key = {key(found): found for pathway in pathways for found in resources(pathway)}
    entries = [{"fullUrl": _full_url(found), "resource": found} for found in by_key.values()]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def key(resource: Resource) -> str:
    """What tells two of our resources apart, and the name of the file of one: `PlanDefinition-stroke-v1`."""
    return f"{resource['resourceType']}-{resource['id']}"


def _full_url(resource: Resource) -> str:
    """The same for the same resource, always: an export of the same content is the same text."""
    return uuid5(NAMESPACE_URL, versioned(resource["url"], resource["version"])).urn
