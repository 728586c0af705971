"""The post: what waits for its hour is decided by what is so then, once, whoever looks and whatever is killed."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import worker
from activities import post as loop
from activities.clinics import calendar_of
from activities.post import Post
from care.commit import Commit
from care.journey import Journey
from care.keeping import kept
from care.notice import NOTICES, TRIED_FOR
from channels import mail as channel
from channels.ids import MessageIds
from continuum.demo.player import Player
from continuum.demo.stories import evaluate, intake
from continuum.settings import Settings
from continuum.site import EXAMPLE_CLINIC
from records import decisions, notices, post
from tests.care.driver import Driver
from tests.care.walks import MEDIUM, to_plan
from tests.integration.post_office import DOMAIN, NOW, Mailroom, Server, a_persons, post_of, serving
from tests.integration.test_injection import someone
from tests.integration.test_mail import queue
from tests.integration.tools import PATIENT, message, order, until
from workflows.connection import connect

pytestmark = [pytest.mark.xdist_group("mail"), pytest.mark.timeout(120)]

A_WHILE = timedelta(seconds=30)


class Patient:
    """A journey in the record, as its decisions and nothing else have left it, with a visit in eight days.

    Its own clock is moved to where the rules had it, so that no hour of the real day matters.
    """

    def __init__(self, room: Mailroom, id_: str) -> None:
        self.room = room
        self.id = id_
        day = datetime.now(UTC) + timedelta(days=60)
        self.driver = to_plan(Driver(now=(day - timedelta(days=day.weekday())).replace(hour=9, minute=0)), MEDIUM)
        self._written = 0
        self._ended: set[str] = set()

    async def books(self) -> str:
        """A visit is booked. The first reminder of it."""
        self.driver.act("book_visit", clinician="p-therapist", starts_at=self.driver.slot(days=8))
        await self.written()
        reminders = [n for n in self.driver.notices if n.template == "visit_reminder"]
        # What was told until now is nobody's business here.
        await self.room.record.execute(
            "update continuum.notice set status = 'stopped' where journey = $1 and not id = any($2)",
            self.id,
            [self.its(n.id) for n in reminders[-2:]],
        )
        return self.its(reminders[-2].id)

    def its(self, id_: str) -> str:
        return id_.replace("jtest", self.id)

    async def written(self) -> None:
        """What was decided since is in the record."""
        for commit in self.driver.commits[self._written :]:
            last = commit is self.driver.commits[-1]
            theirs = Commit.model_validate_json(self._theirs(commit.model_dump_json()))
            if last and commit.status != "closed":
                journey = Journey.model_validate_json(self._theirs(self.driver.journey.model_dump_json()))
                theirs = theirs.model_copy(update={"kept": kept(journey, with_base=True)})
            await decisions.commit(self.room.record, theirs.model_dump(mode="json"))
        self._written = len(self.driver.commits)

    def _theirs(self, text: str) -> str:
        return text.replace("jtest", self.id).replace("p-therapist", f"p-{self.id}")

    async def clock_shows(self, now: datetime) -> None:
        await post.clock_moved(self.room.record, self.id, now)

    async def hour_of(self, notice: str) -> datetime:
        hour: datetime = (await self.room.row(notice))["send_after"]
        return hour

    async def told(self) -> list[tuple[str, str]]:
        """What became of the notices that were not settled beforehand."""
        rows = await self.room.record.fetch(
            "select status, coalesce(reason, '') as reason from continuum.notice"
            " where journey = $1 and template = 'visit_reminder' order by send_after",
            self.id,
        )
        return [(row["status"], row["reason"]) for row in rows]


@pytest.fixture
async def patient(mailroom: Mailroom) -> Patient:
    number = str(await someone(mailroom, "Ann", "en"))
    journey = f"j{secrets.token_hex(8)}"
    await mailroom.record.execute("update continuum.referral set journey = $2 where journey = $1", number, journey)
    return Patient(mailroom, journey)


async def row(patient: Patient, notice: str) -> tuple[str, str | None]:
    found = await patient.room.row(notice)
    return found["status"], found["reason"]


# --- the hour of a message


async def test_a_reminder_leaves_at_its_hour_and_not_before(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    hour = await patient.hour_of(reminder)
    await patient.clock_shows(hour - A_WHILE)
    await post_of(patient.room.record, smtp).once()
    assert (await row(patient, reminder), smtp.stored) == (("queued", None), [])
    await patient.clock_shows(hour + A_WHILE)
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("sent", None)
    assert len(smtp.stored) == 1


async def test_without_a_moved_clock_the_hour_is_the_machines(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("queued", None)
    await patient.room.record.execute(
        "update continuum.notice set send_after = now() - interval '1 s' where id = $1", reminder
    )
    await post_of(patient.room.record, smtp).once()
    status, _ = await row(patient, reminder)
    local = patient.driver.journey.the_calendar.local(datetime.now(UTC))
    assert status == ("sent" if 8 <= local.hour < 20 else "queued")


Deed = Callable[[Driver], object]
MEANWHILE: dict[str, tuple[Deed, str]] = {
    "cancelled": (
        lambda d: d.act("cancel_visit", visit=d.journey.visits[-1].id, reason="patient"),
        "the visit is cancelled",
    ),
    "on hold": (
        lambda d: d.act("hold", reason="patient_ill", review_on=d.now + timedelta(days=20)),
        "the journey is on hold",
    ),
    "consent withdrawn": (
        lambda d: d.act("record_consent", messages=False),
        "the patient does not want messages",
    ),
    "withdrawn": (lambda d: d.act("withdraw", reason="patient_declined"), "the journey ended"),
}


@pytest.mark.parametrize("what", MEANWHILE)
async def test_what_was_decided_meanwhile_holds(patient: Patient, smtp: Server, what: str) -> None:
    reminder = await patient.books()
    deed, reason = MEANWHILE[what]
    deed(patient.driver)
    await patient.written()
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("stopped", reason)
    assert MessageIds(DOMAIN).of(reminder) not in smtp.copies


async def test_a_closed_journey_tells_its_patient_nothing(patient: Patient, smtp: Server) -> None:
    """Also what a journey had forgotten: it stopped what it still listed, and no more."""
    reminder = await patient.books()
    await patient.room.record.execute("update continuum.journey set status = 'closed' where id = $1", patient.id)
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("stopped", "the journey is closed")


async def test_after_an_outage_the_night_is_waited_for(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    hour = await patient.hour_of(reminder)
    local = patient.driver.journey.the_calendar.local(hour)
    night = local.replace(hour=22, minute=30)
    await patient.clock_shows(night)
    await post_of(patient.room.record, smtp).once()
    assert (await row(patient, reminder), smtp.stored) == (("queued", None), [])
    morning = patient.driver.journey.the_calendar.local(await patient.hour_of(reminder))
    assert (morning.date(), morning.hour, morning.minute) == (local.date() + timedelta(days=1), 8, 0)
    await patient.clock_shows(morning + A_WHILE)
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("sent", None)


async def test_after_a_long_outage_a_reminder_of_what_is_over_does_not_leave(patient: Patient, smtp: Server) -> None:
    """Of the mail server too: each attempt is decided anew."""
    reminder = await patient.books()
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await post_of(patient.room.record, Server(port=1)).once()
    assert (await patient.room.row(reminder))["attempts"] == 1
    await patient.clock_shows(patient.driver.journey.visits[-1].starts_at.replace(hour=12) + timedelta(days=1))
    await post_of(patient.room.record, smtp).once()
    assert [reason for _, reason in await patient.told()][-2:] == ["the visit is over or cancelled"] * 2
    assert smtp.stored == []


async def test_what_cannot_be_decided_waits_and_holds_up_nobody(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await patient.room.record.execute(
        "update continuum.journey_state set state = 'damaged'::bytea where journey = $1", patient.id
    )
    other = await queue(patient.room.record, "fine@x.example")
    await post_of(patient.room.record, smtp, retry=60).once()
    assert (await row(patient, reminder))[0] == "queued"
    assert (await patient.room.row(reminder))["attempts"] == 0, "so that the doctor sees that nobody sends it"
    assert (await patient.room.row(other))["status"] == "sent"
    assert reminder not in [n.id for n in await post.ready(patient.room.record, retry_seconds=60, limit=10)]


# --- a decision at the same moment


class Racing(Post):
    """Between what it finds and its claim, something else is decided."""

    meanwhile: Callable[[], Any]

    async def _decided(self, notice: notices.Queued) -> int | None:
        seq = await super()._decided(notice)
        await self.meanwhile()
        return seq


@pytest.mark.parametrize("what", ["cancelled", "on hold"])
async def test_a_decision_wins_against_a_message_that_is_about_to_leave(
    patient: Patient, smtp: Server, what: str
) -> None:
    """One that stops the message itself, and one by which it is only so no more."""
    reminder = await patient.books()
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    racing = Racing(patient.room.record, post_of(patient.room.record, smtp)._mail, domain=DOMAIN)
    deed, reason = MEANWHILE[what]

    async def decide() -> None:
        deed(patient.driver)
        await patient.written()

    racing.meanwhile = decide
    await racing.once()
    assert (await row(patient, reminder))[0] in ("queued", "stopped")
    assert smtp.stored == []
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("stopped", reason)


@pytest.mark.parametrize("how", ["stop", "postpone"])
async def test_what_was_found_of_an_older_journey_is_not_done(patient: Patient, how: str) -> None:
    reminder = await patient.books()
    seq = patient.driver.journey.seq
    if how == "stop":
        await post.stop(patient.room.record, reminder, "x", seq=seq - 1)
    else:
        await post.postpone(patient.room.record, reminder, NOW, seq=seq - 1)
    found = await patient.room.row(reminder)
    assert (found["status"], found["send_after"] > NOW) == ("queued", True)


async def test_workers_side_by_side_remind_once(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await asyncio.gather(*(post_of(patient.room.record, smtp).once() for _ in range(6)))
    assert await row(patient, reminder) == ("sent", None)
    assert len(smtp.stored) == 1


# --- attempts


async def test_killed_between_claim_and_outcome(
    mailroom: Mailroom, smtp: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not made again; after a while nobody is at it any more, and a person asks whether it came."""
    notice = await queue(mailroom.record, "desk@clinic.example", "referral_answer")
    monkeypatch.setattr(channel, "TIMEOUT_SECONDS", 60.0)  # it is killed before, however busy the machine is
    smtp.script["desk@clinic.example"] = "stall 60"
    killed = asyncio.create_task(post_of(mailroom.record, smtp).once())

    async def begun() -> bool:
        return str((await mailroom.row(notice))["status"]) == "sending"

    await until(begun)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    smtp.script.clear()
    stored = len(smtp.stored)
    await post_of(mailroom.record, smtp).once()
    assert (await mailroom.row(notice))["status"] == "sending"
    await mailroom.record.execute(
        "update continuum.notice set tried_at = now() - make_interval(secs => $2) where id = $1",
        notice,
        loop.CUT_OFF_SECONDS,
    )
    await post_of(mailroom.record, smtp).once()
    assert (await mailroom.row(notice))["status"] == "uncertain"
    assert await a_persons(mailroom.record, notice) == {notice}
    assert len(smtp.stored) == stored


