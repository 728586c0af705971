"""Conditions in three values: an unknown is never a no; what is settled stays settled, whatever is answered later."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from care.condition import AllOf, AnyOf, AtLeast, Condition, Known, NoneOf, Points, Truth, facts, signs, to_ask, truth
from care.gate import Criterion

SIGNS = ["s1", "s2", "s3", "s4", "s5"]
ADAPTER: TypeAdapter[Any] = TypeAdapter(Condition)
AGE = Criterion(fact="age", op=">=", value=65)


def _several(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, min_size=1, max_size=4).map(tuple)


CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(SIGNS), st.just(AGE)),
    lambda inner: st.one_of(
        st.builds(AllOf, all=_several(inner)),
        st.builds(AnyOf, any=_several(inner)),
        st.builds(NoneOf, none=_several(inner)),
        st.builds(AtLeast, at_least=st.integers(1, 5), of=_several(inner)),
        st.builds(
            Points,
            points=st.dictionaries(st.sampled_from(SIGNS), st.integers(-3, 3), min_size=1),
            at_least=st.integers(-4, 6),
        ),
    ),
    max_leaves=10,
)
ANSWERS = st.fixed_dictionaries({sign: st.sampled_from([True, False, None]) for sign in SIGNS})
AGES = st.sampled_from([{}, {"age": 64}, {"age": 65}])


def known(answers: dict[str, Truth], **given_facts: Any) -> Known:
    return Known(answers, given_facts)


@given(CONDITIONS, ANSWERS, AGES, st.data())
def test_answering_what_is_unknown_never_contradicts_what_is_settled(
    condition: Any, answers: dict[str, Truth], age: dict[str, Any], data: st.DataObject
) -> None:
    before = truth(condition, Known(answers, age))
    more = {s: data.draw(st.booleans()) if answer is None else answer for s, answer in answers.items()}
    after = truth(condition, Known(more, age or {"age": data.draw(st.sampled_from([64, 65]))}))
    assert after is not None, "with everything answered, everything is settled"
    assert before is None or before == after


@given(CONDITIONS, ANSWERS, AGES)
def test_only_the_questions_named_can_settle_it(condition: Any, answers: dict[str, Truth], age: dict[str, Any]) -> None:
    """Answering every question named settles it, unless a fact is missing; answering others alone does not."""
    at = Known(answers, age)
    ask = to_ask(condition, at)
    assert all(answers[sign] is None for sign in ask)
    if truth(condition, at) is not None:
        assert ask == ()
        return
    assert ask or (facts(condition) and not age)
    others = {s: False if a is None and s not in ask else a for s, a in answers.items()}
    assert truth(condition, Known(others, age)) is None
    if age:
        for answer in (True, False):
            assert truth(condition, Known({**answers, **dict.fromkeys(ask, answer)}, age)) is not None


@given(CONDITIONS, ANSWERS, AGES)
def test_its_opposite_is_unknown_where_it_is(condition: Any, answers: dict[str, Truth], age: dict[str, Any]) -> None:
    at = Known(answers, age)
    found = truth(condition, at)
    assert truth(NoneOf(none=(condition,)), at) == (None if found is None else not found)
    assert truth(AtLeast(at_least=1, of=(condition,)), at) == truth(AnyOf(any=(condition,)), at) == found


@given(CONDITIONS)
def test_it_comes_back_from_json_as_it_was(condition: Any) -> None:
    text = ADAPTER.dump_json(condition)
    assert ADAPTER.validate_json(text, strict=True) == condition
    assert ADAPTER.validate_python(json.loads(text)) == condition
    assert set(signs(condition)) <= set(SIGNS)


@pytest.mark.parametrize(
    ("answers", "found", "ask"),
    [
        ({"a": True, "b": True, "other": False}, True, ()),
        ({"a": True, "b": True, "other": True}, False, ()),
        ({"a": True, "b": True}, None, ("other",)),
        ({"a": True, "b": False, "other": False}, False, ()),
        ({"a": True, "other": False}, None, ("b",)),
        ({"a": True, "other": True}, False, ()),
        ({}, None, ("a", "b", "other")),
    ],
)
def test_points_may_be_negative(answers: dict[str, Truth], found: Truth, ask: tuple[str, ...]) -> None:
    """Two points are wanted: two signs of one point, and one that takes two away."""
    wells = Points(points={"a": 1, "b": 1, "other": -2}, at_least=2)
    assert truth(wells, known(answers)) is found
    assert to_ask(wells, known(answers)) == ask


@pytest.mark.parametrize(("age", "found"), [(64, False), (65, True), (90, True)])
def test_a_fact_at_its_border(age: int, found: bool) -> None:
    assert truth(AGE, known({}, age=age)) is found
    assert truth(AGE, known({})) is None


def test_enough_is_enough_and_out_of_reach_is_no() -> None:
    two = AtLeast(at_least=2, of=("a", "b", "c"))
    assert truth(two, known({"a": True, "b": True})) is True
    assert truth(two, known({"a": False, "b": False})) is False
    assert truth(two, known({"a": True, "b": False})) is None
    assert to_ask(two, known({"a": True, "b": False})) == ("c",)


@pytest.mark.parametrize("wrong", ['{"al": ["a"]}', '{"all": []}', '{"at_least": 0, "of": ["a"]}', "3", '{"any": "a"}'])
def test_what_is_no_condition_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_json(wrong, strict=True)
