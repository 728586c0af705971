"""Appointments: the same in therapy and after surgery, and what is counted by them."""

from __future__ import annotations

from datetime import timedelta

from care import action as act
from care.clock import Clock
from care.dates import dated
from care.draft import Draft, Refused
from care.journey import Journey
from care.plan import PlanOfCare
from care.steps import (
    authorisation,
    certification,
    items,
    modalities,
    refuse,
    reports,
    require,
    screening,
    winning_back,
)
from care.visit import Visit

USUAL_MINUTES = 30
REMIND_BEFORE = (timedelta(hours=72), timedelta(hours=24))
"""Reminders to the patient: a design choice after the effect of reminders, not clinically reviewed."""


def book(d: Draft, a: act.BookVisit) -> None:
    """Refused in the past, outside opening hours, on holidays, while on hold or while a red flag (or a question about
    one) forbids it, beyond what is certified or authorised by the payer, and with a treatment that is forbidden for
    this patient or that nobody has asked about.

    That the clinician is free is made sure of by PostgreSQL when the draft is committed.
    """
    journey = d.journey
    require(journey.status == "open", "OnHold", "this journey is on hold: resume it before booking")
    screening.require_bookable(journey)
    plan = _plan_for(journey, a.plan)
    minutes = a.minutes or (int(plan.visit_minutes.value) if plan else USUAL_MINUTES)
    require(5 <= minutes <= 480, "BadSlot", "a visit lasts from 5 to 480 minutes")
    ends_at = a.starts_at + timedelta(minutes=minutes)
    require(a.starts_at > d.now, "SlotPast", "this slot is in the past")
    calendar = journey.the_calendar
    require(calendar.local(a.starts_at).date() <= calendar.ends, "SlotTooFar", "this slot is beyond the calendar")
    require(
        calendar.is_open(a.starts_at, ends_at),
        "SlotClosed",
        f"the clinic is closed: {calendar.why_closed(a.starts_at)}",
    )
    require(
        all(ends_at <= v.starts_at or v.ends_at <= a.starts_at for v in journey.visits),
        "SlotTaken",
        "the patient has another visit at that time",
    )
    beyond = False
    if plan is not None:
        certification.allow(d, plan, a.starts_at)
        beyond = authorisation.allow(d, plan, a.starts_at, a)
    modalities.allow(d, a.modalities)
    visit = Visit(
        id=d.mint("visit"),
        plan=plan.id if plan else None,
        clinician=a.clinician,
        starts_at=a.starts_at,
        ends_at=ends_at,
    )
    d.save_visit(visit)
    d.start_clock("visit", visit.id, ends_at, f"Visit on {dated(calendar.local(a.starts_at), '%d %B')}")
    d.settle("book_visit", plan.id if plan else winning_back.BEFORE_A_PLAN, outcome="booked")
    winning_back.booked(d, plan)
    first = plan is None and journey.referral.first_visit_by is not None
    late = first and journey.referral.first_visit_by is not None and a.starts_at > journey.referral.first_visit_by
    words = f"Visit booked for {d.local_words(a.starts_at)}{', beyond what the payer authorised' if beyond else ''}"
    d.write(
        "visit_booked",
        words,
        visit=visit.id,
        late=late or None,
        beyond_authorisation=beyond or None,
        modalities=" ".join(a.modalities) or None,
    )
    if first:
        d.answer_referrer("in-progress", "5.1.1")
    when = d.local_iso(a.starts_at)
    d.tell("patient", "visit_booked", when=when)
    for moment in (a.starts_at - before for before in REMIND_BEFORE):
        if moment > d.now:
            d.tell("patient", "visit_reminder", send_after=moment, about=visit.id, when=when)


def cancel(d: Draft, a: act.CancelVisit) -> None:
    """Cancel an appointment; somebody owes the next one."""
    visit = _booked(d.journey, a.visit)
    visit.status = "cancelled"
    visit.reason = a.reason
    d.save_visit(visit)
    d.stop_clock("visit", visit.id)
    d.settle("record_visit", visit.id, outcome="cancelled")
    d.write("visit_cancelled", f"Visit cancelled: {a.reason.replace('_', ' ')}", visit=visit.id)
    d.tell("patient", "visit_cancelled", when=d.local_iso(visit.starts_at))
    owe_next(d, visit.plan)


def record(d: Draft, a: act.RecordVisit) -> PlanOfCare | None:
    """What happened: attended counts in the plan, a no-show is told to the referrer. Returns the visit's plan."""
    visit = _booked(d.journey, a.visit)
    require(visit.starts_at <= d.now, "NotYet", "this visit lies in the future")
    plan = d.journey.plan(visit.plan) if visit.plan else None
    visit.status = a.outcome
    d.save_visit(visit)
    d.stop_clock("visit", visit.id)
    d.settle("record_visit", visit.id, outcome=a.outcome)
    if a.outcome == "no_show":
        require(
            not a.scores and not a.items and not a.answers,
            "NoShow",
            "a visit that did not take place has no scores and answers",
        )
        d.write("no_show", "The patient did not come", visit=visit.id)
        d.answer_referrer("in-progress", "5.1.2")
        winning_back.missed(d, plan)
        d.remember_record(visit, [])
        return plan
    d.settle("first_visit", outcome="attended")
    winning_back.came(d, plan)
    if plan:
        plan.visits_attended += 1
        day = d.journey.the_calendar.local(visit.starts_at).date()
        authorisation.use(d, plan, day)
        reports.count(d, plan, day)
        d.save_plan(plan)
        words = f"Visit {plan.visits_attended} of {plan.visits_planned.value:g} attended"
    else:
        words = "First visit attended"
    d.write("visit_attended", words, visit=visit.id)
    found = items.taken(d, a)
    d.remember_record(visit, d.add_scores(found.scores, plan=visit.plan))
    if found.scores:
        d.write("scores", f"Scores recorded: {found.named}")
    found.explain(d)
    screening.answer_flags(d, {**a.answers, **found.signs})
    return plan


def over(d: Draft, clock: Clock) -> None:
    """A visit's time is over: somebody owes the record of what happened."""
    d.stop_clock("visit", clock.subject)
    d.open_task("record_visit", clock.subject)
    d.write("visit_over", "The visit's time is over; its record is owed", visit=clock.subject)


def owe_next(d: Draft, plan_id: str | None) -> None:
    """While a plan is open, somebody owes its next visit unless one is booked."""
    if plan_id is None and d.journey.active_plans:
        return  # a visit from before the plan: now the plan's own visits are what is owed
    if not d.journey.booked(plan_id):
        winning_back.owe_visit(d, d.journey.plan(plan_id) if plan_id else None)


def _plan_for(journey: Journey, plan_id: str | None) -> PlanOfCare | None:
    if plan_id is not None:
        plan = journey.plan(plan_id)
        if plan is None or plan.status != "active":
            raise Refused("NoSuchPlan", "no active plan of care of that id")
        return plan
    active = journey.active_plans
    if len(active) > 1:
        refuse("WhichPlan", f"several plans are active, name one: {', '.join(p.id for p in active)}")
    return active[0] if active else None


def _booked(journey: Journey, visit_id: str) -> Visit:
    visit = journey.visit(visit_id)
    if visit is None:
        raise Refused("NoSuchVisit", "no booked visit of that id on this journey")
    return visit
