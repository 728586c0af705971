"""From the answers to the items of an instrument to its score: one engine, and the few methods all instruments need.

| method | the score is |
|---|---|
| sum | the answers added, each times its weight where there are weights |
| mean | their mean: of items, or of trials |
| best | the best of the trials, whichever way the measure runs |
| percent | where the sum lies between the least and the most it could be; `inverted`: 100 minus that |
| lookup | what the instrument's table says of the sum |
| mean_of_parts, sum_of_parts | subscales scored one by one, then put together |
| classes | a word: the first class whose items add up to enough |
| ratio | the first answer over the mean of the others |
| symmetry | pairs (involved, other side) in per cent; the lowest pair counts, a time the other way round |

What is wrong with answers is said by name and never with the answers themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite

from care.score import LARGEST, Answers, Measure, Part, Scoring

Given = Sequence[float | None]
"""The answers in the instrument's own order; None where an item was not answered."""

DECIMALS = 3
"""Tables of instruments go so far. More would be noise of the arithmetic."""


class ScoringError(ValueError):
    """Answers that make no score: which kind of mistake, where (instrument, item), and what would be right."""

    def __init__(self, kind: str, where: str, right: str) -> None:
        self.kind = kind
        self.where = where
        self.right = right
        super().__init__(f"{where}: {right}")


def scoring_of(measure: Measure) -> Scoring:
    """How a measure is scored from its items. Raises ScoringError where only its score can be entered."""
    if measure.parts:
        raise ScoringError("NoItems", measure.id, f"answer the items of its parts: {', '.join(measure.parts)}")
    if measure.licence.score_only:
        instead = f", or use {' or '.join(measure.licence.instead)}" if measure.licence.instead else ""
        raise ScoringError("ScoreOnly", measure.id, f"its licence does not cover items; enter the score{instead}")
    if measure.scoring is None:
        raise ScoringError("NoItems", measure.id, "it is not scored from items; enter the score")
    return measure.scoring


def raised(scoring: Scoring, given: Given) -> tuple[str, ...]:
    """The signs of danger that these answers are, even where they make no score."""
    answers = dict(enumerate(given, start=1))
    found = {r.sign for r in scoring.raises if (answer := answers.get(r.item)) is not None and answer > r.above}
    return tuple(sorted(found))


def score(measure: str, scoring: Scoring, given: Given, *, higher_better: bool = True) -> float | str:
    """The score that the answers make, to three decimals, or the word for it.

    Raises ScoringError where there are too many or too few answers, one is out of its range, or too many are missing.
    """
    fewest = scoring.items if scoring.fewest is None else scoring.fewest
    if not fewest <= len(given) <= scoring.items:
        wanted = _items(fewest) if fewest == scoring.items else f"{fewest} to {_items(scoring.items)}"
        raise ScoringError("ItemCount", measure, f"it has {wanted}; say null for one that was not answered")
    kinds = _kinds(scoring)[: len(given)]
    points = [
        None if answer is None else _points(measure, scoring, n, kinds[n - 1], answer)
        for n, answer in enumerate(given, start=1)
    ]
    if not scoring.parts:
        _enough(measure, points, scoring.most_missing)
    value = _by_method(measure, scoring, kinds, points, higher_better)
    if isinstance(value, str):
        return value
    value = round(value * scoring.times, DECIMALS)
    return float(ceil(value)) if scoring.round_up else value


def _by_method(
    measure: str, scoring: Scoring, kinds: Sequence[Answers], points: list[float | None], higher_better: bool
) -> float | str:
    there = [p for p in points if p is not None]
    match scoring.method:
        case "best":
            return max(there) if higher_better else min(there)
        case "lookup":
            return scoring.table[round(sum(there) - sum(least(k) for k in kinds))]
        case "mean_of_parts":
            parts = _parts(measure, scoring, kinds, points)
            return sum(parts) / len(parts)
        case "sum_of_parts":
            return sum(_parts(measure, scoring, kinds, points))
        case "classes":
            return _class(scoring, there)
        case "ratio":
            return there[0] / _divisor(measure, sum(there[1:]) / len(there[1:]))
        case "symmetry":
            return _symmetry(measure, scoring, there)
        case "sum" | "mean" | "percent":
            value = _whole(scoring.method, kinds, points)
            return 100 - value if scoring.inverted else value


# --- the answers


def _kinds(scoring: Scoring) -> list[Answers]:
    return list(scoring.answers) * scoring.items if len(scoring.answers) == 1 else list(scoring.answers)


