"""The scoring engine: every method, every instrument of our library, published examples, and every refusal by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from care.score import Answers, Licence, Measure, Part, Raise, ScoreClass, Scoring
from care.scoring import Given, ScoringError, least, most, raised, score, scoring_of
from pathways.loader import library

MEASURES = library().measures
SCORED = sorted(m.id for m in MEASURES.values() if m.scoring is not None)
FEW = settings(max_examples=12)
"""For each of many instruments."""
ADDED = ("sum", "mean", "percent", "lookup", "mean_of_parts", "sum_of_parts")


def parts_of(measure_id: str) -> Scoring:
    scoring = MEASURES[measure_id].scoring
    assert scoring is not None
    return scoring


def scored(measure_id: str, answers: Sequence[float | None]) -> float | str:
    """As a provider that holds every licence would score it."""
    measure = MEASURES[measure_id]
    better = measure.direction == "higher_better"
    return score(measure_id, parts_of(measure_id), answers, higher_better=better)


def kinds(scoring: Scoring) -> list[Answers]:
    return list(scoring.answers) * (scoring.items if len(scoring.answers) == 1 else 1)


def answer(kind: Answers) -> st.SearchStrategy[float]:
    """One answer that an item takes."""
    top = kind.maximum if kind.maximum is not None else kind.minimum + 60
    if not kind.step:
        return st.floats(max(kind.minimum, 0.1), top)
    steps = round((top - kind.minimum) / kind.step)
    return st.integers(0, steps).map(lambda n: kind.minimum + n * kind.step)


def complete(scoring: Scoring) -> st.SearchStrategy[tuple[float, ...]]:
    """All items answered; what something is divided by is not nothing."""
    found: st.SearchStrategy[tuple[float, ...]] = st.tuples(*(answer(k) for k in kinds(scoring)))
    if scoring.method in ("ratio", "symmetry"):
        return found.filter(all)
    return found


def ends(measure_id: str) -> tuple[float, float] | None:
    """The scores of the lowest and of the highest answers throughout."""
    scoring = parts_of(measure_id)
    tops = [k.maximum for k in kinds(scoring)]
    if scoring.method not in ADDED or any(t is None for t in tops):
        return None
    low, high = scored(measure_id, [k.minimum for k in kinds(scoring)]), scored(measure_id, [t or 0 for t in tops])
    assert isinstance(low, float)
    assert isinstance(high, float)
    return low, high


# --- every instrument


@pytest.mark.parametrize("measure_id", SCORED)
@given(data=st.data())
@FEW
def test_every_score_lies_within_the_range_of_its_measure(measure_id: str, data: st.DataObject) -> None:
    measure, answers = MEASURES[measure_id], data.draw(complete(parts_of(measure_id)))
    value = scored(measure_id, answers)
    if parts_of(measure_id).method != "ratio":  # more correct than attempted: refused by the range of the measure
        assert measure.problem_with(value) is None


@pytest.mark.parametrize("measure_id", [m for m in SCORED if ends(m) is not None])
@given(data=st.data())
@FEW
def test_a_better_answer_never_makes_a_worse_score(measure_id: str, data: st.DataObject) -> None:
    scoring = parts_of(measure_id)
    answers = list(data.draw(complete(scoring)))
    n = data.draw(st.integers(0, scoring.items - 1))
    kind = kinds(scoring)[n]
    if kind.recode:
        return
    before = scored(measure_id, answers)
    answers[n] = data.draw(answer(kind).filter(lambda a: a >= answers[n]))
    after, (low, high) = scored(measure_id, answers), ends(measure_id) or (0, 0)
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert (after - before) * (high - low) >= 0


@pytest.mark.parametrize("measure_id", [m for m in SCORED if ends(m) is not None])
def test_the_ends_of_the_answers_are_the_ends_of_the_score(measure_id: str) -> None:
    measure, found = MEASURES[measure_id], ends(measure_id)
    assert found is not None
    if measure.unit == "T-score":
        return  # a T-score has no end; its table is tested below
    assert sorted(found) == [measure.minimum, measure.maximum]


MAY_MISS = [m for m in SCORED if parts_of(m).most_missing or any(p.most_missing for p in parts_of(m).parts)]


@pytest.mark.parametrize("measure_id", MAY_MISS)
@given(data=st.data())
@FEW
def test_what_is_missing_counts_like_the_mean_of_the_rest(measure_id: str, data: st.DataObject) -> None:
    scoring = parts_of(measure_id)
    same = data.draw(answer(kinds(scoring)[0]))
    full: list[float | None] = [same] * scoring.items
    assert scored(measure_id, [None, *full[1:]]) == scored(measure_id, full)


@pytest.mark.parametrize("measure_id", MAY_MISS)
def test_one_more_missing_than_allowed_is_refused_and_one_less_is_not(measure_id: str) -> None:
    scoring = parts_of(measure_id)
    allowed = scoring.parts[0].most_missing if scoring.parts else scoring.most_missing
    answers: list[float | None] = [k.minimum for k in kinds(scoring)]
    answers[:allowed] = [None] * allowed
    scored(measure_id, answers)
    answers[allowed] = None
    assert refusal(measure_id, answers).kind == "TooManyMissing"


@pytest.mark.parametrize("measure_id", sorted(set(SCORED) - set(MAY_MISS)))
def test_where_all_are_needed_one_missing_is_refused(measure_id: str) -> None:
    answers: list[float | None] = [k.maximum or 7 for k in kinds(parts_of(measure_id))]
    answers[-1] = None
    assert refusal(measure_id, answers).kind == "TooManyMissing"


# --- refusals


def refusal(measure_id: str, answers: Given) -> ScoringError:
    with pytest.raises(ScoringError) as refused:
        scored(measure_id, answers)
    return refused.value


@pytest.mark.parametrize("measure_id", SCORED)
def test_one_item_too_many_is_refused(measure_id: str) -> None:
    answers = [k.minimum for k in kinds(parts_of(measure_id))]
    error = refusal(measure_id, [*answers, 1])
    assert (error.kind, error.where) == ("ItemCount", measure_id)


@pytest.mark.parametrize(
    ("measure_id", "answers", "said"),
    [
        ("lefs", [4] * 19, "lefs: it has 20 items; say null for one that was not answered"),
        ("lefs", [], "lefs: it has 20 items; say null for one that was not answered"),
        ("psfs", [4, 4], "psfs: it has 3 to 5 items; say null for one that was not answered"),
        ("lefs", [4] * 19 + [5], "lefs, item 20: it takes 0 to 4 in whole numbers"),
        ("lefs", [-1] + [4] * 19, "lefs, item 1: it takes 0 to 4 in whole numbers"),
        ("lefs", [1.5] + [4] * 19, "lefs, item 1: it takes 0 to 4 in whole numbers"),
        ("lefs", [math.nan] + [4] * 19, "lefs, item 1: it takes 0 to 4 in whole numbers"),
        ("lefs", [math.inf] + [4] * 19, "lefs, item 1: it takes 0 to 4 in whole numbers"),
        ("lefs", [True] + [4] * 19, "lefs, item 1: it takes 0 to 4 in whole numbers"),
        ("tsk11", [0] + [4] * 10, "tsk11, item 1: it takes 1 to 4 in whole numbers"),
        ("dhi", [3] + [4] * 24, "dhi, item 1: it takes 0 to 4 in steps of 2"),
        ("iciq_ui_sf", [5, 5, 5], "iciq_ui_sf, item 2: it takes 0 to 6 in steps of 2"),
        (
            "care_gg_self_care",
            [8] + [6] * 6,
            "care_gg_self_care, item 1: it takes 1 to 6 in whole numbers, or 7, 9, 10, 88",
        ),
        ("mme", [-1.0] + [0] * 9, "mme, item 1 (codeine): it takes 0 or more"),
        ("mme", [1e300] + [0] * 9, "mme, item 1 (codeine): it takes 0 or more"),
        ("lefs", [None] * 3 + [4] * 17, "lefs: 20 items; at most 2 may be missing"),
        ("koos_jr", [None] + [0] * 6, "koos_jr: 7 items; all of them are needed"),
        ("spadi", [None] * 5 + [4] * 8, "spadi, part 1: 5 items; at most 4 may be missing"),
        ("nprs", [None], "nprs: 1 item; all of them are needed"),
        ("walk10", [10, 0], "walk10: what it is compared with has to be more than 0"),
        ("lsi_quad", [100, 0], "lsi_quad: what it is compared with has to be more than 0"),
        ("lsi_hop", [1, 1, 1, 1, 1, 1, 0, 5], "lsi_hop: what it is compared with has to be more than 0"),
    ],
)
def test_a_refusal_names_the_instrument_the_item_and_what_would_be_right(
    measure_id: str, answers: Any, said: str
) -> None:
    error = refusal(measure_id, answers)
    assert str(error) == said
    assert said == f"{error.where}: {error.right}"


def test_nothing_answered_is_no_score_even_where_much_may_be_missing() -> None:
    everything = Scoring(method="mean", items=2, answers=(Answers(maximum=4),), most_missing=2)
    with pytest.raises(ScoringError, match="at most 2"):
        score("x", everything, [None, None])


@pytest.mark.parametrize("measure_id", ["odi", "quickdash", "fim", "comm", "mds_updrs3"])
def test_where_the_licence_does_not_cover_items_only_the_score_is_taken(measure_id: str) -> None:
    with pytest.raises(ScoringError) as refused:
        scoring_of(MEASURES[measure_id])
    assert refused.value.kind == "ScoreOnly"
    held = Licence(status="licensed", held=True)
    assert scoring_of(MEASURES[measure_id].model_copy(update={"licence": held})) == parts_of(measure_id)


def test_every_licence_that_forbids_items_is_score_only() -> None:
    only = {"free_noncommercial", "permission", "licensed"}
    for measure in MEASURES.values():
        assert measure.licence.score_only == (measure.licence.status in only)


def test_a_refusal_says_what_may_be_used_instead() -> None:
    with pytest.raises(ScoringError, match="odi: its licence does not cover items; enter the score, or use rmdq"):
        scoring_of(MEASURES["odi"])


@pytest.mark.parametrize(
    ("measure_id", "said"),
    [
        ("koos", "koos: answer the items of its parts: koos_pain, koos_symptoms, koos_adl, koos_sport, koos_qol"),
        ("tug", "tug: it is not scored from items; enter the score"),
        ("effusion", "effusion: it is not scored from items; enter the score"),
    ],
)
def test_what_has_no_items_says_so(measure_id: str, said: str) -> None:
    with pytest.raises(ScoringError) as refused:
        scoring_of(MEASURES[measure_id])
    assert (refused.value.kind, str(refused.value)) == ("NoItems", said)


# --- published examples and tables


@pytest.mark.parametrize(
    ("measure_id", "answers", "value", "source"),
    [
        ("odi", [2, 2, 2, 2, 2, 2, 2, 2, 0, 0], 32, "16 of 50 is 32%: Oswestry form, Michigan State University"),
        ("odi", [2, 2, 2, 2, 2, 2, 2, 2, 0, None], 35.556, "16 of 45 is 35.5%: the same, one section missed"),
        ("mme", [0, 0, 20, 0, 0, 0, 0, 0, 0, 0], 20, "4 x 5 mg hydrocodone: CDC 2022, note under the table"),
        ("mme", [0, 0, 0, 0, 0, 0, 20, 0, 0, 0], 30, "2 x 10 mg oxycodone: CDC 2022, note under the table"),
        ("fes_i_short", [2, 2, 2, 2, 2, 3, None], 16, "13 / 6 x 7 = 15.2, rounded up: Short FES-I, Kempen 2008"),
        (
            "koos_pain",
            [1, 1, 1, 1, 1, None, None, None, None],
            75,
            "100 - 1 x 25; 5 of 9 are enough: KOOS scoring 2012",
        ),
        ("koos_sport", [4, 4, 4, None, None], 0, "3 of 5 are enough: KOOS scoring 2012"),
        ("quickdash", [3] * 10 + [None], 50, "(30 / 10 - 1) x 25: the formula of the Institute for Work & Health"),
        ("spadi", [None, 5, 5, 5, 5, *[5] * 8], 50, "with one question missed divide by 40: SPADI form, Roach 1991"),
        ("promis10", [1, 1, 10, 1], 16.2, "raw 4: PROMIS-10 table, awell-score 70bece9"),
        ("promis10", [3, 3, 5, 3], 39.8, "raw 12, pain 5 counts 3: the same"),
        ("promis10", [5, 5, 0, 5], 67.7, "raw 20: the same"),
        ("promis10_mental", [3, 3, 3, 3], 43.5, "raw 12: the same"),
        ("promis10_mental", [2, 2, 1, 1], 28.4, "raw 6: the same"),
        ("walk10", [10, 10, 12.5, 7.5], 1, "metres by the mean of the seconds"),
        ("lsi_hop", [90, 100, 95, 100, 92, 100, 2.0, 1.8], 90, "the time the other way round, the lowest counts"),
        ("lsi_hop", [95, 100, 95, 100, 95, 100, 2.5, 2.0], 80, "the timed hop fails it alone"),
        ("fapc", [1] * 7 + [0] * 18, 72, "18 unticked times 4"),
        ("prwe", [7] * 5 + [5] * 10, 60, "35 + 50 / 2"),
        ("pfdi20", [4] * 6 + [0] * 14, 100, "the mean of each scale times 25, added"),
        ("care_gg_self_care", [88, 9, 10, 7, 6, 6, 6], 22, "not attempted counts as dependent"),
        ("mpt", [9.5, 12, 11], 12, "the best of three"),
        ("grip", [30, 33, 36], 33, "the mean of three"),
        ("nprs", [4], 4, "one rating"),
        ("nprs", [2, 4, 6], 4, "now, best and worst"),
        ("hep_adherence", [3, 4], 75, "done by prescribed"),
    ],
)
def test_published_and_worked_examples(measure_id: str, answers: Any, value: float, source: str) -> None:
    assert scored(measure_id, answers) == value, source


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ([1, 1, 1, 0, 0, 0, 0, 0, 0], "low"),  # total 3
        ([1, 1, 1, 0, 1, 0, 0, 0, 0], "medium"),  # total 4, subscale 1
        ([1, 1, 1, 1, 1, 1, 1, 0, 0], "medium"),  # subscale 3
        ([0, 0, 0, 0, 1, 1, 1, 1, 0], "high"),  # subscale 4
        ([0, 0, 0, 0, 1, 1, 1, 0, 2], "low"),  # item 9 moderately: does not count
        ([0, 0, 0, 0, 1, 1, 1, 0, 3], "high"),  # item 9 very much: counts
    ],
)
def test_start_back_by_its_published_rule(answers: list[float], word: str) -> None:
    assert scored("start_back", answers) == word


@pytest.mark.parametrize(("measure_id", "items", "last_but_one"), [("koos_jr", 7, 8.291), ("hoos_jr", 6, 8.104)])
def test_the_joint_tables_fall_from_100_to_0(measure_id: str, items: int, last_but_one: float) -> None:
    table = parts_of(measure_id).table
    assert len(table) == 4 * items + 1
    assert list(table) == sorted(table, reverse=True)
    assert len(set(table)) == len(table)
    assert scored(measure_id, [0] * items) == 100
    assert scored(measure_id, [4] * items) == 0
    assert scored(measure_id, [4] * (items - 1) + [3]) == last_but_one


# --- the methods by themselves


def test_reversed_items_count_the_other_way_round() -> None:
    """As in the 17-item Tampa scale, where 4, 8, 12 and 16 are reversed (awell-score c37843e)."""
    scale = Scoring(method="sum", items=17, answers=(Answers(minimum=1, maximum=4),), reversed=(4, 8, 12, 16))
    assert score("tsk", scale, [1] * 17) == 13 + 4 * 4
    assert score("tsk", scale, [4] * 17) == 13 * 4 + 4
    assert score("tsk", scale, [1 if n in (4, 8, 12, 16) else 4 for n in range(1, 18)]) == 68


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=5))
def test_the_best_trial_is_the_highest_or_the_lowest(trials: list[float]) -> None:
    scoring = Scoring(method="best", items=5, fewest=1, answers=(Answers(step=0),))
    assert score("x", scoring, trials) == round(max(trials), 3)
    assert score("x", scoring, trials, higher_better=False) == round(min(trials), 3)


@given(st.lists(st.integers(0, 5), min_size=10, max_size=10), st.integers(0, 9))
def test_a_per_cent_of_the_possible_is_the_sum_by_the_most_there_could_be(answers: list[int], gone: int) -> None:
    left = [a for n, a in enumerate(answers) if n != gone]
    given_answers = [None if n == gone else a for n, a in enumerate(answers)]
    assert scored("odi", given_answers) == pytest.approx(100 * sum(left) / 45, abs=0.001)
    assert scored("odi", answers) == pytest.approx(2 * sum(answers), abs=0.001)


@given(st.floats(0.1, 500), st.floats(0.1, 500))
def test_a_symmetry_is_100_for_equals_and_turns_over_with_its_sides(one: float, other: float) -> None:
    pair = Scoring(method="symmetry", items=2, answers=(Answers(step=0),))
    timed = pair.model_copy(update={"timed": (1,)})
    assert score("x", pair, [one, one]) == 100
    assert score("x", pair, [one, other]) == score("x", timed, [other, one])


def test_parts_are_each_scored_over_what_was_answered() -> None:
    parts = (Part(items=2, method="percent", most_missing=1), Part(items=1, method="sum", times=10))
    scoring = Scoring(method="sum_of_parts", items=3, answers=(Answers(maximum=4),), parts=parts)
    assert score("x", scoring, [None, 2, 3]) == 50 + 30
    with pytest.raises(ScoringError, match="x, part 2: 1 item; all of them are needed"):
        score("x", scoring, [1, 2, None])


def test_the_ends_of_an_item_are_those_of_what_it_counts() -> None:
    pain = Answers(maximum=2, recode={"0": 5, "1": 3, "2": 1})
    assert (least(pain), most(pain)) == (1, 5)
    assert (least(Answers(maximum=4, yes_from=3)), most(Answers(maximum=4, yes_from=3))) == (0, 1)
    assert (least(Answers(minimum=1)), most(Answers(minimum=1))) == (1, None)


def test_classes_need_no_more_than_their_own_items() -> None:
    scoring = Scoring(
        method="classes",
        items=3,
        answers=(Answers(maximum=1),),
        classes=(ScoreClass(label="worst", items=(2, 3), at_least=2), ScoreClass(label="best")),
    )
    assert score("x", scoring, [0, 1, 1]) == "worst"
    assert score("x", scoring, [1, 1, 0]) == "best"


# --- danger among the answers


@pytest.mark.parametrize(("measure_id", "item"), [("phq9", 9), ("epds", 10)])
def test_any_thought_of_self_harm_is_raised(measure_id: str, item: int) -> None:
    scoring = parts_of(measure_id)
    calm: list[float | None] = [0] * scoring.items
    assert raised(scoring, calm) == ()
    assert raised(scoring, [*calm[: item - 1], 1, *calm[item:]]) == ("self_harm_item",)
    assert raised(scoring, [*calm[: item - 1], None, *calm[item:]]) == ()
    assert raised(scoring, [3] * (item - 1)) == (), "what was not asked raises nothing"


def test_danger_is_raised_even_where_the_answers_make_no_score() -> None:
    scoring = parts_of("phq9")
    answers = [None] * 8 + [1]
    with pytest.raises(ScoringError):
        score("phq9", scoring, answers)
    assert raised(scoring, answers) == ("self_harm_item",)


def test_an_answer_raises_only_above_its_bound() -> None:
    scoring = Scoring(
        method="sum", items=1, answers=(Answers(maximum=4),), raises=(Raise(item=1, above=2, sign="much"),)
    )
    assert [raised(scoring, [n]) for n in range(5)] == [(), (), (), ("much",), ("much",)]


def test_a_measure_that_is_scored_elsewhere_takes_its_score_as_it_is() -> None:
    assert isinstance(MEASURES["moca"], Measure)
    assert MEASURES["moca"].scoring is None
    assert MEASURES["moca"].problem_with(26) is None
