"""Certification of a plan of care stops booking; progress reports are owed by treatment days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from care.draft import Draft, Refused
from care.plan import PlanOfCare
from care.steps import reports
from care.visit import Visit
from tests.care.driver import NOTE, Driver
from tests.care.walks import KNEE, LOW, MEDIUM, PHASE_1, to_plan, to_rehab, to_therapy


def evaluated(baseline: dict[str, Any] = MEDIUM) -> Driver:
    """A plan of care is under way, and not yet certified."""
    driver = to_therapy(Driver())
    driver.visit()
    driver.act("evaluate", "therapist", scores=baseline, clinician="p-therapist")
    return driver


def book(driver: Driver, starts_at: datetime, **more: Any) -> None:
    driver.act("book_visit", clinician="p-therapist", starts_at=starts_at, **more)


def first_slot_after(driver: Driver, moment: datetime) -> datetime:
    return driver.slot(days=(moment - driver.now) / timedelta(days=1))


# --- the first certification


def test_nothing_is_booked_beyond_the_day_by_which_a_plan_has_to_be_certified() -> None:
    driver = evaluated()
    assert driver.plan.certify_by is not None
    within, beyond = driver.slot(days=25), first_slot_after(driver, driver.plan.certify_by)
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=beyond) == "NotCertified"
    with pytest.raises(Refused, match=r"until .* 2026.*certify_plan"):
        book(driver, beyond)
    book(driver, within)
    driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
    book(driver, beyond)


def test_a_plan_nobody_certified_in_time_takes_no_visit_at_all() -> None:
    driver = evaluated()
    driver.wait(days=31)
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=driver.slot(days=1)) == "NotCertified"


def test_self_care_needs_no_certification() -> None:
    driver = to_plan(Driver(days_since_onset=3), LOW)
    assert driver.refused("certify_plan", plan=driver.plan.id, by="signature") == "NoCertification"
    book(driver, driver.slot(days=60))


def test_an_order_and_the_sending_of_the_plan_stand_for_the_first_signature() -> None:
    driver = evaluated()
    ordered, plan = driver.journey.referral.received_at - timedelta(days=3), driver.plan
    driver.wait(days=20)
    sent = plan.started_at + timedelta(days=2)
    driver.act("certify_plan", plan=plan.id, by="order_and_transmission", order_signed_at=ordered, plan_sent_at=sent)
    assert "certify_plan" not in driver.owed
    assert driver.plan.certified_until == plan.started_at + timedelta(weeks=6)
    row = next(e for e in driver.journal if e.kind == "certified")
    assert row.data["plan_sent_at"] == sent.isoformat()


@pytest.mark.parametrize(
    ("order", "sent"),
    [(None, 2), (-3, None), (-3, 30.01), (-3, -2), (-3, 36), (36, 2)],
    ids=["no order", "not sent", "sent late", "sent before it was made", "sent in the future", "ordered in the future"],
)
def test_without_proof_a_signature_is_needed(order: float | None, sent: float | None) -> None:
    driver = evaluated()
    driver.wait(days=35)
    began = driver.plan.started_at
    proof: dict[str, Any] = {
        "order_signed_at": None if order is None else began + timedelta(days=order),
        "plan_sent_at": None if sent is None else began + timedelta(days=sent),
    }
    said: dict[str, Any] = {"plan": driver.plan.id, "by": "order_and_transmission", **proof}
    assert driver.refused("certify_plan", **said) == "SignatureNeeded"
    with pytest.raises(Refused, match="by signature"):
        driver.act("certify_plan", **said)


def test_sent_at_the_last_moment_is_in_time() -> None:
    driver = evaluated()
    driver.wait(days=35)
    assert driver.plan.certify_by is not None
    proof: dict[str, Any] = {"order_signed_at": driver.plan.started_at, "plan_sent_at": driver.plan.certify_by}
    driver.act("certify_plan", plan=driver.plan.id, by="order_and_transmission", **proof)


# --- so long it holds, and then anew


@pytest.mark.parametrize(("suggested", "baseline", "days"), [("low_back_pain", MEDIUM, 42), (None, None, 90)])
def test_it_holds_for_the_plans_weeks_or_ninety_days(suggested: str | None, baseline: Any, days: int) -> None:
    if suggested is not None:
        driver = to_plan(Driver(suggested), baseline)
    else:
        driver = to_rehab(Driver("total_knee_replacement"))  # 26 weeks
        driver.act("certify_plan", plan=driver.plan.id, by="signature")
    assert driver.plan.certified_until == driver.plan.started_at + timedelta(days=days)
    assert driver.clock("recertification").due == driver.plan.certified_until - timedelta(days=14)


def test_beyond_the_certified_time_nothing_is_booked_until_it_is_signed_anew() -> None:
    driver = to_plan(Driver(), MEDIUM)
    plan, until = driver.plan, driver.plan.certified_until
    assert until is not None
    assert driver.refused("certify_plan", plan=plan.id, by="signature") == "AlreadyCertified"
    beyond = first_slot_after(driver, until)
    assert driver.refused("book_visit", clinician="p-therapist", starts_at=beyond) == "CertificationEnds"
    book(driver, driver.slot(days=20))
    driver.wait(until=until - timedelta(days=14))
    task = driver.journey.open_task("recertify_plan", plan.id)
    assert task is not None
    assert task.due == until
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "recertification"
    order: dict[str, Any] = {"order_signed_at": plan.started_at, "plan_sent_at": plan.started_at}
    assert driver.refused("certify_plan", plan=plan.id, by="order_and_transmission", **order) == "SignatureNeeded"
    signed = driver.now
    driver.act("certify_plan", plan=plan.id, by="signature")
    assert driver.plan.certified_until == signed + timedelta(weeks=6)
    assert "recertify_plan" not in driver.owed
    assert driver.clock("recertification").due == signed + timedelta(weeks=4)
    book(driver, beyond)


def test_signed_so_late_that_its_time_is_nearly_over_a_new_signature_is_owed_at_once() -> None:
    driver = evaluated()
    driver.wait(days=29, hours=12)
    driver.act("certify_plan", plan=driver.plan.id, by="signature")
    driver.wait(minutes=1)
    assert "recertify_plan" in driver.owed


def test_the_end_of_a_plan_ends_what_its_certification_asks_for() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.wait(until=driver.clock("recertification").due)
    driver.act("review_progress", plan=driver.plan.id, decision="discharge", reason="SELF", note=NOTE)
    assert driver.owed == {"sign_summary"}
    assert not [c for c in driver.journey.clocks if c.kind != "task"]


# --- progress reports


def test_the_tenth_treatment_day_asks_for_a_report_and_the_report_counts_anew() -> None:
    driver = to_plan(Driver(), MEDIUM | {"start_back": "high", "odi": 80})
    assert driver.plan.treatment_days == 1  # the evaluation
    for _ in range(8):
        driver.visit(days=1)
    assert "progress_report" not in driver.owed
    driver.visit(days=1)
    task = driver.journey.open_task("progress_report", driver.plan.id)
    assert task is not None
    closing = driver.journey.the_calendar.local(task.due)
    assert closing.date() == driver.journey.the_calendar.local(driver.now).date()
    driver.act("file_progress_report", "therapist", plan=driver.plan.id)
    assert driver.plan.treatment_days == 0
    assert "progress_report" not in driver.owed
    assert driver.told("referrer", "journey_news")[-1].facts["news"] == "progress_report"


def test_a_plan_after_surgery_is_reported_on_as_well() -> None:
    driver = to_rehab(Driver("total_knee_replacement"))
    driver.act("certify_plan", plan=driver.plan.id, by="signature")
    driver.act("record_scores", "therapist", scores=PHASE_1)
    for _ in range(10):
        assert "progress_report" not in driver.owed
        driver.visit(days=1)
    assert "progress_report" in driver.owed


def test_a_missed_visit_is_no_treatment_day() -> None:
    driver = to_plan(Driver("total_knee_replacement"), KNEE)
    driver.visit(days=1, outcome="no_show")
    assert driver.plan.treatment_days == 1


@given(st.lists(st.tuples(st.integers(1, 14), st.integers(0, 8)), max_size=18))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_treatment_days_are_days_in_whatever_order_visits_are_recorded(recorded: list[tuple[int, int]]) -> None:
    """Two visits on one day count once; Berlin's evening is still the same day although UTC's is not."""
    driver = to_plan(_PLAN, MEDIUM) if _PLAN.journey.stage == "Intake" else _PLAN
    draft = Draft(driver.journey, driver.now + timedelta(days=20))
    plan: PlanOfCare = draft.journey.active_plans[0]
    before = plan.treatment_days
    local = draft.journey.the_calendar.local
    days = set()
    for n, (day, hour) in enumerate(recorded):
        starts_at = driver.now + timedelta(days=day, hours=hour)
        on = local(starts_at).date()
        days.add(on)
        visit = Visit(
            id=f"jtest:visit:{100 + n}",
            plan=plan.id,
            clinician="p-therapist",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            status="attended",
        )
        reports.count(draft, plan, on)
        draft.remember_record(visit, [])
    assert plan.treatment_days == before + len(days)
    assert (draft.journey.open_task("progress_report", plan.id) is not None) == (plan.treatment_days >= 10)


_PLAN = Driver()
