"""Goals of other people's PlanDefinitions: end states of measures, ours where the code is known to us."""

from __future__ import annotations

import re
from typing import Any

from care.score import Measure
from pathways.exchange.fhir_models import Concept, Goal, PlanDefinition, Target
from pathways.exchange.names import LOINC, MEASURES, loinc
from pathways.loader import Library

Entry = dict[str, Any]
Mapped = tuple[list[Entry], dict[str, Entry], dict[str, str], list[str]]
"""Goals; measures by id; measure ids by LOINC code; gaps."""


def slug(words: str) -> str:
    """An id of ours from words."""
    found = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:60].strip("_")
    return found if found and found[0].isascii() else "imported"


def goals_and_measures(plan: PlanDefinition, library: Library) -> Mapped:
    """Every target with a measure and an end state."""
    goals: list[Entry] = []
    measures: dict[str, Entry] = {}
    by_code: dict[str, str] = {}
    gaps: list[str] = []
    for goal in plan.goal:
        called = goal.description.words if goal.description is not None else "a goal without a description"
        taken = False
        for target in goal.target:
            end = _end(target)
            if target.measure is None or end is None:
                continue
            measure = _measure(target.measure, library, end, plan)
            if measure is None:
                gaps.append(f"goal {called}: its measure has neither code nor words")
                continue
            reach, higher = end[0], end[1]
            if (measure["direction"] == "higher_better") != higher:
                gaps.append(f"goal {called}: asks for the direction that is worse on {measure['name']}")
                continue
            measures[measure["id"]] = measure
            by_code |= {c.code: measure["id"] for c in target.measure.coding if c.system == LOINC and c.code}
            goals.append(_goal(goal, measure["id"], reach, len(goals) + 1, plan))
            taken = True
        if not taken:
            gaps.append(f"goal not mapped (no target with a measure and an end that is a number): {called}")
    return goals, measures, by_code, gaps


def _goal(goal: Goal, measure: str, reach: float, n: int, plan: PlanDefinition) -> Entry:
    cited = [d.citation or d.display or d.url for d in goal.documentation]
    source = "; ".join(" ".join(words.split()) for words in cited if words) or origin(plan)
    return {"id": f"goal_{n}", "measure": measure, "reach": reach, "basis": "unverified", "source": source}


def _end(target: Target) -> tuple[float, bool, str | None] | None:
    """The value to reach, whether more is better, and its unit; None where that is not said."""
    quantity, between = target.detail_quantity, target.detail_range
    if between is not None:
        low = between.low.value if between.low is not None else None
        high = between.high.value if between.high is not None else None
        if low is not None and high is None and between.low is not None:
            return float(low), True, between.low.unit
        if high is not None and low is None and between.high is not None:
            return float(high), False, between.high.unit
        return None
    if quantity is None or quantity.value is None or quantity.comparator not in ("<=", ">="):
        return None
    return float(quantity.value), quantity.comparator == ">=", quantity.unit


def _measure(
    measured: Concept, library: Library, end: tuple[float, bool, str | None], plan: PlanDefinition
) -> Entry | None:
    """One of the library's, by our own or by LOINC's code; else a new one, with what the goal says of it."""
    for coding in measured.coding:
        for known in library.measures.values():
            if (coding.system == MEASURES and coding.code == known.id) or (
                coding.system == LOINC and coding.code in loinc(known)
            ):
                return known.model_dump(mode="json")
    if not measured.words:
        return None
    _, higher, unit = end
    made = Measure(
        id=slug(measured.words),
        name=measured.words,
        direction="higher_better" if higher else "lower_better",
        unit=unit,
        basis="unverified",
        source=f"imported from {origin(plan)}; its range is not said",
    )
    return made.model_dump(mode="json")


def origin(plan: PlanDefinition) -> str:
    """Where it comes from, as a source."""
    name = plan.url or plan.title or plan.name or plan.id or "a PlanDefinition without a name"
    return " ".join(f"{name}{f', version {plan.version}' if plan.version else ''}".split())
