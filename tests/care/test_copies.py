"""A decision is made on a copy of the journey: what it changes must not show in the journey before it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from care.model import Model, State, copy_of
from tests.care.driver import Driver
from tests.care.walks import MEDIUM, to_follow_up, to_plan, to_rehab


def changeable(value: Any) -> Iterator[Any]:
    """All parts that may be changed in place; what is in a value that never changes is none."""
    if isinstance(value, State | list | dict):
        yield value
    if isinstance(value, State):
        parts: Any = value.__dict__.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, dict):
        parts = value.values()
    else:
        return
    for part in parts:
        yield from changeable(part)


def in_both(one: Any, other: Any) -> list[str]:
    ours = {id(part) for part in changeable(one)}
    return [type(part).__name__ for part in changeable(other) if id(part) in ours]


def _treated(driver: Driver) -> Driver:
    to_plan(driver, MEDIUM)
    driver.visit(days=2, scores={"nprs": 5, "odi": 40})
    return driver


@pytest.mark.parametrize("walk", [_treated, to_rehab, to_follow_up])
def test_a_copy_is_the_same_and_shares_nothing_that_changes(walk: Callable[[Driver], Driver]) -> None:
    journey = walk(Driver("total_knee_replacement" if walk is to_rehab else "low_back_pain")).journey
    copy = copy_of(journey)
    assert copy == journey
    assert in_both(journey, copy) == []


class Still(Model):
    when: datetime


class Moving(State):
    n: int = 0


class Everything(State):
    text: str = "x"
    kind: Literal["a", "b"] = "a"
    still: Still | None = None
    stills: tuple[Still, ...] = ()
    bounded: Annotated[int, Field(ge=0)] = 0
    moving: Moving = Moving()
    perhaps: Moving | None = None
    pair: tuple[Moving, int] = (Moving(), 1)
    noted: Annotated[list[int], Field(max_length=9)] = []
    facts: dict[str, list[int]] = {}
    anything: Any = None


def everything() -> Everything:
    return Everything(
        moving=Moving(n=1),
        perhaps=Moving(n=2),
        pair=(Moving(n=3), 4),
        noted=[1],
        facts={"a": [1]},
        anything=[Moving(n=5)],
    )


def test_every_way_to_hold_something_is_known() -> None:
    given = everything()
    copy = copy_of(given)
    assert copy == given
    copy.moving.n = copy.perhaps.n = copy.pair[0].n = copy.anything[0].n = 9  # type: ignore[union-attr]
    copy.noted.append(2)
    copy.facts["a"].append(2)
    copy.text = "y"
    assert given == everything()
