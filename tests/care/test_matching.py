"""Matching: one pathway settled by codes, or a person chooses. Words raise candidates and questions, no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pathways
from care.gate import Criterion
from care.pathway import Code, Pathway
from care.red_flag import FlagRule, RedFlag, Sign
from care.rules.matching import Match, match, read
from pathways import loader
from tests.care.driver import Driver
from tests.care.walks import no_flags

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SCT = "http://snomed.info/sct"
BASE = pathways.load("low_back_pain")
INPUTS = Path(__file__).resolve().parents[2].parent / "shared" / "inputs"


def pathway(id_: str, *codes: str, terms: tuple[str, ...] = (), exclude: tuple[Criterion, ...] = ()) -> Pathway:
    """A pathway for these codes; those of digits alone are SNOMED CT's."""
    named = tuple(Code(system=SCT if c.isdigit() else ICD, code=c, display="x") for c in codes)
    return BASE.model_copy(update={"id": id_, "codes": named, "terms": terms, "exclude": exclude})


ADULTS = (Criterion(fact="age", op="<", value=18),)
KNOWN = (
    pathway("back", "M54.5", "M54.50", "279039007", terms=("back pain", "slipped disc"), exclude=ADULTS),
    pathway("spine", "M54*", "M51*"),
    pathway("spasm", "M62.83*", "R25.2", terms=("spasm",)),
    pathway("knee", "M17*", "S83.51*", terms=("ACL", "knee pain")),
    pathway("children", "Q66*", "M54.50"),
)
FLAG = RedFlag(
    id="ces",
    suspected="cauda equina syndrome",
    signs=(
        Sign(id="saddle", text="?", terms=("numb saddle", "numb between the legs")),
        Sign(id="bladder", text="?", terms=("urinary retention",)),
        Sign(id="other", text="?"),
    ),
    rules=(FlagRule(urgency="E0", any_of=("saddle",)),),
    action="x",
    hold_booking=True,
    basis="proposed",
    source="a test",
)


def matched(codes: list[tuple[str, str]], *texts: str, known: tuple[Pathway, ...] = KNOWN, **facts: Any) -> Match:
    return match(read(codes, texts, facts, known, (FLAG,)))


@pytest.mark.parametrize(
    ("codes", "settled", "because"),
    [
        ([(ICD, "M54.5")], "back", "codes_agree"),  # by name goes before its group
        ([(ICD, "M545")], "back", "codes_agree"),
        ([("ICD10", "m54.5 ")], "back", "codes_agree"),
        ([("urn:oid:2.16.840.1.113883.6.90", "M54.5")], "back", "codes_agree"),
        ([(ICD, "M54.4")], "spine", "codes_agree"),
        ([(ICD, "M54.50")], None, "code_is_of_several"),
        ([(ICD, "M54.4"), (ICD, "M17.1")], None, "codes_disagree"),
        ([(ICD, "M54.5"), (SCT, "279039007"), (ICD, "E11.9")], "back", "codes_agree"),
        ([(ICD, "M54"), (ICD, "M54.5")], "back", "codes_agree"),  # M54 says nothing beyond M54.5
        ([(ICD, "M62.830")], "spasm", "codes_agree"),
        ([(ICD, "R25.2")], "spasm", "codes_agree"),
        ([(SCT, "M54.5")], None, "nothing_points"),
        ([("http://www.cms.gov/Medicare/Coding/ICD10", "M54.5")], None, "nothing_points"),
        ([("", "M54.5")], None, "nothing_points"),
        ([(ICD, "E11.9")], None, "nothing_points"),
        ([(ICD, "")], None, "nothing_points"),
        ([(ICD, "*")], None, "nothing_points"),
        ([], None, "nothing_points"),
    ],
)
def test_codes(codes: list[tuple[str, str]], settled: str | None, because: str) -> None:
    found = matched(codes)
    assert (found.settled, found.because) == (settled, because)


