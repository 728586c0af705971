"""Operating rules: the payer's before the regulator's before the house's, from their day on, and clocks keep theirs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from care.draft import Refused
from care.operating_rules import DRIVING, KINDS, OperatingRule, Rulebook, RuleInForce, in_force, usual
from pathways import loader
from tests.care.driver import START, Driver
from tests.care.test_matching import INPUTS
from tests.care.walks import MEDIUM, to_follow_up, to_plan, to_therapy

BOOK = loader.rulebook()
DAY = timedelta(days=1)


def changed(*rules: OperatingRule) -> Rulebook:
    """Our rules, with some of the house's in place of its own."""
    replaced = {r.sets for r in rules}
    kept = [r for r in BOOK.rules if r.sets not in replaced or "house" not in r.scope]
    return BOOK.model_copy(update={"rules": (*kept, *rules)})


def rule(id_: str, sets: Any, value: float, scope: str = "house", **days: date) -> OperatingRule:
    return OperatingRule(id=id_, sets=sets, value=value, scope=(scope,), basis="proposed", source="a test", **days)


@pytest.mark.parametrize(
    ("day", "id_", "accepted"),
    [
        (date(2024, 12, 31), "us_medicare.order_before_2025", False),
        (date(2025, 1, 1), "us_medicare.order_2025", True),
        (date(2025, 1, 2), "us_medicare.order_2025", True),
    ],
)
def test_a_rule_holds_from_its_day_on(day: date, id_: str, accepted: bool) -> None:
    found = BOOK.resolve("order_certifies", day, None, "us_medicare")
    assert found is not None
    assert (found.id, found.value) == (id_, accepted)


@pytest.mark.parametrize(
    ("day", "usd"),
    [(date(2024, 12, 31), None), (date(2025, 12, 31), 2410), (date(2026, 1, 1), 2480), (date(2027, 1, 1), None)],
)
def test_no_number_is_made_up_for_a_year_that_nobody_read(day: date, usd: int | None) -> None:
    found = BOOK.resolve("threshold_pt_slp", day, None, "us_medicare")
    assert (found.value if found else None) == usd


def test_the_payer_goes_before_the_regulator_and_that_before_the_house() -> None:
    book = changed(
        rule("h", "certify_within", 30),
        rule("r", "certify_within", 20, "uae_dha"),
        rule("p", "certify_within", 10, "uae_dubai_ebp"),
    )
    day = START.date()
    found = [
        book.resolve("certify_within", day, regulator, payer)
        for regulator, payer in ((None, None), ("uae_dha", None), ("uae_dha", "uae_dubai_ebp"), ("uae_doh", None))
    ]
    assert [r.id if r else None for r in found] == ["h", "r", "p", "h"]


def test_a_payer_is_no_regulator_and_an_unknown_one_changes_nothing() -> None:
    assert BOOK.for_scope("us_medicare", None) == BOOK.for_scope(None, None)
    assert BOOK.for_scope("nowhere", "nobody") == BOOK.for_scope(None, None)


def test_the_house_asks_what_was_asked_before_there_were_rules() -> None:
    house = BOOK.for_scope(None, None)
    for kind in DRIVING:
        found = in_force(house, kind, START.date())
        assert found is not None
        assert found.value == usual(kind).value, kind


@given(st.sampled_from(DRIVING), st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.sampled_from(BOOK.profiles))
def test_something_is_always_in_force_for_what_waits(kind: Any, day: date, profile: Any) -> None:
    named = {profile.of: profile.id}
    found = BOOK.resolve(kind, day, named.get("regulator"), named.get("payer"))
    assert found is not None
    carried = BOOK.for_scope(named.get("regulator"), named.get("payer"))
    assert in_force(carried, kind, day) == found, "what a journey carries says the same"


def test_dated_rules_travel_through_temporal() -> None:
    """Its converter writes names as other programs know them (`by_alias`)."""
    carried = BOOK.for_scope("uae_dha", "us_medicare")
    assert any(r.begins for r in carried)
    assert tuple(RuleInForce.model_validate_json(to_json(r)) for r in carried) == carried


def test_what_a_journey_carries_is_small() -> None:
    for regulator in (None, *BOOK.named("regulator")):
        for payer in (None, *BOOK.named("payer")):
            carried = BOOK.for_scope(regulator, payer)
            assert {r.sets for r in carried} == set(DRIVING)
            assert sum(len(r.model_dump_json()) for r in carried) < 6_000


# --- on a journey


