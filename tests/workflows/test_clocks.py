"""Clocks run on care time: the calendar that a story tells, whatever was skipped."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from care.journey import Stage
from care.task import TASKS, TaskKind
from tests.workflows import cast
from tests.workflows.cast import Played
from tests.workflows.conftest import Season

pytestmark = pytest.mark.xdist_group("season")

SOON = timedelta(seconds=20)
"""Real time that passes between an action and what it brings about: commits, documents, a busy machine."""

ENTERED_BY = {
    Stage.REFERRAL: ("screen", "record_consent"),
    Stage.THERAPY: ("accept", "record_call"),
    Stage.POST_SURGERY_REHAB: ("record_surgery",),
    Stage.DISCHARGE: ("review_progress", "record_scores", "review_phase"),
    Stage.FOLLOW_UP: ("sign_summary",),
}


def near(moment: datetime, expected: datetime, within: timedelta = SOON) -> bool:
    return timedelta(0) <= moment - expected < within


def moment(played: Played, **since: float) -> datetime:
    """So long after the Monday at 10:00 on which the journey began."""
    return played.player.begins + timedelta(**since)


@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_a_stage_is_entered_when_the_action_before_it_was_done(season: Season, name: str) -> None:
    played = season[name]
    first, *later = played.rows("entered")
    assert near(first["at"], played.player.begins)
    for row in later:
        causes = [at for act, at in played.player.acts if act in ENTERED_BY[Stage(row["stage"])] and at <= row["at"]]
        assert causes, row["stage"]
        assert near(row["at"], causes[-1]), f"{row['stage']} was entered {row['at'] - causes[-1]} after its cause"


@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_a_continued_run_begins_at_once(season: Season, name: str) -> None:
    """The service may hold back the first task of a run that follows soon on another; on a skipped clock, for long."""
    for run in season[name].runs[1:]:
        started = run.events[0].workflow_execution_started_event_attributes
        assert started.first_workflow_task_backoff.ToTimedelta() == timedelta(0)


@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_time_only_goes_forward(season: Season, name: str) -> None:
    times = [row["at"] for row in season[name].record["journal"]]
    assert times == sorted(times)


def test_the_back_pain_story_keeps_its_calendar(season: Season) -> None:
    """From Monday 10:00 through five stages to month 12, each skip on top of those before it."""
    played = season["back pain"]
    entered = {row["stage"]: row["at"] for row in played.rows("entered")}
    began = played.player.begins
    assert near(entered["Intake"], began)
    assert near(entered["Referral"], began + timedelta(minutes=20))
    assert near(entered["Therapy"], began + timedelta(hours=3, minutes=20))
    # Visits on Wednesday 10:00, then 6, 6, 2, 6 and 6 days after what came before, each on an open day at 10:00.
    visits = [v["starts_at"] for v in played.record["visits"]]
    assert [(v - began).days for v in visits] == [2, 11, 18, 21, 28, 35]
    assert near(entered["Discharge"], visits[-1] + timedelta(minutes=29), timedelta(minutes=15))
    due = [row["at"] for row in played.rows("follow_up_due")]
    ended = played.rows("reviewed")[-1]["at"]
    assert len(due) == 5
    for at, days in zip(due, (7, 30, 91, 182, 365), strict=True):
        assert near(at, ended + timedelta(days=days))


def test_the_knee_story_counts_from_surgery(season: Season) -> None:
    played = season["knee"]
    surgery = datetime.fromisoformat(played.rows("surgery_done")[0]["data"]["done_at"])
    phases = {row["data"]["phase"]: row["at"] for row in played.rows("phase")}
    assert sorted(phases) == [1, 2, 3, 4]
    assert phases[1] > surgery
    due = [row["at"] for row in played.rows("follow_up_due")]
    assert [near(at, surgery + timedelta(days=days)) for at, days in zip(due, (182, 365), strict=True)] == [True] * 2


# --- the answer clock, and ladders


TOLD = {
    "owner": "its owner is reminded",
    "supervisor": "the supervisor is told",
    "named_lead": "the lead is told",
}


def ladder(played: Played, label: str) -> list[tuple[str, datetime]]:
    """Whom the journal says was told of a task, and when."""
    rows = played.rows("reminded", "escalated")
    return [(row["text"].rpartition("; ")[2], row["at"]) for row in rows if row["text"].startswith(f"{label}:")]


def test_the_answer_is_due_from_receipt_and_chased_to_the_end(season: Season) -> None:
    """Two open days after Monday is Wednesday at closing time; then supervisor, lead, and the lead every open day."""
    played = season["neglected"]
    told = ladder(played, "Answer the referral")
    expected = [
        ("its owner is reminded", moment(played, days=2, hours=8)),
        ("the supervisor is told", moment(played, days=3, hours=2)),
        ("the lead is told", moment(played, days=3, hours=6)),
        ("the lead is told", moment(played, days=4, hours=2)),  # Friday closes at noon
        ("the lead is told", moment(played, days=7, hours=8)),
        ("the lead is told", moment(played, days=8, hours=8)),
        ("the lead is told", moment(played, days=9, hours=8)),
        ("the lead is told", moment(played, days=10, hours=8)),
    ]
    assert [who for who, _ in told] == [who for who, _ in expected]
    for (_, at), (_, due) in zip(told, expected, strict=True):
        assert near(at, due), f"told at {at}, due at {due}"


def test_the_answer_clock_is_not_set_anew_by_a_stage(season: Season) -> None:
    for name in ("back pain", "knee", "held"):
        (task,) = (t for t in season[name].record["tasks"] if t["kind"] == "answer_referral")
        assert near(task["due_at"], moment(season[name], days=2, hours=8)), name


def test_each_step_of_a_ladder_is_told_once(season: Season) -> None:
    for name, played in season.played.items():
        said = [(row["data"]["task"], row["text"], row["at"]) for row in played.rows("reminded", "escalated")]
        assert len({(task, text, at) for task, text, at in said}) == len(said)
        kinds: dict[str, TaskKind] = {task["id"]: task["kind"] for task in played.record["tasks"]}
        for task in {task for task, _, _ in said}:
            steps = [text.rpartition("; ")[2] for of, text, _ in said if of == task]
            rungs = [TOLD[rung.tell] for rung in TASKS[kinds[task]].ladder]
            assert steps == (rungs + [TOLD["named_lead"]] * len(steps))[: len(steps)], f"{name}: {kinds[task]}"
        notices = [n for n in played.record["notices"] if n["template"] in ("task_due", "task_escalated")]
        from_ladder = [n for n in notices if n["escalation"]]
        assert len(from_ladder) == len(said), name


# --- hold


def test_a_hold_pauses_therapy_and_not_certification(season: Season) -> None:
    played = season["held"]
    held, resumed = played.rows("on_hold")[0]["at"], played.rows("resumed")[0]["at"]
    assert near(resumed, held + timedelta(days=12))
    during = [row for row in played.record["journal"] if held < row["at"] < resumed]
    assert [row["text"].split(":")[0] for row in during] == ["Review the hold"]
    # Booking was due at the end of Friday; it had that long left, and has it after the hold.
    (booking,) = (t for t in played.record["tasks"] if t["kind"] == "book_visit" and t["subject"] != "journey")
    booking_made = played.rows("plan_made")[0]["at"]
    due_before = moment(played, days=4, hours=2)
    assert abs(booking["due_at"] - (resumed - held) - due_before) < timedelta(seconds=1)
    assert booking["opened_at"] == booking_made
    (certify,) = (t for t in played.record["tasks"] if t["kind"] == "certify_plan")
    assert certify["due_at"] == booking_made + timedelta(days=30)
    told = ladder(played, "Get the plan of care certified")
    assert near(told[0][1], booking_made + timedelta(days=30))


# --- follow-up


def test_follow_ups_without_an_answer_are_reminded_and_then_called(season: Season) -> None:
    played = season["unanswered"]
    ended = played.rows("reviewed")[-1]["at"]
    rows = [
        (row["kind"], row["at"]) for row in played.rows("follow_up_due", "follow_up_reminded", "follow_up_unanswered")
    ]
    expected = [
        ("follow_up_due", 7),
        ("follow_up_reminded", 11),
        ("follow_up_reminded", 15),
        ("follow_up_unanswered", 19),
    ]
    assert [kind for kind, _ in rows] == [kind for kind, _ in expected]
    for (kind, at), (_, days) in zip(rows, expected, strict=True):
        assert near(at, ended + timedelta(days=days)), kind
    assert not [n for n in played.record["notices"] if n["status"] == "queued"]


def test_a_follow_up_clock_does_not_survive_the_way_back(season: Season) -> None:
    played = season["re-entry"]
    back = [row["at"] for row in played.rows("entered")][-1]
    assert [row["stage"] for row in played.rows("entered")][-2:] == ["FollowUp", "Therapy"]
    assert not [row for row in played.rows("follow_up_due") if row["at"] > back]