async def test_a_letter_under_way_is_let_end_when_the_worker_stops(mailroom: Mailroom, smtp: Server) -> None:
    first = await queue(mailroom.record, "slow@clinic.example")
    smtp.script["slow@clinic.example"] = "451 later"
    stop = asyncio.Event()
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Post):
        async def _send(self, notice: notices.Queued) -> bool:
            begun.set()
            await go_on.wait()
            return await super()._send(notice)

    slow = Slow(mailroom.record, post_of(mailroom.record, smtp)._mail, domain=DOMAIN)
    running = asyncio.create_task(slow.run(stop))
    await begun.wait()
    stop.set()
    running.cancel()
    await asyncio.sleep(0.1)
    assert not running.done()
    go_on.set()
    await asyncio.gather(running, return_exceptions=True)
    found = await mailroom.row(first)
    assert (found["status"], found["attempts"]) == ("queued", 1), "its outcome is known"


async def test_a_mail_server_away_and_back(mailroom: Mailroom) -> None:
    ids = [await queue(mailroom.record, f"back{n}@x.example") for n in range(30)]
    await post_of(mailroom.record, Server(port=1)).once()
    attempts = [(await mailroom.row(i))["attempts"] for i in ids]
    assert 0 < sum(attempts) <= loop.CARRIERS, "a server that is away ends the round"
    async with serving(Server()) as back:
        await post_of(mailroom.record, back, retry=60).once()
        assert len(back.stored) == len(ids) - sum(attempts), "what it has put off rests"
        await mailroom.record.execute(
            "update continuum.notice set tried_at = now() - interval '2 s' where id = any($1)", ids
        )
        await post_of(mailroom.record, back, retry=60).once()
        assert set(back.copies.values()) == {1}
    assert {(await mailroom.row(i))["status"] for i in ids} == {"sent"}


