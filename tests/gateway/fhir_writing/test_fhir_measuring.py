"""Answers and results as scores of our measures: by our ids, by LOINC, by the Questionnaires that we export."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from care.score import Measure, ScoreValue
from gateway.fhir.models import read_as
from gateway.fhir.refusal import Refusal, RefusedError
from gateway.fhir_server.writing.measuring import Said, answered, measures, observed
from gateway.fhir_server.writing.models import Observation, QuestionnaireResponse
from pathways import loader
from pathways.exchange.names import LOINC, MEASURES, measure_url, screen_url
from pathways.exchange.questionnaire import of_measure, screen

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
OWN = "nprs"


def result(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": MEASURES, "code": OWN}]},
        "valueQuantity": {"value": 6},
        **more,
    }


def response(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": list(items), **more}


def one(link: str, **value: Any) -> dict[str, Any]:
    return {"linkId": link, "answer": [value]}


def said(node: dict[str, Any]) -> Said:
    return answered(read_as(QuestionnaireResponse, node, "QuestionnaireResponse"), NOW)


def observation(node: dict[str, Any]) -> tuple[Measure, ScoreValue, datetime | None]:
    return observed(read_as(Observation, node, "Observation"))


def refused(node: dict[str, Any]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        _ = observation(node) if node["resourceType"] == "Observation" else said(node)
    return caught.value.refusal


@pytest.mark.parametrize("measure", [m for m in loader.library().measures.values() if m.loinc], ids=lambda m: m.id)
def test_every_loinc_code_of_ours_is_known(measure: Any) -> None:
    for code in filter(None, (measure.loinc.score, measure.loinc.panel)):
        assert measures()[code].id == measure.id


@pytest.mark.parametrize("measure", list(loader.library().measures.values()), ids=lambda m: m.id)
def test_every_questionnaire_that_we_export_can_be_answered(measure: Any) -> None:
    items = [item for item in of_measure(measure).get("item", []) if item["type"] != "display"]
    answers = []
    for item in items:
        least = next(
            (e.get("valueInteger", e.get("valueDecimal")) for e in item.get("extension", []) if "minValue" in e["url"]),
            0,
        )
        options = item.get("answerOption")
        answers.append(one(item["linkId"], **(options[0] if options else {"valueDecimal": float(least)})))
    if not answers:
        return
    found = said(response(*answers, questionnaire=f"{measure_url(measure)}|anything"))
    assert set(found.scores) | set(found.items) == {measure.id}
    if found.items:
        assert len(found.items[measure.id]) == measure.scoring.items


def test_a_red_flag_screen() -> None:
    pathway = loader.load("low_back_pain")
    groups = screen(pathway)["item"]
    words = ({"code": "Y"}, {"code": "N"}, {"code": "asked-unknown"})
    signs = [sign["linkId"] for group in groups for sign in group["item"] if sign["type"] == "choice"]
    items = [one(sign, valueCoding=words[n % 3]) for n, sign in enumerate(signs)]
    found = said(response({"linkId": "g", "item": items}, questionnaire=screen_url(pathway)))
    assert found.answers == {sign: (True, False, None)[n % 3] for n, sign in enumerate(signs)}
    wrong = refused(response(one(signs[0], valueString="maybe"), questionnaire=screen_url(pathway)))
    assert wrong.path == "QuestionnaireResponse.item[0].answer[0]"


def test_without_a_questionnaire_the_links_say_which_measure() -> None:
    loinc = next(code for code in measures() if code[0].isdigit() and not measures()[code].options)
    found = said(response(one(OWN, valueInteger=4), {"linkId": "odi", "item": [one("1", valueInteger=3)]}))
    assert found.scores == {OWN: 4.0}
    assert found.items["odi"][0] == 3.0
    assert found.items["odi"][1:] == [None] * 9
    assert set(said(response(one(loinc, valueDecimal=1.0))).scores) == {measures()[loinc].id}


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (response(), "QuestionnaireResponse.item"),
        (response(one("Zyxwvut", valueInteger=1)), "QuestionnaireResponse.item[0].linkId"),
        (response(one(OWN, valueInteger=11)), "QuestionnaireResponse.item[0].answer[0]"),
        (response(one(OWN, valueString="4")), "QuestionnaireResponse.item[0].answer[0]"),
        (
            response({"linkId": OWN, "answer": [{"valueInteger": 1}, {"valueInteger": 2}]}),
            "QuestionnaireResponse.item[0].answer",
        ),
        (
            response({"linkId": "odi", "item": [one("11", valueInteger=1)]}),
            "QuestionnaireResponse.item[0].item[0].linkId",
        ),
        (
            response({"linkId": "odi", "item": [one("²", valueInteger=1)]}),
            "QuestionnaireResponse.item[0].item[0].linkId",
        ),
        (response(one(OWN, valueInteger=1), status="in-progress"), "QuestionnaireResponse.status"),
        (response(one(OWN, valueInteger=1), authored="2026-11-01"), "QuestionnaireResponse.authored"),
        (response(one(OWN, valueInteger=1), authored="2027"), "QuestionnaireResponse.authored"),
        (
            response(one("1", valueInteger=1), questionnaire="urn:continuum:Questionnaire:measure:zyxwvut"),
            "QuestionnaireResponse.questionnaire",
        ),
        (result(status="preliminary"), "Observation.status"),
        (result(code={"text": "pain"}), "Observation.code"),
        (result(code={"coding": [{"system": LOINC, "code": OWN}]}), "Observation.code"),
        (result(valueQuantity=None), "Observation"),
        (result(valueQuantity={"value": 11}), "Observation"),
        (result(valueQuantity={"value": 3, "comparator": "<"}), "Observation.valueQuantity"),
        (result(valueQuantity={"value": 3, "unit": "kg"}), "Observation.valueQuantity"),
        (result(dataAbsentReason={"text": "x"}), "Observation.dataAbsentReason"),
    ],
)
def test_what_cannot_be_placed_is_refused(broken: dict[str, Any], path: str) -> None:
    refusal = refused(broken)
    assert refusal.path == path
    assert "yxwvut" not in refusal.reason


def test_a_unit_is_the_measures_own() -> None:
    timed = next(m for m in loader.library().measures.values() if m.unit == "s" and not m.options and not m.parts)
    code = {"coding": [{"system": MEASURES, "code": timed.id}]}
    for quantity in ({"value": 9}, {"value": 9, "unit": "seconds", "code": "s"}, {"value": 9, "unit": "s"}):
        assert observed(read_as(Observation, result(code=code, valueQuantity=quantity), "Observation"))[1] == 9
    assert timed.id in refused(result(code=code, valueQuantity={"value": 9, "code": "min"})).reason


def test_when_it_was_taken() -> None:
    taken = observed(read_as(Observation, result(effectiveDateTime="2026-12-01"), "Observation"))[2]
    assert taken == NOW
    exact = observed(read_as(Observation, result(effectiveInstant="2026-12-01T13:00:00+01:00"), "Observation"))[2]
    assert exact == NOW
    assert taken is not None
    assert taken - exact == timedelta(0)
