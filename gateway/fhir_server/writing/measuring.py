"""Answers and results, as scores of our measures. Pure.

A measure is known by its own id (`urn:continuum:measure`), by LOINC's code of its score or of its questionnaire, and by
the canonical address of the Questionnaire that we export (`pathways/exchange/questionnaire.py`), whose linkIds are
`score` or the numbers of the items. What nobody here can place is refused: an answer left out would be taken for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from care.score import LARGEST, Measure, ScoreValue
from gateway.fhir.models import CodeableConcept
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing.models import Item, Observation, Quantity, QuestionnaireResponse, Valued, moment
from pathways import loader
from pathways.exchange.names import LOINC, MEASURES, loinc

FRESH = timedelta(days=7)
"""How old answers may be that count from now on: as for results (`gateway/inbound/decisions/scores.py`)."""
AHEAD = timedelta(days=1)
FINAL = frozenset({"final", "amended", "corrected"})
COMPLETE = frozenset({"completed", "amended"})
MOST_SIGNS = 500
_QUESTIONNAIRE = "urn:continuum:Questionnaire:"
_SLUG = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}")
_WORDS = {"Y": True, "N": False, "asked-unknown": None, "unknown": None}
_NO_UNIT = frozenset({"1", "{score}", "score", "{points}", "points"})


@dataclass
class Said:
    """What a response says: scores, answers to items, answers to red-flag questions."""

    scores: dict[str, ScoreValue] = field(default_factory=dict)
    items: dict[str, list[float | None]] = field(default_factory=dict)
    answers: dict[str, bool | None] = field(default_factory=dict)

    def data(self, *names: str) -> dict[str, object]:
        """As fields of an action, what is empty left out."""
        return {name: value for name in names if (value := getattr(self, name))}


@cache
def measures() -> Mapping[str, Measure]:
    """Every measure of the library, by its id and by its codes of LOINC."""
    own = loader.library().measures
    return {code: m for m in own.values() for code in loinc(m)} | dict(own)


# --- an Observation


def observed(said: Observation) -> tuple[Measure, ScoreValue, datetime | None]:
    """The measure, its value, and when it was taken, where that is said. Raises RefusedError."""
    if said.status not in FINAL:
        raise RefusedError("business-rule", "a result that is not final is not taken", "Observation.status")
    measure = _coded(said.code)
    if said.data_absent_reason is not None:
        raise RefusedError("business-rule", "a result without a value is not taken", "Observation.dataAbsentReason")
    at = said.effective_date_time or said.effective_instant
    return measure, _value(measure, said, "Observation"), moment(at, "Observation.effective")


def _coded(code: CodeableConcept | None) -> Measure:
    for coding in code.coding if code else ():
        found = measures().get(coding.code or "")
        if found is not None and coding.code in {MEASURES: (found.id,), LOINC: loinc(found)}.get(
            coding.system or "", ()
        ):
            return found
    reason = f"code names none of our measures: by id ({MEASURES}) or by LOINC"
    raise RefusedError("not-supported", reason, "Observation.code")


# --- a QuestionnaireResponse


def answered(response: QuestionnaireResponse, now: datetime) -> Said:
    """What a response says. Raises RefusedError."""
    if response.status not in COMPLETE:
        raise RefusedError("business-rule", "answers are taken once they are completed", "QuestionnaireResponse.status")
    at = moment(response.authored, "QuestionnaireResponse.authored")
    if at is not None and at > now + AHEAD:
        raise RefusedError("business-rule", "the answers are of a day to come", "QuestionnaireResponse.authored")
    if at is not None and at < now - FRESH:
        reason = f"the answers are older than {FRESH.days} days: they cannot be counted from now on"
        raise RefusedError("business-rule", reason, "QuestionnaireResponse.authored")
    said = Said()
    name = (response.questionnaire or "").partition("|")[0]
    measure = _questionnaire(name)
    for item, path in _leaves(response.item, "QuestionnaireResponse.item"):
        if measure is not None:
            _take(said, measure, item, path)
        elif name.startswith(_QUESTIONNAIRE) and name.endswith(":red_flags"):
            _sign(said, item, path)
        else:
            _by_link(said, item, path)
    if not (said.scores or said.items or said.answers):
        raise RefusedError("required", "the response holds no answer", "QuestionnaireResponse.item")
    return said


def _questionnaire(name: str) -> Measure | None:
    own = name.removeprefix(f"{_QUESTIONNAIRE}measure:")
    if own != name:
        found = measures().get(own)
        if found is None:
            reason = "there is no such questionnaire of ours"
            raise RefusedError("not-found", reason, "QuestionnaireResponse.questionnaire")
        return found
    return measures().get(name.rpartition("/")[2]) if name.startswith(LOINC) else None


def _leaves(items: tuple[Item, ...], path: str, measure: str = "") -> Iterator[tuple[Item, str]]:
    """The items with an answer; those below a measure's group are named `measure/item`."""
    for n, item in enumerate(items):
        here, link = f"{path}[{n}]", item.link_id or ""
        if item.answer:
            yield item.model_copy(update={"link_id": f"{measure}/{link}" if measure else link}), here
        yield from _leaves(item.item, f"{here}.item", link if link in measures() else measure)
        for a, answer in enumerate(item.answer):
            yield from _leaves(answer.item, f"{here}.answer[{a}].item", measure)


