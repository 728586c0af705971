"""The payer's authorisation: so many visits of a plan, between two days. A plan that has none is free.

Warned at 70% used and 2 visits left, booking past the limit only with a note: design choice, not clinically reviewed.
What is warned of is attended visits alone, for a payer renews on what treatment has brought about, and a block booked
in advance says nothing of that. What can be booked counts booked visits too, for each of them will be used.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.plan import Authorisation, PlanOfCare
from care.steps import plans, refuse, require


def request(d: Draft, a: act.RequestAuthorisation) -> None:
    """The payer is asked; until the answer no visit of the plan can be booked."""
    plan = plans.active(d.journey, a.plan)
    require(not plan.self_care, "NoVisits", "a plan of self-care has no visits to authorise")
    standing = plan.authorisation
    if standing is not None and standing.status == "asked":
        refuse("AlreadyAsked", "the payer has been asked already; its answer is recorded with record_authorisation")
    if standing is not None and standing.status == "granted":
        refuse(
            "AlreadyAuthorised",
            "what the payer authorised stands, and visits are booked by it; record its answer to the request for"
            " more with record_authorisation",
        )
    plan.authorisation = Authorisation(status="asked", asked_at=d.now)
    d.save_plan(plan)
    d.open_task("get_authorisation", plan.id)
    d.write(
        "authorisation_asked", "The payer is asked to authorise visits; until its answer none is booked", plan=plan.id
    )


def record(d: Draft, a: act.RecordAuthorisation) -> None:
    """The payer's answer: what it grants begins at once, and after a no a clinician decides how to go on."""
    plan = plans.active(d.journey, a.plan)
    require(not plan.self_care, "NoVisits", "a plan of self-care has no visits to authorise")
    if a.decision == "granted":
        _granted(d, plan, a)
    else:
        _denied(d, plan)


def _granted(d: Draft, plan: PlanOfCare, a: act.RecordAuthorisation) -> None:
    if a.visits is None or a.first_day is None or a.last_day is None:
        raise Refused(
            "BadAuthorisation", "say how many visits (visits), from when (first_day) and until when (last_day)"
        )
    require(a.visits > 0, "BadAuthorisation", "an authorisation has at least one visit; a no is recorded as denied")
    require(a.first_day <= a.last_day, "BadAuthorisation", "the last day of an authorisation is not before its first")
    today = d.journey.the_calendar.local(d.now).date()
    require(a.last_day >= today, "BadAuthorisation", "the last day of this authorisation is over already")
    plan.authorisation = Authorisation(
        status="granted",
        asked_at=plan.authorisation.asked_at if plan.authorisation else d.now,
        visits=a.visits,
        first_day=a.first_day,
        last_day=a.last_day,
    )
    d.save_plan(plan)
    _settle(d, plan, "granted")
    notice = d.journey.the_calendar.begins(a.last_day - d.days("authorisation_notice"))
    d.start_clock("authorisation_ends", plan.id, notice, "The payer's authorisation draws to its end")
    d.write(
        "authorised",
        f"The payer authorises {a.visits} visits, {a.first_day:%d %B %Y} to {a.last_day:%d %B %Y}",
        plan=plan.id,
    )


def _denied(d: Draft, plan: PlanOfCare) -> None:
    """No visit, or none more: what was granted before stays, and is not asked to be renewed again."""
    _settle(d, plan, "denied")
    d.stop_clock("authorisation_ends", plan.id)
    if plan.authorisation is not None and plan.authorisation.status == "granted":
        d.write("authorisation_denied", "The payer authorises no more visits than before", plan=plan.id)
    else:
        asked_at = plan.authorisation.asked_at if plan.authorisation else d.now
        plan.authorisation = Authorisation(status="denied", asked_at=asked_at)
        d.save_plan(plan)
        d.write("authorisation_denied", "The payer authorises no visits", plan=plan.id)
    plans.owe_decision(d, plan, "the payer said no")


def _settle(d: Draft, plan: PlanOfCare, outcome: str) -> None:
    d.settle("get_authorisation", plan.id, outcome=outcome)
    d.settle("renew_authorisation", plan.id, outcome=outcome)


