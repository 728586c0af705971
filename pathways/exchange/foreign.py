"""Other people's PlanDefinitions: what can be mapped becomes a sketch with gaps, what cannot is refused with reasons.

A sketch is never suggested for a referral: what somebody else wrote is complete for them, not for us. Nothing is
guessed. What an element says in a language that we do not run (CQL) becomes a gap with its words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from care.pathway import Pathway
from pathways.exchange.activities_in import Activities, rehab_kind
from pathways.exchange.fhir_models import Action, PlanDefinition
from pathways.exchange.goals_in import goals_and_measures
from pathways.exchange.names import HL7, Resource
from pathways.exchange.own import called
from pathways.exchange.result import Imported, Reason, Refused
from pathways.exchange.sketch import Found, sketch
from pathways.loader import Library

_ONLY_EVENTS = {
    "eca-rule": "reacts to an event in a record system",
    "workflow-definition": "describes the work of a department",
}
_DEAD = {"retired": "it is retired; send the version that replaced it"}


def read(plan: Resource, others: Sequence[Resource], library: Library) -> Imported | Refused:
    """A sketch made from a PlanDefinition of somebody else's, with what came with it; or why there is none."""
    title = called(plan)
    try:
        known = PlanDefinition.model_validate(plan)
    except ValidationError as error:
        return Refused(title, tuple(_wrong_types(error)))
    activities = Activities(known.contained, others)
    placed = list(_walk(known.action, "PlanDefinition.action"))
    reasons = [*_older(known, placed), *_kind(known), *activities.problems, *_orders(placed, activities)]
    if reasons:
        return Refused(title, tuple(reasons))
    found = Found(known, *goals_and_measures(known, library))
    for action in placed:
        _take(action, activities, found)
    if not found.goals and not found.doses:
        return Refused(title, tuple(_nothing(placed, activities)))
    pathway = sketch(found, library)
    return pathway if isinstance(pathway, Refused) else _checked(pathway, title)


def _checked(data: dict[str, Any], title: str) -> Imported | Refused:
    try:
        return Imported(Pathway.model_validate(data), unchanged=False)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refused(title, (Reason("PlanDefinition", f"no pathway comes of it: {place}: {first['msg']}"),))


@dataclass(frozen=True)
class Placed:
    """An action, and where it stands."""

    where: str
    action: Action


def _walk(actions: Sequence[Action], where: str) -> Iterator[Placed]:
    for n, action in enumerate(actions):
        place = f"{where}[{n}]"
        yield Placed(place, action)
        yield from _walk(action.action, f"{place}.action")


# --- what is refused


def _wrong_types(error: ValidationError) -> Iterator[Reason]:
    seen = set()
    for one in error.errors():
        place = ""
        for part in one["loc"]:
            if isinstance(part, str) and (part[:1].isupper() or part in ("int", "float", "str", "constrained-str")):
                continue  # the type that was tried, no part of the place
            place += f"[{part}]" if isinstance(part, int) else f".{part}"
        if place not in seen:
            seen.add(place)
            yield Reason(f"PlanDefinition{place}", "is of another type than in FHIR R4; see hl7.org/fhir/R4")


def _older(plan: PlanDefinition, placed: Sequence[Placed]) -> Iterator[Reason]:
    """STU3 looks much like R4 and means other things in the same places."""
    right = "this is FHIR STU3; convert the PlanDefinition to R4 first"
    if plan.contributor is not None:
        yield Reason("PlanDefinition.contributor", f"{right} (there: author)")
    if isinstance(plan.library, list) and any(isinstance(one, dict) for one in plan.library):
        yield Reason("PlanDefinition.library", f"{right} (there: canonical addresses)")
    for one in placed:
        if one.action.definition is not None:
            yield Reason(f"{one.where}.definition", f"{right} (there: definitionCanonical)")
            return


def _kind(plan: PlanDefinition) -> Iterator[Reason]:
    for coding in plan.type.coding if plan.type is not None else ():
        if coding.code in _ONLY_EVENTS and coding.system in (None, f"{HL7}/plan-definition-type"):
            yield Reason(
                "PlanDefinition.type",
                f"{coding.code} {_ONLY_EVENTS[coding.code]}; a pathway is a course of care (clinical-protocol)",
            )
    if plan.status in _DEAD:
        yield Reason("PlanDefinition.status", _DEAD[plan.status])


def _orders(placed: Sequence[Placed], activities: Activities) -> Iterator[Reason]:
    """A pathway of rehabilitation prescribes nothing: a plan without its medicine is another plan."""
    for one in placed:
        activity = activities.of(one.action)
        if activity is not None and not rehab_kind(activity):
            yield Reason(
                f"{one.where}.definitionCanonical",
                f"orders by {activity.kind}; a pathway holds therapy (ServiceRequest or Appointment), no prescriptions",
            )


def _nothing(placed: Sequence[Placed], activities: Activities) -> Iterator[Reason]:
    yield Reason(
        "PlanDefinition.goal",
        "there is none with a target measure and a value; one of those, or a dose, makes a pathway",
    )
    told = (
        "there is none whose ActivityDefinition says who gives therapy (participant.role) and how much (timingTiming)"
    )
    yield Reason("PlanDefinition.action", told)
    for one in placed:
        address = one.action.definition_canonical
        if address and activities.of(one.action) is None:
            yield Reason(f"{one.where}.definitionCanonical", f"{_short(address)} is not among these files; give it too")
    for one in placed:
        for n, condition in enumerate(one.action.condition):
            if language := activities.language(condition):
                where = f"{one.where}.condition[{n}]"
                yield Reason(where, f"is in {language}, which is not run here; write who it is for as criteria")


# --- what is taken


def _take(one: Placed, activities: Activities, found: Found) -> None:
    """What an action gives: a dose, a measure for the evaluation, or a gap with its words."""
    for condition in one.action.condition:
        if told := activities.condition_words(condition):
            found.gaps.append(f"{one.action.words}: only if {told} (not run here: write it as criteria)")
    activity = activities.of(one.action)
    if activity is None:
        if address := one.action.definition_canonical or one.action.definition_uri:
            found.gaps.append(f"{one.action.words}: {_short(address)} did not come with it")
        elif not one.action.action:
            found.gaps.append(f"not mapped to anything: {one.action.words}")
        return
    if measure := activities.measured(activity, found.measures):
        found.baseline.append(measure)
        return
    dose, gaps = activities.dose(activity, one.action.words, len(found.doses) + 1)
    found.gaps += gaps
    if dose is not None:
        found.doses.append(dose)


def _short(address: str) -> str:
    return re.sub(r"\s+", " ", address)[:80]
