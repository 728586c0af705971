"""ActivityDefinitions of other people: which one an action means, and the dose of therapy in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError

from care.pathway import Discipline
from pathways.exchange.fhir_models import Action, ActivityDefinition, Condition, Expression, Quantity, Repeat
from pathways.exchange.names import LOINC, Resource
from pathways.exchange.result import Reason

Dose = dict[str, Any]
"""A dose rule, as the pathway model reads it."""

_REHAB = ("ServiceRequest", "Appointment", "AppointmentResponse", "Task", "CarePlan", None)
_WEEKS = {"wk": 1.0, "d": 1 / 7, "h": 1 / 168}
_ROLES = {
    "physiotherapy": ("physiotherap", "physical therap"),
    "occupational_therapy": ("occupational therap",),
    "speech_therapy": ("speech",),
    "psychology": ("psycholog",),
    "sports_medicine": ("sports medicine",),
    "nursing": ("nurs",),
}


def rehab_kind(activity: ActivityDefinition) -> bool:
    """Whether it is of a kind that a pathway can hold."""
    return activity.kind in _REHAB


class Activities:
    """The ActivityDefinitions at hand: contained in the PlanDefinition, or beside it."""

    def __init__(self, contained: Sequence[Mapping[str, Any]], others: Sequence[Resource]) -> None:
        self.problems: list[Reason] = []
        self._by_address: dict[str, ActivityDefinition] = {}
        for one in contained:
            self._add(one, f"#{one.get('id')}")
        for one in others:
            self._add(one, *(str(one.get(name)) for name in ("url", "id") if one.get(name)))

    def _add(self, one: Mapping[str, Any], *addresses: str) -> None:
        if one.get("resourceType") != "ActivityDefinition":
            return
        try:
            activity = ActivityDefinition.model_validate(one)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors()[0]["loc"][:3])
            what = "is of another type than in FHIR R4; see hl7.org/fhir/R4"
            self.problems.append(Reason(f"ActivityDefinition.{place}", what))
            return
        self._by_address |= dict.fromkeys(addresses, activity)

    def of(self, action: Action) -> ActivityDefinition | None:
        """The one that an action refers to: by address, with or without a version, or by `ActivityDefinition/id`."""
        address = (action.definition_canonical or "").partition("|")[0]
        return self._by_address.get(address) or self._by_address.get(address.rpartition("ActivityDefinition/")[2])

    def measured(self, activity: ActivityDefinition, measures: Mapping[str, str]) -> str | None:
        """The measure that an activity takes, where its code is that of one that the goals use."""
        codes = activity.code.coding if activity.code is not None else ()
        found = (measures.get(c.code) for c in codes if c.system == LOINC and c.code)
        return next((measure for measure in found if measure), None)

    def dose(self, activity: ActivityDefinition, label: str, n: int) -> tuple[Dose | None, list[str]]:
        """The dose in it, and what it leaves open."""
        discipline = _discipline(activity)
        repeat = activity.timing_timing.repeat if activity.timing_timing is not None else None
        if discipline is None:
            known = ", ".join(get_args(Discipline))
            return None, [f"{label}: who gives it is not said as one of {known}"]
        if repeat is None:
            return None, [f"{label}: no dose is said (timingTiming)"]
        numbers = _numbers(repeat)
        missing = [name for name in ("visits", "weeks", "visits_per_week") if name not in numbers]
        gaps = [f"{label}: {' and '.join(missing).replace('_', ' ')} not said"] if missing else []
        source = activity.url or activity.id or "an ActivityDefinition without an address"
        return {
            "id": f"dose_{n}",
            "label": label,
            "discipline": discipline,
            **numbers,
            "basis": "unverified",
            "source": f"imported from {source}",
        }, gaps

    def language(self, condition: Condition) -> str | None:
        """The language of a condition."""
        if isinstance(condition.expression, Expression):
            return condition.expression.language or "no language that it names"
        return condition.language

    def condition_words(self, condition: Condition) -> str:
        """What a condition says, for people."""
        said = condition.expression
        words = (said.description or said.expression or "") if isinstance(said, Expression) else said or ""
        return " ".join(words.split())


def _discipline(activity: ActivityDefinition) -> str | None:
    found = set()
    for participant in activity.participant:
        if participant.role is None:
            continue
        codes = {coding.code for coding in participant.role.coding}
        said = " ".join([participant.role.words, *(c.display or "" for c in participant.role.coding)]).lower()
        found |= {name for name, parts in _ROLES.items() if name in codes or any(part in said for part in parts)}
    return found.pop() if len(found) == 1 else None


def _numbers(repeat: Repeat) -> dict[str, Any]:
    """Only what is said, and only where it makes sense as a number of visits."""
    numbers: dict[str, Any] = {}
    if repeat.count is not None and 0 < repeat.count <= (repeat.count_max or repeat.count):
        numbers["visits"] = (repeat.count, repeat.count_max or repeat.count)
    weeks = _weeks(repeat.bounds_duration)
    if weeks is not None and weeks >= 1 and weeks == int(weeks):
        numbers["weeks"] = int(weeks)
    unit = _WEEKS.get(repeat.period_unit or "")
    if unit is not None and (repeat.frequency or 0) > 0 and repeat.period and repeat.period > 0:
        numbers["visits_per_week"] = round(float(repeat.frequency or 0) / (repeat.period * unit), 3)
    if repeat.duration_unit == "min" and repeat.duration and repeat.duration == int(repeat.duration) > 0:
        numbers["visit_minutes"] = int(repeat.duration)
    return numbers


def _weeks(quantity: Quantity | None) -> float | None:
    if quantity is None or quantity.value is None:
        return None
    unit = _WEEKS.get(quantity.code or quantity.unit or "")
    return None if unit is None else round(quantity.value * unit, 6)
