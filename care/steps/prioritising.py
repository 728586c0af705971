"""How long a patient may wait for the first visit, from what is known now."""

from __future__ import annotations

from care.draft import Draft
from care.facts import person_facts
from care.gate import Facts
from care.journey import Journey
from care.pathway import Pathway
from care.rules.triage import PRIORITISE, Waiting


def facts(journey: Journey, pathway: Pathway) -> Facts:
    """What is known of a referral before care begins."""
    referral = journey.referral
    known: Facts = person_facts(pathway, age=referral.age, sex=referral.sex)
    known["urgency"] = referral.urgency
    if referral.days_since_onset is not None:
        known["days_since_onset"] = referral.days_since_onset
    return known


def prioritise(d: Draft) -> None:
    """The level, what speaks for it, and what nobody knew. The answer's deadline has begun and stays."""
    journey, pathway = d.journey, d.journey.the_pathway
    known: Facts = {**journey.referral.told, **facts(journey, pathway)}
    standing = [f.urgency for f in journey.flags if f.outcome != "cleared"]
    if standing:
        known["red_flag"] = min(standing)
    priority, decided = d.decide(
        PRIORITISE, Waiting(triage=pathway.triage, usual_level=pathway.usual_level, facts=known)
    )
    journey.referral.priority = priority.level
    wait = (
        f"first visit within {priority.first_visit_days} working days of acceptance"
        if priority.first_visit_days
        else "no routine wait"
    )
    because = "; ".join(priority.reasons)
    unknown = f". Not known: {', '.join(priority.unknown)}" if priority.unknown else ""
    d.write("prioritised", f"Priority {priority.level}: {wait}, because {because}{unknown}", decided=decided)
