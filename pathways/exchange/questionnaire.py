"""What is asked: the red-flag screen of a pathway, and one questionnaire for each measure.

A red-flag question is answered by one of three words, never by a tick: an empty box reads as "no" on most screens, and
what nobody answered is not a no.
"""

from __future__ import annotations

from collections.abc import Iterator

from care.pathway import Pathway
from care.score import Measure
from pathways import words
from pathways.exchange.names import (
    HL7,
    LOINC,
    MEASURES,
    SIGNS,
    STATUS,
    UCUM,
    Resource,
    citation,
    coding,
    computable,
    loinc,
    measure_url,
    measure_version,
    resource_id,
    screen_url,
    text,
)

EXTENSIONS = "http://hl7.org/fhir/StructureDefinition"
YES_NO_UNKNOWN = (
    coding(f"{HL7}/v2-0136", "Y", "Yes"),
    coding(f"{HL7}/v2-0136", "N", "No"),
    coding(f"{HL7}/data-absent-reason", "asked-unknown", "Not known"),
)


def questionnaires(pathway: Pathway) -> Iterator[Resource]:
    """The screen and all measures of one pathway."""
    yield screen(pathway)
    for measure in pathway.measures:
        yield of_measure(measure)


# --- the red-flag screen


def screen(pathway: Pathway) -> Resource:
    """Every sign of every flag, once; a sign that two flags look at is asked with the first."""
    found: Resource = {
        "resourceType": "Questionnaire",
        "id": resource_id(pathway.id, f"v{pathway.version}", "red-flags"),
        "url": screen_url(pathway),
        "version": str(pathway.version),
        "name": computable(pathway.id, "red_flags"),
        "title": text(f"{pathway.name}: red flags"),
        "status": STATUS[pathway.status],
        "subjectType": ["Patient"],
        "description": "A question that is not answered is not known; it is never taken as no.",
    }
    if pathway.signed_off is not None:
        found["approvalDate"] = pathway.signed_off.on.isoformat()
    asked: set[str] = set()
    items: list[Resource] = []
    for flag in pathway.red_flags:
        new = [sign for sign in flag.signs if sign.id not in asked]
        asked |= {sign.id for sign in new}
        above = [sign.id for sign in flag.signs if sign not in new]
        inner = [_sign(sign.id, sign.text) for sign in new]
        if above:
            told = f"Asked above already: {', '.join(words.plain(id) for id in above)}"  # noqa: A001 - their own word
            inner.append({"linkId": f"flag:{flag.id}:above", "text": told, "type": "display"})
        items.append({"linkId": f"flag:{flag.id}", "text": text(flag.suspected), "type": "group", "item": inner})
    return {**found, "item": items} if items else found


def _sign(id: str, asked: str) -> Resource:  # noqa: A002 - the field's own word
    return {
        "linkId": id,
        "code": [coding(SIGNS, id)],
        "text": text(asked),
        "type": "choice",
        "required": True,
        "answerOption": [{"valueCoding": dict(answer)} for answer in YES_NO_UNKNOWN],
    }


# --- measures


def of_measure(measure: Measure) -> Resource:
    """By items where the holder's licence lets their answers be entered, else the score alone. Never an item's text:
    we have none."""
    version = measure_version(measure)
    found: Resource = {
        "resourceType": "Questionnaire",
        "id": resource_id("measure", measure.id, version),
        "url": measure_url(measure),
        "version": version,
        "name": computable("measure", measure.id),
        "title": text(measure.name),
        "status": "draft",
        "subjectType": ["Patient"],
        "description": _about(measure),
    }
    if measure.licence.note:
        found["copyright"] = text(measure.licence.note)
    found["code"] = [*(coding(LOINC, code) for code in loinc(measure)), coding(MEASURES, measure.id)]
    return {**found, "item": list(_items(measure))}


def _about(measure: Measure) -> str:
    better = "Higher is better." if measure.direction == "higher_better" else "Lower is better."
    told = [better, f"Licence: {words.plain(measure.licence.status)}."]
    cited = citation(measure)
    return " ".join([*told, f"Source ({cited['display']}): {cited['citation']}"])


def _items(measure: Measure) -> Iterator[Resource]:
    scoring = measure.scoring
    if measure.parts:
        told = f"No score of its own; its parts: {', '.join(measure.parts)}"
        yield {"linkId": "parts", "text": told, "type": "display"}
    elif scoring is None or measure.licence.score_only:
        yield _score(measure)
    else:
        for n in range(1, scoring.items + 1):
            answers = scoring.answers[n - 1] if len(scoring.answers) > 1 else scoring.answers[0]
            name = scoring.item_names[n - 1] if n <= len(scoring.item_names) else f"item {n}"
            whole = all(n == int(n) for n in (answers.minimum, answers.maximum or 0, answers.step)) and answers.step
            item: Resource = {"linkId": str(n), "text": words.plain(name), "type": "integer" if whole else "decimal"}
            yield _within(item, answers.minimum, answers.maximum)


def _score(measure: Measure) -> Resource:
    item: Resource = {"linkId": "score", "code": [coding(MEASURES, measure.id)], "text": text(measure.name)}
    if measure.options:
        answers = [
            {"valueCoding": coding(f"{MEASURES}:{measure.id}", word, words.plain(word))} for word in measure.options
        ]
        return {**item, "type": "choice", "answerOption": answers}
    item = _within({**item, "type": "decimal"}, measure.minimum, measure.maximum)
    if measure.unit:
        # Our units are words for people; only the per cent sign is the same in UCUM.
        unit = coding(UCUM, "%") if measure.unit == "%" else {"display": measure.unit}
        extension = {"url": f"{EXTENSIONS}/questionnaire-unit", "valueCoding": unit}
        item["extension"] = [*item.get("extension", ()), extension]
    return item


def _within(item: Resource, low: float | None, high: float | None) -> Resource:
    """An item with the limits of its answers, as extensions of the standard."""
    limits: list[Resource] = []
    for name, limit in (("minValue", low), ("maxValue", high)):
        if limit is not None and item["type"] == "integer":
            limits.append({"url": f"{EXTENSIONS}/{name}", "valueInteger": int(limit)})
        elif limit is not None:
            limits.append({"url": f"{EXTENSIONS}/{name}", "valueDecimal": limit})
    return {"extension": limits, **item} if limits else item
