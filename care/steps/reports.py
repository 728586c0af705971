"""Progress reports: one for every ten treatment days of a plan.

At least every 10 treatment days, counted anew after each report: medicalbillingforyou.blogspot.com FAQ (verified);
the current wording of CMS is unverified.
"""

from __future__ import annotations

from datetime import date

from care import action as act
from care.draft import Draft
from care.operating_rules import RuleInForce
from care.plan import PlanOfCare
from care.steps import plans


def every(d: Draft, plan: PlanOfCare) -> RuleInForce:
    """After how many treatment days a report is owed: as the rule was when their count began."""
    return d.rule("progress_report_every", plan.reported_at or plan.started_at)


def count(d: Draft, plan: PlanOfCare, day: date) -> None:
    """A visit of the plan was attended on that day of the clinic's. Several on one day are one treatment day."""
    local = d.journey.the_calendar.local
    counted = day == plan.last_treatment_on or any(
        local(r.visit.starts_at).date() == day
        for r in d.journey.recorded
        if r.visit.plan == plan.id and r.visit.status == "attended"
    )
    if counted:
        return
    plan.treatment_days += 1
    plan.last_treatment_on = max(day, plan.last_treatment_on or day)
    d.save_plan(plan)
    rule = every(d, plan)
    if plan.treatment_days >= rule.value and plan.status == "active":
        d.applied(rule)
        d.open_task("progress_report", plan.id, due=d.business_days(0))


def file_progress_report(d: Draft, a: act.FileProgressReport) -> None:
    """The report is written; the count of treatment days begins anew, and the referrer hears of it."""
    plan = plans.active(d.journey, a.plan)
    days = plan.treatment_days
    plan.treatment_days = 0
    plan.reported_at = d.now
    d.save_plan(plan)
    d.settle("progress_report", plan.id, outcome="filed")
    d.write("progress_report", f"Progress report written after {days} treatment days", plan=plan.id)
    d.tell("referrer", "journey_news", news="progress_report")
