"""What is wrong with instruments beyond their form: how they are scored, and how pathways use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from care.pathway import Pathway
from care.score import Measure, Scoring
from care.scoring import least, most
from pathways.lint.finding import Problem


def entries(measures: tuple[Measure, ...], known: Mapping[str, Measure]) -> Iterator[Problem]:
    """Every problem of the measures of one file; `known` are all of the library."""
    for n, measure in enumerate(measures):
        for where, rule, what in _entry(measure, known):
            yield f"measures[{n}].{where}", rule, what


def _entry(measure: Measure, known: Mapping[str, Measure]) -> Iterator[Problem]:
    if measure.minimum is not None and measure.maximum is not None and measure.minimum >= measure.maximum:
        yield "minimum", "measure_range", "the minimum lies below the maximum"
    tops = [band.maximum for band in measure.bands if band.maximum is not None]
    if tops != sorted(tops):
        yield "bands", "bands_order", "the lowest band first"
    for n, cutoff in enumerate(measure.cutoffs):
        if cutoff.of == "score" and (what := measure.problem_with(cutoff.value)):
            yield f"cutoffs[{n}].value", "value_range", what
    for field, ids in (("parts", measure.parts), ("licence.instead", measure.licence.instead)):
        if unknown := [i for i in ids if i not in known]:
            yield field, "unknown_measure", f"the library has no {', '.join(unknown)}"
    if strays := [p for p in measure.parts if p in known and known[p].part_of != measure.id]:
        yield "parts", "part_of", f"{', '.join(strays)}: say there that it is part_of {measure.id}"
    if measure.part_of is not None and measure.part_of not in known:
        yield "part_of", "unknown_measure", f"the library has no {measure.part_of}"
    if measure.scoring is not None:
        yield from _scoring(measure, measure.scoring)


def use(pathway: Pathway) -> Iterator[Problem]:
    """What a pathway does with its instruments that cannot work."""
    asked = {sign.id for flag in pathway.red_flags for sign in flag.signs}
    for measure in pathway.measures:
        for danger in measure.scoring.raises if measure.scoring is not None else ():
            if danger.sign not in asked:
                what = f"an answer to item {danger.item} raises {danger.sign}; add a red flag that has this sign"
                yield "measures", "raised_sign", f"{measure.id}: {what}"
    for where, name in _recorded(pathway):
        found = pathway.measure(name)
        if found is not None and found.parts:
            yield where, "no_own_score", f"{name} has no score of its own; name of it: {', '.join(found.parts)}"


def _recorded(pathway: Pathway) -> Iterator[tuple[str, str]]:
    """Every place where a pathway asks for a measure to be taken."""
    places: list[tuple[str, Iterable[str]]] = [
        ("baseline", pathway.baseline),
        ("review.measures", pathway.review.measures),
        ("at_surgery", pathway.at_surgery),
        ("follow_up.measures", pathway.follow_up.measures),
    ]
    places += [(f"phases[{n}].measures", phase.measures) for n, phase in enumerate(pathway.phases)]
    for where, names in places:
        for n, name in enumerate(names):
            yield f"{where}[{n}]", name


def _scoring(measure: Measure, scoring: Scoring) -> Iterator[Problem]:
    n = scoring.items
    if len(scoring.answers) not in (1, n):
        yield "scoring.answers", "scoring_items", f"one entry for all items, or one for each of the {n}"
        return
    for field, several in (("weights", scoring.weights), ("item_names", scoring.item_names)):
        if several and len(several) != n:
            yield f"scoring.{field}", "scoring_items", f"one for each of the {n} items"
    named = (*scoring.reversed, *(r.item for r in scoring.raises))
    if not all(1 <= item <= n for item in named):
        yield "scoring", "scoring_items", f"items are counted from 1 to {n}"
    if not (scoring.fewest or n) <= n or not 0 <= scoring.most_missing < n:
        yield "scoring", "scoring_items", f"it has {n} items; fewest and most_missing lie within"
    yield from _method(measure, scoring)


def _method(measure: Measure, scoring: Scoring) -> Iterator[Problem]:
    by_parts = scoring.method in ("mean_of_parts", "sum_of_parts")
    if by_parts != bool(scoring.parts) or (by_parts and sum(p.items for p in scoring.parts) != scoring.items):
        yield "scoring.parts", "scoring_parts", "the parts of a method by parts have all items between them"
        return
    if (scoring.method == "classes") != bool(scoring.classes):
        yield "scoring.classes", "scoring_classes", "the method `classes` has classes, the others have none"
    elif scoring.classes:
        last = scoring.classes[-1]
        if last.at_least > 0 or {c.label for c in scoring.classes} != set(measure.options):
            yield "scoring.classes", "scoring_classes", "a class for each option; the last one for everybody else"
        return
    ends = _ends(scoring)
    if (scoring.method == "lookup") != bool(scoring.table):
        yield "scoring.table", "scoring_table", "the method `lookup` has a table, the others have none"
    elif scoring.table and ends is not None and len(scoring.table) != round(ends[1] - ends[0]) + 1:
        yield "scoring.table", "scoring_table", f"the sums go from {ends[0]:g} to {ends[1]:g}; one value for each"
    if scoring.method == "sum" and ends is not None and ends != (measure.minimum, measure.maximum):
        yield "scoring", "scoring_range", f"the items add up to between {ends[0]:g} and {ends[1]:g}"
    if scoring.method == "symmetry" and scoring.items % 2:
        yield "scoring.items", "scoring_items", "a symmetry has pairs: the involved side, then the other"


def _ends(scoring: Scoring) -> tuple[float, float] | None:
    """The least and the most that the items can add up to; None where there is no end, or weights."""
    kinds = list(scoring.answers) * (scoring.items if len(scoring.answers) == 1 else 1)
    highest = [most(k) for k in kinds]
    if scoring.weights or any(h is None for h in highest):
        return None
    times = scoring.times
    return sum(least(k) for k in kinds) * times, sum(h for h in highest if h is not None) * times
