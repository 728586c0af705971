"""Who takes a task, gives it away, says that they are on it, asks for help and hands over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from care.task import TASKS, Task
from tests.care.driver import LEAD, NOTE, Driver
from tests.care.walks import MEDIUM, to_plan, to_referral


def answer(driver: Driver) -> Task:
    (task,) = [t for t in driver.journey.open_tasks if t.kind == "answer_referral"]
    return task


def told(driver: Driver, task: Task) -> list[str]:
    return [n.to for n in driver.notices if n.escalation == task.id]


def test_a_task_taken_from_its_queue_reminds_its_new_owner() -> None:
    driver = Driver()
    driver.act("claim_task", "therapist", person="p-ann", task=answer(driver).id)
    assert answer(driver).owner == "person:p-ann"
    driver.wait(until=answer(driver).due)
    assert told(driver, answer(driver)) == ["person:p-ann"]


def test_what_a_colleague_took_is_not_taken_from_them_in_silence() -> None:
    driver = Driver()
    driver.act("claim_task", "therapist", person="p-ann", task=answer(driver).id)
    assert driver.refused("claim_task", "therapist", person="p-bob", task=answer(driver).id) == "AlreadyClaimed"
    driver.act("assign_task", "coordinator", task=answer(driver).id, to="person:p-bob")
    assert answer(driver).owner == "person:p-bob"
    assert driver.refused("assign_task", task=answer(driver).id, to="person:p-bob") == "SameOwner"


def test_giving_a_task_away_resets_no_deadline_and_no_step() -> None:
    driver = Driver()
    task = answer(driver)
    driver.wait(until=task.due + timedelta(minutes=1))
    clock = driver.task_clock("answer_referral").due
    driver.act("assign_task", task=task.id, to="person:p-bob")
    assert (answer(driver).due, answer(driver).rung) == (task.due, 1)
    assert driver.task_clock("answer_referral").due == clock


@pytest.mark.parametrize("role", ["patient", "referrer"])
def test_tasks_are_the_staffs_own_affair(role: str) -> None:
    driver = Driver()
    assert driver.refused("claim_task", role, task=answer(driver).id) == "NotAllowed"  # type: ignore[arg-type]
    assert driver.refused("acknowledge_task", role, task=answer(driver).id) == "NotAllowed"  # type: ignore[arg-type]


def test_what_is_not_open_is_refused_with_what_is() -> None:
    driver = Driver()
    assert driver.refused("claim_task", task="jtest:task:99") == "NoSuchTask"


# --- acknowledgement


def test_an_acknowledgement_before_the_deadline_keeps_the_ladder_silent_for_its_hours() -> None:
    driver = Driver()
    task = answer(driver)
    driver.wait(until=task.due - timedelta(minutes=30))
    driver.act("acknowledge_task", "therapist", person="p-ann", task=task.id, rung=0)
    until = driver.journey.the_calendar.after_hours(driver.now, TASKS["answer_referral"].acknowledged_hours)
    assert answer(driver).owner == "person:p-ann"
    driver.wait(until=until - timedelta(minutes=1))
    assert told(driver, task) == []
    driver.wait(until=until)
    assert told(driver, task) == ["person:p-ann"]


def test_an_acknowledgement_stops_no_deadline() -> None:
    """Early on, it changes nothing: the reminder comes when it is due."""
    driver = Driver()
    task = answer(driver)
    driver.act("acknowledge_task", "therapist", person="p-ann", task=task.id)
    driver.wait(until=task.due)
    assert told(driver, task) == ["person:p-ann"]


def test_who_acknowledges_what_has_moved_on_is_told_so() -> None:
    driver = Driver()
    task = answer(driver)
    driver.wait(until=task.due)
    assert driver.refused("acknowledge_task", task=task.id, rung=0) == "LadderMoved"
    driver.act("acknowledge_task", "therapist", person="p-ann", task=task.id, rung=1)
    driver.wait(until=driver.journey.the_calendar.after_hours(driver.now, 7))
    assert told(driver, task) == ["queue:triage"]


def test_one_ladder_has_one_id_for_each_step() -> None:
    driver = Driver()
    task = answer(driver)
    driver.wait(days=20)
    ids = [n.id for n in driver.notices if n.escalation == task.id]
    assert len(ids) == len(set(ids)) > 5
    assert ids[:2] == [f"{task.id}:rung:1", f"{task.id}:rung:2"]


# --- help and handover


def test_helping_is_a_task_of_its_own_and_ends_with_what_it_is_for() -> None:
    driver = Driver()
    task = answer(driver)
    driver.act("request_help", "therapist", task=task.id, of="person:p-bob")
    assert [n.template for n in driver.told("person:p-bob")] == ["task_help"]
    assert driver.refused("request_help", task=task.id, of=task.owner) == "SameOwner"
    assert answer(driver).owner == task.owner
    driver.act("decline", reason="no_capacity")
    assert all(t.settled_at is not None for t in driver.tasks.values())


def test_who_cannot_help_gives_the_task_back_to_mind() -> None:
    driver = to_referral(Driver())
    task = answer(driver)
    driver.act("request_help", "therapist", task=task.id, of="person:p-bob")
    (helping,) = [t for t in driver.journey.open_tasks if t.kind == "give_help"]
    before = len(driver.told(task.owner))
    driver.act("give_help", "therapist", person="p-bob", task=helping.id, outcome="cannot_help")
    assert len(driver.told(task.owner)) == before + 1


def test_a_handover_takes_all_that_one_person_owes_and_waits_for_a_yes() -> None:
    driver = to_plan(Driver(), MEDIUM)
    for task in driver.journey.open_tasks:
        driver.act("claim_task", "therapist", person="p-therapist", task=task.id)
    owed = {t.id for t in driver.journey.open_tasks}
    assert driver.refused("hand_over", "therapist", person="p-therapist", to="p-new") == "NoteNeeded"
    driver.act("hand_over", "therapist", person="p-therapist", to="p-new", note=NOTE)
    assert {t.owner for t in driver.journey.open_tasks if t.id in owed} == {"person:p-new"}
    assert driver.plan.clinician == "p-new"
    (waiting,) = [t for t in driver.journey.open_tasks if t.kind == "accept_handover"]
    assert waiting.owner == "person:p-new"
    driver.act("accept_handover", "therapist", person="p-new", task=waiting.id)
    assert "accept_handover" not in driver.owed


def test_nobody_hands_over_nothing_or_to_themselves() -> None:
    driver = Driver()
    assert driver.refused("hand_over", "therapist", person="p-ann", to="p-new", note=NOTE) == "NothingToHandOver"
    assert driver.refused("hand_over", "therapist", person="p-ann", to="p-ann", note=NOTE) == "SameOwner"


def test_an_unanswered_handover_reaches_the_lead() -> None:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("hand_over", "therapist", person="p-therapist", to="p-new", note=NOTE)
    (waiting,) = [t for t in driver.journey.open_tasks if t.kind == "accept_handover"]
    driver.wait(days=5)
    assert told(driver, waiting)[:3] == ["person:p-new", "supervisor:therapists", f"person:{LEAD}"]
