"""PostgreSQL stands still, behind a lock or altogether silent: callers are told so in time, and nothing is lost.

The worker is a process that reaches PostgreSQL through a proxy; callers, and the tests, reach it directly.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from care.action import Answer
from care.actor import Actor
from continuum.demo import referrals as letters
from continuum.demo.player import Player
from continuum.demo.stories import nothing_found
from continuum.embedded.mail import StoredMail, read_mail
from gateway.acting import NotConfirmed, perform
from tests.conftest import House, built
from tests.integration.hands import forbidden, hand
from tests.integration.tools import Proxy, Ran, command, is_calm, proxy_to, until
from tests.workflows.cast import stalled_record

pytestmark = [pytest.mark.xdist_group("stalled"), pytest.mark.timeout(240)]

PATIENT_SECONDS = 60
"""Far more than the deadline that a caller has: no test of ours measures how busy a machine is."""
SAID = "accepted, not yet confirmed: ask again with the action id "


@dataclass
class Stalled:
    """A house whose PostgreSQL can be made to stand still."""

    house: House
    proxy: Proxy

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """Somebody holds the journal and the notices: they can be read, and not be written."""
        async with stalled_record(self.house, "notice"):
            yield

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        """Nothing comes back to the worker, whose connections stay open."""
        self.proxy.swallow()
        try:
            yield
        finally:
            self.proxy.heal()

    def stall(self, how: str) -> AbstractAsyncContextManager[None]:
        return {"lock": self.lock, "silence": self.silence}[how]()

    async def begun(self, raw: Callable[[], bytes]) -> Player:
        """A journey that has begun."""
        player = self.house.player(f"stalled {secrets.token_hex(3)}")
        await player.refer(raw())
        return player

    async def ask(self, player: Player, name: str, action_id: str, **data: Any) -> Answer:
        return await asyncio.wait_for(
            perform(
                self.house.client,
                self.house.database,
                journey=player.journey,
                name=name,
                data=data,
                actor=Actor(person="p-coordinator", role="coordinator", tenant="clinic"),
                action_id=action_id,
            ),
            PATIENT_SECONDS,
        )

    async def ask_on(self, player: Player, name: str, action_id: str, **data: Any) -> Answer:
        """Under the same action id, until it is answered."""
        async with asyncio.timeout(PATIENT_SECONDS):
            while True:
                with suppress(NotConfirmed):
                    return await self.ask(player, name, action_id, **data)

    def mails(self, player: Player) -> list[StoredMail]:
        return [m for m in read_mail(self.house.stack.folder.mail) if player.journey in m.body]


@pytest.fixture(scope="module")
async def stalled() -> AsyncIterator[Stalled]:
    async with built() as house, proxy_to(house.stack.stack.postgres_port) as proxy:
        port = house.stack.stack.postgres_port
        url = house.stack.dsn("app").replace(f":{port}/", f":{proxy.port}/")
        async with hand(house.stack, CONTINUUM_DATABASE_URL=url):
            yield Stalled(house, proxy)
        assert forbidden(house.stack.folder.logs) == []


hows = pytest.mark.parametrize("how", ["lock", "silence"])


def written(record: dict[str, Any], action_id: str) -> list[int]:
    return [row["seq"] for row in record["journal"] if row["action_id"] == action_id]


def check_journal(record: dict[str, Any]) -> None:
    """Without a gap, and nothing twice."""
    assert [row["seq"] for row in record["journal"]] == list(range(1, len(record["journal"]) + 1))
    actions = Counter(row["action_id"] for row in record["journal"] if row["action_id"])
    assert set(actions.values()) <= {1}


@hows
async def test_a_caller_is_told_that_it_is_not_confirmed_and_later_gets_the_one_answer(
    stalled: Stalled, how: str
) -> None:
    player = await stalled.begun(letters.back_pain)
    action = f"act-{secrets.token_hex(4)}"
    async with stalled.stall(how):
        for _ in range(2):
            with pytest.raises(NotConfirmed, match=f"^{SAID}{action}$"):
                await stalled.ask(player, "record_consent", action, messages=True)
        assert written(await player.record(), action) == []
    first = await stalled.ask_on(player, "record_consent", action, messages=True)
    again = await stalled.ask(player, "record_consent", action, messages=True)
    assert (again.seq, again.stage) == (first.seq, first.stage)
    record = await player.record()
    assert written(record, action) == [first.seq]
    check_journal(record)


@hows
async def test_actions_of_many_wait_for_postgresql_and_are_all_written_once(stalled: Stalled, how: str) -> None:
    players = await asyncio.gather(*(stalled.begun(letters.back_pain) for _ in range(4)))
    actions = [(player, f"act-{secrets.token_hex(4)}", bool(n % 2)) for player in players for n in range(2)]
    async with stalled.stall(how):
        told = await asyncio.gather(
            *(stalled.ask(player, "record_consent", action, messages=yes) for player, action, yes in actions),
            return_exceptions=True,
        )
        assert [getattr(t, "action_id", t) for t in told] == [action for _, action, _ in actions]
    answers = await asyncio.gather(
        *(stalled.ask_on(player, "record_consent", action, messages=yes) for player, action, yes in actions)
    )
    for (player, action, _), answer in zip(actions, answers, strict=True):
        record = await player.record()
        assert written(record, action) == [answer.seq]
        check_journal(record)


@hows
async def test_the_alarm_of_a_red_flag_leaves_all_the_same(stalled: Stalled, how: str) -> None:
    player = await stalled.begun(letters.sudden_back_pain)
    answers = {**nothing_found("low_back_pain"), "saddle_numb": True, "bladder_new": True}
    action = f"act-{secrets.token_hex(4)}"

    async def alarmed() -> list[StoredMail]:
        return [mail for mail in stalled.mails(player) if mail.subject.startswith("ALARM")]

    async with stalled.stall(how):
        with pytest.raises(NotConfirmed):
            await stalled.ask(player, "screen", action, answers=answers)
        await until(alarmed, seconds=PATIENT_SECONDS)
        assert written(await player.record(), action) == [], "the alarm waited for the record"
    await stalled.ask_on(player, "screen", action, answers=answers)

    async def sent() -> bool:
        notices = [n for n in (await player.record())["notices"] if n["template"] == "red_flag_alarm"]
        return [n["status"] for n in notices] == ["sent"]

    await until(sent, seconds=PATIENT_SECONDS)
    record = await player.record()
    check_journal(record)
    assert [row["kind"] for row in record["journal"]].count("red_flag") == 1
    assert len({mail.message_id for mail in await alarmed()}) == 1, "more than one copy at most, never two alarms"


@hows
async def test_the_command_line_says_so(stalled: Stalled, how: str) -> None:
    player = await stalled.begun(letters.back_pain)

    async def act(*options: str) -> Ran:
        arguments = ("act", "--dir", stalled.house.stack.folder.root, player.journey, "record_consent")
        return await asyncio.wait_for(command(*arguments, "--data", '{"messages": true}', *options), PATIENT_SECONDS)

    async with stalled.stall(how):
        in_words = await act()
        is_calm(in_words)
        assert (in_words.code, in_words.err) == (1, "")
        assert in_words.out.startswith(SAID)
        assert in_words.out.count("\n") == 1
        action = in_words.out.strip().removeprefix(SAID)
        as_json = await act("--json", "--action-id", action)
        assert (as_json.code, as_json.err) == (1, "")
        assert as_json.json == {"outcome": "not_confirmed", "action_id": action, "reason": SAID + action}
    answer = await stalled.ask_on(player, "record_consent", action, messages=True)
    done = await act("--json", "--action-id", action)
    assert (done.code, done.json["outcome"], done.json["seq"]) == (0, "done", answer.seq)
    assert written(await player.record(), action) == [answer.seq]
