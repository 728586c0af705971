"""Every kind of mismatch is planted in a site that runs, found by name, put right where that is safe, and then gone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock, patch

import asyncpg
import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.post import Post
from care.journey import Journey
from channels.mail import Mail
from continuum.demo.player import Player
from continuum.doctor import histories, nightly
from continuum.doctor.comparing import compare
from continuum.doctor.examining import examine
from continuum.doctor.histories import Run, Told
from continuum.doctor.mismatch import KINDS, Mismatch
from continuum.doctor.repairing import ORDER, Repairs
from gateway.relay import Relay
from records import doctor
from records.doctor import Standing
from tests.conftest import House, built, staffed
from tests.doctor.scene import walk
from tests.integration.tools import PATIENT, message, order, until
from tests.workflows import planted
from tests.workflows.conftest import stages_with
from workflows.connection import TASK_QUEUE
from workflows.nightly import NightlyComparison

Planting = Callable[["Site", Player], Awaitable[object]]


@dataclass
class Site:
    """A house of its own: what is planted in it is nobody else's."""

    house: House
    owner: asyncpg.Connection[asyncpg.Record]

    async def sql(self, statement: str, *args: Any) -> None:
        """As the database's owner, who may do everything."""
        await self.owner.execute(statement, *args)

    async def player(self, name: str, steps: int = 0) -> Player:
        found = self.house.player(name)
        await found.refer(message(order(patient=PATIENT)))
        await walk(found, 0, steps)
        return found

    async def examine(self) -> list[Mismatch]:
        return await examine(self.house.client, self.house.database, again_after=0.3)

    async def of(self, player: Player) -> list[Mismatch]:
        return [m for m in await self.examine() if m.journey == player.journey]

    async def shows(self, player: Player, kind: str) -> list[Mismatch]:
        """The same, once one of that kind is among them."""
        found = await self.of(player)
        return found if kind in {m.kind for m in found} else []


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Site]:
    async with built() as house, staffed(house):
        owner = await asyncpg.connect(house.stack.dsn("owner"))
        yield Site(house, owner)
        await owner.close()


def last(columns: str) -> str:
    return f"select {columns} from continuum.journal where journey = $1"


async def lose_rows(site: Site, player: Player) -> None:
    await site.sql("delete from continuum.journal where journey = $1 and seq > 3", player.journey)
    await site.sql("update continuum.journey set seq = 3 where id = $1", player.journey)
    await site.sql("delete from continuum.journey_state where journey = $1", player.journey)


async def lose_journey(site: Site, player: Player) -> None:
    for table in ("journal", "journey_state", "task", "notice", "referral"):
        await site.sql(f"delete from continuum.{table} where journey = $1", player.journey)
    await site.sql("delete from continuum.journey where id = $1", player.journey)


def update(statement: str) -> Planting:
    """A statement about the journey `$1`."""

    async def plant(site: Site, player: Player) -> None:
        await site.sql(statement, player.journey)

    return plant


async def older_workflow(site: Site, player: Player) -> None:
    """The journal goes on, and its workflow is put back to what it was before."""
    before = await doctor.kept_journey(site.house.database, player.journey)
    assert before is not None
    await player.act("hold", reason="patient_away", review_on=datetime.now(UTC) + timedelta(days=3))
    await player.handle.terminate("planted")
    await site.house.client.start_workflow(before.stage.value, before, id=player.journey, task_queue=TASK_QUEUE)


async def older_workflow_of_a_closed(site: Site, player: Player) -> None:
    before = await doctor.kept_journey(site.house.database, player.journey)
    assert before is not None
    await player.act("withdraw", reason="patient_declined")
    await player.until_closed()
    await site.house.client.start_workflow(before.stage.value, before, id=player.journey, task_queue=TASK_QUEUE)


async def open_in_closed(site: Site, player: Player) -> None:
    await player.act("withdraw", reason="patient_declined")
    await player.until_closed()
    await site.sql(
        "update continuum.task set settled_at = null where id ="
        " (select id from continuum.task where journey = $1 order by id limit 1)",
        player.journey,
    )


def notice(status: str, template: str = "journey_news", recipient: str = "referrer") -> Planting:
    return update(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, status, hash,"
        " recorded_at, tried_at, attempts)"
        f" values ($1 || ':notice:900', $1, 'clinic', '{recipient}', '{template}', '{{}}', now() - interval '1 day',"
        f" '{status}', '', now() - interval '1 day', now() - interval '1 day', 1)"
    )


