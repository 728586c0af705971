"""Conditions: what has to be so for a red flag or a contraindication, over answers to questions and known facts.

Three values, after Kleene: true, false, and None where it is not known. A question that nobody has answered, or that
was asked and could not be answered, is None and never no: a condition is false only where no answer still missing
could make it true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Discriminator, Field, Tag

from care.gate import Criterion, Facts
from care.model import Slug, Strict

Truth = bool | None
"""True, false, or not known."""


class Known(NamedTuple):
    """What is known of a patient: answers by sign, and facts by name. What is missing, or None, is not known."""

    answers: Mapping[str, Truth]
    facts: Facts


_KINDS = {"all": "all", "any": "any", "none": "none", "points": "points", "of": "at_least", "fact": "fact"}


def _kind(value: Any) -> str | None:
    """Which kind of condition this is, by the one word that only that kind has."""
    if isinstance(value, str):
        return "(sign)"
    names = value if isinstance(value, dict) else type(value).model_fields if isinstance(value, Strict) else ()
    return next((f"({kind})" for word, kind in _KINDS.items() if word in names), None)


class AllOf(Strict):
    """Every one of these."""

    all: Annotated[tuple[Condition, ...], Field(min_length=1)]


class AnyOf(Strict):
    """At least one of these."""

    any: Annotated[tuple[Condition, ...], Field(min_length=1)]


class NoneOf(Strict):
    """Not one of these; with a single one, its opposite."""

    none: Annotated[tuple[Condition, ...], Field(min_length=1)]


class AtLeast(Strict):
    """So many of these."""

    at_least: Annotated[int, Field(ge=1)]
    of: Annotated[tuple[Condition, ...], Field(min_length=1)]


class Points(Strict):
    """Points for each sign that is there, added up; they may be negative (Wells)."""

    points: Annotated[dict[Slug, float], Field(min_length=1)]
    at_least: float


Condition = Annotated[
    Annotated[Slug, Tag("(sign)")]
    | Annotated[AllOf, Tag("(all)")]
    | Annotated[AnyOf, Tag("(any)")]
    | Annotated[NoneOf, Tag("(none)")]
    | Annotated[AtLeast, Tag("(at_least)")]
    | Annotated[Points, Tag("(points)")]
    | Annotated[Criterion, Tag("(fact)")],
    Discriminator(
        _kind,
        custom_error_type="condition",
        custom_error_message="a condition is the id of a sign, or one of `all: [...]`, `any: [...]`, `none: [...]`, "
        "`at_least: 2, of: [...]`, `points: {sign: 1}, at_least: 2`, `fact: age, op: '>=', value: 65`",
    ),
]
"""A sign (by its id: its answer is yes), several of them together, or a comparison of a known fact."""

for _model in (AllOf, AnyOf, NoneOf, AtLeast, Points):
    _model.model_rebuild()


def truth(condition: Condition, known: Known) -> Truth:
    """Whether the condition holds, with what is known now."""
    match condition:
        case str():
            return known.answers.get(condition)
        case AllOf():
            return _count(condition.all, known, len(condition.all))
        case AnyOf():
            return _count(condition.any, known, 1)
        case NoneOf():
            found = _count(condition.none, known, 1)
            return None if found is None else not found
        case AtLeast():
            return _count(condition.of, known, condition.at_least)
        case Points():
            return _points(condition, known)
        case Criterion():
            there = all(name in known.facts for name in condition.facts())
            return condition.against(known.facts).met if there else None


def _count(parts: tuple[Condition, ...], known: Known, wanted: int) -> Truth:
    found = [truth(part, known) for part in parts]
    yes, open_ = found.count(True), found.count(None)
    if yes >= wanted:
        return True
    return None if yes + open_ >= wanted else False


def _points(condition: Points, known: Known) -> Truth:
    """True or false only where the signs not answered, all together, can no longer change it."""
    least = most = 0.0
    for sign, points in condition.points.items():
        answer = known.answers.get(sign)
        least += points if answer or (answer is None and points < 0) else 0
        most += points if answer or (answer is None and points > 0) else 0
    if least >= condition.at_least:
        return True
    return None if most >= condition.at_least else False


def parts(condition: Condition) -> Iterator[Condition]:
    """The condition itself, and every condition in it."""
    yield condition
    match condition:
        case AllOf():
            inner = condition.all
        case AnyOf():
            inner = condition.any
        case NoneOf():
            inner = condition.none
        case AtLeast():
            inner = condition.of
        case Points():
            inner = tuple(sorted(condition.points))
        case _:
            return
    for part in inner:
        yield from parts(part)


def signs(condition: Condition) -> tuple[str, ...]:
    """The signs that a condition looks at, each once, as they stand."""
    return tuple(dict.fromkeys(part for part in parts(condition) if isinstance(part, str)))


def facts(condition: Condition) -> set[str]:
    """The names of the facts that a condition looks at."""
    return {name for part in parts(condition) if isinstance(part, Criterion) for name in part.facts()}


def to_ask(condition: Condition, known: Known) -> tuple[str, ...]:
    """The signs whose answers would settle a condition that is not known yet; none where it is settled."""
    if truth(condition, known) is not None:
        return ()
    match condition:
        case str():
            return (condition,)
        case AllOf():
            return _once(condition.all, known)
        case AnyOf():
            return _once(condition.any, known)
        case NoneOf():
            return _once(condition.none, known)
        case AtLeast():
            return _once(condition.of, known)
        case Points():
            return _once(tuple(sorted(condition.points)), known)
        case _:
            return ()


def _once(inner: Iterable[Condition], known: Known) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sign for part in inner for sign in to_ask(part, known)))
