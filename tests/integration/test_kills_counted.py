"""Fifty journeys and ten kills of their worker (twenty where there is time), some of them after an action's commit,
before Temporal hears of it.

Those are counted, and proven from outside while the worker is dead: PostgreSQL has the action's row, and Temporal's
history has not accepted it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from care.action import Answer
from care.actor import Actor
from care.journey import Stage
from continuum.demo import player as playing_people
from continuum.demo import referrals as letters
from continuum.demo.player import Player
from continuum.demo.stories import discharge, evaluate, nothing_found
from continuum.embedded.mail import read_mail
from gateway.acting import NotConfirmed, perform
from records import journeys
from records.database import Database, DatabaseAway
from tests.conftest import House, built
from tests.integration.announcing_worker import ASKED, BETWEEN
from tests.integration.hands import Hand, forbidden, hand, kill_service
from tests.integration.tools import command, until
from tests.thorough import times

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.timeout(600)]

JOURNEYS = 50
KILLS = times(10, 20)
AT_LEAST_BETWEEN = 3
WORKED = 5
"""So many answers each worker gives before it is killed: one that is killed while it still takes up where the last one
left off makes Temporal wait longer and longer before it asks the next."""
BREATH = 1.0
"""Seconds at most from then to a kill at any moment."""
PAUSE = 3.0
"""Seconds at most between two actions of one journey's rounds: so that there is always something under way."""
PATIENCE = timedelta(seconds=400)
REPEATABLE = "red_flag_alarm"


@dataclass
class Asked:
    """What callers asked for, by journey and action id, and what they were told."""

    unconfirmed: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=lambda: defaultdict(list))

    @property
    def answered(self) -> int:
        return sum(len(answers) for answers in self.answers.values())

    async def perform(self, *args: Any, **kwargs: Any) -> Answer:
        """`gateway.acting.perform`, written down."""
        what = kwargs["journey"], kwargs["action_id"]
        try:
            answer = await perform(*args, **kwargs)
        except (NotConfirmed, DatabaseAway):
            self.unconfirmed[what] += 1
            raise
        self.answers[what].append(answer)
        return answer


class Cast:
    """Everybody who acts while the storm blows."""

    def __init__(self, house: House) -> None:
        self.over = asyncio.Event()
        self.players: list[tuple[Player, Script]] = []
        self._house = house

    async def play(self, script: Script, number: int) -> None:
        player = self._house.player(f"{script.name} {number}")
        self.players.append((player, script))
        await script.play(self, player)
        await player.until_closed()

    async def under_way(self) -> int:
        """How many journeys have begun and are not closed."""
        states = [await player.state() for player, _ in self.players if player.journey]
        return sum(bool(state) and state["seq"] > 0 and state["status"] != "closed" for state in states)

    async def holds(self, p: Player) -> None:
        """On hold and back, until the storm is over."""
        while not self.over.is_set():
            await p.act("hold", reason="patient_away", review_on=await p.now() + timedelta(days=10))
            await self._pause()
            await p.act("resume")
            await self._pause()

    async def claims(self, p: Player) -> None:
        """Out of a queue and back into it, until the storm is over."""
        while not self.over.is_set():
            tasks = (await p.record())["tasks"]
            task = next(t["id"] for t in tasks if t["kind"] == "answer_referral" and t["settled_at"] is None)
            await p.act("claim_task", task=task)
            await self._pause()
            await p.act("assign_task", task=task, to="queue:triage")
            await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(random.uniform(0, PAUSE))


@dataclass(frozen=True)
class Script:
    """What happens to a journey, and how it ends."""

    name: str
    journeys: int
    play: Callable[[Cast, Player], Awaitable[None]]
    stage: Stage
    outcome: str


async def _to_referral(p: Player) -> None:
    await p.refer(letters.back_pain())
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=nothing_found("low_back_pain"))
    await p.until_stage(Stage.REFERRAL)


async def _to_therapy(p: Player) -> None:
    await _to_referral(p)
    await p.act("accept", "therapist", clinician="p-therapist")
    await p.until_stage(Stage.THERAPY)


async def emergency(cast: Cast, p: Player) -> None:
    """A red flag, found in the storm."""
    await p.refer(letters.sudden_back_pain())
    await p.act("record_consent", messages=True)
    signs = {**nothing_found("low_back_pain"), "saddle_numb": True, "bladder_new": True}
    await p.act("screen", answers=signs)
    await cast.claims(p)
    await p.act("handle_red_flag", "on_call", flag="ces", outcome="sent_to_emergency")


