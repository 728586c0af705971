"""The referrer asks to cancel: before care has begun that is the end; after it a person decides."""

from __future__ import annotations

import pytest

from tests.care.driver import Driver
from tests.care.walks import MEDIUM, to_follow_up, to_plan, to_referral, to_therapy


@pytest.mark.parametrize("begin", [lambda driver: driver, to_referral], ids=["intake", "referral"])
def test_before_care_has_begun_it_ends_the_journey(begin) -> None:  # type: ignore[no-untyped-def]
    driver = Driver()
    begin(driver)
    driver.act("note_cancellation", "system")
    assert driver.journey.outcome == "withdrawn"
    assert (driver.replies[-1].status, driver.replies[-1].business_status) == ("cancelled", "6.0")
    assert driver.replies[-1].reason == "referrer_cancelled"


def test_once_care_has_begun_a_person_decides() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    driver.act("note_cancellation", "system")
    assert "review_cancellation" in driver.owed
    assert driver.journey.status == "open"
    assert (driver.replies[-1].status, driver.replies[-1].business_status) == ("in-progress", "5.2")
    assert driver.journey.visits, "nothing is cancelled before somebody has decided"
    assert driver.refused("note_cancellation", "system") == "CancellationOpen"
    assert driver.refused("review_cancellation", "referrer", decision="agreed") == "NotAllowed"


def test_the_task_is_about_the_request_so_that_its_answer_finds_back() -> None:
    driver = to_therapy(Driver())
    driver.act("note_cancellation", "system")
    (task,) = [t for t in driver.journey.open_tasks if t.kind == "review_cancellation"]
    (row,) = [e for e in driver.journal if e.kind == "cancellation_requested"]
    assert task.subject == row.action_id


def test_agreed_the_journey_ends_and_the_visit_is_free() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=3))
    driver.act("note_cancellation", "system")
    driver.act("review_cancellation", decision="agreed")
    assert driver.journey.outcome == "withdrawn"
    assert driver.replies[-1].business_status == "6.0"
    assert not [v for v in driver.journey.visits if v.status == "booked"]


def test_declined_care_goes_on_and_may_be_asked_again() -> None:
    driver = to_follow_up(Driver())
    driver.act("note_cancellation", "system")
    driver.act("review_cancellation", decision="declined")
    assert driver.journey.status == "open"
    assert driver.replies[-1].reason == "cancellation_declined"
    driver.act("note_cancellation", "system")
    assert "review_cancellation" in driver.owed


def test_nothing_to_decide_is_refused() -> None:
    driver = to_therapy(Driver())
    assert driver.refused("review_cancellation", decision="agreed") == "NoCancellation"
    assert driver.refused("review_message", outcome="not_related") == "NoMessage"


def test_messages_of_other_systems_make_one_task_however_many_they_are() -> None:
    driver = to_therapy(Driver())
    for number in range(5):
        driver.act("note_message", "system", message=f"ask-{number}", about="hospital_discharge")
    (task,) = [t for t in driver.journey.open_tasks if t.kind == "review_message"]
    assert len([e for e in driver.journal if e.kind == "message"]) == 5
    driver.act("review_message", outcome="acted_on")
    assert task.id not in {t.id for t in driver.journey.open_tasks}