def test_candidates_are_ranked_and_say_why() -> None:
    found = matched([(ICD, "M54.50"), (ICD, "M17.1")], "old ACL injury, muscle spasm at night")
    assert [c.pathway for c in found.candidates] == ["back", "children", "knee", "spine", "spasm"]
    reasons = {c.pathway: c.reasons for c in found.candidates}
    assert reasons["knee"] == ("ICD-10 code of its group", "words in the request")
    assert reasons["spasm"] == ("words in the request",)


def test_who_is_excluded_is_no_candidate() -> None:
    adult, child = (matched([(ICD, "M54.50")], age=age) for age in (40, 12))
    assert adult.settled is None
    assert child.settled == "children"
    evidence = read([(ICD, "M54.5")], (), {"age": 12}, KNOWN)
    assert [(e.pathway, e.why) for e in evidence.excluded] == [("back", "age < 18 (12)")]
    assert matched([(ICD, "M54.50")]).settled is None, "an age that nobody knows excludes nobody"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("numb saddle since yesterday", True),
        ("NUMB, SADDLE", True),
        ("no numb saddle", True),  # a negation is not trusted
        ("numb-saddle", True),
        ("numbsaddle", False),
        ("benumb saddle", False),
        ("saddle numb", False),
    ],
)
def test_words_raise_a_question_on_word_boundaries(text: str, holds: bool) -> None:
    found = matched([(ICD, "M54.5")], text)
    assert found.questions == (("saddle",) if holds else ())
    assert found.settled == "back"


def test_words_alone_settle_nothing() -> None:
    found = matched([], "back pain")
    assert (found.settled, found.because) == (None, "words_only")
    assert [c.pathway for c in found.candidates] == ["back"]


CODES = st.lists(
    st.tuples(
        st.sampled_from([ICD, SCT, "ICD-10", "", "x"]),
        st.sampled_from(["M54", "M54.5", "M545", "M54.50", "M54.4", "M17.11", "279039007", "E11", "*", ""]),
    ),
    max_size=5,
)


@given(CODES.flatmap(lambda codes: st.tuples(st.just(codes), st.permutations(codes))))
def test_the_order_of_codes_makes_no_difference(both: tuple[list[tuple[str, str]], list[tuple[str, str]]]) -> None:
    assert matched(both[0]) == matched(both[1])
    assert matched(both[0] + both[0]) == matched(both[0])


@given(CODES, st.lists(st.one_of(st.text(), st.sampled_from(["knee pain", "spasm", "numb saddle"])), max_size=3))
def test_no_text_changes_what_codes_settle(codes: list[tuple[str, str]], texts: list[str]) -> None:
    without, with_ = matched(codes), matched(codes, *texts)
    assert with_.settled == without.settled
    assert {c.pathway for c in without.candidates} <= {c.pathway for c in with_.candidates}


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=8)), max_size=4), st.lists(st.text(), max_size=3))
def test_what_nobody_knows_settles_nothing(codes: list[tuple[str, str]], texts: list[str]) -> None:
    unknown = [(system, code) for system, code in codes if code[:1].upper() not in "MRSQ2"]
    assert matched(unknown, *texts).settled is None


@pytest.mark.parametrize(
    "text",
    ["آلام أسفل الظهر منذ ثلاثة أسابيع", "腰痛", "\ud800 numb saddle", "e\u0301\u200d\u0000", "ﷺ" * 1000, "🦵" * 50],
)
def test_any_writing_is_read(text: str) -> None:
    assert matched([(ICD, "M54.5")], text).settled == "back"


def test_terms_in_other_scripts_are_found() -> None:
    arabic = pathway("back", terms=("آلام أسفل الظهر",))
    assert match(read([], ["يعاني من آلام أسفل الظهر."], {}, [arabic])).candidates[0].pathway == "back"
    accents = pathway("back", terms=("dolor lumbar crónico",))
    assert match(read([], ["Dolor lumbar cronico"], {}, [accents])).candidates[0].pathway == "back"


# --- our own content


@pytest.mark.parametrize("code", ["R25.2", "M62.830", "M62.838", "M62.40"])
def test_spasm_goes_to_one_pathway_or_to_a_person(code: str) -> None:
    found = match(read([(ICD, code)], (), {"age": 40}, loader.usable(must_be_signed=False).values()))
    assert found.settled is not None or found.because in ("code_is_of_several", "nothing_points")