BESIDE: dict[str, tuple[int, Planting, set[str]]] = {
    "notice_unsent": (1, notice("queued"), set()),
    "notice_cut_off": (1, notice("sending"), set()),
    "notice_untold": (1, notice("failed"), set()),
    "reply_unwritten": (
        1,
        update(
            "insert into continuum.reply (id, journey, tenant, task_status, at, hash, recorded_at)"
            " values ($1 || ':reply:900', $1, 'clinic', 'in-progress', now(), '', now() - interval '1 day')"
        ),
        set(),
    ),
}
"""What a loop beside the worker sees to, unless it stands still."""
PLANTED: dict[str, tuple[int, Planting, set[str]]] = {
    "journal_behind": (1, lose_rows, set()),
    "journal_gap": (1, update("delete from continuum.journal where journey = $1 and seq = 2"), set()),
    "workflow_without_journey": (1, lose_journey, {"referral_missing"}),
    "referral_missing": (0, update("delete from continuum.referral where journey = $1"), {"referral_missing"}),
    "journey_without_workflow": (1, lambda _, player: player.handle.terminate("planted"), set()),
    "workflow_behind": (2, older_workflow, set()),
    "closed_but_running": (1, older_workflow_of_a_closed, set()),
    "stage_differs": (1, update("update continuum.journey set stage = 'Therapy' where id = $1"), set()),
    "state_not_kept": (1, update("delete from continuum.journey_state where journey = $1"), set()),
    "projection_behind": (1, update("update continuum.journey set seq = seq - 1 where id = $1"), set()),
    "projection_differs": (
        1,
        update("update continuum.task set settled_at = now() where journey = $1 and settled_at is null"),
        set(),
    ),
    "open_in_closed": (1, open_in_closed, set()),
    **BESIDE,
}
"""Kind: how far the journey has come, how it is planted, and what is left once it has been put right."""


@contextmanager
def standing_still() -> Iterator[None]:
    """The loops beside the worker stand still."""
    with patch.object(Post, "once", AsyncMock()), patch.object(Relay, "once", AsyncMock()):
        yield


@pytest.mark.parametrize("kind", PLANTED)
async def test_what_is_planted_is_found_and_put_right(site: Site, kind: str) -> None:
    steps, plant, left = PLANTED[kind]
    player = await site.player(f"planted {kind}", steps)
    assert await site.of(player) == []
    before = await site.house.database.fetch(
        "select seq, kind, hash from continuum.journal where journey = $1 order by seq", player.journey
    )
    with standing_still() if kind in BESIDE else nullcontext():
        await plant(site, player)
        found = await until(lambda: site.shows(player, kind))  # Temporal's list is a moment late
        for _ in range(4):
            repairs = Repairs(site.house.client, site.house.database)
            outcomes = [await repairs.repair(m) for m in found if m.safe]
            assert all(o.done for o in outcomes), outcomes
            if not (found := await site.of(player)):
                break
        assert {m.kind for m in found} == left
    after = await site.house.database.fetch(
        "select seq, kind, hash from continuum.journal where journey = $1 order by seq", player.journey
    )
    assert after[: len(before)] == before
    if KINDS[kind].safe:
        written = await doctor.repairs(site.house.database, player.journey)
        assert kind in {row["kind"] for row in written}


async def test_a_referral_that_was_begun_and_is_nowhere_begins_again(site: Site) -> None:
    player = await site.player("begun and nowhere", 0)
    lost = f"j{secrets.token_hex(8)}"
    await site.sql(
        "insert into continuum.referral select (jsonb_populate_record(r, jsonb_build_object('journey', $2::text,"
        " 'referral_id', $2::text, 'started_at', now()))).* from continuum.referral r where r.journey = $1",
        player.journey,
        lost,
    )
    player.journey = lost
    (found,) = await site.of(player)
    assert found.kind == "referral_without_journey"
    assert (await Repairs(site.house.client, site.house.database).repair(found)).done
    await player._until(lambda row: row["seq"] > 0)
    assert await site.of(player) == []


async def test_a_journey_goes_on_after_its_workflow_was_started_from_the_record(site: Site) -> None:
    player = await site.player("goes on", 2)
    await player.handle.terminate("planted")
    (found,) = await site.of(player)
    assert (await Repairs(site.house.client, site.house.database).repair(found)).done
    await walk(player, 2, 3)
    described = await player.handle.describe()
    assert (described.status, described.workflow_type) == (WorkflowExecutionStatus.RUNNING, "Therapy")
    assert await site.of(player) == []


