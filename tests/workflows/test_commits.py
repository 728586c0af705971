"""One commit for each decision, and what happens while PostgreSQL stands still."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.api.history.v1 import HistoryEvent

from continuum.demo import referrals as letters
from continuum.demo.stories import nothing_found
from continuum.embedded.mail import read_mail
from tests.conftest import House
from tests.workflows import cast
from tests.workflows.cast import Actor, fell_back, stalled_record
from tests.workflows.conftest import Season, counted, until
from tests.workflows.fingerprints import commands

season_only = pytest.mark.xdist_group("season")


def decisions(played: cast.Played) -> list[list[int]]:
    """The journal by decision: rows written by one statement have the same time on PostgreSQL's clock."""
    found: dict[object, list[int]] = {}
    for row in played.record["journal"]:
        found.setdefault(row["recorded_at"], []).append(row["seq"])
    return list(found.values())


@season_only
@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_one_statement_for_each_decision(season: Season, name: str) -> None:
    played = season[name]
    assert season.statements[played.player.journey] == decisions(played)


@season_only
@pytest.mark.parametrize("name", cast.SCRIPTS)
def test_the_journal_has_no_gap(season: Season, name: str) -> None:
    rows = [row["seq"] for row in season[name].record["journal"]]
    assert rows == list(range(1, len(rows) + 1))


@season_only
def test_a_decision_is_written_in_its_workflow_task_unless_it_closes_the_journey_or_an_alarm_is_to_leave(
    season: Season,
) -> None:
    """Local activities leave a marker; what must be durable first, and what an alarm must not wait for, does not."""
    for played in season.played.values():
        regular = [event for run in played.runs for event in run.events if _activity(event) == "persist"]
        local = [command for run in played.runs for command in commands(run) if command == "local activity persist"]
        assert len(local) + len(regular) == len(season.statements[played.player.journey])
        alarmed = any(_activity(event) == "alarm" for run in played.runs for event in run.events)
        assert len(regular) > 1 if alarmed else len(regular) == 1, played.player.name


def _activity(event: HistoryEvent) -> str:
    return event.activity_task_scheduled_event_attributes.activity_type.name


# --- PostgreSQL stands still


async def alarms(house: House, player: Actor) -> list[str]:
    """Mails to the clinician on call about this journey."""
    return [
        mail.subject
        for mail in read_mail(house.stack.folder.mail)
        if mail.to == ["on-call@clinic.example"] and player.journey in mail.body and mail.subject.startswith("ALARM")
    ]


async def test_a_clock_is_committed_although_postgresql_stalls(house: House) -> None:
    player = await cast.actor(house, "stall")
    with counted() as sent:
        await player.refer(letters.back_pain())
        async with asyncio.TaskGroup() as tasks, stalled_record(house):
            tasks.create_task(player.wait(days=2))
            await asyncio.sleep(3)
            assert [row["kind"] for row in (await player.record())["journal"]] == ["entered", "matching", "pathway"]
        await player.act("withdraw", reason="duplicate_referral")
        await player.until_closed()
    (run,) = await cast.histories(house, player.journey)
    assert fell_back(run)
    persisted = [command for command in commands(run) if "persist" in command]
    assert persisted[:3] == ["local activity persist", "local activity persist (failed)", "activity persist"]
    record = await player.record()
    assert [row["seq"] for row in record["journal"]] == list(range(1, len(record["journal"]) + 1))
    assert [r["text"] for r in record["journal"]].count("Complete the intake: due; its owner is reminded") == 1
    tried = [tuple(rows) for rows in sent[player.journey]]
    assert tried.count((4,)) >= 2, "the row was tried by the local activity and by the regular one"


async def test_an_action_waits_for_postgresql_and_is_written_once(house: House) -> None:
    player = await cast.actor(house, "stall action")
    await player.refer(letters.back_pain())
    async with asyncio.TaskGroup() as tasks, stalled_record(house):
        acting = tasks.create_task(player.act("record_consent", messages=True))
        await asyncio.sleep(3)
        assert not acting.done(), "answered before it was written"
    answer = acting.result()
    rows = [row["seq"] for row in (await player.record())["journal"] if row["kind"] == "consent"]
    assert rows == [answer.seq]


@pytest.mark.parametrize("tables", [(), ("notice",)], ids=["journal", "journal and notices"])
async def test_a_red_flag_does_not_wait_for_postgresql(house: House, tables: tuple[str, ...]) -> None:
    player = await cast.actor(house, f"stall flag {len(tables)}")
    await player.refer(letters.sudden_back_pain())
    signs = {**nothing_found("low_back_pain"), "saddle_numb": True, "bladder_new": True}
    async with asyncio.TaskGroup() as tasks, stalled_record(house, *tables):
        acting = tasks.create_task(player.act("screen", answers=signs))
        await until(lambda: alarms(house, player))  # nothing is written before the end of this block
        assert not acting.done()
        assert "red_flag" not in {row["kind"] for row in (await player.record())["journal"]}
        if not tables:
            await asyncio.sleep(2)
    assert "red_flag" in {row["kind"] for row in (await player.record())["journal"]}
    await player.wait(minutes=1)
    notices = [n for n in (await player.record())["notices"] if n["template"] == "red_flag_alarm"]
    assert [n["status"] for n in notices] == ["sent"]
    assert len(await alarms(house, player)) == 1
