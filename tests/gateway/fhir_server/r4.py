"""Whether a resource is FHIR R4, by two validators that are not ours: HL7's JSON schema, and fhir.resources' models."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from fhir.resources.R4B import get_fhir_model_class

FOLDER = Path(__file__).parents[2] / "fixtures" / "r4"
# R4B has no enums for these that R4 does not have, but other elements: fhir.resources' models are of R4B.
R4B_DIFFERS: frozenset[str] = frozenset()


@cache
def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("definitions", "server"):
        found |= json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))["definitions"]
    return found


@cache
def _validator(kind: str) -> jsonschema.Draft6Validator:
    return jsonschema.Draft6Validator({"definitions": _definitions(), "$ref": f"#/definitions/{kind}"})


def wrong(resource: dict[str, Any]) -> list[str]:
    """Everything that either has against it."""
    kind = resource["resourceType"]
    found = [
        f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message[:120]}"
        for error in _validator(kind).iter_errors(resource)
    ]
    if kind not in R4B_DIFFERS:
        try:
            get_fhir_model_class(kind).model_validate(copy.deepcopy(resource))
        except ValueError as error:
            found.append(str(error)[:500])
    return found
