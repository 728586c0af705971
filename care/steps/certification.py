"""Certification of a plan of care: signed in time, for so long, and no visit beyond it.

Signature within 30 days of first treatment, or a signed, dated order with proof that the plan was sent within the same
30 days: Noridian, outpatient therapy certification of the plan of care (2025-09-08), verified. A plan holds for its
stated duration or 90 days, whichever is shorter, and is then certified anew: optimispt.com, verified. That this takes a
signature is unverified; the 14 days' notice is a design choice, not clinically reviewed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft
from care.plan import PlanOfCare
from care.steps import plans, require


def certify(d: Draft, a: act.CertifyPlan) -> None:
    """The plan is signed, or the signed order and the sending of the plan are on record; first, and then anew."""
    plan = plans.active(d.journey, a.plan)
    require(plan.certify_by is not None, "NoCertification", "a plan of self-care needs no certification")
    anew = plan.certified_at is not None
    require(
        not anew or d.journey.open_task("recertify_plan", plan.id),
        "AlreadyCertified",
        f"this plan of care is certified already; it is certified anew from {_notice(d)} days before its end",
    )
    if a.by == "order_and_transmission":
        _on_record(d, plan, a)
    plan.certified_at = d.now
    plan.certified_by = a.actor.person
    plan.certified_until = (d.now if anew else plan.started_at) + holds(d, plan)
    d.save_plan(plan)
    d.settle("certify_plan", plan.id, outcome=a.by)
    d.settle("recertify_plan", plan.id, outcome=a.by)
    d.start_clock(
        "recertification",
        plan.id,
        plan.certified_until - d.days("certification_notice"),
        "The certified time draws to its end",
    )
    d.write(
        "certified",
        f"Plan of care certified{' anew' if anew else ''}, {a.by.replace('_', ' ')}:"
        f" until {d.local_words(plan.certified_until)}",
        plan=plan.id,
        by=a.by,
        order_signed_at=a.order_signed_at.isoformat() if a.order_signed_at else None,
        plan_sent_at=a.plan_sent_at.isoformat() if a.plan_sent_at else None,
    )


def holds(d: Draft, plan: PlanOfCare) -> timedelta:
    """How long one signature lasts."""
    return min(timedelta(weeks=plan.weeks.value), d.days("certification_holds"))


def _notice(d: Draft) -> str:
    return f"{d.rule('certification_notice').value:g}"


def _on_record(d: Draft, plan: PlanOfCare, a: act.CertifyPlan) -> None:
    """The order and the sending of the plan stand for the first signature, and only within its time."""

    def needed(condition: object, why: str) -> None:
        require(condition, "SignatureNeeded", f"{why}: get the plan signed, and certify it by signature")

    accepted = d.rule("order_certifies", plan.started_at)
    needed(accepted.value, f"an order and the sending of the plan certify nothing here ({accepted.id})")
    d.applied(accepted)
    needed(plan.certified_at is None, "an order and the sending of the plan certify only the first time")
    signed, sent = a.order_signed_at, a.plan_sent_at
    if signed is None or sent is None or plan.certify_by is None:
        needed(False, "say when the order was signed (order_signed_at) and when the plan was sent (plan_sent_at)")
        return
    local = d.journey.the_calendar.local
    needed(signed <= d.now and sent <= d.now, "an order or a sending that lies in the future is no proof")
    needed(
        local(sent).date() >= local(plan.started_at).date(), "what was sent before the plan was made is not the plan"
    )
    needed(sent <= plan.certify_by, f"the plan was sent after {d.local_words(plan.certify_by)}")


def runs_out(d: Draft, clock: Clock) -> None:
    """The certified time draws to its end: a new signature is owed, and the referrer hears that it is."""
    d.stop_clock("recertification", clock.subject)
    plan = d.journey.plan(clock.subject)
    if plan is None or plan.status != "active" or plan.certified_until is None:
        return
    d.open_task("recertify_plan", plan.id, due=plan.certified_until)
    d.tell("referrer", "journey_news", news="recertification")
    d.write(
        "recertification_due",
        f"The plan of care is certified until {d.local_words(plan.certified_until)}; a new signature is owed",
        plan=plan.id,
    )


def allow(d: Draft, plan: PlanOfCare, starts_at: datetime) -> None:
    """Refuse a visit beyond the time for which the plan is certified, or within which it has to be."""
    if plan.certify_by is None:
        return
    if plan.certified_until is None:
        require(
            starts_at <= plan.certify_by,
            "NotCertified",
            f"this plan of care is not certified: visits can be booked until {d.local_words(plan.certify_by)},"
            " later ones once it is (certify_plan)",
        )
    else:
        require(
            starts_at <= plan.certified_until,
            "CertificationEnds",
            f"this plan of care is certified until {d.local_words(plan.certified_until)}: later visits can be booked"
            f" once it is certified anew (certify_plan, from {_notice(d)} days before that)",
        )
