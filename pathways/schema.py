"""The JSON Schema of a pathway file, made from `care.pathway`, so that an editor can check while a clinician types."""

from __future__ import annotations

import importlib.resources
import json
from typing import Any

from care.pathway import Pathway

FILE = "schema.json"


def schema() -> dict[str, Any]:
    """The schema of a pathway *file*: like `Pathway`, but naming measures and red flags by id, triage optional."""
    made = Pathway.model_json_schema()
    ids = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    made["properties"]["measures"] = ids | {"description": "Ids from measures.yaml."}
    made["properties"]["red_flags"] = ids | {"description": "Ids from red_flags.yaml."}
    made["properties"]["triage"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "Only where this pathway's triage is not the provider's (triage.yaml).",
        "properties": made["$defs"]["Triage"]["properties"],
    }
    made["required"].remove("triage")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made


def text() -> str:
    """The schema as it is kept in the repository."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def is_current() -> bool:
    """Whether the kept file is what `care.pathway` says today."""
    kept = importlib.resources.files("pathways") / FILE
    return kept.is_file() and kept.read_text(encoding="utf-8") == text()