async def redirected(cast: Cast, p: Player) -> None:
    await p.refer(letters.back_pain())
    await p.act("ask_referrer", about="imaging")
    await cast.holds(p)
    await p.act("receive_information")
    await p.act("redirect", to="orthopaedics")


async def declined(cast: Cast, p: Player) -> None:
    await _to_referral(p)
    await cast.claims(p)
    await p.act("decline", reason="no_capacity")


async def withdrawn(cast: Cast, p: Player) -> None:
    await _to_therapy(p)
    await cast.holds(p)
    await p.act("withdraw", reason="found_elsewhere")


async def treated(cast: Cast, p: Player) -> None:
    """By the journey's own clock, which is moved in the storm too."""
    await _to_therapy(p)
    plan = await evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="SELF", note="Moves away.")
    await discharge(p)
    await cast.holds(p)
    await p.act("withdraw", reason="patient_declined")


SCRIPTS = (
    Script("emergency", 12, emergency, Stage.INTAKE, "emergency"),
    Script("redirected", 12, redirected, Stage.INTAKE, "redirected"),
    Script("declined", 12, declined, Stage.REFERRAL, "refused"),
    Script("withdrawn", 12, withdrawn, Stage.THERAPY, "withdrawn"),
    Script("treated", 2, treated, Stage.FOLLOW_UP, "withdrawn"),
)


class Storm:
    """Kills the worker, and starts it again."""

    def __init__(self, house: House, worker: Hand, cast: Cast, asked: Asked, door: Path) -> None:
        self.kills = 0
        self.between: list[tuple[str, str]] = []
        """Journey and action of the kills that are proven to have struck between commit and acceptance."""
        self._house = house
        self._worker = worker
        self._cast = cast
        self._asked = asked
        self._door = door

    async def blow(self) -> None:
        """Every second kill waits for an action that has just been written; then Temporal, then PostgreSQL."""
        try:
            for n in range(KILLS):
                assert await self._cast.under_way() > JOURNEYS // 2, "a storm over an empty stage"
                if n % 2:
                    await self._kill_after_a_commit()
                else:
                    await asyncio.sleep(random.uniform(0, BREATH))
                    self._worker.kill()
                self.kills += 1
                await self._worker.start()
                await self._worked()
            for service in ("temporal", "postgres"):
                assert await self._cast.under_way() > JOURNEYS // 2
                before = self._house.stack.child(service).pid
                assert kill_service(self._house.stack, service) > (service == "postgres"), "with its children"
                await until(partial(self._back, service, before), seconds=60)
                await self._worked()
        finally:
            self._cast.over.set()

    async def _worked(self) -> None:
        """Care goes on: the next answers come."""
        before = self._asked.answered

        async def more() -> bool:
            return self._asked.answered >= before + WORKED

        await until(more, seconds=120)

    async def _back(self, service: str, before: int) -> bool:
        child = self._house.stack.child(service)
        return child.pid != before and child.exit_code is None

    async def _kill_after_a_commit(self) -> None:
        (self._door / ASKED).touch()
        announced = await until(self._announced, seconds=90)
        self._worker.kill()
        announced.unlink()
        journey, _, action = announced.name.partition(BETWEEN)
        if await written(self._house, journey, action) and not await accepted(self._house, journey, action):
            self.between.append((journey, action))

    async def _announced(self) -> Path | None:
        return next((file for file in self._door.iterdir() if BETWEEN in file.name), None)


async def accepted(house: House, journey: str, action: str) -> bool:
    """Whether Temporal's history holds the action."""
    history = await house.client.get_workflow_handle(journey).fetch_history()
    updates = [event.workflow_execution_update_accepted_event_attributes for event in history.events]
    return any(update.protocol_instance_id.partition(":")[0] == action for update in updates)


async def written(house: House, journey: str, action: str) -> bool:
    return await journeys.action_row(house.database, journey, action) is not None


