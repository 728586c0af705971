"""Follow-ups: when they are due, and whether an answer means that the patient got worse."""

from __future__ import annotations

from datetime import datetime, timedelta

from care.gate import Check, Criterion, Facts, checks
from care.model import Model, Slug
from care.pathway import Occasion
from care.rules import Rule


class Schedule(Model):
    """The occasions of a pathway, counted from the anchor, as seen at discharge."""

    pathway: str
    occasions: tuple[Occasion, ...]
    anchor_at: datetime
    discharged_at: datetime


class Due(Model):
    """One follow-up and its day."""

    occasion: Slug
    label: str
    at: datetime


class Scheduled(Model):
    """Follow-ups to come; those whose day was before discharge are left out and named."""

    due: tuple[Due, ...] = ()
    past: tuple[Slug, ...] = ()


def schedule(plan: Schedule) -> Scheduled:
    """Each occasion that lies after the discharge."""
    all_due = [Due(occasion=o.id, label=o.label, at=plan.anchor_at + timedelta(days=o.days)) for o in plan.occasions]
    return Scheduled(
        due=tuple(d for d in all_due if d.at > plan.discharged_at),
        past=tuple(d.occasion for d in all_due if d.at <= plan.discharged_at),
    )


class FollowUpAnswer(Model):
    """An answer held against what the pathway calls worse."""

    pathway: str
    worse: tuple[Criterion, ...]
    facts: Facts


class Assessment(Model):
    """Stable, or worse by these."""

    worse: bool
    by: tuple[Check, ...] = ()


def assess(answer: FollowUpAnswer) -> Assessment:
    """Any criterion that holds means worse."""
    by = tuple(c for c in checks(answer.worse, answer.facts) if c.holds)
    return Assessment(worse=bool(by), by=by)


SCHEDULE = Rule("schedule_follow_ups", 1, Schedule, schedule)
ASSESS = Rule("assess_follow_up", 1, FollowUpAnswer, assess)
