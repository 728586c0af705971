"""A sketch of a pathway from what was found in somebody else's PlanDefinition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from care.terminology import family
from pathways.exchange.fhir_models import Coding, PlanDefinition
from pathways.exchange.goals_in import Entry, origin, slug
from pathways.exchange.result import Reason, Refused
from pathways.loader import Library

OURS = "design choice, not clinically reviewed: the PlanDefinition says none, so the standard one of the library"
_STANDARD = "standard"


@dataclass
class Found:
    """What is known so far; actions add to it."""

    plan: PlanDefinition
    goals: list[Entry]
    entries: dict[str, Entry]
    measures: dict[str, str]
    """Measure ids by LOINC code."""
    gaps: list[str]
    doses: list[Entry] = field(default_factory=list)
    baseline: list[str] = field(default_factory=list)


def sketch(found: Found, library: Library) -> dict[str, Any] | Refused:
    """The pathway, as its model reads it."""
    plan = found.plan
    title = plan.title or plan.name or plan.id or ""
    schedules = library.schedules
    if not library.triage.levels or _STANDARD not in schedules.review or _STANDARD not in schedules.follow_up:
        what = "the library here has no triage levels, or no standard schedule of reviews and follow-ups; add them"
        return Refused(title, (Reason("library", what),))
    in_rules = {rule.level for rule in library.triage.rules} or {level.code for level in library.triage.levels}
    levels = [level for level in library.triage.levels if level.code in in_rules]
    most_urgent = min(levels, key=lambda level: level.max_wait_days)
    measured = list(dict.fromkeys([*(g["measure"] for g in found.goals), *found.baseline]))
    follow_up = {"measures": measured, "worse": (), **schedules.follow_up[_STANDARD]}
    follow_up["measures"] = [m for m in follow_up["measures"] if m in found.entries]
    review = dict(schedules.review[_STANDARD])
    review["measures"] = measured
    return {
        "schema_version": 1,
        "id": slug(plan.name or title or "imported"),
        "version": _version(plan, found.gaps),
        "name": " ".join((title or "Imported").split()),
        "status": "sketch",
        "service_line": _service_line(plan),
        "basis": "unverified",
        "source": _source(plan),
        "purpose": " ".join((plan.purpose or plan.description or "").split()),
        "codes": list(_codes(plan)),
        "eligibility": [],
        "exclude": list(_ages(plan, found.gaps)),
        "triage": library.triage.model_dump(mode="json"),
        "urgencies": [level.model_dump(mode="json") for level in library.urgencies],
        "usual_level": most_urgent.code,
        "red_flags": [],
        "measures": list(found.entries.values()),
        "baseline": measured,
        "dosing": found.doses,
        "goals": found.goals,
        "review": review | {"basis": "proposed", "source": OURS},
        "progress": [],
        "follow_up": follow_up | {"basis": "proposed", "source": OURS},
        "gaps": [*_always(found, most_urgent.code), *dict.fromkeys(found.gaps)],
    }


def _always(found: Found, level: str) -> Iterator[str]:
    """What no PlanDefinition of somebody else's says in a form that we run."""
    yield "imported from another system, not read by anybody here"
    yield "red flags: none; choose them from the library"
    yield "who it is for: written as criteria nowhere; say it under eligibility and exclude"
    yield f"triage: the most urgent level ({level}) stands in until somebody chooses one"
    yield "progress rules and the end state (discharge): none"
    yield "reviews and follow-ups: the library's standard ones stand in; what counts as worse is not said"
    if not found.doses:
        yield "dose of therapy: none"
    if not found.goals:
        yield "goals: none"


def _source(plan: PlanDefinition) -> str:
    artifacts = [a.citation or a.display or a.url for a in plan.related_artifact]
    cited = [" ".join(words.split()) for words in artifacts if words]
    return "; ".join([f"imported from {origin(plan)}", *cited])


def _version(plan: PlanDefinition, gaps: list[str]) -> int:
    said = re.match(r"\d{1,6}", plan.version or "")
    version = max(int(said[0]), 1) if said else 1
    if plan.version not in (None, str(version)):
        gaps.append(f"version {' '.join((plan.version or '').split())[:40]} there is version {version} here")
    return version


def _service_line(plan: PlanDefinition) -> str:
    for context in plan.use_context:
        if context.code is not None and context.code.code == "program" and context.value_codeable_concept is not None:
            return slug(context.value_codeable_concept.words)
    return "imported"


def _codes(plan: PlanDefinition) -> Iterator[Entry]:
    """Diagnoses from the focus of use and from what the goals address, each once."""
    concepts = [
        context.value_codeable_concept
        for context in plan.use_context
        if context.value_codeable_concept is not None and context.code is not None and context.code.code == "focus"
    ]
    concepts += [concept for goal in plan.goal for concept in goal.addresses]
    seen = set()
    for concept in concepts:
        for coding in concept.coding:
            key = (coding.system, coding.code)
            if _diagnosis(coding) and key not in seen:
                seen.add(key)
                yield {"system": coding.system, "code": coding.code, "display": coding.display or concept.words}


def _diagnosis(coding: Coding) -> bool:
    return bool(coding.code) and family(coding.system or "") != "other"


def _ages(plan: PlanDefinition, gaps: list[str]) -> Iterator[Entry]:
    for context in plan.use_context:
        if context.code is None or context.code.code != "age":
            continue
        if context.value_range is None:
            told = context.value_codeable_concept.words if context.value_codeable_concept is not None else "not said"
            gaps.append(f"age: {told}; write it as a number")
            continue
        for end, op in ((context.value_range.low, "<"), (context.value_range.high, ">")):
            if end is None or end.value is None:
                continue
            if (end.code or end.unit) in ("a", "years", "year"):
                yield {"fact": "age", "op": op, "value": float(end.value)}
            else:
                gaps.append("age: not in years; write it as a number of years")
