"""The ways of a journey that several tests begin with."""

from __future__ import annotations

from typing import Any

from tests.care.driver import Driver

MEDIUM: dict[str, Any] = {"nprs": 6, "odi": 42, "psfs": 3, "start_back": "medium"}
LOW: dict[str, Any] = {"nprs": 6, "odi": 30, "psfs": 4, "start_back": "low"}
RECOVERED: dict[str, Any] = {"nprs": 1, "odi": 12, "psfs": 8, "home_programme": "independent"}
KNEE: dict[str, Any] = {"koos_jr": 45, "promis10": 38, "tug": 16, "sts30": 8, "knee_flex": 100, "nprs": 6}


def no_flags(driver: Driver) -> dict[str, bool]:
    """Every red-flag question of the pathway, answered with no."""
    return {s.id: False for f in driver.journey.the_pathway.red_flags for s in f.signs}


def to_referral(driver: Driver, *, messages: bool = True) -> Driver:
    """Through an intake without surprises."""
    driver.act("screen", "therapist", answers=no_flags(driver))
    driver.act("record_consent", messages=messages)
    return driver


def to_therapy(driver: Driver, *, messages: bool = True) -> Driver:
    """Accepted."""
    to_referral(driver, messages=messages)
    driver.act("accept")
    return driver


def to_plan(driver: Driver, baseline: dict[str, Any], *, messages: bool = True) -> Driver:
    """Evaluated: a plan of care is under way and certified."""
    to_therapy(driver, messages=messages)
    driver.visit()
    driver.act("evaluate", "therapist", scores=baseline, clinician="p-therapist")
    for plan in driver.journey.active_plans:
        if not plan.self_care:
            driver.act("certify_plan", "therapist", plan=plan.id, by="signature")
    return driver


def to_discharge(driver: Driver, *, messages: bool = True) -> Driver:
    """Back pain, treated and recovered; the summary waits for its signature."""
    to_plan(driver, MEDIUM, messages=messages)
    driver.visit(days=6, scores=RECOVERED)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS")
    return driver


def to_follow_up(driver: Driver, *, messages: bool = True) -> Driver:
    """Discharged; the referrer has the summary."""
    to_discharge(driver, messages=messages)
    driver.act("sign_summary", "therapist")
    driver.act("confirm_receipt", "referrer")
    return driver


def to_rehab(driver: Driver, *, prehab: bool = True) -> Driver:
    """A knee replaced: pre-hab, surgery, and the first phase after it."""
    to_plan(driver, KNEE) if prehab else to_therapy(driver)
    planned = driver.slot(days=21)
    driver.act("plan_surgery", planned_for=planned)
    driver.wait(until=planned)
    driver.wait(hours=4)
    driver.act("record_surgery", done_at=planned)
    return driver


PHASE_1: dict[str, Any] = {
    "walk_distance": 60,
    "knee_ext_deficit": 5,
    "knee_flex": 85,
    "transfers": "independent",
    "slr": "able",
}
PHASE_2: dict[str, Any] = {"knee_flex": 112, "knee_ext_deficit": 0, "slr_lag": 0, "gait": "one_aid"}
PHASE_3: dict[str, Any] = {"tug": 10, "sts30": 16, "knee_flex": 118, "stairs": "step_over_step"}
PHASE_4: dict[str, Any] = {"koos_jr": 75, "lsi_quad": 85, "home_programme": "independent"}


def to_last_phase(driver: Driver) -> Driver:
    """A knee in its last phase, by the gates and their days."""
    to_rehab(driver)
    for scores in (PHASE_1, PHASE_2, PHASE_3):
        driver.act("record_scores", "therapist", scores=scores)
        driver.wait(days=43)
    return driver