async def test_after_three_days_it_is_lost(mailroom: Mailroom, smtp: Server) -> None:
    tried, not_tried = [await queue(mailroom.record, f"{n}@x.example") for n in ("tried", "not-tried")]
    await post_of(mailroom.record, Server(port=1)).once()
    await mailroom.record.execute(
        "update continuum.notice set recorded_at = now() - $2::interval, attempts = case when id = $3 then 0 else 1 end"
        " where id = any($1)",
        [tried, not_tried],
        TRIED_FOR,
        not_tried,
    )
    await post_of(mailroom.record, smtp).once()
    assert [(await mailroom.row(i))["reason"] for i in (tried, not_tried)] == [
        "no mail server took it in three days",
        None,
    ]
    assert await a_persons(mailroom.record, tried, not_tried) == {tried}


async def test_what_waited_for_long_has_its_three_days_from_its_hour(patient: Patient, smtp: Server) -> None:
    reminder = await patient.books()
    await patient.room.record.execute(
        "update continuum.notice set recorded_at = now() - interval '30 days' where id = $1", reminder
    )
    await patient.clock_shows(await patient.hour_of(reminder) + A_WHILE)
    await post_of(patient.room.record, Server(port=1)).once()
    await post_of(patient.room.record, smtp).once()
    assert await row(patient, reminder) == ("sent", None)


