"""What a coordinator sees in Temporal's UI: the stage, what can be filtered, the card, and words beside each event."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowHistory

from care.action import ACTIONS
from care.journey import Stage
from continuum.demo import referrals as letters
from continuum.demo.stories import intake, nothing_found
from tests.conftest import House
from tests.workflows import cast
from tests.workflows.cast import Actor, stage_of
from tests.workflows.conftest import Season
from tests.workflows.fingerprints import summary
from workflows import attributes
from workflows.connection import SEARCH_ATTRIBUTES

season_only = pytest.mark.xdist_group("season")


async def shown(player: Actor) -> dict[str, Any]:
    """The search attributes as the service has them."""
    found = (await player.handle.describe()).typed_search_attributes
    return {key.name: found.get(key) for key in attributes.KEYS}


async def metadata(player: Actor) -> WorkflowMetadata:
    """What the UI asks a workflow for."""
    found: WorkflowMetadata = await player.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return found


async def card(player: Actor) -> str:
    """The current details, as Markdown."""
    return (await metadata(player)).current_details


def day(player: Actor, moment: datetime) -> str:
    return f"{player._calendar.local(moment):%a %d %b %Y, %H:%M}"


async def test_type_attributes_and_card_follow_the_journey(house: House) -> None:
    p = await cast.actor(house, "card")
    begins = p.begins

    await p.refer(letters.back_pain())
    assert (await p.handle.describe()).workflow_type == "Intake"
    assert await shown(p) == {
        "Pathway": "low_back_pain@1",
        "Priority": None,
        "WaitingOn": "intake",
        "Clinic": "main",
        "NextDue": begins + timedelta(days=1, hours=8),
        "Overdue": False,
    }
    text = await card(p)
    assert text.startswith("### Intake\n")
    assert (
        f"Waiting for **the intake desk** until **{day(p, begins + timedelta(days=1, hours=8))}**: Complete the intake"
        in text
    )
    assert f"Answer the referral: triage, by {day(p, begins + timedelta(days=2, hours=8))}" in text
    assert "| Pathway | Low back pain with muscle spasm, version 1 (DRAFT, not signed by a clinician) |" in text
    assert text.endswith(f"`continuum show {p.journey}`")

    await p.wait(days=1, hours=9)
    assert (await shown(p))["Overdue"] is True
    assert (await card(p)).startswith("### Intake · **overdue**\n")

    await p.act("record_consent", messages=True)
    await p.act("screen", answers=nothing_found("low_back_pain"))
    await p.until_stage(Stage.REFERRAL)
    assert (await p.handle.describe()).workflow_type == "Referral"
    now = await shown(p)
    assert (now["Priority"], now["WaitingOn"], now["Overdue"]) == ("P2", "triage", False)
    assert now["NextDue"] == begins + timedelta(days=2, hours=8)

    await p.act("accept", "therapist")
    await p.until_stage(Stage.THERAPY)
    visit = await p.slot(after=await p.now() + timedelta(days=1))
    await p.act("book_visit", clinician="p-therapist", starts_at=visit)
    now = await shown(p)
    assert (now["WaitingOn"], now["NextDue"]) == ("visit", visit + timedelta(minutes=30))
    assert f"| Next visit | {day(p, visit)} |" in await card(p)
    await p.wait(until=visit + timedelta(minutes=29))
    record = await p.record()
    await p.act("record_visit", "therapist", visit=record["visits"][0]["id"], outcome="attended")
    await p.act("evaluate", "therapist", clinician="p-therapist", scores=cast.BASELINE)
    await p.visit(after=await p.now() + timedelta(days=6), scores={"nprs": 5, "odi": 36})
    text = await card(p)
    assert "| Plan (physiotherapy) | Exercise-based therapy: 2 of 6 visits |" in text
    assert "| 7 | 5 |" in text
    assert "| 44" in text
    assert "| 36" in text

    owed = next(task for task in (await p.record())["tasks"] if task["settled_at"] is None)
    await p.act("acknowledge_task", "therapist", task=owed["id"])
    text = await card(p)
    assert "p-therapist is on it, no reminders until " in text
    assert "person:" not in text

    await p.act("hold", reason="patient_away", review_on=await p.now() + timedelta(days=3))
    assert (await card(p)).startswith("### Therapy · **on hold**\n")
    await p.act("withdraw", reason="found_elsewhere")
    await p.until_closed()
    now = await shown(p)
    assert now["WaitingOn"] == "nobody"
    assert now["NextDue"] is None, "a closed journey has nothing due"
    assert now["Overdue"] is False
    text = await card(p)
    assert text.startswith("### Therapy: closed (withdrawn)\n")
    assert "Owed now" not in text


async def test_a_red_flag_stands_on_the_card(house: House) -> None:
    p = await cast.actor(house, "card flag")
    await p.refer(letters.sudden_back_pain())
    await p.act("screen", answers={**nothing_found("low_back_pain"), "saddle_numb": True, "bladder_new": True})
    text = await card(p)
    assert "| Red flag | **ces (E0)**, not handled |" in text
    assert "Waiting for **the clinician on call**" in text
    assert (await shown(p))["WaitingOn"] == "on_call"


async def test_the_ui_is_told_what_can_be_done_now(house: House) -> None:
    p = await cast.actor(house, "card actions")
    await p.refer(letters.back_pain())
    await intake(p, "low_back_pain")
    told = {update.name: update.description for update in (await metadata(p)).definition.update_definitions}
    assert set(told) <= set(ACTIONS)
    assert {"book_visit", "evaluate", "hold", "record_death"} <= set(told)
    assert not {"accept", "sign_summary"} & set(told)
    assert all(told.values())


# --- over all scripts


def upserts(history: WorkflowHistory) -> list[dict[str, Any]]:
    """The attributes after each upsert of a run, the first being those it began with; None where taken away."""
    first = history.events[0].workflow_execution_started_event_attributes.search_attributes
    states = [{name: json.loads(payload.data) for name, payload in first.indexed_fields.items()}]
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
            states.append({**states[-1], **{n: json.loads(p.data or b"null") for n, p in fields.items()}})
    return states


@season_only
def test_attributes_are_upserted_on_change_only(season: Season) -> None:
    count = 0
    for name, played in season.played.items():
        for run in played.runs:
            states = upserts(run)
            for before, after in pairwise(states):
                count += 1
                assert before != after, f"{name}, {stage_of(run)}: upserted without a change: {after}"
                assert set(after) <= set(SEARCH_ATTRIBUTES)
    assert count > 100


@season_only
def test_attributes_name_nobody(season: Season) -> None:
    for played in season.played.values():
        values = {str(v) for run in played.runs for state in upserts(run) for v in state.values()}
        record = played.record
        for word in str(record["patient"]).split():
            assert not any(word.lower() in value.lower() for value in values)


UNTOLD = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_MARKER_RECORDED,
}


@season_only
def test_every_activity_and_timer_has_words_beside_it(season: Season) -> None:
    told = 0
    for name, played in season.played.items():
        for run in played.runs:
            for event in run.events:
                if event.event_type in UNTOLD:
                    assert summary(event), f"{name}, {stage_of(run)}: event {event.event_id} has no summary"
                    told += 1
    assert told > 500


@season_only
def test_a_commit_is_summarised_in_the_journals_words(season: Season) -> None:
    """The journal's rows can be read in Temporal's timeline."""
    for played in season.played.values():
        texts = [row["text"] for row in played.record["journal"]]
        said = [summary(event) for run in played.runs for event in run.events if _persists(event)]
        for text in texts:
            assert any(text[:30] in words or words.endswith("...") for words in said), text


def _persists(event: HistoryEvent) -> bool:
    scheduled = event.activity_task_scheduled_event_attributes
    return event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED or scheduled.activity_type.name == "persist"


@season_only
def test_a_journey_stays_small(season: Season) -> None:
    """What a stage hands on: under 64 KB, whatever happened."""
    for name, played in season.played.items():
        for run in played.runs:
            started = run.events[0].workflow_execution_started_event_attributes
            assert len(started.input.payloads[0].data) < 64 * 1024, name
