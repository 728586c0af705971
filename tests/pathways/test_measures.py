"""The library's instruments: all are there, agree with the clinical data, and a planted fault is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from care.gate import Criterion
from care.pathway import Pathway
from care.score import Measure
from pathways.lint import lint, measures
from pathways.lint.criteria import criteria
from pathways.loader import library, load_all
from tests.pathways.test_pathway_loader_and_linter import LIBRARY, PATHWAY

MEASURES = library().measures
SHARED = Path(__file__).parents[3] / "shared" / "clinical" / "measures.yaml"
needs_shared = pytest.mark.skipif(not SHARED.is_file(), reason="the clinical data is not on this machine")
WITHOUT_OWN_SCORE = {"koos", "faam", "bctq", "copm", "care_gg"}
CORRECTED = {
    ("hoos_jr", "cutoffs"): "the acceptable state is compared with 76.776, the value of the table",
    ("acl_rsi", "cutoffs"): "of 56 and 65 the safer one",
    ("adductor_squeeze", "cutoffs"): "a fall of 15% from the own baseline, said as a rule in the data",
    ("balance4", "cutoffs"): "tandem under 10 s, said as a rule in the data: fewer than 3 stages held",
    ("effusion", "cutoffs"): "2+ and worse, word by word",
}


def shared() -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = yaml.safe_load(SHARED.read_text(encoding="utf-8"))["measures"]
    return data


@needs_shared
def test_all_75_instruments_are_there() -> None:
    ids = {m["id"] for m in shared()}
    assert len(ids) == 75
    assert ids <= set(MEASURES)
    assert {m for m in ids if MEASURES[m].parts} == WITHOUT_OWN_SCORE


@needs_shared
@pytest.mark.parametrize("theirs", shared() if SHARED.is_file() else [], ids=lambda m: str(m["id"]))
def test_our_numbers_are_those_of_the_clinical_data(theirs: dict[str, Any]) -> None:
    ours = MEASURES[theirs["id"]]
    assert ours.kind == theirs["kind"]
    assert ours.licence.status == theirs["licence"]["status"]
    codes = {k: v for k in ("score", "panel") if (v := theirs["loinc"][k])}
    assert (ours.loinc.model_dump() if ours.loinc else {}) == codes
    if theirs["direction"] != "context":
        assert ours.direction == theirs["direction"]
    if ours.parts:
        return
    bounds = theirs["range"]
    assert ours.options == tuple(bounds["values"]) if "values" in bounds else True
    if not ours.options:
        assert (ours.minimum, ours.maximum) == (bounds.get("min"), bounds.get("max"))
    mcid, mdc = theirs["mcid"] or {}, theirs["mdc"] or {}
    assert (ours.mcid, ours.mcid_pct, ours.mcid_worse) == tuple(mcid.get(k) for k in ("value", "relative_pct", "worse"))
    assert ours.mdc == mdc.get("value")
    _same_meaning(ours, theirs)
    _same_items(ours, theirs)


def _same_meaning(ours: Measure, theirs: dict[str, Any]) -> None:
    if (ours.id, "cutoffs") in CORRECTED or ours.options:
        return
    said = theirs["cutoffs"]
    assert [(c.op, c.value) for c in ours.cutoffs] == [(c["op"], c["value"]) for c in said if "op" in c]
    spans = [(c.get("min"), c["max"]) for c in said if "max" in c and "op" not in c]
    assert [(b.minimum, b.maximum) for b in ours.bands] == spans


def _same_items(ours: Measure, theirs: dict[str, Any]) -> None:
    if ours.scoring is None or (
        ours.scoring.method in ("ratio", "symmetry", "mean", "best", "lookup", "sum")
        and (
            not isinstance(theirs["items"], int) or theirs["items"] == 1 or ours.scoring.fewest or ours.id == "lsi_hop"
        )
    ):
        return
    if ours.id == "promis10":  # ten items in all, four of them make the physical score
        return
    assert ours.scoring.items == theirs["items"]
    if "table" in theirs["scoring"]:
        assert ours.scoring.table == tuple(theirs["scoring"]["table"])
    if "item_range" in theirs["scoring"] and ours.scoring.method != "classes":
        low, high = theirs["scoring"]["item_range"]
        assert [(a.minimum, a.maximum) for a in ours.scoring.answers] == [(low, high)]


def test_corrections_of_the_second_reading() -> None:
    assert [c.value for c in MEASURES["hoos_jr"].cutoffs if c.of == "score"] == [76.776]
    assert [c.value for c in MEASURES["acl_rsi"].cutoffs] == [65]
    assert ("running", 80) in [(c.label, c.value) for c in MEASURES["lsi_quad"].cutoffs]
    assert [c.value for c in MEASURES["tug"].cutoffs] == [12]
    assert MEASURES["eat10"].cutoffs[0].label.startswith("abnormal screen")
    assert MEASURES["mme"].cutoffs[0].label == "re-assess; letter to the prescriber"
    assert MEASURES["effusion"].options == ("zero", "trace", "1+", "2+", "3+")
    assert (MEASURES["odi"].mcid, MEASURES["odi"].mdc) == (10, 10.5)


def test_no_item_text_is_shipped() -> None:
    """Items are numbers; what is named are drugs, readings and question numbers."""
    named = {m.id for m in MEASURES.values() if m.scoring is not None and m.scoring.item_names}
    assert named == {"promis10", "promis10_mental", "walk10", "pcc", "ss_pct", "mme", "hep_adherence"}


def test_entries_survive_the_way_through_a_journey_and_stay_short() -> None:
    for measure in MEASURES.values():
        text = measure.model_dump_json()
        assert Measure.model_validate_json(text) == measure
        assert len(text) < 1300, measure.id


def test_an_old_entry_is_read_as_it_was_written() -> None:
    old: dict[str, Any] = {
        "id": "x",
        "name": "X",
        "direction": "higher_better",
        "basis": "mixed",
        "source": "s",
        "unit": None,
        "minimum": 0.0,
        "maximum": None,
        "options": [],
        "mcid": None,
        "mcid_pct": None,
        "mdc": None,
        "norms": [],
    }
    measure = Measure.model_validate(old)
    assert (measure.kind, measure.licence.status, measure.scoring) == ("finding", "free", None)


# --- the linter

GOOD: dict[str, Any] = {
    "id": "x", "name": "X", "direction": "lower_better", "minimum": 0, "maximum": 8, "basis": "proposed", "source": "s",
    "scoring": {"method": "sum", "items": 2, "answers": [{"maximum": 4}]},
}  # fmt: skip


def problems(**changes: Any) -> list[str]:
    entry = Measure.model_validate({**GOOD, **changes})
    return [rule for _, rule, _ in measures.entries((entry,), {"x": entry})]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"maximum": 0, "scoring": None}, "measure_range"),
        ({"bands": [{"label": "b", "maximum": 6}, {"label": "a", "maximum": 3}]}, "bands_order"),
        ({"cutoffs": [{"label": "c", "op": ">=", "value": 9}]}, "value_range"),
        ({"licence": {"status": "licensed", "instead": ["y"]}}, "unknown_measure"),
        ({"part_of": "y"}, "unknown_measure"),
        ({"parts": ["x"], "scoring": None}, "part_of"),
        ({"scoring": {"method": "sum", "items": 3, "answers": [{"maximum": 4}, {"maximum": 4}]}}, "scoring_items"),
        ({"scoring": {**GOOD["scoring"], "weights": [1]}}, "scoring_items"),
        ({"scoring": {**GOOD["scoring"], "reversed": [3]}}, "scoring_items"),
        ({"scoring": {**GOOD["scoring"], "raises": [{"item": 3, "sign": "s"}]}}, "scoring_items"),
        ({"scoring": {**GOOD["scoring"], "most_missing": 2}}, "scoring_items"),
        ({"scoring": {**GOOD["scoring"], "fewest": 3}}, "scoring_items"),
        ({"maximum": 9}, "scoring_range"),
        ({"scoring": {**GOOD["scoring"], "method": "sum_of_parts"}}, "scoring_parts"),
        ({"scoring": {**GOOD["scoring"], "parts": [{"items": 1, "method": "sum"}]}}, "scoring_parts"),
        ({"scoring": {**GOOD["scoring"], "method": "lookup", "table": [0, 1, 2]}}, "scoring_table"),
        ({"scoring": {**GOOD["scoring"], "method": "lookup"}}, "scoring_table"),
        ({"scoring": {**GOOD["scoring"], "method": "classes"}}, "scoring_classes"),
        (
            {"options": ["a"], "scoring": {**GOOD["scoring"], "method": "classes", "classes": [{"label": "b"}]}},
            "scoring_classes",
        ),
        ({"scoring": {"method": "symmetry", "items": 3, "answers": [{"step": 0}]}}, "scoring_items"),
    ],
)
def test_a_planted_fault_is_found(changes: dict[str, Any], rule: str) -> None:
    assert problems() == []
    assert rule in problems(**changes)


def with_measures(*ids: str) -> Pathway:
    pathway = load_all()["low_back_pain", 1]
    flags = tuple(f for f in pathway.red_flags if f.id != "self_harm")
    have = {m.id for m in pathway.measures}
    added = tuple(MEASURES[i] for i in ids if i not in have)
    return pathway.model_copy(
        update={"measures": pathway.measures + added, "baseline": (*pathway.baseline, *ids), "red_flags": flags}
    )


def test_a_pathway_has_the_red_flag_that_an_answer_raises() -> None:
    found = [(rule, what) for _, rule, what in measures.use(with_measures("phq9"))]
    assert found == [
        ("raised_sign", "phq9: an answer to item 9 raises self_harm_item; add a red flag that has this sign")
    ]


def test_an_instrument_without_a_score_of_its_own_is_not_asked_for() -> None:
    ((where, rule, what),) = measures.use(with_measures("koos"))
    assert (where.startswith("baseline["), rule) == (True, "no_own_score")
    assert what.startswith("koos has no score of its own; name of it: koos_pain, ")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("{fact: weeks, op: '>=', value: 12}", "{fact: odi.responder, op: ==, value: unclear}", None),
        ("{fact: weeks, op: '>=', value: 12}", "{fact: odi.responder, op: in, value: [unclear, missing]}", None),
        ("{fact: weeks, op: '>=', value: 12}", "{fact: odi.responder, op: ==, value: better}", "value_range"),
        ("{fact: weeks, op: '>=', value: 12}", "{fact: odi.responder, op: '>=', value: improved}", "op_for_words"),
        ("{fact: weeks, op: '>=', value: 12}", "{fact: knee.responder, op: ==, value: improved}", "unknown_fact"),
        ("{fact: weeks, op: '>=', value: 12}", "{fact: gait.responder, op: ==, value: improved}", "unknown_fact"),
        ("{fact: odi.loss, op: '>=', value: 10}", "{fact: odi.responder, op: ==, value: deteriorated}", None),
    ],
)
def test_criteria_on_the_response(tmp_path: Path, old: str, new: str, rule: str | None) -> None:
    texts = {**LIBRARY, "knee_care.yaml": PATHWAY}
    mcid = ("maximum: 100, basis", "maximum: 100, mcid: 10, basis")
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(*mcid).replace(old, f"{old}, {new}"), encoding="utf-8")
    assert [f.rule for f in lint(tmp_path)] == ([rule] if rule else [])


def test_nobody_has_responded_at_the_evaluation() -> None:
    pathway = load_all()["low_back_pain", 1]
    when = (Criterion(fact="odi.responder", op="==", value="improved"),)
    first = pathway.dosing[0].model_copy(update={"when": when})
    changed = pathway.model_copy(update={"dosing": (first, *pathway.dosing[1:])})
    assert [rule for _, rule, _ in criteria(changed)] == ["not_yet_known"]