def test_only_alarms_are_sent_again_when_nobody_knows() -> None:
    """The post has no such rule: alarms are none of its business."""
    assert {rule.kind for rule in NOTICES.values() if rule.uncertain == "resend"} == {"alarm"}


async def test_a_reply_that_cannot_be_written_holds_up_no_other(mailroom: Mailroom, smtp: Server) -> None:
    broken, fine = [str(await someone(mailroom, "Ann", "en")) for _ in range(2)]
    for journey, status in ((broken, "9.9"), (fine, "3.0")):
        await mailroom.record.execute(
            "insert into continuum.reply (id, journey, tenant, task_status, business_status, at, hash)"
            " values ($1 || ':reply:1', $1, 'clinic', 'accepted', $2, now(), '')",
            journey,
            status,
        )
    notice = await queue(mailroom.record, "fine@x.example")
    await post_of(mailroom.record, smtp).once()
    rows = await mailroom.record.fetch(
        "select journey, status from continuum.reply where journey = any($1)", [broken, fine]
    )
    assert {r["journey"]: r["status"] for r in rows} == {broken: "queued", fine: "ready"}
    await mailroom.record.execute("update continuum.reply set status = 'ready' where journey = $1", broken)
    assert (await mailroom.row(notice))["status"] == "sent"


# --- with a worker


@asynccontextmanager
async def at_work(room: Mailroom, server: Server) -> AsyncIterator[Player]:
    """The real worker, nudged as it nudges itself; somebody to play a journey."""
    settings = Settings(smtp_host="127.0.0.1", smtp_port=server.port, digest_seconds=0, pathways_must_be_signed=False)
    client = await connect(room.temporal)
    stop, nudge = asyncio.Event(), asyncio.Event()
    async with worker.build(client, room.record, settings, nudge=nudge):
        beside = worker.loops(client, room.record, settings, stop, nudge)
        try:
            calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
            yield Player("post", client, room.record, calendar, tenant="clinic", narrate=None)
        finally:
            stop.set()
            await asyncio.gather(*beside)


async def test_a_message_leaves_right_after_its_decision(
    mailroom: Mailroom, smtp: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the next round: that is an hour away here."""
    async with at_work(mailroom, smtp) as player:
        await player.refer(message(order(patient=PATIENT)))
        for pause in ("EVERY_SECONDS", "WHILE_MOVING_SECONDS"):
            monkeypatch.setattr(loop, pause, 3600.0)
        await asyncio.sleep(2.5)
        await player.act("ask_referrer", about="imaging")

        async def told() -> bool:
            asked = [n for n in (await player.record())["notices"] if n["template"] == "referral_answer"]
            return bool(asked) and {n["status"] for n in asked} == {"sent"}

        await until(told, seconds=20)
        await player.act("withdraw", reason="patient_declined")
        await player.until_closed()
        assert {r["status"] for r in (await player.record())["replies"]} == {"ready"}


async def test_a_reminder_does_not_wake_its_journey(mailroom: Mailroom, smtp: Server) -> None:
    async with at_work(mailroom, smtp) as player:
        await player.refer(message(order(patient=PATIENT)))
        await intake(player, "low_back_pain")
        await evaluate(player, nprs=6, odi=40, psfs=3, start_back="medium")
        starts_at = await player.book(after=await player.now() + timedelta(days=8))
        hour = starts_at - timedelta(hours=72)
        before = await events(player)
        await player.wait(until=hour + timedelta(minutes=5))
        after = await events(player)
        told = [n for n in (await player.record())["notices"] if n["send_after"] == hour]
        assert [(n["template"], n["status"]) for n in told] == [("visit_reminder", "sent")]
        for kind in ("activity_task_scheduled", "marker_recorded", "workflow_execution_update_accepted"):
            assert after[kind] == before[kind], "nothing was decided or done by the journey"
        await player.act("withdraw", reason="patient_declined")
        await player.until_closed()


async def events(player: Player) -> Counter[str]:
    """The run's history, counted by kind."""
    found = await player.handle.fetch_history()
    return Counter(str(e.WhichOneof("attributes")).removesuffix("_event_attributes") for e in found.events)