async def test_kills_some_of_them_between_commit_and_acceptance(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = Asked()
    monkeypatch.setattr(playing_people, "PATIENCE", PATIENCE)
    monkeypatch.setattr(playing_people, "perform", asked.perform)
    async with built() as house, hand(house.stack, "tests.integration.announcing_worker", DOOR=str(tmp_path)) as worker:
        cast = Cast(house)
        storm = Storm(house, worker, cast, asked, tmp_path)
        async with asyncio.TaskGroup() as group:
            for script in SCRIPTS:
                for number in range(script.journeys):
                    group.create_task(cast.play(script, number))
            await until(lambda: all_begun(cast), seconds=90)
            await storm.blow()

        print(f"{len(storm.between)} kills between commit and acceptance, {asked.unconfirmed.total()} not confirmed")
        assert (len(cast.players), storm.kills) == (JOURNEYS, KILLS)
        assert len(set(storm.between)) >= AT_LEAST_BETWEEN, "the storm missed the moment that it is about"
        assert sum(asked.unconfirmed[what] > 0 for what in storm.between) >= 1, "nobody had to ask again"
        await until(lambda: nothing_on_its_way(house.database), seconds=180)
        for player, script in cast.players:
            check(player.name, await player.record(), script, asked)
        check_letters(house, [await player.record() for player, _ in cast.players])
        await alive(house, tmp_path)
        assert forbidden(house.stack.folder.logs) == []


async def all_begun(cast: Cast) -> bool:
    return await cast.under_way() == JOURNEYS


async def nothing_on_its_way(database: Database) -> bool:
    """Reminders that wait to be sent together wait for longer."""
    sql = "select not exists (select 1 from continuum.notice where status in ('queued', 'sending') and not digest)"
    return bool(await database.value(sql))


def check(name: str, record: dict[str, Any], script: Script, asked: Asked) -> None:
    """The journey ended as its script says, and the journal holds each action once, where its caller was told."""
    assert (record["stage"], record["status"], record["outcome"]) == (script.stage, "closed", script.outcome), name
    rows = record["journal"]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), name
    asked_for = [row for row in rows if row["action_id"] and not row["action_id"].startswith("undelivered-")]
    where = {row["action_id"]: row["seq"] for row in asked_for}
    told = {action: [a.seq for a in given] for (j, action), given in asked.answers.items() if j == record["id"]}
    assert told == {action: [seq] for action, seq in where.items()}, name
    assert len(asked_for) == len(where), name
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["on_hold"] == kinds["resumed"], name
    assert not [task["kind"] for task in record["tasks"] if task["settled_at"] is None], name
    assert {reply["status"] for reply in record["replies"]} == {"ready"}, name


def check_letters(house: House, records: list[dict[str, Any]]) -> None:
    """No message reached the sink twice but alarms, of which two are better than none."""
    letters = Counter(letter.message_id for letter in read_mail(house.stack.folder.mail))
    notices = [notice for record in records for notice in record["notices"]]
    assert len({notice["id"] for notice in notices}) == len(notices)
    sent = [notice for notice in notices if notice["status"] == "sent"]
    assert len(sent) >= JOURNEYS
    for notice in notices:
        copies = letters[notice["message_id"]]
        if notice["status"] == "sent":
            assert copies >= 1, notice
        if notice["template"] != REPEATABLE:
            assert copies <= 1, notice
    alone = [notice["message_id"] for notice in sent if not notice["digest"]]
    assert len(alone) == len(set(alone)), "two messages under one Message-ID: receivers would drop one"
    alarmed = {notice["journey"] for notice in sent if notice["template"] == REPEATABLE}
    assert alarmed == {record["id"] for record in records if record["outcome"] == "emergency"}


async def alive(house: House, folder: Path) -> None:
    """After the last heal a new referral is taken in and begins."""
    file = folder / "fresh.json"
    file.write_bytes(letters.back_pain())
    ran = await command("refer", "--dir", house.stack.folder.root, "--json", file)
    assert (ran.code, ran.lines[0]["outcome"]) == (0, "accepted"), ran
    journey = ran.lines[0]["journey"]

    async def begun() -> bool:
        row = await journeys.journey_row(house.database, "clinic", journey)
        return row is not None and row["seq"] > 0

    await until(begun, seconds=60)
    answer = await perform(
        house.client,
        house.database,
        journey=journey,
        name="record_consent",
        data={"messages": True},
        actor=Actor(person="p-coordinator", role="coordinator", tenant="clinic"),
        deadline=timedelta(seconds=30),
    )
    assert answer.seq > 0
