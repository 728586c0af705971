"""Whether what other records say of a journey fits together, and what is unusual about it."""

from __future__ import annotations

from datetime import date

from care.caseload import AdoptedPlan, Adoption
from care.draft import Draft
from care.facts import person_facts
from care.gate import checks
from care.journey import Stage
from care.pathway import Pathway
from care.steps import (
    refuse,
    require,
)

WITH_PLANS = (Stage.THERAPY, Stage.POST_SURGERY_REHAB, Stage.DISCHARGE, Stage.FOLLOW_UP)
ENDED = (Stage.DISCHARGE, Stage.FOLLOW_UP)


def check(d: Draft, a: Adoption, pathway: Pathway) -> None:
    """Refuse what does not fit, naming the column and what would be right."""
    today = d.journey.the_calendar.local(d.now).date()
    _past("received_on", d.journey.the_calendar.local(d.journey.referral.received_at).date(), today)
    _past("accepted_on", a.accepted_on, today)
    levels = [level.code for level in pathway.triage.levels]
    require(a.priority in (None, *levels), "BadPriority", f"priority: the pathway has {', '.join(levels)}")
    require(not a.plans or a.stage in WITH_PLANS, "NotFit", f"discipline: {a.stage.label} comes before plans of care")
    require(
        a.ending is None or a.stage in ENDED, "NotFit", "discharged_on: care has ended only in discharge or follow_up"
    )
    unfit = {name for facts in (a.baseline, a.latest) for name in facts if pathway.measure(name) is None}
    known = ", ".join(sorted(m.id for m in pathway.measures))
    require(
        not unfit, "UnknownMeasure", f"baseline, latest: {len(unfit)} measure(s) that it does not use; it uses: {known}"
    )
    for column, facts in (("baseline", a.baseline), ("latest", a.latest)):
        for name, value in facts.items():
            measure = pathway.measure(name)
            problem = measure.problem_with(value) if measure else None
            require(problem is None, "BadScore", f"{column}: {problem}")
    for plan in a.plans:
        _check_plan(plan, today)
    answered = set(a.follow_ups_answered) - {o.id for o in pathway.follow_up.occasions}
    occasions = ", ".join(o.id for o in pathway.follow_up.occasions)
    require(not answered, "UnknownOccasion", f"follow_ups_answered: the pathway has {occasions}")
    if a.stage in ENDED:
        if a.ending is None:
            refuse("EndingMissing", "discharged_on: say when and why care ended (discharged_on, discharge_reason)")
        _past("discharged_on", a.ending.on, today)
    if a.surgery_on is not None:
        require(pathway.surgical, "NoSurgery", "surgery_on: this pathway has no rehabilitation after surgery")
        if a.stage != Stage.THERAPY:
            _past("surgery_on", a.surgery_on, today)


def _check_plan(plan: AdoptedPlan, today: date) -> None:
    _past("started_on", plan.started_on, today)
    for column, day in (
        ("last_visit_on", plan.last_visit_on),
        ("last_review_on", plan.last_review_on),
        ("certified_on", plan.certified_on),
    ):
        _past(column, day, today)
        require(
            day is None or day >= plan.started_on,
            "BadDate",
            f"{column}: it lies before started_on, the plan's first day",
        )
    require(
        plan.last_visit_on is None or plan.visits_used > 0,
        "NotFit",
        "visits_used: a last visit was used, so at least 1",
    )
    payer = plan.authorisation
    require(
        payer is None or payer.first_day <= payer.last_day,
        "BadDate",
        "authorised_until: it lies before authorised_from",
    )


def _past(column: str, day: date | None, today: date) -> None:
    require(day is None or day <= today, "BadDate", f"{column}: it lies in the future; today or a day before is wanted")


def notes_on(d: Draft, a: Adoption, pathway: Pathway) -> tuple[str, ...]:
    """What is unusual and may be right: told, not refused."""
    facts = person_facts(pathway, age=d.journey.referral.age, sex=d.journey.referral.sex)
    today = d.journey.the_calendar.local(d.now).date()
    notes = {
        "the pathway's exclusions hold for this patient": any(c.holds for c in checks(pathway.exclude, facts)),
        "the red flags were not asked": a.stage != Stage.INTAKE and not a.screened,
        "more visits are used than were planned": any(p.visits_used > (p.visits_planned or 10**6) for p in a.plans),
        "an authorisation is over or used up": any(
            p.authorisation and (p.authorisation.last_day < today or p.authorisation.used >= p.authorisation.visits)
            for p in a.plans
        ),
    }
    return tuple(words for words, holds in notes.items() if holds)
