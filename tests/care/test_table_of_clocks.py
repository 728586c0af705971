"""The table of clocks, row by row, by skipped time: each is due at the right minute, each step of its ladder goes to
the right person, it ends, and it pauses for what it says it pauses for and for nothing else.

The expected moments come from an oracle that walks over the clinic's week minute by minute; it shares nothing with
`care/calendar.py` but the week itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from care.clock import ANY_HOLD, HoldReason
from care.task import TASKS, Rung, Task, TaskKind
from tests.care.driver import LEAD, NOTE, WEEK, Driver
from tests.care.walks import (
    MEDIUM,
    no_flags,
    to_discharge,
    to_follow_up,
    to_plan,
    to_referral,
    to_rehab,
    to_therapy,
)

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Place:
    """A clinic's zone, and a morning after which its clocks are put forward, back, or a day is added to the year."""

    name: str
    zone: str
    begins: datetime


PLACES = (
    Place("Berlin, before the clocks go forward", "Europe/Berlin", datetime(2026, 3, 25, 8, tzinfo=UTC)),
    Place("New York, before the clocks go back", "America/New_York", datetime(2026, 10, 29, 13, tzinfo=UTC)),
    Place("Dubai, before a leap day", "Asia/Dubai", datetime(2028, 2, 25, 5, tzinfo=UTC)),
)


# --- the oracle


class Minutes:
    """Opening time, minute by minute."""

    def __init__(self, driver: Driver) -> None:
        self.zone = ZoneInfo(driver.timezone)
        self.closed = set(driver.journey.the_calendar.closed)

    def open_at(self, moment: datetime) -> bool:
        local = moment.astimezone(self.zone)
        stretches = () if local.date() in self.closed else WEEK[local.weekday()]
        return any(hours.opens <= local.time() < hours.closes for hours in stretches)

    def after(self, moment: datetime, minutes: int) -> datetime:
        """When so many open minutes have passed."""
        while minutes:
            minutes -= self.open_at(moment)
            moment += MINUTE
        return moment

    def before(self, moment: datetime, minutes: int) -> datetime:
        while minutes:
            moment -= MINUTE
            minutes -= self.open_at(moment)
        return moment

    def opening(self, moment: datetime) -> datetime:
        while not self.open_at(moment) and not self.open_at(moment - MINUTE):
            moment += MINUTE
        return moment

    def closing(self, day: date) -> datetime | None:
        """The end of a day's last open minute."""
        start = datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)
        minutes = [start + n * MINUTE for n in range(26 * 60)]
        found = [m for m in minutes if m.astimezone(self.zone).date() == day and self.open_at(m)]
        return found[-1] + MINUTE if found else None

    def open_days(self, moment: datetime, days: int) -> datetime:
        """Closing time of the n-th open day after the moment's own."""
        day = moment.astimezone(self.zone).date()
        if days == 0 and (closing := self.closing(day)) is not None and closing >= moment:
            return closing
        left = max(days, 1)
        while True:
            day += timedelta(days=1)
            if (closing := self.closing(day)) is not None:
                left -= 1
                if left == 0:
                    return closing

    def rung(self, task: Task, rung: Rung) -> datetime:
        """When a step of the ladder is to be taken."""
        if TASKS[task.kind].round_the_clock:
            return task.due + timedelta(hours=rung.after_hours)
        if rung.after_hours < 0:
            return self.before(task.due, round(-rung.after_hours * 60))
        if rung.after_hours == 0:
            return self.opening(task.due)
        return self.after(task.due, round(rung.after_hours * 60))


# --- how each task comes to be owed, when it is due, and what settles it


@dataclass(frozen=True)
class Scene:
    """Brings a journey to where a task has just been opened; says when it is due; settles it."""

    begin: Callable[[Driver], Any]
    due: Callable[[Driver, Task, Minutes], datetime]
    settle: tuple[str, dict[str, Any]] | Callable[[Driver, Task], Any]
    suggested: str | None = "low_back_pain"
    matched: bool = True


def open_days(days: int) -> Callable[[Driver, Task, Minutes], datetime]:
    return lambda driver, task, minutes: minutes.open_days(task.opened_at, days)


def at_once(driver: Driver, task: Task, minutes: Minutes) -> datetime:
    return task.opened_at


def _flag(driver: Driver) -> None:
    driver.act("screen", "therapist", answers={**no_flags(driver), "saddle_numb": True, "bladder_new": True})


def _evaluation(driver: Driver) -> None:
    to_therapy(driver)
    driver.visit()