def _by_link(said: Said, item: Item, path: str) -> None:
    """Without a Questionnaire of ours the linkId says which measure, by its id or LOINC's code."""
    name, _, question = (item.link_id or "").partition("/")
    if name not in measures():
        raise RefusedError("not-supported", "no measure of ours is called like this", f"{path}.linkId")
    _take(said, measures()[name], item.model_copy(update={"link_id": question or "score"}), path)


def _take(said: Said, measure: Measure, item: Item, path: str) -> None:
    link = (item.link_id or "").rpartition("/")[2]
    answer = _only(item, path)
    if link == "score" or link in loinc(measure) or link == measure.id:
        said.scores[measure.id] = _value(measure, answer, f"{path}.answer[0]")
        return
    most = measure.scoring.items if measure.scoring is not None else 0
    if not (link.isascii() and link.isdigit() and len(link) < 5 and 1 <= int(link) <= most):
        raise RefusedError("value", "the questionnaire has no such item", f"{path}.linkId")
    answers = said.items.setdefault(measure.id, [None] * most)
    answers[int(link) - 1] = _number(answer, f"{path}.answer[0]")


def _sign(said: Said, item: Item, path: str) -> None:
    link, answer = item.link_id or "", _only(item, path)
    if _SLUG.fullmatch(link) is None or len(said.answers) >= MOST_SIGNS:
        raise RefusedError("value", "the questionnaire has no such item", f"{path}.linkId")
    coding = answer.value_coding
    if answer.value_boolean is not None:
        said.answers[link] = answer.value_boolean
    elif coding is not None and coding.code in _WORDS:
        said.answers[link] = _WORDS[coding.code]
    else:
        raise RefusedError("value", "a red-flag question is answered Y, N or asked-unknown", f"{path}.answer[0]")


def _only(item: Item, path: str) -> Valued:
    if len(item.answer) != 1:
        raise RefusedError("value", "one answer is wanted", f"{path}.answer")
    return item.answer[0]


# --- values


def _value(measure: Measure, said: Valued, path: str) -> ScoreValue:
    """The value as the measure takes it. Raises RefusedError in words that do not repeat it."""
    value: ScoreValue
    if measure.options:
        value = _word(said)
    else:
        value = _number(said, path)
        _check_unit(measure, said.value_quantity, path)
    if (wrong := measure.problem_with(value)) is not None:
        raise RefusedError("value", wrong, path)
    return value


def _word(said: Valued) -> str:
    codings = said.value_codeable_concept.coding if said.value_codeable_concept else ()
    coding = said.value_coding or next(iter(codings), None)
    return (coding.code if coding else said.value_string) or ""


def _number(said: Valued, path: str) -> float:
    quantity = said.value_quantity
    if quantity is not None and quantity.comparator:
        raise RefusedError("not-supported", "a value with a comparator is no result", f"{path}.valueQuantity")
    if said.value_boolean is not None:
        return float(said.value_boolean)
    for number in (quantity.value if quantity else None, said.value_decimal, said.value_integer):
        if number is not None and abs(number) <= LARGEST:
            return float(number)
    raise RefusedError("value", f"a number is wanted, of {LARGEST} at most", path)


def _check_unit(measure: Measure, quantity: Quantity | None, path: str) -> None:
    """A sender who names no unit means the measure's own."""
    given = {unit.strip() for unit in (quantity.unit, quantity.code) if unit} if quantity else set()
    wanted = {measure.unit, f"{{{measure.unit}}}"} if measure.unit else _NO_UNIT
    if given and not given & wanted:
        in_ = f"is measured in {measure.unit}" if measure.unit else "has no unit"
        raise RefusedError("value", f"{measure.id} {in_}", f"{path}.valueQuantity")