def test_each_decision_names_the_rule_and_its_source() -> None:
    driver = to_plan(Driver(payer="us_medicare"), MEDIUM)
    made = next(e for e in driver.journal if e.kind == "plan_made")
    received = next(e for e in driver.journal if "house.answer_referral" in str(e.data.get("rules")))
    assert "house.answer_referral: a choice of the house" in str(received.data["rules"])
    rows = [str(e.data.get("rules", "")) for e in driver.journal if e.at == made.at]
    assert any("us_medicare.certify: signed within 30 days" in row for row in rows)


def test_a_change_holds_for_what_begins_from_its_day_on() -> None:
    turns = (START + 3 * DAY).date()
    book = changed(
        rule("old", "certify_within", 30, until=turns - DAY),
        rule("new", "certify_within", 7, begins=turns),
    )
    before, after = Driver(rules=book), Driver(rules=book)
    for driver, day in ((before, turns - DAY), (after, turns)):
        to_therapy(driver)
        driver.wait(until=datetime(day.year, day.month, day.day, 7, tzinfo=UTC))
        driver.visit()
        driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    days = []
    for driver in (before, after):
        plan = driver.plan
        assert plan.certify_by is not None
        days.append((plan.certify_by - plan.started_at).days)
    assert days == [30, 7]
    before.wait(days=10)
    task = before.journey.open_task("certify_plan")
    assert task is not None
    assert task.due == before.plan.certify_by, "a clock that was started before keeps its own"


def test_another_number_of_treatment_days_counts_from_the_start_of_their_count() -> None:
    driver = to_plan(Driver(rules=changed(rule("three", "progress_report_every", 3))), MEDIUM)
    driver.visit(days=1)
    assert "progress_report" not in driver.owed
    driver.visit(days=1)
    assert "progress_report" in driver.owed


def test_before_2025_an_order_did_not_certify_under_us_medicare() -> None:
    then = datetime(2024, 11, 4, 9, tzinfo=UTC)
    for payer, accepted in (("us_medicare", False), (None, True)):
        driver = to_therapy(Driver(payer=payer, now=then))
        driver.visit()
        driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
        data: Any = {"plan": driver.plan.id, "order_signed_at": then, "plan_sent_at": driver.now}
        if accepted:
            driver.act("certify_plan", by="order_and_transmission", **data)
            assert driver.plan.certified_until is not None
        else:
            with pytest.raises(Refused, match=r"us_medicare\.order_before_2025"):
                driver.act("certify_plan", by="order_and_transmission", **data)


@pytest.mark.parametrize(("regulator", "free"), [("uae_mohap", False), ("uae_dha", False), (None, True)])
def test_in_the_uae_coming_back_needs_a_new_referral(regulator: str | None, free: bool) -> None:
    driver = to_follow_up(Driver(regulator=regulator))
    assert (driver.journey.open_access_until is not None) == free
    if free:
        driver.act("re_enter", "patient")
        return
    assert not [c for c in driver.journey.clocks if c.kind == "open_access"]
    row = next(e for e in driver.journal if e.kind == "no_open_access")
    assert "uae.referral_needed" in str(row.data["rules"])
    with pytest.raises(Refused, match="needs a new referral"):
        driver.act("re_enter", "patient")


def test_missed_visits_under_other_rules() -> None:
    driver = to_plan(Driver(rules=changed(rule("one", "missed_in_a_row_at_most", 1))), MEDIUM)
    driver.visit(days=1, outcome="no_show")
    assert "review_progress" in driver.owed


def test_a_journey_without_rules_does_as_before() -> None:
    driver = Driver(rules=Rulebook())
    assert driver.journey.rules == ()
    to_plan(driver, MEDIUM)
    assert (driver.plan.certify_by or START) - driver.plan.started_at == timedelta(days=30)


@pytest.mark.skipif(not INPUTS.exists(), reason="the clinical starting data is not here")
def test_our_numbers_are_those_of_the_starting_data() -> None:
    text = (INPUTS.parent / "clinical" / "operations.yaml").read_text("utf-8")
    for words in ("$2,480 PT+SLP and $2,480 OT in 2026 ($2,410 in 2025)", "keep records 25 years", "warn at 70%"):
        assert words in text
    assert {KINDS[k].unit for k in DRIVING} >= {"days", "open days", "yes or no"}


def test_a_rule_travels_under_the_names_that_its_file_uses() -> None:
    rule = RuleInForce.model_validate(
        {"id": "r", "sets": "certify_within", "value": 30, "rank": 1, "from": "2025-01-01"}
    )
    for by_alias in (True, False):
        written = rule.model_dump_json(by_alias=by_alias)
        assert '"2025-01-01"' in written
        assert "until" not in written, "what is as usual is not written down"
    assert RuleInForce.model_validate_json(rule.model_dump_json(by_alias=True)) == rule
