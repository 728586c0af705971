"""What was closed by mistake goes on where it stood: nothing is reset, what ran out meanwhile takes its next step."""

from __future__ import annotations

from hashlib import sha256

from care import action as act
from care.draft import Draft, Refused
from care.journey import FollowUpState, Reopening, Stage
from care.steps import common, require, visits

WORDS = {"death_in_error": "the death was entered in error", "closed_by_mistake": "it was closed by mistake"}


def digest(why: Reopening) -> str:
    """What makes two reopenings the same."""
    return sha256(f"Reopening{why.model_dump_json()}".encode()).hexdigest()


def reopen(d: Draft) -> None:
    """The first decision of a closed journey that goes on: the journey is as it stood before it closed.

    Its slots may be taken by now, so visits that the closing cancelled stay cancelled, and the next one is owed; only
    a visit whose time was over is still to be recorded. Messages that were stopped stay stopped.
    """
    journey, why = d.journey, d.journey.reopening
    if why is None:
        raise LookupError("nobody asked for this journey to be reopened")
    journey.reopening = None
    if journey.next_stage is not None:  # it closed on the threshold of its last stage
        journey.stage, journey.next_stage, journey.entered_at = journey.next_stage, None, d.now
        journey.follow_up = journey.follow_up or FollowUpState()
    d.write("reopened", f"Reopened: {WORDS[why.reason]}", reason=why.reason)
    for plan in journey.active_plans:
        d.save_plan(plan)
    for task in journey.open_tasks:
        d.save_task(task)
    _visits(d)
    if not journey.open_tasks and all(clock.due <= d.now for clock in journey.clocks):
        # What is left has run out, open access perhaps: its end alone would close the journey again at once.
        d.open_task("call_patient", "reopened")
    answered = journey.stage not in (Stage.INTAKE, Stage.REFERRAL)
    d.answer_referrer("in-progress" if answered else "received", None if answered else "2.0", reason="reopened")
    d.tell("referrer", "journey_news", news="reopened")


def _visits(d: Draft) -> None:
    owed = {t.subject for t in d.journey.open_tasks if t.kind == "record_visit"}
    for visit in list(d.journey.visits):
        if visit.id in owed:
            d.save_visit(visit)
            continue
        d.journey.visits = [v for v in d.journey.visits if v.id != visit.id]
        d.stop_clock("visit", visit.id)
        visits.owe_next(d, visit.plan)


def reopen_care(d: Draft, a: act.ReopenCare) -> None:
    """The discharge was a mistake: care goes on where it stood, with the plans, deadlines and questions it had then."""
    journey, ending = d.journey, d.journey.ending
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "care is reopened by a clinician")
    require(a.note, "NoteNeeded", "reopening care needs a note that says why the discharge was a mistake")
    if ending is None or ending.stage is None:
        raise Refused("NoEnding", "where care ended is not on record: take the patient back by re_enter")
    d.write("care_reopened", "Care goes on: the discharge was a mistake", stage=ending.stage)
    for kind in ("sign_summary", "chase_receipt", "call_patient"):
        d.settle(kind, outcome="care reopened")
    d.stop_to_patient("care goes on")
    journey.clocks = [c for c in journey.clocks if c.kind == "task"]
    journey.follow_up = journey.open_access_until = None
    for plan in [p for p in journey.plans if p.id in ending.plans]:
        plan.status = "active"
        d.save_plan(plan)
    for task in ending.tasks:
        d.reopen_task(task)
        if task.kind == "answer_surgical_question":
            journey.surgical_opinion = "asked"
    for clock in ending.clocks:
        d.take_up(clock)
    journey.ending = None
    for plan in journey.active_plans:
        if not plan.self_care:
            visits.owe_next(d, plan.id)
    d.answer_referrer("in-progress", None, reason="reopened")
    d.tell("referrer", "journey_news", news="reopened")
    journey.going_on = True
    d.leave_for(ending.stage)