async def test_what_was_written_again_tells_nobody_twice(site: Site) -> None:
    player = await site.player("twice", 3)

    async def told() -> bool:
        rows = await player.part("notices")
        return bool(rows) and all(n["status"] == "sent" or n["send_after"] > datetime.now(UTC) for n in rows)

    await until(told)
    before = await player.part("notices")
    await site.sql("delete from continuum.notice where journey = $1", player.journey)
    await lose_rows(site, player)
    await site.sql("delete from continuum.reply where journey = $1", player.journey)
    (found,) = [m for m in await site.of(player) if m.kind == "journal_behind"]
    assert (await Repairs(site.house.client, site.house.database).repair(found)).done
    after = {n["id"]: n["status"] for n in await player.part("notices")}
    assert {n["id"] for n in before if n["send_after"] <= datetime.now(UTC)} & set(after)
    assert {s for i, s in after.items() if any(n["id"] == i and n["status"] == "sent" for n in before)} <= {"uncertain"}
    assert "queued" not in {s for i, s in after.items() if any(n["id"] == i and n["status"] == "sent" for n in before)}


async def test_nobody_runs_into_a_site_that_is_well(site: Site) -> None:
    """Journeys that decide while the doctor looks are no mismatch."""
    players = [await site.player(f"busy {n}") for n in range(3)]
    looking = asyncio.create_task(site.examine())
    await asyncio.gather(*(walk(p, 0, 3) for p in players))
    assert [m for m in await looking if m.journey in {p.journey for p in players}] == []


async def test_every_night_somebody_is_told(site: Site) -> None:
    """By a task of the journey's own, once for all nights, and by a mail that names what no journey can be told of."""
    house = site.house
    tasked = await site.player("at night", 1)
    await site.sql("delete from continuum.referral where journey = $1", tasked.journey)
    silent = await site.player("without a workflow", 1)
    older = await site.player("from before", 1)
    await site.sql("delete from continuum.journey_state where journey = $1", older.journey)
    await silent.handle.terminate("planted")
    letters = []

    async def send(self: Mail, letter: Any) -> Any:
        letters.append(letter)
        return await send_before(self, letter)

    send_before = Mail.send
    with patch.object(Mail, "send", send):
        for night in range(2):
            came_to = await house.client.execute_workflow(
                NightlyComparison.run, id=f"night-{night}", task_queue=TASK_QUEUE
            )
            assert came_to.mismatches >= 2
            assert came_to.by_mail >= 1
    assert await doctor.kept_journey(house.database, older.journey) is not None
    assert "mismatch" not in [r["kind"] for r in await older.journal()]
    journal = await tasked.journal()
    assert [r["kind"] for r in journal].count("mismatch") == 1
    assert "review_message" in {t["kind"] for t in await tasked.owed()}
    of_nights = [letter for letter in letters if "mismatch" in letter.subject]
    assert all(silent.journey in letter.body for letter in of_nights)
    assert len(of_nights) == 2
    assert not any(word in letter.body for letter in of_nights for word in ("Fernsby", "Ivo"))


async def test_the_schedule_is_made_once(site: Site) -> None:
    await nightly.ensure_schedule(site.house.client)
    await nightly.ensure_schedule(site.house.client)
    described = await site.house.client.get_schedule_handle(nightly.SCHEDULE).describe()
    assert described.info.next_action_times


# --- what cannot be planted in a site that runs


NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def standing(**changed: Any) -> Standing:
    usual: dict[str, Any] = {
        "journey": "j1", "tenant": "clinic", "referral": True, "started": True, "received_at": NOW - timedelta(days=1),
        "stage": "Intake", "status": "open", "seq": 5, "journal_last": 5, "journal_rows": 5, "kept_seq": 5,
        "tasks": frozenset(), "visits": frozenset(), "plans": frozenset(),
    }  # fmt: skip
    return Standing(**{**usual, **changed})


def kinds(row: Standing | None, told: Told | None, kept: Journey | None = None) -> set[str]:
    run = Run("j1", "r1", "Intake", running=True) if told is not None else None
    return {m.kind for m in compare(row, run, told, kept, NOW)}


def test_what_does_not_replay_or_has_no_clock_or_never_began_is_named(site: Site) -> None:
    assert kinds(standing(), Told(does_not_replay=True)) == {"does_not_replay"}
    waits = standing(status=None, stage=None, seq=0, journal_last=0, journal_rows=0, kept_seq=None, started=False)
    assert kinds(waits, None) == {"referral_not_started"}
    assert kinds(waits.model_copy(update={"received_at": NOW}), None) == set()


async def test_an_open_journey_that_nothing_would_wake_is_named(site: Site) -> None:
    player = await site.player("no clock", 1)
    journey = await doctor.kept_journey(site.house.database, player.journey)
    assert journey is not None
    journey.clocks = []
    row = standing(
        journey=journey.id, stage=journey.stage.value, seq=journey.seq, journal_last=journey.seq,
        journal_rows=journey.seq, kept_seq=journey.seq, tasks=frozenset(t.id for t in journey.open_tasks),
    )  # fmt: skip
    assert kinds(row, Told(journey=journey)) == {"no_clock"}