def _points(measure: str, scoring: Scoring, n: int, kind: Answers, answer: float) -> float:
    """What one answer counts."""
    recoded = kind.recode.get(f"{answer:g}") if isfinite(answer) else None
    if recoded is not None:
        return recoded
    if not _fits(kind, answer):
        named = f" ({scoring.item_names[n - 1]})" if scoring.item_names else ""
        raise ScoringError("ItemRange", f"{measure}, item {n}{named}", f"it takes {_range(kind)}")
    if kind.yes_from is not None:
        return float(answer >= kind.yes_from)
    if n in scoring.reversed:
        return kind.minimum + (kind.maximum or 0) - answer
    return answer * scoring.weights[n - 1] if scoring.weights else answer


def _fits(kind: Answers, answer: float) -> bool:
    if isinstance(answer, bool) or not isfinite(answer) or not kind.minimum <= answer <= LARGEST:
        return False
    if kind.maximum is not None and answer > kind.maximum:
        return False
    return not kind.step or ((answer - kind.minimum) / kind.step).is_integer()


def _range(kind: Answers) -> str:
    upto = f"{kind.minimum:g} to {kind.maximum:g}" if kind.maximum is not None else f"{kind.minimum:g} or more"
    steps = "" if not kind.step else " in whole numbers" if kind.step == 1 else f" in steps of {kind.step:g}"
    others = f", or {', '.join(kind.recode)}" if kind.recode else ""
    return f"{upto}{steps}{others}"


def least(kind: Answers) -> float:
    """The fewest points that an item can count."""
    return min(_every(kind), default=kind.minimum)


def most(kind: Answers) -> float | None:
    """The most points that an item can count; None where there is no end."""
    return max(_every(kind), default=kind.maximum)


def _every(kind: Answers) -> list[float]:
    """The points of every answer, where the answers do not simply count what they are."""
    if kind.yes_from is not None:
        return [0, 1]
    if not kind.recode or kind.maximum is None or not kind.step:
        return []
    steps = round((kind.maximum - kind.minimum) / kind.step)
    plain = [kind.minimum + n * kind.step for n in range(steps + 1)]
    return [*kind.recode.values(), *(a for a in plain if f"{a:g}" not in kind.recode)]


def _enough(measure: str, points: Sequence[float | None], most_missing: int) -> None:
    if sum(p is None for p in points) > most_missing or all(p is None for p in points):
        wanted = "all of them are needed" if not most_missing else f"at most {most_missing} may be missing"
        raise ScoringError("TooManyMissing", measure, f"{_items(len(points))}; {wanted}")


def _items(n: int) -> str:
    return "1 item" if n == 1 else f"{n} items"


# --- the methods


def _whole(method: str, kinds: Sequence[Answers], points: Sequence[float | None]) -> float:
    """A sum, a mean or a per cent. What is missing counts like the mean of the rest."""
    there = [(kind, p) for kind, p in zip(kinds, points, strict=True) if p is not None]
    total = sum(p for _, p in there)
    if method == "mean":
        return total / len(there)
    if method == "sum":
        return total * len(points) / len(there)
    low, high = sum(least(k) for k, _ in there), sum(most(k) or 0 for k, _ in there)
    return 100 * (total - low) / (high - low)


def _parts(measure: str, scoring: Scoring, kinds: Sequence[Answers], points: Sequence[float | None]) -> list[float]:
    values, first = [], 0
    for n, part in enumerate(scoring.parts, start=1):
        values.append(_part(f"{measure}, part {n}", part, kinds[first:], points[first : first + part.items]))
        first += part.items
    return values


def _part(where: str, part: Part, kinds: Sequence[Answers], points: Sequence[float | None]) -> float:
    _enough(where, points, part.most_missing)
    return _whole(part.method, kinds[: part.items], points) * part.times


def _class(scoring: Scoring, points: Sequence[float]) -> str:
    for known in scoring.classes:
        first, last = known.items or (1, scoring.items)
        if sum(points[first - 1 : last]) >= known.at_least:
            return known.label
    raise LookupError("the last class of an instrument holds for everybody")


def _symmetry(measure: str, scoring: Scoring, points: Sequence[float]) -> float:
    pairs = list(zip(points[::2], points[1::2], strict=True))
    return min(
        100 * (other / _divisor(measure, involved) if n in scoring.timed else involved / _divisor(measure, other))
        for n, (involved, other) in enumerate(pairs, start=1)
    )


def _divisor(measure: str, value: float) -> float:
    if not value:
        raise ScoringError("NothingToCompare", measure, "what it is compared with has to be more than 0")
    return value
