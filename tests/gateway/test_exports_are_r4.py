"""Exports are FHIR R4, by two validators that are not ours: HL7's JSON schema, and fhir.resources' models (R4B)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fhir.resources.R4B import get_fhir_model_class

from pathways import loader
from pathways.exchange.export import bundle, resources

SCHEMA = json.loads((Path(__file__).parents[1] / "fixtures" / "r4" / "definitions.schema.json").read_text("utf-8"))
KINDS = ("PlanDefinition", "ActivityDefinition", "Questionnaire", "Bundle")
BY_SCHEMA = {
    kind: jsonschema.Draft6Validator({**SCHEMA, "oneOf": [{"$ref": f"#/definitions/{kind}"}]}) for kind in KINDS
}
ALL = loader.load_all()


def by_schema(resource: dict[str, Any]) -> list[str]:
    """What HL7's schema has against it: codes of required value sets, formats, unknown elements."""
    found = BY_SCHEMA[resource["resourceType"]].iter_errors(resource)
    return [f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message[:120]}" for error in found]


def by_models(resource: dict[str, Any]) -> list[str]:
    """What fhir.resources has against it: types, required elements, unknown elements. It takes any code."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(copy.deepcopy(resource))
    except ValueError as error:
        return [str(error)]
    return []


def rules_of_the_standard(resource: dict[str, Any]) -> list[str]:
    """What neither of the two looks at: que-2 (link ids), tim-7 (count), and references that lead nowhere."""
    text = json.dumps(resource)
    found = []
    if resource["resourceType"] == "Questionnaire":
        ids = _values(resource, "linkId")
        found += [f"link id twice: {one}" for one in ids if ids.count(one) > 1]
    if '"countMax"' in text and '"count"' not in text:
        found.append("countMax without count")
    if resource["resourceType"] == "PlanDefinition":
        ids = _values(resource["action"], "id")
        found += [f"action id twice: {one}" for one in ids if ids.count(one) > 1]
        found += [f"no action {one}" for one in _values(resource, "actionId") if one not in ids]
    return found


def _values(value: Any, name: str) -> list[str]:
    if isinstance(value, dict):
        own = [value[name]] if isinstance(value.get(name), str) else []
        return own + [found for inner in value.values() for found in _values(inner, name)]
    return [found for inner in value for found in _values(inner, name)] if isinstance(value, list) else []


@pytest.mark.parametrize("label", sorted(p.label for p in ALL.values()))
def test_every_resource_is_r4(label: str) -> None:
    (pathway,) = (p for p in ALL.values() if p.label == label)
    ours = resources(pathway)
    for resource in ours:
        assert by_schema(resource) + by_models(resource) + rules_of_the_standard(resource) == [], resource["id"]
    assert by_models(bundle([pathway])) == []
    addresses = {f"{r['url']}|{r['version']}" for r in ours}
    assert set(_values(ours[0], "definitionCanonical")) <= addresses
    assert len({(r["resourceType"], r["id"]) for r in ours}) == len(ours)


def test_the_bundle_of_all_has_each_resource_once() -> None:
    whole = bundle(loader.latest().values())
    urls = [entry["fullUrl"] for entry in whole["entry"]]
    assert len(set(urls)) == len(urls)
    ids = [(e["resource"]["resourceType"], e["resource"]["id"]) for e in whole["entry"]]
    assert len(set(ids)) == len(ids)


def _bad_status(plan: dict[str, Any]) -> None:
    plan["status"] = "signed"


def _bad_kind(plan: dict[str, Any]) -> None:
    plan["action"][0]["condition"] = [{"kind": "perhaps"}]


def _unknown_element(plan: dict[str, Any]) -> None:
    plan["gaps"] = ["x"]


def _bad_id(plan: dict[str, Any]) -> None:
    plan["id"] = "low_back_pain"


def _empty_text(plan: dict[str, Any]) -> None:
    plan["title"] = ""


@pytest.mark.parametrize("plant", [_bad_status, _bad_kind, _unknown_element, _bad_id, _empty_text])
def test_a_planted_break_is_found(plant: Callable[[dict[str, Any]], None]) -> None:
    plan = copy.deepcopy(resources(loader.load("low_back_pain"))[0])
    plant(plan)
    assert by_schema(plan) + by_models(plan)


def test_a_dangling_action_and_a_link_id_twice_are_found() -> None:
    plan, *_, screen = (
        r for r in resources(loader.load("total_knee_replacement")) if r["resourceType"] != "ActivityDefinition"
    )
    broken = json.loads(json.dumps(plan).replace('"actionId": "surgery"', '"actionId": "operation"'))
    assert rules_of_the_standard(broken)
    twice = copy.deepcopy(screen)
    twice["item"] = [*twice["item"], *twice["item"]]
    assert rules_of_the_standard(twice)


def test_a_red_flag_question_is_never_a_tick() -> None:
    """An empty tick reads as no; a question that nobody answered is not a no."""
    (screen,) = (r for r in resources(loader.load("low_back_pain")) if r["id"] == "low-back-pain-v1-red-flags")
    asked = [item for group in screen["item"] for item in group["item"] if item["type"] != "display"]
    signs = {sign.id for flag in loader.load("low_back_pain").red_flags for sign in flag.signs}
    assert {item["linkId"] for item in asked} == signs
    for item in asked:
        answers = [option["valueCoding"]["code"] for option in item["answerOption"]]
        assert (item["type"], item["required"], answers) == ("choice", True, ["Y", "N", "asked-unknown"])


def test_items_are_entered_only_where_the_licence_lets_them() -> None:
    measures = {m.id: m for p in ALL.values() for m in p.measures}
    asked = {
        resource["code"][-1]["code"]: [item["linkId"] for item in resource["item"]]
        for pathway in ALL.values()
        for resource in resources(pathway)
        if resource["resourceType"] == "Questionnaire" and "code" in resource
    }
    assert set(asked) == set(measures)
    kept = {one for one, measure in measures.items() if measure.licence.score_only}
    assert kept
    assert all(asked[one] in (["score"], ["parts"]) for one in kept)
    by_items = {one for one, measure in measures.items() if measure.scoring is not None and not measure.parts} - kept
    assert by_items
    assert all(asked[one] != ["score"] for one in by_items)
