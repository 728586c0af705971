"""Referral: how urgent, and who takes the patient on. The referrer hears of every answer."""

from __future__ import annotations

from datetime import datetime

from care import action as act
from care.draft import Draft
from care.journey import Stage
from care.steps import common, prioritising, require, screening


def enter(d: Draft) -> None:
    """Prioritise, and offer the referral to the people who can answer it."""
    common.enter(d, Stage.REFERRAL)
    prioritising.prioritise(d)
    offered = d.open_task("answer_referral")
    priority = d.journey.referral.priority or ""
    d.tell(offered.owner, "task_due", task=offered.kind, due=d.local_iso(offered.due), priority=priority)


def accept(d: Draft, a: act.Accept) -> None:
    """Yes: the first visit has a date by which it must be."""
    require(
        a.actor.role in {*common.CLINICIANS, "coordinator"},
        "NotAllowed",
        "a referral is accepted by the clinic's staff",
    )
    require(
        not d.journey.open_task("missing_information"),
        "AwaitingInformation",
        "the referrer was asked for something: record that it came (receive_information) or decline",
    )
    screening.require_bookable(d.journey)
    d.journey.referral.accepted_by = a.clinician or a.actor.person
    d.settle("answer_referral", outcome="accepted")
    by = d.journey.the_calendar.local(set_first_visit(d))
    d.write("accepted", f"Accepted; first visit by {by:%d %B %Y}")
    d.journey.pathway = d.journey.the_pathway.accepted()
    d.answer_referrer("accepted", "3.0")
    d.tell("referrer", "referral_answer", answer="accepted")
    d.leave_for(Stage.THERAPY)


def set_first_visit(d: Draft) -> datetime:
    """The first visit is owed within the priority's longest wait, from now. Returns by when."""
    level = d.journey.referral.priority
    days = next(x.max_wait_days for x in d.journey.the_pathway.triage.levels if x.code == level)
    d.journey.referral.first_visit_by = by = d.business_days(days)
    return by