async def test_what_was_tried_waits_for_the_mail_server_and_what_a_closed_journey_lost_is_told(site: Site) -> None:
    late, closed = await site.player("late", 1), await site.player("lost after the end", 1)
    await closed.act("withdraw", reason="patient_declined")
    await closed.until_closed()
    with standing_still():
        await notice("queued")(site, late)
        await site.sql("update continuum.notice set tried_at = now() where id = $1", f"{late.journey}:notice:900")
        await notice("failed")(site, closed)
        assert [m.kind for m in await site.of(late)] == ["notice_late"]
        assert [m.kind for m in await site.of(closed)] == ["notice_lost"]
        await site.sql("update continuum.notice set status = 'sent' where id like '%:notice:900'")


async def test_what_waits_for_others_is_named_and_left_to_people(site: Site) -> None:
    await site.sql(
        "insert into continuum.inbound (id, tenant, source, transport_key, sha256, raw, media_type, outcome)"
        " values ('00000000-0000-4000-8000-000000000001', 'clinic', 's', 'k', 'd', '', 'm', 'asked')"
    )
    await site.sql(
        "insert into continuum.ask (id, inbound, tenant, name, about, asked_at, recorded_at, due_at) values ('ask-1',"
        " '00000000-0000-4000-8000-000000000001', 'clinic', 'x', '{}', now(), now() - interval '1 day',"
        " now() + interval '1 day')"
    )
    await site.sql(
        "insert into continuum.subscription (id, tenant, kind, topic, url, status, rests_until, lease, leased_until)"
        " values ('s1', 'clinic', 'webhook', 't', 'https://x.example', 'active', now() - interval '1 day', 'held',"
        " now() + interval '1 day')"
    )
    await site.sql(
        "insert into continuum.delivery (id, subscription, tenant, number, cause, focus, at, due_at) values"
        " ('d1', 's1', 'clinic', 1, 'c', 'Task/none', now() - interval '1 day', now() - interval '1 day')"
    )
    found = {m.kind: m for m in await site.examine() if m.about in ("ask-1", "d1")}
    assert set(found) == {"ask_stuck", "delivery_stuck"}
    for mismatch in found.values():
        outcome = await Repairs(site.house.client, site.house.database).repair(mismatch)
        assert (outcome.done, outcome.why_not) == (None, "a person has to")
    await site.sql("update continuum.ask set status = 'dismissed' where id = 'ask-1'")
    await site.sql("update continuum.delivery set status = 'dead' where id = 'd1'")


def test_every_kind_is_tried_here() -> None:
    elsewhere = {
        "does_not_replay", "no_clock", "referral_not_started", "referral_without_journey", "ask_stuck",
        "delivery_stuck", "notice_late", "notice_lost",
    }  # fmt: skip
    assert set(KINDS) == set(PLANTED) | elsewhere


async def test_a_workflow_that_decided_otherwise_gives_way_to_the_record(site: Site) -> None:
    """After a restore of Temporal alone, a clock may run out once more and come to the same row in another way."""
    player = await site.player("otherwise", 1)
    other = await doctor.kept_journey(site.house.database, player.journey)
    assert other is not None
    other.tasks = []
    await player.handle.terminate("planted")
    await site.house.client.start_workflow(other.stage.value, other, id=player.journey, task_queue=TASK_QUEUE)
    found = await site.of(player)
    assert "stage_differs" in {m.kind for m in found}
    for mismatch in sorted(found, key=lambda m: ORDER.index(m.kind)):
        await Repairs(site.house.client, site.house.database).repair(mismatch)
    assert await site.of(player) == []
    assert await player.owed() != []
    await walk(player, 1, 2)


async def test_a_journey_that_does_not_replay_is_named_and_once_ended_goes_on_from_the_record(site: Site) -> None:
    player = await site.player("wedged", 3)
    with patch.object(histories, "STAGES", stages_with(planted.NoFastCommit)):
        found = await site.of(player)
        assert [m.kind for m in found] == ["does_not_replay"]
        assert (await Repairs(site.house.client, site.house.database).repair(found[0])).done is None
        await player.handle.terminate("planted")
        (found_then,) = await site.of(player)
        assert found_then.kind == "journey_without_workflow"
        assert (await Repairs(site.house.client, site.house.database).repair(found_then)).done
        assert await site.of(player) == []
    await walk(player, 3, 4)
