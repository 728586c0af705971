"""kill -9 of everything that runs, while journeys are under way: all of them end as written."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.clinics import calendar_of
from activities.post import CUT_OFF_SECONDS
from continuum.demo import player as playing_people
from continuum.demo import referrals
from continuum.demo.player import Player, patiently
from continuum.demo.stories import COURSES, Story
from continuum.embedded.folder import Folder, temporary_folder
from continuum.embedded.mail import read_mail
from continuum.embedded.postgres import database_url
from continuum.site import EXAMPLE_CLINIC
from records import journeys
from records.database import Database
from tests.embedded.machine import descendants, eventually
from tests.integration.tools import Up, process, until
from workflows.connection import connect

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.timeout(600)]

TENANT = EXAMPLE_CLINIC.tenant
KINDS = ("worker", "temporal", "postgres", "supervisor")
ROUNDS = 2
BREATH = 1.5
"""Seconds between a recovery and the next kill: some of them strike while the one before is still digested."""
PATIENCE = timedelta(seconds=150)
REPEATABLE = "red_flag_alarm"
CUT_OFF_BY_NOW = 10.0
TWO_MINUTES_LATER = """
    update continuum.notice set tried_at = tried_at - make_interval(secs => $1)
    where status = 'sending' and tried_at < now() - make_interval(secs => $2)
"""
"""An attempt that a kill cut off is known as such after minutes: nobody has to sit through them."""


class Storm:
    """Pulls plugs until told to stop, and puts the supervisor back."""

    def __init__(self, folder: Path, log: Path, under_way: Callable[[], Awaitable[bool]]) -> None:
        self.up = Up(folder, log)
        self.kills: Counter[str] = Counter()
        self._folder = folder
        self._log = log
        self._under_way = under_way

    async def blow(self) -> None:
        for _ in range(ROUNDS):
            for kind in KINDS:
                await asyncio.sleep(BREATH)
                await until(self._under_way, seconds=90)
                await self._kill(kind)
                self.kills[kind] += 1
                await self.up.ready()

    async def _kill(self, kind: str) -> None:
        if kind == "supervisor":
            self.up.kill()
            self.up.close()
            self.up = Up(self._folder, self._log)
            return
        pid = await eventually(lambda: _now(self.up.child(kind)), timeout=60)
        for victim in (*descendants(pid), pid) if kind == "postgres" else (pid,):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue


async def _now(found: int | None) -> int | None:
    return found


def sent_by(letters: list[Any]) -> Counter[str]:
    return Counter(letter.message_id for letter in letters)


async def test_everything_is_killed_and_every_journey_ends_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing_people, "PATIENCE", PATIENCE)
    with temporary_folder() as folder:
        log = folder.parent / "up.log"
        players: list[tuple[Player, Story]] = []

        async def under_way() -> bool:
            states = [await player.state() for player, _ in players if player.journey]
            return any(state and state["seq"] > 0 and state["status"] != "closed" for state in states)

        storm = Storm(folder, log, under_way)
        database: Database | None = None
        try:
            stack = await storm.up.ready()
            database = await Database.open(database_url(Folder(folder), stack.postgres_port, "app"), size=10)
            client = await connect(stack.temporal_address)
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
            record = database

            def player(name: str) -> Player:
                return Player(name, client, record, calendar, tenant=TENANT, narrate=lambda who, row: None)

            async def play(story: Story) -> None:
                """Again and again, so that the storm never blows over an empty stage."""
                while not blowing.done():
                    players.append((player(f"{story.name} {len(players)}"), story))
                    await story.play(players[-1][0])

            async with asyncio.TaskGroup() as group:
                blowing = group.create_task(storm.blow())
                for story in COURSES:
                    group.create_task(play(story))

            assert storm.kills == dict.fromkeys(KINDS, ROUNDS), "each while journeys were under way"
            assert len(players) >= len(COURSES)
            await settled(record)
            letters = sent_by(read_mail(folder / "mail"))
            for one, story in players:
                await check(await one.record(), story, letters)
            await nothing_stays_behind(record)

            # Alive after the last heal: a new referral is taken in and begins.
            file = folder.parent / "fresh.json"
            file.write_bytes(referrals.back_pain())
            ran = await process("refer", "--dir", folder, "--json", file)
            assert (ran.code, ran.lines[0]["outcome"]) == (0, "accepted"), ran
            journey = ran.lines[0]["journey"]

            async def begun() -> bool | None:
                row = await journeys.journey_row(record, TENANT, journey)
                return (row is not None and row["seq"] > 0) or None

            await eventually(begun, timeout=30)
            assert await storm.up.stop() == 0
        finally:
            if database is not None:
                await database.close()
            storm.up.close()
            forbidden = [line for line in worker_log(folder) if "Traceback" in line or "panic" in line]
        assert not forbidden


async def settled(database: Database) -> None:
    """No attempt is under way any more, but for digests: they wait for minutes, and nothing else waits for them."""

    await asyncio.sleep(CUT_OFF_BY_NOW)
    await patiently(lambda: database.execute(TWO_MINUTES_LATER, CUT_OFF_SECONDS, CUT_OFF_BY_NOW))

    async def quiet() -> bool | None:
        sql = "select not exists (select 1 from continuum.notice where status in ('queued', 'sending') and not digest)"
        return bool(await patiently(lambda: database.value(sql))) or None

    await eventually(quiet, timeout=60)


async def check(record: dict[str, Any], story: Story, letters: Counter[str]) -> None:
    assert (record["stage"], record["status"], record["outcome"]) == (story.stage, "closed", story.outcome)
    rows = record["journal"]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    actions = [row["action_id"] for row in rows if row["action_id"]]
    assert len(actions) == len(set(actions)) >= 3
    assert record["notices"]
    own = [notice for notice in record["notices"] if not notice["digest"]]
    assert all(letters[n["message_id"]] <= 1 for n in record["notices"] if n["digest"])
    for notice in own:
        copies = letters[notice["message_id"]]
        assert notice["status"] in ("sent", "uncertain", "stopped"), notice
        if notice["status"] == "sent":
            assert copies >= 1, notice
        if notice["status"] == "stopped":  # its hour came late, and by then there was nothing to say
            assert notice["waits"], notice
            assert notice["reason"], notice
            assert copies == 0, notice
        if notice["template"] != REPEATABLE:
            assert copies <= 1, notice
    ids = [notice["message_id"] for notice in own]
    assert len(ids) == len(set(ids))
    assert {reply["status"] for reply in record["replies"]} == {"ready"}
    assert not [task["kind"] for task in record["tasks"] if task["settled_at"] is None]


async def nothing_stays_behind(database: Database) -> None:
    waiting = await database.value("select count(*) from continuum.referral where started_at is null")
    assert waiting == 0


def worker_log(folder: Path) -> list[str]:
    file = folder / "logs" / "worker.log"
    return file.read_text().splitlines() if file.exists() else []


async def test_the_sink_counts_what_a_second_send_would_be() -> None:
    """The check above can fail: two letters of one Message-ID count as two."""
    with temporary_folder() as folder:
        mail = folder / "mail"
        mail.mkdir(parents=True)
        for n in (1, 2):
            (mail / f"{n:06}.eml").write_text(
                f"Continuum-Received: {date(2026, 1, 1)}T00:00:00+00:00\r\nMessage-ID: <one@x>\r\n\r\nhello"
            )
        assert sent_by(read_mail(mail)) == {"<one@x>": 2}
