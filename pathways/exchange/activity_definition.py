"""What is done: one ActivityDefinition for each dose rule, each phase, and the home programme."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from care.pathway import DoseRule, Pathway, Phase
from care.score import Sourced
from pathways import words
from pathways.exchange.names import (
    STATUS,
    Resource,
    activity_url,
    citation,
    computable,
    concept,
    duration,
    listed,
    resource_id,
    text,
    url,
    versioned,
)

_FINEST = 12
"""Visits a week as a whole number of visits in so many weeks at most: 1.5 a week is 3 in 2 weeks."""


def activities(pathway: Pathway) -> Iterator[Resource]:
    """All of one pathway."""
    for rule in pathway.dosing:
        yield _dose(pathway, rule)
    for phase in pathway.phases:
        yield _phase(pathway, phase)
    if pathway.home_programme:
        yield {
            **_head(pathway, "home", f"{pathway.name}: home programme"),
            "description": listed("What the patient goes on with at home.", pathway.home_programme),
            "kind": "ServiceRequest",
            "code": concept("Home programme"),
            "participant": [{"type": "patient"}],
        }


def dose_part(rule: DoseRule) -> str:
    """The part of the address that stands for a dose."""
    return f"dose:{rule.id}"


def phase_part(phase: Phase) -> str:
    """The part of the address that stands for a phase."""
    return f"phase:{phase.n}"


def reference(pathway: Pathway, part: str) -> str:
    """The canonical reference to one of these."""
    return versioned(activity_url(pathway, part), str(pathway.version))


def _head(pathway: Pathway, part: str, title: str, entry: Sourced | None = None) -> Resource:
    found: Resource = {
        "resourceType": "ActivityDefinition",
        "id": resource_id(pathway.id, f"v{pathway.version}", part),
        "url": activity_url(pathway, part),
        "version": str(pathway.version),
        "name": computable(pathway.id, part),
        "title": text(title),
        "status": STATUS[pathway.status],
        "subjectCodeableConcept": concept(
            "Patient", {"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}
        ),
    }
    if pathway.signed_off is not None:
        found["approvalDate"] = pathway.signed_off.on.isoformat()
    if entry is not None:
        found["relatedArtifact"] = [citation(entry)]
    return found


def _dose(pathway: Pathway, rule: DoseRule) -> Resource:
    found = _head(pathway, dose_part(rule), f"{pathway.name}: {rule.label}", rule)
    told = f"{words.dose(rule)}."
    found["description"] = listed(told[0].upper() + told[1:], rule.interventions) if rule.interventions else told
    found |= {"kind": "ServiceRequest", "code": concept(rule.label)}
    if timing := _timing(rule):
        found["timingTiming"] = {"repeat": timing}
    role = concept(
        words.plain(rule.discipline), {"system": url("PlanDefinition", "discipline"), "code": rule.discipline}
    )
    found["participant"] = [{"type": "practitioner", "role": role}]
    if rule.self_care:
        found["participant"].append({"type": "patient"})
    return found


def _timing(rule: DoseRule) -> Resource:
    """Of the numbers only those that the pathway gives. R4's `count` is positive: a course of 0 visits says none."""
    repeat: Resource = {}
    if rule.weeks is not None:
        repeat["boundsDuration"] = duration(rule.weeks, "wk")
    if rule.visits is not None and rule.visits[0] > 0:
        repeat["count"] = rule.visits[0]
        if rule.visits[1] > rule.visits[0]:
            repeat["countMax"] = rule.visits[1]
    if rule.visits_per_week:
        often = Fraction(rule.visits_per_week).limit_denominator(_FINEST)
        repeat |= {
            "duration": rule.visit_minutes,
            "durationUnit": "min",
            "frequency": often.numerator,
            "period": often.denominator,
            "periodUnit": "wk",
        }
    return repeat


def _phase(pathway: Pathway, phase: Phase) -> Resource:
    found = _head(pathway, phase_part(phase), f"{pathway.name}, phase {phase.n}: {phase.name}", phase)
    told = [f"{words.span(phase.visits_per_week, 'visit')} a week."]
    if phase.interventions:
        told.append(listed("What is done:", phase.interventions))
    if phase.precautions:
        told.append(listed("Precautions:", phase.precautions))
    return {
        **found,
        "description": "\n\n".join(told),
        "kind": "ServiceRequest",
        "code": concept(phase.name),
        "participant": [{"type": "practitioner"}],
    }
