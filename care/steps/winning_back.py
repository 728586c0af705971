"""Winning back a patient who missed visits, or has none booked while the plan is open.

A message on the same day, a call by day 1, the referrer told after 2 missed; after 3, or 2 in a row, a clinician
decides; unreachable after 3 contacts by 2 channels: typical clinic policy (unverified) and design choices, not
clinically reviewed. Nobody is chased during a hold or while surgery is awaited.
"""

from __future__ import annotations

from typing import Literal

from care import action as act
from care.clock import Clock
from care.draft import Draft
from care.journey import Journey
from care.plan import PlanOfCare, WinningBack
from care.steps import plans, require

BEFORE_A_PLAN = "journey"
"""The subject of what is owed while there is no plan of care yet."""


def may_chase(journey: Journey) -> bool:
    """Neither during a hold nor while surgery is awaited."""
    return journey.status == "open" and journey.open_task("record_surgery") is None


def missed(d: Draft, plan: PlanOfCare | None) -> None:
    """The patient did not come: written to at once, called by the next day; after some times others hear of it."""
    over = plan is not None and plan.status != "active"  # its record was made anew after the plan had ended
    if may_chase(d.journey) and not over:
        d.tell("patient", "missed_visit")
        _begin(d, plan, "missed_visit")
    if plan is None:
        d.journey.first_visits_missed += 1
        times = d.journey.first_visits_missed
    else:
        plan.visits_missed += 1
        plan.missed_in_a_row += 1
        d.save_plan(plan)
        times = plan.visits_missed
    began = plan.started_at if plan else d.journey.entered_at
    tell = d.rule("tell_referrer_at_missed", began)
    if times == tell.value:
        d.applied(tell)
        d.tell("referrer", "journey_news", news="missed_visits")
    if plan is None or over:
        return
    at_most, in_a_row = d.rule("missed_at_most", began), d.rule("missed_in_a_row_at_most", began)
    reached = [r for r, n in ((at_most, times), (in_a_row, plan.missed_in_a_row)) if n >= r.value]
    for rule in reached:
        d.applied(rule)
    if reached:
        plans.owe_decision(d, plan, "because visits were missed")


def owe_visit(d: Draft, plan: PlanOfCare | None) -> None:
    """A visit is owed and none is booked: for a plan, the time begins after which the patient counts as dropped off."""
    subject = plan.id if plan else BEFORE_A_PLAN
    d.open_task("book_visit", subject)
    watched = any(c.kind == "drop_off" and c.subject == subject for c in d.journey.clocks)
    if plan is not None and not plan.self_care and not watched and d.journey.open_task("win_back", subject) is None:
        _watch(d, plan.id)


def _watch(d: Draft, plan_id: str) -> None:
    d.start_clock("drop_off", plan_id, d.now + d.days("drop_off_after"), "No visit is booked")


def booked(d: Draft, plan: PlanOfCare | None) -> None:
    """A visit is booked: nothing is left to win."""
    subject = plan.id if plan else BEFORE_A_PLAN
    d.stop_clock("drop_off", subject)
    _end(d, plan, "booked")


def came(d: Draft, plan: PlanOfCare | None) -> None:
    """The patient came: whoever was to be won back is."""
    if plan is not None:
        plan.missed_in_a_row = 0
    _end(d, plan, "attended")


def dropped_off(d: Draft, clock: Clock) -> None:
    """So long no visit was booked: the patient has to be won back, unless it is surgery that is waited for."""
    d.stop_clock("drop_off", clock.subject)
    plan = d.journey.plan(clock.subject)
    if plan is None or plan.status != "active" or d.journey.booked(plan.id):
        return
    if not may_chase(d.journey):
        _watch(d, plan.id)
        return
    _begin(d, plan, "drop_off")
    d.write(
        "dropped_off",
        f"For {d.number('drop_off_after', clock.started_at)} days no visit was booked: the patient has to be won back",
        plan=plan.id,
    )


def record_contact(d: Draft, a: act.RecordContact) -> None:
    """An attempt: it succeeds, is repeated, or leaves the question of going on to a clinician."""
    plan = plans.active(d.journey, a.plan) if a.plan is not None else None
    holder = plan or d.journey
    subject = plan.id if plan else BEFORE_A_PLAN
    course = holder.winning_back
    if course is None or d.journey.open_task("win_back", subject) is None:
        require(False, "NobodyToWinBack", "nobody has to be won back: no visit was missed, or one is booked")
        return
    course.channels.append(a.channel)
    d.write(
        "contact",
        f"Attempt {len(course.channels)} to win the patient back, by {a.channel}: {a.outcome.replace('_', ' ')}",
        plan=a.plan,
        channel=a.channel,
        outcome=a.outcome,
    )
    attempts, channels = (d.rule(k, course.began_at).value for k in ("contact_attempts", "contact_channels"))
    in_vain = len(course.channels) >= attempts and len(set(course.channels)) >= channels
    if a.outcome in ("booked", "will_book"):
        _end(d, plan, a.outcome)
        if not d.journey.booked(a.plan):
            owe_visit(d, plan)
    elif a.outcome == "not_reached" and not in_vain:
        d.settle("win_back", subject, outcome="not_reached")
        d.open_task("win_back", subject, due=d.business_days(d.number("contact_again_after", course.began_at)))
        if plan is not None:
            d.save_plan(plan)
    else:
        _end(d, plan, a.outcome)
        d.tell("referrer", "journey_news", news="drop_off")
        if plan is not None:
            plans.owe_decision(d, plan, f"the patient {'declined' if a.outcome == 'declined' else 'was not reached'}")


def _begin(d: Draft, plan: PlanOfCare | None, because: Literal["missed_visit", "drop_off"]) -> None:
    holder, subject = plan or d.journey, plan.id if plan else BEFORE_A_PLAN
    if holder.winning_back is None:
        holder.winning_back = WinningBack(because=because, began_at=d.now)
    if plan is not None:
        d.save_plan(plan)
    d.stop_clock("drop_off", subject)
    d.open_task("win_back", subject)


def _end(d: Draft, plan: PlanOfCare | None, outcome: str) -> None:
    holder, subject = plan or d.journey, plan.id if plan else BEFORE_A_PLAN
    holder.winning_back = None
    if plan is not None:
        d.save_plan(plan)
    d.settle("win_back", subject, outcome=outcome)