def _reviewed(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    driver.wait(until=driver.clock("review_due").due)


def _opinion(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    driver.act("review_progress", "therapist", plan=driver.plan.id, decision="surgical_opinion", note=NOTE)


def _surgery(driver: Driver) -> None:
    to_plan(driver, {"koos_jr": 45, "promis10": 38, "tug": 16, "sts30": 8, "knee_flex": 100, "nprs": 6})
    driver.act("plan_surgery", planned_for=driver.slot(days=20))


def _stalled(driver: Driver) -> None:
    to_rehab(driver)
    driver.wait(until=driver.clock("phase_review").due)


def _unanswered(driver: Driver) -> None:
    to_follow_up(driver, messages=False)
    driver.wait(until=min(c.due for c in driver.journey.clocks if c.kind == "follow_up"))


def _visit_over(driver: Driver) -> None:
    to_therapy(driver)
    driver.act("book_visit", clinician="p-therapist", starts_at=driver.slot(days=1))
    driver.wait(until=driver.clock("visit").due)


def _evaluated(driver: Driver) -> None:
    _evaluation(driver)
    driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")


def _certified_time_ends(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    driver.wait(until=driver.clock("recertification").due)


def _asked_payer(driver: Driver) -> None:
    to_plan(driver, MEDIUM)
    driver.act("request_authorisation", plan=driver.plan.id)


def _few_visits_left(driver: Driver) -> None:
    _asked_payer(driver)
    today = driver.now.date()
    days: dict[str, Any] = {"first_day": today, "last_day": today + timedelta(days=60)}
    driver.act("record_authorisation", plan=driver.plan.id, decision="granted", visits=3, **days)
    driver.visit(days=1)


def _ten_treatment_days(driver: Driver) -> None:
    to_plan(driver, MEDIUM | {"start_back": "high", "odi": 80})
    for _ in range(9):
        driver.visit(days=1)


def _certified(driver: Driver, task: Task) -> None:
    driver.act("certify_plan", "therapist", plan=task.subject, by="signature")


def _authorised(driver: Driver, task: Task) -> None:
    today = driver.now.date()
    days: dict[str, Any] = {"first_day": today, "last_day": today + timedelta(days=90)}
    driver.act("record_authorisation", plan=task.subject, decision="granted", visits=20, **days)


def _asked_for_help(driver: Driver) -> None:
    task = driver.journey.open_tasks[0]
    driver.act("request_help", "therapist", task=task.id, of="queue:supervisors")


def _handed_over(driver: Driver) -> None:
    driver.act("claim_task", "therapist", person="p-old", task=driver.journey.open_tasks[0].id)
    driver.act("hand_over", "therapist", person="p-old", to="p-new", note=NOTE)


def _cancelled(driver: Driver) -> None:
    to_therapy(driver)
    driver.act("note_cancellation")


def _discharge(driver: Driver, task: Task) -> None:
    driver.act("review_progress", "therapist", plan=task.subject, decision="discharge", reason="GOALS", note=NOTE)


def _recorded(driver: Driver, task: Task) -> None:
    driver.act("record_visit", "therapist", visit=task.subject, outcome="attended")


REVIEW_HOLD_AFTER = timedelta(days=6, hours=2)

SCENES: dict[TaskKind, Scene] = {
    "match_patient": Scene(lambda d: None, open_days(1), ("match_patient", {}), matched=False),
    "complete_intake": Scene(lambda d: None, open_days(1), lambda d, _: to_referral(d)),
    "choose_pathway": Scene(
        lambda d: None, open_days(1), ("choose_pathway", {"pathway": "low_back_pain"}), suggested=None
    ),
    "missing_information": Scene(
        lambda d: d.act("ask_referrer", about="imaging"), open_days(5), ("receive_information", {})
    ),
    "answer_referral": Scene(
        lambda d: None,
        lambda d, task, minutes: minutes.open_days(d.journey.referral.received_at, 2),
        ("decline", {"reason": "no_capacity"}),
    ),
    "handle_red_flag": Scene(_flag, at_once, ("handle_red_flag", {"flag": "ces", "outcome": "cleared"})),
    "finish_screen": Scene(
        lambda d: d.act("screen", "therapist", answers={"saddle_numb": False}),
        at_once,
        lambda d, _: d.act("screen", "therapist", answers=no_flags(d)),
    ),
    "book_visit": Scene(to_therapy, open_days(2), lambda d, _: d.visit()),
    "evaluate": Scene(
        _evaluation, open_days(1), lambda d, _: d.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
    ),
    "first_visit": Scene(to_therapy, open_days(10), lambda d, _: d.visit()),
    "certify_plan": Scene(_evaluated, lambda d, task, minutes: task.opened_at + timedelta(days=30), _certified),
    "recertify_plan": Scene(
        _certified_time_ends, lambda d, task, minutes: task.opened_at + timedelta(days=14), _certified
    ),
    "get_authorisation": Scene(_asked_payer, open_days(5), _authorised),
    "renew_authorisation": Scene(_few_visits_left, open_days(5), _authorised),
    "progress_report": Scene(
        _ten_treatment_days,
        open_days(0),
        lambda d, task: d.act("file_progress_report", "therapist", plan=task.subject),
    ),
    "win_back": Scene(
        lambda d: to_plan(d, MEDIUM) and d.visit(days=1, outcome="no_show"),
        open_days(1),
        lambda d, task: d.act("record_contact", plan=task.subject, channel="phone", outcome="will_book"),
    ),
    "record_visit": Scene(_visit_over, open_days(1), _recorded),
    "review_progress": Scene(_reviewed, open_days(2), _discharge),
    "answer_surgical_question": Scene(
        _opinion, open_days(10), ("record_surgical_opinion", {"opinion": "conservative"})
    ),
    "record_surgery": Scene(
        _surgery,
        lambda d, task, minutes: minutes.open_days(d.journey.surgery.planned_for, 1),  # type: ignore[union-attr, arg-type]
        lambda d, _: d.act("record_surgery", done_at=d.now - timedelta(hours=1)),
        suggested="total_knee_replacement",
    ),
    "review_phase": Scene(
        _stalled,
        open_days(2),
        lambda d, _: d.act("review_phase", "therapist", decision="continue", review_on=d.now + timedelta(days=90)),
        suggested="total_knee_replacement",
    ),
    "sign_summary": Scene(to_discharge, open_days(2), lambda d, _: d.act("sign_summary", "therapist")),
    "chase_receipt": Scene(
        lambda d: to_discharge(d).act("sign_summary", "therapist"),
        open_days(5),
        lambda d, _: d.act("confirm_receipt", "referrer"),
    ),
    "call_patient": Scene(_unanswered, open_days(3), ("record_call", {"outcome": "well"})),
    "review_hold": Scene(
        lambda d: d.act("hold", reason="patient_away", review_on=d.now + REVIEW_HOLD_AFTER),
        lambda d, task, minutes: task.opened_at + REVIEW_HOLD_AFTER,
        ("resume", {}),
    ),
    "review_duplicate": Scene(
        lambda d: d.act("note_merge", other_open=True), open_days(1), ("review_duplicate", {"decision": "both_go_on"})
    ),
    "review_amendment": Scene(
        lambda d: d.act("note_amendment"), open_days(1), ("review_amendment", {"decision": "no_change_needed"})
    ),
    "review_cancellation": Scene(_cancelled, open_days(1), ("review_cancellation", {"decision": "declined"})),
    "review_message": Scene(
        lambda d: d.act("note_message", message="ask-1", about="hospital_discharge"),
        open_days(1),
        ("review_message", {"outcome": "not_related"}),
    ),
    "deliver_notice": Scene(
        lambda d: d.act("note_undelivered", notice="jtest:notice:1", to="referrer"),
        open_days(1),
        lambda d, task: d.act("settle_notice", task=task.id, outcome="told_by_phone"),
    ),
    "give_help": Scene(
        _asked_for_help, open_days(1), lambda d, task: d.act("give_help", "therapist", task=task.id, outcome="helped")
    ),
    "accept_handover": Scene(
        _handed_over, open_days(1), lambda d, task: d.act("accept_handover", "therapist", task=task.id)
    ),
}


def test_every_row_of_the_table_has_its_scene() -> None:
    assert set(SCENES) == set(TASKS)


def played(kind: TaskKind, place: Place) -> tuple[Driver, Task, Minutes]:
    """A journey in which the task has just been opened."""
    scene = SCENES[kind]
    driver = Driver(scene.suggested, matched=scene.matched, now=place.begins, timezone=place.zone)
    scene.begin(driver)
    (task,) = [t for t in driver.journey.open_tasks if t.kind == kind]
    assert task.opened_at == driver.now or kind in (
        "answer_referral",
        "choose_pathway",
        "complete_intake",
        "match_patient",
    )
    return driver, task, Minutes(driver)


def settle(driver: Driver, task: Task) -> None:
    how = SCENES[task.kind].settle
    if callable(how):
        how(driver, task)
    else:
        name, data = how
        driver.act(name, "therapist", **data)


def steps(driver: Driver, task: Task) -> list[tuple[datetime, str]]:
    """When the ladder of this task told whom; the chase of the referrer by its journal row."""
    told = [(n.send_after, n.to) for n in driver.notices if n.escalation == task.id]
    asked = [(e.at, "referrer") for e in driver.journal if e.data.get("task") == task.id and "asked again" in e.text]
    return sorted(told + asked)


def whom(task: Task, rung: Rung) -> str:
    return {
        "owner": task.owner,
        "supervisor": f"supervisor:{task.queue}",
        "named_lead": f"person:{LEAD}",
        "referrer": "referrer",
    }[rung.tell]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize("kind", SCENES)
def test_due_and_every_step_of_the_ladder(kind: TaskKind, place: Place) -> None:
    driver, task, minutes = played(kind, place)
    assert task.due == SCENES[kind].due(driver, task, minutes)
    rule = TASKS[kind]
    expected = [(minutes.rung(task, rung), whom(task, rung)) for rung in rule.ladder]
    expected = [(at, to) for at, to in expected if at > task.opened_at or rule.round_the_clock or to != "referrer"]
    for n, (at, to) in enumerate(expected):
        if at > driver.now:
            driver.wait(until=at - MINUTE)
            assert steps(driver, task) == expected[:n], f"step {n} was taken early"
        driver.wait(until=at)
        assert steps(driver, task) == expected[: n + 1], f"step {n} to {to} at {at}"
    last = expected[-1][0]
    for day in (1, 2, 3):
        again = last + timedelta(days=day) if rule.round_the_clock else minutes.open_days(last, day)
        driver.wait(until=again - MINUTE)
        assert len(steps(driver, task)) == len(expected) + day - 1
        driver.wait(until=again)
        assert steps(driver, task)[-1] == (again, f"person:{LEAD}"), f"daily alarm {day}"


@pytest.mark.parametrize("kind", SCENES)
def test_it_ends(kind: TaskKind) -> None:
    """Settled, it is silent for ever; nothing told stays untold of how it ended."""
    driver, task, _ = played(kind, PLACES[0])
    driver.wait(until=max(driver.now, task.due) + timedelta(hours=1))
    settle(driver, task)
    settled = driver.tasks[task.id]
    assert settled.settled_at is not None
    assert settled.outcome
    told = steps(driver, task)
    driver.wait(days=30)
    assert steps(driver, task) == told


@pytest.mark.parametrize("reason", ANY_HOLD)
@pytest.mark.parametrize("kind", [k for k in SCENES if k not in ("review_hold", "handle_red_flag")])
def test_it_pauses_for_what_it_says_and_for_nothing_else(kind: TaskKind, reason: HoldReason) -> None:
    driver, task, minutes = played(kind, PLACES[2])
    driver.wait(minutes=30)
    due = task.due
    driver.act("hold", reason=reason, review_on=driver.now + timedelta(days=60))
    driver.wait(days=2, hours=3)
    driver.act("resume")
    late = timedelta(days=2, hours=3) if reason in TASKS[kind].pauses_for else timedelta(0)
    standing = driver.journey.task(task.id)
    assert standing is not None
    assert standing.due == due + late
    on_time = [at for at, to in steps(driver, task) if to == task.owner]
    if late:
        assert not on_time, "it was chased during a hold"
    elif minutes.opening(due) <= driver.now:
        assert on_time[0] == minutes.opening(due)


def test_a_hold_for_another_reason_lets_go_on_what_it_does_not_pause() -> None:
    """The patient who is away is not called; once only the surgery has moved, the call is owed with the time left."""
    driver, task, _ = played("call_patient", PLACES[0])
    due = task.due
    driver.act("hold", reason="patient_away", review_on=driver.now + timedelta(days=30))
    driver.wait(days=4)
    assert not steps(driver, task)
    driver.act("hold", reason="surgery_moved", review_on=driver.now + timedelta(days=30))
    driver.wait(until=due + timedelta(days=4) - MINUTE)
    assert not steps(driver, task)
    driver.wait(days=2)
    assert [to for _, to in steps(driver, task)][:1] == [task.owner]


def test_after_an_outage_one_step_is_taken_and_the_next_keeps_its_distance() -> None:
    """Nobody ran from before the deadline until long after the whole ladder: its people are told one after another."""
    driver, task, minutes = played("answer_referral", PLACES[0])
    driver.stop_worker(days=14)
    back = driver.now
    driver.wait()
    first = steps(driver, task)
    assert [to for _, to in first] == [task.owner]
    driver.wait(until=minutes.after(back, 4 * 60) - MINUTE)
    assert steps(driver, task) == first
    driver.wait(until=minutes.after(back, 4 * 60))
    assert [to for _, to in steps(driver, task)] == [task.owner, "supervisor:triage"]
