"""What happens on a pathway, as the tree of actions of a PlanDefinition.

`condition` carries our criteria, in our own language. All conditions of an action have to hold; where ours are
alternatives, they are one expression. A gate is a condition of kind `stop`: what has to hold for the phase to end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from care.gate import Criterion
from care.pathway import DoseRule, Pathway, Phase
from care.red_flag import Contraindication, RedFlag
from care.score import Sourced
from pathways import words
from pathways.exchange.activity_definition import dose_part, phase_part, reference
from pathways.exchange.names import (
    CRITERION,
    Resource,
    citation,
    concept,
    duration,
    measure_url,
    measure_version,
    screen_url,
    text,
    versioned,
)

PRIORITY = {"E0": "stat", "E1": "asap", "E2": "urgent", "E3": "routine", "N": "routine"}

ConditionKind = Literal["applicability", "start", "stop"]


def actions(pathway: Pathway) -> list[Resource]:
    """From the intake screen to the last follow-up."""
    found = [_screening(pathway), _triage(pathway), _evaluation(pathway), _dosing(pathway)]
    if pathway.surgical:
        found.append(_surgery(pathway))
    if pathway.phases:
        start = "surgery" if pathway.surgical else "evaluation"
        inner = [_phase(pathway, phase, start) for phase in pathway.phases]
        found.append({"id": "phases", "title": "Phases of rehabilitation", "action": inner})
    return [*found, _reviews(pathway), _discharge(pathway), _follow_up(pathway)]


# --- conditions


def condition(kind: ConditionKind, expression: str, description: str) -> Resource:
    """One condition in our language, with the same in words."""
    told = {"description": text(description), "language": CRITERION, "expression": expression}
    return {"kind": kind, "expression": told}


def _all(kind: ConditionKind, criteria: Iterable[Criterion], pathway: Pathway) -> list[Resource]:
    return [condition(kind, words.expression(one), words.criterion(one, pathway)) for one in criteria]


def _none(criteria: Iterable[Criterion], pathway: Pathway) -> list[Resource]:
    return [
        condition("applicability", f"not ({words.expression(one)})", f"not: {words.criterion(one, pathway)}")
        for one in criteria
    ]


def _any(criteria: tuple[Criterion, ...], pathway: Pathway) -> list[Resource]:
    if not criteria:
        return []
    expression = " or ".join(f"({words.expression(one)})" for one in criteria)
    return [condition("start", expression, words.criteria(criteria, pathway, joined_by=", or "))]


def _with(action: Resource, /, **parts: list[Resource]) -> Resource:
    """With those lists that have something in them: FHIR knows no empty ones."""
    return action | {name: part for name, part in parts.items() if part}


def _sourced(entry: Sourced) -> list[Resource]:
    return [citation(entry)]


# --- intake


def _screening(pathway: Pathway) -> Resource:
    inner = [_flag(flag, pathway) for flag in pathway.red_flags]
    inner += [_modality(one, pathway) for one in pathway.modalities]
    inner += [{"title": text(told), "code": [concept("checked in intake")]} for told in pathway.checklist]
    action: Resource = {
        "id": "screening",
        "title": "Screening in intake, and whenever an answer arrives",
        "definitionCanonical": versioned(screen_url(pathway), str(pathway.version)),
    }
    return _with(action, condition=_none(pathway.exclude, pathway), action=inner)


def _flag(flag: RedFlag, pathway: Pathway) -> Resource:
    """Each rule is an urgency of its own, so each stands in an action of its own, the most urgent first."""
    signs = {sign.id: sign.text for sign in flag.signs}
    inner = []
    for rule in flag.rules:
        when = flag.condition(rule)
        urgency: Resource = {
            "title": f"{rule.urgency}: {words.urgency(rule.urgency, pathway)}",
            "description": text(
                f"{(rule.action or flag.action).rstrip('.')}. Booking {words.booking(flag, rule, pathway)}."
            ),
            "priority": PRIORITY[rule.urgency],
        }
        if when is not None:
            told = condition("applicability", words.condition_expression(when), words.condition(when, signs, pathway))
            urgency["condition"] = [told]
        inner.append(urgency)
    action: Resource = {
        "title": text(flag.suspected),
        "description": text(flag.action),
        "priority": PRIORITY[flag.rules[0].urgency] if flag.rules else "routine",
        "code": [concept("red flag", {"system": "urn:continuum:red-flag", "code": flag.id})],
        "documentation": _sourced(flag),
        "selectionBehavior": "at-most-one",
    }
    return _with(action, action=inner)


def _modality(one: Contraindication, pathway: Pathway) -> Resource:
    signs = {sign.id: sign.text for sign in one.signs}
    told = [f"Forbidden by {words.condition(one.forbids, signs, pathway)}."]
    told += [f"With caution: {words.condition(one.caution, signs, pathway)}."] if one.caution is not None else []
    told += [f"Dose: {one.dose}."] if one.dose else []
    return {
        "title": text(f"Before booking {words.plain(one.modality)}"),
        "description": text(" ".join(told)),
        "code": [concept("contraindication", {"system": "urn:continuum:contraindication", "code": one.id})],
        "documentation": _sourced(one),
        "condition": [
            condition("applicability", f"not ({words.condition_expression(one.forbids)})", "nothing forbids it")
        ],
    }


def _triage(pathway: Pathway) -> Resource:
    """Waiting times are in working days. UCUM has no such unit, so they stand in words."""
    inner = []
    for level in pathway.triage.levels:
        rules = [rule for rule in pathway.triage.rules if rule.level == level.code]
        if not rules and level.code != pathway.usual_level:
            continue
        told = f"First visit within {words.span((level.max_wait_days,) * 2, 'working day')} of acceptance."
        usual = " The level where no rule holds." if level.code == pathway.usual_level else ""
        action: Resource = {
            "title": text(f"{level.code}: {level.label}"),
            "description": told + usual,
            "documentation": _sourced(level),
        }
        alternatives = [words.criteria(rule.when, pathway) for rule in rules]
        expression = " or ".join(f"({' and '.join(words.expression(c) for c in rule.when)})" for rule in rules)
        only = [condition("applicability", expression, "; or ".join(alternatives))] if rules and not usual else []
        inner.append(_with(action, condition=only))
    return _with({"id": "triage", "title": "Triage", "selectionBehavior": "exactly-one"}, action=inner)


# --- therapy


def _measures(pathway: Pathway, ids: Iterable[str]) -> list[Resource]:
    found = (pathway.measure(id) for id in ids)  # noqa: A001 - the field's own word
    return [
        {
            "title": text(measure.name),
            "definitionCanonical": versioned(measure_url(measure), measure_version(measure)),
        }
        for measure in found
        if measure is not None
    ]


def _evaluation(pathway: Pathway) -> Resource:
    return _with({"id": "evaluation", "title": "Evaluation"}, action=_measures(pathway, pathway.baseline))


def _dosing(pathway: Pathway) -> Resource:
    inner = []
    for discipline in dict.fromkeys(rule.discipline for rule in pathway.dosing):
        rules = [rule for rule in pathway.dosing if rule.discipline == discipline]
        group: Resource = {
            "title": words.plain(discipline).capitalize(),
            "description": "The first of these whose conditions hold.",
            "groupingBehavior": "logical-group",
            "selectionBehavior": "at-most-one",
        }
        inner.append(_with(group, action=[_dose(pathway, rule) for rule in rules]))
    inner += [
        _with(
            {
                "title": text(f"With {rule.label}{_at_most(rule.visits_per_week_at_most)}"),
                "code": [concept("other condition", {"system": "urn:continuum:condition", "code": rule.condition})],
                "documentation": _sourced(rule),
            },
            action=[{"title": text(precaution)} for precaution in rule.precautions],
        )
        for rule in pathway.conditions
    ]
    return _with({"id": "dosing", "title": "Plan of care"}, action=inner)


def _at_most(visits: float | None) -> str:
    return "" if visits is None else f": at most {words.span((visits, visits), 'visit')} a week"


def _dose(pathway: Pathway, rule: DoseRule) -> Resource:
    action: Resource = {
        "id": f"dose-{rule.id.replace('_', '-')}",
        "title": text(rule.label),
        "documentation": _sourced(rule),
        "definitionCanonical": reference(pathway, dose_part(rule)),
    }
    checks = [_after(f"Asked how it goes, day {day}", "evaluation", day) for day in rule.check_days]
    return _with(action, condition=_all("applicability", rule.when, pathway), action=checks)


def _after(title: str, anchor: str, days: int) -> Resource:
    related = {"actionId": anchor, "relationship": "after-end", "offsetDuration": duration(days, "d")}
    return {"title": text(title), "relatedAction": [related]}


def _surgery(pathway: Pathway) -> Resource:
    inner = _measures(pathway, pathway.at_surgery)
    before = _all("start", pathway.before_surgery, pathway)
    return _with({"id": "surgery", "title": "Surgery"}, condition=before, action=inner)


def _phase(pathway: Pathway, phase: Phase, start: str) -> Resource:
    low, high = phase.window_days
    related = {
        "actionId": start,
        "relationship": "after-end",
        "offsetRange": {"low": duration(low, "d"), "high": duration(high, "d")},
    }
    told = f"{words.window(phase.window_days).capitalize()} after {start}; the end is a review date, no exit by itself."
    if phase.min_days:
        told += f" At least {words.span((phase.min_days,) * 2, 'day')} in this phase."
    action: Resource = {
        "id": f"phase-{phase.n}",
        "title": text(f"Phase {phase.n}: {phase.name}"),
        "description": f"{told} A named clinician may open the gate with a reason.",
        "documentation": _sourced(phase),
        "relatedAction": [related],
        "definitionCanonical": reference(pathway, phase_part(phase)),
    }
    gate = _all("stop", phase.gate, pathway)
    return _with(action, condition=gate, action=_measures(pathway, phase.measures))


# --- reviews, discharge, follow-up


def _reviews(pathway: Pathway) -> Resource:
    review = pathway.review
    inner = _measures(pathway, review.measures or pathway.baseline)
    for rule in pathway.progress:
        recommended: Resource = {
            "title": words.RECOMMENDATIONS[rule.recommend].capitalize(),
            "description": text(rule.because),
            "documentation": _sourced(rule),
        }
        inner.append(_with(recommended, condition=_all("applicability", rule.when, pathway)))
    often = f"Every {words.span((review.every_visits,) * 2, 'visit')} or {words.span((review.every_days,) * 2, 'day')}"
    action: Resource = {
        "id": "reviews",
        "title": "Progress reviews",
        "description": f"{often}, whichever comes first. The first rule that holds recommends; a clinician decides.",
        "documentation": _sourced(review),
        "timingTiming": {"repeat": {"frequency": 1, "period": review.every_days, "periodUnit": "d"}},
    }
    return _with(action, action=inner)


def _discharge(pathway: Pathway) -> Resource:
    inner: list[Resource] = []
    if pathway.home_programme:
        inner.append({"title": "Home programme", "definitionCanonical": reference(pathway, "home")})
    action: Resource = {"id": "discharge", "title": "Discharge"}
    return _with(action, condition=_all("start", pathway.discharge, pathway), action=inner)


def _follow_up(pathway: Pathway) -> Resource:
    plan = pathway.follow_up
    anchor = "surgery" if plan.anchor == "surgery" and pathway.surgical else "discharge"
    occasions = []
    for occasion in plan.occasions:
        one = _after(occasion.label, anchor, occasion.days) | {"id": f"follow-up-{occasion.id.replace('_', '-')}"}
        if plan.anchor == "onset":
            one["description"] = "Counted from the onset, where its day is known."
        occasions.append(_with(one, action=_measures(pathway, plan.measures)))
    call = f"Call within {words.span((plan.call_within_days,) * 2, 'working day')}, and a way back into therapy"
    worse = _with({"title": call}, condition=_any(plan.worse, pathway))
    told = (
        f"Up to {words.span((plan.reminders,) * 2, 'reminder')}, {words.span((plan.answer_days,) * 2, 'day')} apart. "
        f"Without a new referral for {words.span((plan.open_access_days,) * 2, 'day')}."
    )
    action: Resource = {"id": "follow-up", "title": "Follow-up", "description": told, "documentation": _sourced(plan)}
    return _with(action, action=[*occasions, worse])