def use(d: Draft, plan: PlanOfCare, day: date) -> None:
    """A visit of the plan was attended on that day; a missed one uses nothing. Few left: more are asked for, once."""
    standing = plan.authorisation
    if standing is None or not covers(standing, day):
        return
    few = runs_low(d, standing)
    standing.used += 1
    d.save_plan(plan)
    if runs_low(d, standing) and not few and plan.status == "active":
        d.applied(d.rule("authorisation_warn_left", standing.asked_at))
        d.applied(d.rule("authorisation_warn_percent", standing.asked_at))
        _renew(d, plan, f"{standing.used} of {standing.visits} authorised visits are used")


def runs_low(d: Draft, authorisation: Authorisation) -> bool:
    """Whether it is time to ask for more: as the rules were when the payer was asked."""
    left_at_most = d.rule("authorisation_warn_left", authorisation.asked_at).value
    percent = d.rule("authorisation_warn_percent", authorisation.asked_at).value
    left = authorisation.visits - authorisation.used
    return authorisation.used > 0 and (
        left <= left_at_most or 100 * authorisation.used >= percent * authorisation.visits
    )


def covers(authorisation: Authorisation, day: date) -> bool:
    """Whether a day lies within what was granted."""
    first, last = authorisation.first_day, authorisation.last_day
    return authorisation.status == "granted" and first is not None and last is not None and first <= day <= last


def ends(d: Draft, clock: Clock) -> None:
    """Its last day draws near: a new one is owed."""
    d.stop_clock("authorisation_ends", clock.subject)
    plan = d.journey.plan(clock.subject)
    if plan is not None and plan.status == "active" and plan.authorisation and plan.authorisation.last_day:
        _renew(d, plan, f"the payer's authorisation ends on {plan.authorisation.last_day:%d %B %Y}")


def _renew(d: Draft, plan: PlanOfCare, because: str) -> None:
    standing = plan.authorisation
    if standing is None or standing.last_day is None or d.journey.open_task("renew_authorisation", plan.id):
        return
    calendar = d.journey.the_calendar
    closing = calendar.before_hours(calendar.begins(standing.last_day + timedelta(days=1)), 0)
    d.open_task(
        "renew_authorisation", plan.id, due=min(d.business_days(d.number("authorisation_renewed_within")), closing)
    )
    d.write("renewal_due", f"More visits have to be authorised: {because}", plan=plan.id)


def allow(d: Draft, plan: PlanOfCare, starts_at: datetime, a: act.BookVisit) -> bool:
    """Refuse a visit that the payer has not authorised. Returns whether it goes beyond that, signed for by a note."""
    standing = plan.authorisation
    if standing is None:
        return False
    if standing.status != "granted":
        said = "has not answered yet" if standing.status == "asked" else "said no"
        refuse(
            "AwaitingAuthorisation",
            f"the payer {said}: visits can be booked once it authorises them (record_authorisation)",
        )
    problem = _beyond(d, plan, standing, starts_at)
    if problem is None:
        return False
    kind, words = problem
    require(
        a.beyond_authorisation,
        kind,
        f"{words}: record a new authorisation (record_authorisation), or book with beyond_authorisation and a note",
    )
    require(a.note, "NoteNeeded", f"{words}; a visit beyond that needs a note that says why")
    return True


def _beyond(d: Draft, plan: PlanOfCare, standing: Authorisation, starts_at: datetime) -> tuple[str, str] | None:
    local = d.journey.the_calendar.local
    if standing.first_day is not None and not covers(standing, local(starts_at).date()):
        return (
            "AuthorisationEnds",
            f"the payer authorised visits from {standing.first_day:%d %B %Y} to {standing.last_day:%d %B %Y}",
        )
    booked = sum(covers(standing, local(v.starts_at).date()) for v in d.journey.booked(plan.id))
    if standing.used + booked >= standing.visits:
        return (
            "AuthorisationUsed",
            f"of {standing.visits} authorised visits {standing.used} are used and {booked} are booked",
        )
    return None
