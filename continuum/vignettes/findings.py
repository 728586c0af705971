"""What came of it, read from the journey's record: nothing here works a decision out a second time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from care.rules.dosing import PLAN
from care.rules.follow_up import SCHEDULE
from care.rules.gates import GATE
from care.rules.matching import MATCH
from care.rules.progress import REVIEW
from care.rules.screening import SCREEN
from care.rules.triage import PRIORITISE

Row = dict[str, Any]

RECOMMENDS = re.compile(r"the pathway recommends ([a-z ]+) \(")
ORDER = ["E0", "E1", "E2", "E3", "N"]


def flags(rows: Iterable[Row]) -> dict[str, str]:
    """The red flags that the screens of these journal rows raised, each at its most urgent."""
    raised: dict[str, str] = {}
    for row in _decided(rows, SCREEN.name):
        for found in row["outcome"].get("findings", ()):
            before = raised.get(found["flag"], ORDER[-1])
            raised[found["flag"]] = min(before, found["urgency"], key=ORDER.index)
    return dict(sorted(raised.items()))


def asked(rows: Iterable[Row]) -> list[str] | None:
    """The questions that the last screen left to be asked: those whose answers could still raise a red flag."""
    last = _last(rows, SCREEN.name)
    return sorted(last["data"].get("ask", "").split()) if last else None


def first_visit_days(rows: Iterable[Row]) -> int | None:
    """Within how many working days the first visit has to be, as the triage said."""
    last = _last(rows, PRIORITISE.name)
    return last["outcome"]["first_visit_days"] if last else None


def plan(rows: Iterable[Row]) -> dict[str, int]:
    """The dosing rules of the last plan of care, each with its visits."""
    last = _last(rows, PLAN.name)
    care = last["outcome"].get("care", ()) if last else ()
    return {one["rule"]: round(one["visits"]["value"]) for one in care}


def recommended(rows: Iterable[Row]) -> str | None:
    """What the pathway's rules recommended last, where somebody was told."""
    last = _last(rows, REVIEW.name)
    return last["outcome"]["recommend"] if last else None


def recommended_by(kind: str, words: str) -> str | None:
    """The same from the answer to a discharge without note and reason, which is refused in any case."""
    if kind == "ReasonNeeded":
        return "discharge"
    found = RECOMMENDS.search(words)
    return found.group(1).replace(" ", "_") if found else None


def candidates(rows: Iterable[Row]) -> list[str] | None:
    """The pathways that a coordinator is offered, where the matching was not sure."""
    offered = [row["data"]["candidates"] for row in rows if row["data"].get("candidates")]
    return sorted(offered[-1].split(", ")) if offered else None


def hinted(rows: Iterable[Row]) -> tuple[str, ...]:
    """The signs at which the request's words hint, which the screen answers one by one."""
    last = _last(rows, MATCH.name)
    return tuple(last["outcome"].get("questions", ())) if last else ()


def gate(rows: Iterable[Row], phase: int, *, with_missing: bool) -> Row | None:
    """How the gate of a phase stood when it was last tried: whether it opened, and perhaps the facts still missing."""
    tried = [row for row in _decided(rows, GATE.name) if row["inputs"]["phase"] == phase]
    if not tried:
        return None
    outcome = tried[-1]["outcome"]
    found = {"phase": phase, "opens": outcome["opens"]}
    if with_missing:
        found["missing"] = sorted({check["fact"] for check in outcome.get("checks", ()) if not check["met"]})
    return found


def follow_ups(rows: Iterable[Row]) -> dict[str, str]:
    """The follow-ups planned last: occasion, and when it is due."""
    last = _last(rows, SCHEDULE.name)
    return {due["occasion"]: due["at"] for due in last["outcome"].get("due", ())} if last else {}


def _decided(rows: Iterable[Row], rule: str) -> list[Row]:
    return [row for row in rows if row["rule"] == rule]


def _last(rows: Iterable[Row], rule: str) -> Row | None:
    found = _decided(rows, rule)
    return found[-1] if found else None