def test_our_own_terms_are_words() -> None:
    """A term of no word would be found nowhere, or everywhere."""
    signs = [s for f in loader.red_flags().values() for s in f.signs]
    terms = [t for s in signs for t in s.terms]
    terms += [t for p in loader.usable(must_be_signed=False).values() for t in p.terms]
    found = match(read([], terms, {}, loader.usable(must_be_signed=False).values(), loader.red_flags().values()))
    assert set(found.questions) == {s.id for s in signs if s.terms}


def _coded(value: Any) -> list[tuple[str, str]]:
    """Every coding anywhere in a resource."""
    if isinstance(value, list):
        return [c for v in value for c in _coded(v)]
    if not isinstance(value, dict):
        return []
    own = [(str(value.get("system", "")), str(value["code"]))] if isinstance(value.get("code"), str) else []
    return own + [c for v in value.values() for c in _coded(v)]


@pytest.mark.skipif(not INPUTS.exists(), reason="the public inputs are not here")
def test_real_referrals_are_matched_calmly() -> None:
    known, flags = loader.usable(must_be_signed=False).values(), loader.red_flags().values()
    settled = unsure = 0
    for file in sorted(INPUTS.rglob("*.json"))[::5]:
        try:
            resource = json.loads(file.read_text("utf-8"))
        except ValueError:
            continue
        found = match(read(_coded(resource)[:200], [file.read_text("utf-8")[:20_000]], {"age": 40}, known, flags))
        settled += found.settled is not None
        unsure += found.settled is None
    assert unsure > settled, "most public examples are about something else"
    assert unsure + settled > 50


# --- on a journey


def evidence(codes: list[tuple[str, str]], *texts: str) -> Any:
    known = [pathways.load(name) for name in ("low_back_pain", "total_knee_replacement")]
    return read(codes, texts, {"age": 45}, known, (FLAG,))


def test_unsure_is_a_task_of_its_own_and_choosing_ends_it() -> None:
    driver = Driver(None, evidence=evidence([], "sudden pain"))
    assert driver.journey.pathway is None
    task = driver.journey.open_task("choose_pathway")
    assert task is not None
    assert task.owner == "queue:intake"
    driver.act("choose_pathway", pathway="low_back_pain")
    assert driver.journey.open_task("choose_pathway") is None
    assert driver.tasks[task.id].outcome == "chosen"


def test_the_journal_says_why() -> None:
    driver = Driver(None, evidence=evidence([(ICD, "M54.5")], "numb saddle"))
    row = next(e for e in driver.journal if e.kind == "matching")
    assert "the codes name one pathway" in row.text
    assert "low_back_pain (ICD-10 code by name" in row.text
    assert "asked first in the screen: saddle" in row.text
    assert row.decided is not None
    assert "M54" not in json.dumps(row.decided.inputs), "codes stay in PostgreSQL"
    chosen = next(e for e in driver.journal if e.kind == "pathway")
    assert "DRAFT" in chosen.text
    assert driver.journey.open_task("choose_pathway") is None
    assert driver.journey.referral.matching is None


def test_who_is_not_eligible_is_chosen_for_anew() -> None:
    driver = Driver("low_back_pain", age=12)
    assert driver.journey.pathway is None
    assert driver.journey.open_task("choose_pathway") is not None


def test_a_question_raised_by_words_is_screened_on_any_pathway_and_needs_its_own_answer() -> None:
    hint = FLAG.model_copy(update={"id": "hinted_at"})
    driver = Driver(None, evidence=evidence([(ICD, "M17.0")], "numb saddle"), hinted_flags=(hint,))
    assert driver.journey.pathway is not None
    assert driver.journey.pathway.id == "total_knee_replacement"
    assert driver.journey.pathway.red_flag("hinted_at") is not None
    driver.act("screen", "therapist", others_absent=True)
    assert driver.journey.screen is not None
    assert driver.journey.screen.ask == ["saddle"]
    driver.act("screen", "therapist", answers={**no_flags(driver), "saddle": True})
    assert "hinted_at" in {f.flag for f in driver.journey.open_flags}
