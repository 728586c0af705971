"""How our content is called in FHIR: addresses, ids, code systems, and small pieces that all resources share."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any, Literal

from care.pathway import Pathway
from care.score import Measure, Sourced

Resource = dict[str, Any]
Kind = Literal["PlanDefinition", "ActivityDefinition", "Questionnaire"]

CRITERION = "text/x-continuum-criterion"
"""The language of our conditions (`pathways/words.py`): neither FHIRPath nor CQL, and it does not pretend to be."""

CONTENT = "urn:continuum:extension:pathway"
"""The extension with the whole pathway, as JSON."""
DIGEST = "urn:continuum:extension:digest"
"""The extension with the SHA-256 of the resource (`seal`)."""

PATHWAYS = "urn:continuum:pathway"
MEASURES = "urn:continuum:measure"
SIGNS = "urn:continuum:red-flag-sign"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"

STATUS = {"sketch": "draft", "draft": "draft", "signed_off": "active"}
_LONGEST_ID = 64


def text(words: str) -> str:
    """As FHIR's `string` wants it: no other white space than single spaces."""
    return " ".join(words.split())


def resource_id(*parts: str) -> str:
    """An id that FHIR takes: letters, digits, `-` and `.`, 64 at most."""
    name = re.sub(r"[^A-Za-z0-9.-]", "-", "-".join(parts))
    return name if len(name) <= _LONGEST_ID else f"{name[:51]}-{sha256(name.encode()).hexdigest()[:12]}"


def computable(*parts: str) -> str:
    """A name for programs: `LowBackPain`."""
    words = re.findall(r"[A-Za-z0-9]+", " ".join(parts))
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return (name if name[:1].isalpha() else f"P{name}")[:255]


def url(kind: Kind, *parts: str) -> str:
    """The canonical address, without version. A URN: we own no domain, and two sites may hold the same pathway."""
    return f"urn:continuum:{kind}:{':'.join(parts)}"


def plan_url(pathway: Pathway) -> str:
    """Of the PlanDefinition of this pathway."""
    return url("PlanDefinition", pathway.id)


def activity_url(pathway: Pathway, part: str) -> str:
    """Of the ActivityDefinition of a dose or a phase."""
    return url("ActivityDefinition", pathway.id, part)


def screen_url(pathway: Pathway) -> str:
    """Of the questionnaire of red flags."""
    return url("Questionnaire", pathway.id, "red_flags")


def measure_url(measure: Measure) -> str:
    """Of the questionnaire of a measure: the same in all pathways that have the same measure."""
    return url("Questionnaire", "measure", measure.id)


def measure_version(measure: Measure) -> str:
    """Measures have no version of their own: a digest tells two apart."""
    return sha256(canonical(measure.model_dump(mode="json")).encode()).hexdigest()[:12]


def versioned(address: str, version: str) -> str:
    """A canonical reference to one version."""
    return f"{address}|{version}"


def concept(words: str, *codings: dict[str, str]) -> Resource:
    """A CodeableConcept."""
    found: Resource = {"coding": list(codings)} if codings else {}
    return {**found, "text": text(words)}


def coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    """A Coding."""
    found = {"system": system, "code": code}
    return {**found, "display": text(display)} if display else found


def measure_concept(measure: Measure) -> Resource:
    """A measure: our id, and LOINC's code where one is known."""
    codes = [coding(LOINC, code) for code in loinc(measure)]
    return concept(measure.name, *codes, coding(MEASURES, measure.id))


def loinc(measure: Measure) -> list[str]:
    """The LOINC codes known for a measure: of its score, then of its questionnaire."""
    known = measure.loinc
    return [code for code in (known.score, known.panel) if code] if known is not None else []


def citation(entry: Sourced, label: str | None = None) -> Resource:
    """Where an entry comes from, and how far that was checked."""
    found: Resource = {"type": "citation"}
    if label:
        found["label"] = text(label)
    return {**found, "display": f"basis: {entry.basis}", "citation": text(entry.source)}


def listed(title: str, entries: tuple[str, ...]) -> str:
    """A list as markdown."""
    return f"{title}\n" + "\n".join(f"- {text(entry)}" for entry in entries)


def duration(amount: float, unit: Literal["d", "wk", "min", "a"]) -> Resource:
    """A Duration, in UCUM."""
    names = {"d": "day", "wk": "week", "min": "minute", "a": "year"}
    whole = int(amount) if amount == int(amount) else amount
    plural = "" if amount == 1 else "s"
    return {"value": whole, "unit": names[unit] + plural, "system": UCUM, "code": unit}


def canonical(value: Any) -> str:
    """As one line of JSON, always the same for the same content: keys in order, whole numbers without their point."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def as_written(value: Any) -> str:
    """As one line of JSON, with its keys in the order in which they came: a list of points reads as it was written."""
    return json.dumps(_plain(value), separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
