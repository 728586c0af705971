"""A pathway as PlanDefinition: who it is for, its goals, and that it leads to (`actions`)."""

from __future__ import annotations

from collections.abc import Iterator

from care.pathway import GoalRule, Pathway
from care.score import Measure
from pathways import words
from pathways.exchange.actions import actions
from pathways.exchange.names import (
    CONTENT,
    HL7,
    PATHWAYS,
    STATUS,
    UCUM,
    Resource,
    as_written,
    citation,
    coding,
    computable,
    concept,
    listed,
    measure_concept,
    plan_url,
    resource_id,
    text,
)

_NOT_A_CODE = "*"
"""`M54*` in our codes stands for any ending; no terminology has such a code."""


def plan_definition(pathway: Pathway) -> Resource:
    """The whole pathway as one resource, with the content itself in an extension."""
    found: Resource = {
        "resourceType": "PlanDefinition",
        "id": resource_id(pathway.id, f"v{pathway.version}"),
        "extension": [{"url": CONTENT, "valueString": as_written(pathway.model_dump(mode="json"))}],
        "url": plan_url(pathway),
        "identifier": [{"system": PATHWAYS, "value": pathway.id}],
        "version": str(pathway.version),
        "name": computable(pathway.id),
        "title": text(pathway.name),
        "type": concept(
            "Clinical protocol", coding(f"{HL7}/plan-definition-type", "clinical-protocol", "Clinical Protocol")
        ),
        "status": STATUS[pathway.status],
        "experimental": pathway.status == "sketch",
        "subjectCodeableConcept": concept("Patient", coding("http://hl7.org/fhir/resource-types", "Patient")),
    }
    if pathway.purpose:
        found["purpose"] = text(pathway.purpose)
    found["description"] = listed("For whom:", pathway.eligibility) if pathway.eligibility else text(pathway.name)
    if usage := _usage(pathway):
        found["usage"] = usage
    if pathway.signed_off is not None:
        found["approvalDate"] = pathway.signed_off.on.isoformat()
        found["endorser"] = [{"name": text(pathway.signed_off.by)}]
    found["useContext"] = list(_contexts(pathway))
    found["relatedArtifact"] = [citation(pathway)]
    if pathway.goals:
        found["goal"] = [_goal(rule, pathway) for rule in pathway.goals]
    return {**found, "action": actions(pathway)}


def _usage(pathway: Pathway) -> str:
    told = []
    if pathway.status != "signed_off":
        told.append("No clinician has signed this content. Not for care.")
    if pathway.late_enrolment is not None:
        late = pathway.late_enrolment
        told.append(f"Later than {late.after_days} days after the onset or surgery: {words.plain(late.then)}.")
    if pathway.gaps:
        told.append(listed("Not known or not decided:", pathway.gaps))
    return "\n\n".join(told)


def _contexts(pathway: Pathway) -> Iterator[Resource]:
    kind = f"{HL7}/usage-context-type"
    line = concept(words.plain(pathway.service_line), coding(f"{PATHWAYS}:service-line", pathway.service_line))
    yield {"code": coding(kind, "program", "Program"), "valueCodeableConcept": line}
    for code in pathway.codes:
        exact = () if _NOT_A_CODE in code.code else (coding(code.system, code.code, code.display),)
        words_only = code.display if exact else f"{code.display} ({code.system} {code.code})"
        yield {"code": coding(kind, "focus", "Clinical Focus"), "valueCodeableConcept": concept(words_only, *exact)}
    for one in pathway.exclude:
        if one.fact == "age" and one.op == "<" and isinstance(one.value, int | float):
            low = {"value": one.value, "unit": "years", "system": UCUM, "code": "a"}
            yield {"code": coding(kind, "age", "Age Range"), "valueRange": {"low": low}}


# --- goals


def _goal(rule: GoalRule, pathway: Pathway) -> Resource:
    found: Resource = {
        "id": rule.id.replace("_", "-"),
        "description": concept(words.goal(rule, pathway)),
        "documentation": [citation(rule)],
    }
    measure = pathway.measure(rule.measure)
    return found if measure is None else {**found, "target": [_target(rule, measure)]}


def _target(rule: GoalRule, measure: Measure) -> Resource:
    """An end state is a quantity; a change from the patient's own baseline has no place in R4 but words."""
    target: Resource = {"measure": measure_concept(measure)}
    if rule.reach is None:
        changes = [f"{words.number(rule.improve)} {measure.unit or 'points'}"] if rule.improve is not None else []
        changes += (
            [f"{words.number(rule.improve_pct)} per cent of the baseline"] if rule.improve_pct is not None else []
        )
        target["detailCodeableConcept"] = concept(f"better by {' or '.join(changes)}, whichever is more")
        return target
    end = {"value": rule.reach, **({"unit": measure.unit} if measure.unit else {})}
    target["detailRange"] = {"low" if measure.direction == "higher_better" else "high": end}
    return target
