"""Booking: what is refused and with what words, and one winner of a race for a slot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import intake
from gateway.acting import ActionRefused
from tests.integration.conftest import Town

RIVALS = 20


async def in_therapy(town: Town, name: str) -> Player:
    player = town.player(name)
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    return player


@pytest.fixture(scope="module")
async def patient(town: Town) -> Player:
    return await in_therapy(town, "patient")


async def book(player: Player, starts_at: datetime, clinician: str = "p-anna", **more: Any) -> None:
    await player.act("book_visit", clinician=clinician, starts_at=starts_at, **more)


async def refusal(player: Player, starts_at: datetime, **more: Any) -> ActionRefused:
    rows = len((await player.record())["journal"])
    with pytest.raises(ActionRefused) as caught:
        await book(player, starts_at, **more)
    assert len((await player.record())["journal"]) == rows, "a refusal leaves no trace"
    return caught.value


async def test_the_past_is_refused(patient: Player) -> None:
    refused = await refusal(patient, await patient.now() - timedelta(minutes=1))
    assert (refused.kind, str(refused)) == ("SlotPast", "this slot is in the past")


async def test_closed_hours_are_refused(patient: Player) -> None:
    morning = await patient.slot(after=await patient.now() + timedelta(days=1), hour=8)
    for starts_at, minutes in ((morning - timedelta(hours=1), 30), (morning + timedelta(hours=9, minutes=45), 30)):
        refused = await refusal(patient, starts_at, minutes=minutes)
        assert refused.kind == "SlotClosed"
        assert "outside the clinic's opening hours" in str(refused)


async def test_a_free_day_of_the_week_is_refused(patient: Player) -> None:
    day = await patient.slot(after=await patient.now() + timedelta(days=1))
    while patient._calendar.local(day).weekday() != 5:
        day += timedelta(days=1)
    assert (await refusal(patient, day)).kind == "SlotClosed"


async def test_a_holiday_is_refused_by_name(patient: Player) -> None:
    calendar = patient._calendar
    soon = (await patient.now()).date()
    day, name = next((d, n) for d, n in sorted(calendar.closed.items()) if d > soon and calendar.week[d.weekday()])
    refused = await refusal(patient, datetime(day.year, day.month, day.day, 6, tzinfo=UTC))
    assert refused.kind == "SlotClosed"
    assert name in str(refused)


async def test_beyond_the_calendar_is_refused(patient: Player) -> None:
    far = datetime.combine(patient._calendar.ends, datetime.min.time(), UTC) + timedelta(days=30)
    assert (await refusal(patient, far)).kind == "SlotTooFar"


async def test_a_length_that_is_none_is_refused(patient: Player) -> None:
    slot = await patient.slot(after=await patient.now() + timedelta(days=1))
    for minutes in (4, 481, -5):
        assert (await refusal(patient, slot, minutes=minutes)).kind == "BadSlot"


async def test_a_time_without_a_zone_is_refused(patient: Player) -> None:
    slot = await patient.slot(after=await patient.now() + timedelta(days=1))
    refused = await refusal(patient, slot.replace(tzinfo=None))
    assert refused.kind == "BadData", refused


async def test_one_patient_is_in_one_place(patient: Player) -> None:
    slot = await patient.slot(after=await patient.now() + timedelta(days=2), hour=14)
    await book(patient, slot, "p-anna")
    refused = await refusal(patient, slot + timedelta(minutes=15), clinician="p-bea")
    assert (refused.kind, str(refused)) == ("SlotTaken", "the patient has another visit at that time")


async def test_a_clinician_is_in_one_place_and_the_next_slot_is_free(town: Town, patient: Player) -> None:
    other = await in_therapy(town, "other")
    # Far from the slot of the test before, whatever holidays lie between.
    slot = await patient.slot(after=max(await patient.now(), await other.now()) + timedelta(days=14), hour=14)
    await book(patient, slot, "p-carl", minutes=60)
    for minutes in (-30, 0, 30):
        refused = await refusal(other, slot + timedelta(minutes=minutes), clinician="p-carl", minutes=60)
        assert refused.kind == "SlotTaken"
        assert str(refused) == "this clinician has another visit at that time: choose another slot"
    await book(other, slot + timedelta(minutes=60), "p-carl", minutes=60)
    visit = (await patient.record())["visits"][-1]
    await patient.act("cancel_visit", visit=visit["id"], reason="patient")
    await book(other, slot, "p-carl", minutes=60)


@pytest.mark.timeout(180)
async def test_twenty_book_the_same_slot_at_once_and_one_gets_it(town: Town) -> None:
    players = await asyncio.gather(*(in_therapy(town, f"rival {n}") for n in range(RIVALS)))
    latest = max(await asyncio.gather(*(player.now() for player in players)))
    slot = await players[0].slot(after=latest + timedelta(days=2), hour=11)
    before = [len((await player.record())["journal"]) for player in players]
    ended = await asyncio.gather(*(book(player, slot, "p-race") for player in players), return_exceptions=True)
    winners = [n for n, end in enumerate(ended) if end is None]
    assert len(winners) == 1, ended
    for n, (player, end) in enumerate(zip(players, ended, strict=True)):
        record = await player.record()
        owed = [t["kind"] for t in record["tasks"] if t["settled_at"] is None]
        if n in winners:
            assert len(record["journal"]) == before[n] + 1
            assert [v["status"] for v in record["visits"]] == ["booked"]
            assert "book_visit" not in owed
            continue
        assert isinstance(end, ActionRefused)
        assert end.kind == "SlotTaken", end
        assert len(record["journal"]) == before[n]
        assert record["visits"] == []
        assert "book_visit" in owed
        assert record["stage"] == Stage.THERAPY
        assert not [notice for notice in record["notices"] if notice["template"] == "visit_booked"]
    taken = await town.database.value(
        "select count(*) from continuum.visit where clinician = 'p-race' and status = 'booked'"
    )
    assert taken == 1
    losers = [player for n, player in enumerate(players) if n not in winners]
    await asyncio.gather(*(book(one, slot, f"p-race{n}") for n, one in enumerate(losers)))
    for player in losers:
        assert [v["status"] for v in (await player.record())["visits"]] == ["booked"]
