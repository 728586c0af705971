"""Journeys that several tests look at: played by a script, on a calendar that is the same whenever they are played.

A scripted journey begins on a Monday at 10:00 of its own clinic, which has no holidays. What happens next then never
depends on the day on which the tests run, so that the commands of its workflows can be compared with those on record.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import holidays
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.clinics import MONTHS_AHEAD, calendar_of
from care.directory import ClinicEntry
from care.journey import Journey, Stage
from care.referral import Referral as ReferralFacts
from continuum.demo import referrals as letters
from continuum.demo.player import A_MOMENT, Player, Row
from continuum.demo.repertoire import STORIES
from continuum.demo.stories import discharge, evaluate, intake
from continuum.site import EXAMPLE_CLINIC, EXAMPLE_DIRECTORY
from gateway import referring
from gateway.matching import matched
from gateway.referring import Received
from records import directory, inbound
from records.database import Database
from tests.conftest import House
from workflows import attributes
from workflows.connection import TASK_QUEUE
from workflows.intake import Intake

ZONE = ZoneInfo(EXAMPLE_CLINIC.timezone)
AT_ONCE = 3
STALL_SECONDS = 3.0
AN_HOUR = timedelta(hours=1)


class Overshot(Exception):  # noqa: N818 - what happened
    """The server skipped further than it was asked to, while the journey still waited for its delayed start."""


class Actor(Player):
    """A player whose journey begins on a Monday morning, and who writes down what it does."""

    def __init__(
        self, house: House, name: str, clinic: ClinicEntry, begins: datetime, *, task_queue: str = TASK_QUEUE
    ) -> None:
        super().__init__(
            name,
            house.client,
            house.database,
            calendar_of(clinic, begins.date()),
            tenant=clinic.tenant,
            narrate=lambda _, row: self.narrated.append(row),
        )
        self.house = house
        self.begins = begins
        self._task_queue = task_queue
        self.tenant = clinic.tenant
        self.narrated: list[Row] = []
        self.acts: list[tuple[str, datetime]] = []
        """Name and care time of each action asked for."""

    async def refer(self, raw: bytes, *, source: str = "script", received_at: datetime | None = None) -> Received:
        """Sends the referral so that it is received, and the journey begins, on that Monday.

        The workflow is started before the referral is stored, for else the relay would start it today.
        """
        record = referring.message_of(raw, tenant=self.tenant, source=source, now=self.begins)
        assert record.referral is not None
        self.journey = record.referral.journey
        facts = matched(
            ReferralFacts.model_validate(record.referral.facts),
            record.referral.codes,
            record.referral.texts,
            must_be_signed=False,
        )
        await self.house.client.start_workflow(
            Intake.run,
            Journey(id=self.journey, tenant=self.tenant, referral=facts),
            id=self.journey,
            task_queue=self._task_queue,
            start_delay=self.begins - datetime.now(UTC),
            static_summary="Referral received",
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(attributes.WAITING_ON, "intake"), SearchAttributePair(attributes.OVERDUE, False)]
            ),
        )
        await inbound.take_in(self.house.database, record, raw)
        await self._skipper.go_to(self.handle, self.begins + timedelta(seconds=1))
        await self._until(lambda row: row["seq"] > 0)
        if await self.now() > self.begins + AN_HOUR:
            raise Overshot(self.name)
        return Received(outcome="accepted", journey=self.journey)

    async def wait(self, until: datetime | None = None, **delta: float) -> None:
        """As a player does, once no alarm is on its way: what is decided meanwhile is committed another way."""
        while await self._alarm_on_its_way():  # noqa: ASYNC110
            await asyncio.sleep(A_MOMENT)
        await super().wait(until, **delta)

    async def _alarm_on_its_way(self) -> bool:
        found = (await self.handle.describe()).raw_description
        alarms = [one for one in found.pending_activities if one.activity_type.name == "alarm"]
        return bool(alarms) or found.HasField("pending_workflow_task")

    async def act(self, name: str, *args: Any, **data: Any) -> Any:
        """As a player does, and notes when."""
        self.acts.append((name, await self.now()))
        return await super().act(name, *args, **data)


async def open_clinic(house: House, tenant: str, begins: date) -> ClinicEntry:
    """A clinic like the example, closed on no holiday, with a tenant of its own: nobody else takes its slots."""
    years = range(begins.year, (begins + 2 * MONTHS_AHEAD).year + 1)
    clinic = EXAMPLE_CLINIC.model_copy(
        update={
            "tenant": tenant,
            "overrides": dict.fromkeys(holidays.country_holidays("AE", years=years), ""),
        }
    )
    owner = await Database.open(house.stack.dsn("owner"), size=1)
    try:
        await directory.change(
            owner, tenant, "cast", lambda _: EXAMPLE_DIRECTORY.model_copy(update={"clinics": (clinic,)})
        )
    finally:
        await owner.close()
    return clinic


def next_monday(now: datetime) -> datetime:
    """10:00 of the clinic's next Monday."""
    local = now.astimezone(ZONE)
    monday = local + timedelta(days=7 - local.weekday())
    return monday.replace(hour=10, minute=0, second=0, microsecond=0).astimezone(UTC)


async def actor(house: House, name: str, *, task_queue: str = TASK_QUEUE) -> Actor:
    """Somebody to play a scripted journey."""
    begins = next_monday(datetime.now(UTC))
    clinic = await open_clinic(
        house, f"{name.replace(' ', '_').replace('-', '_')}_{secrets.token_hex(4)}", begins.date()
    )
    return Actor(house, name, clinic, begins, task_queue=task_queue)


# --- scripts

STEADY = {"nprs": 1, "odi": 12, "groc": 6, "hep_adherence": 80}
WORSE = {"nprs": 6, "odi": 40, "groc": -4}
BASELINE: dict[str, Any] = {"nprs": 7, "odi": 44, "psfs": 3, "start_back": "medium"}
RECOVERED: dict[str, Any] = {"nprs": 1, "odi": 12, "psfs": 8, "home_programme": "independent"}


async def to_therapy(p: Player) -> None:
    """Back pain, accepted."""
    await p.refer(letters.back_pain())
    await intake(p, "low_back_pain")


async def to_follow_up(p: Player) -> None:
    """Back pain, recovered at once, discharged; the referrer has the summary."""
    await to_therapy(p)
    plan = await evaluate(p, **BASELINE)
    await p.visit(after=await p.now() + timedelta(days=6), scores=RECOVERED)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await discharge(p)


async def re_entry(p: Player) -> None:
    """Worse at month one: called, back into therapy on the same journey, and withdrawn there."""
    await to_follow_up(p)
    await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=7, hours=6))
    await p.act("answer_follow_up", "patient", scores=STEADY)
    await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=30, hours=6))
    await p.act("answer_follow_up", "patient", scores=WORSE)
    await p.working_hours(days=1)
    await p.act("record_call", "therapist", outcome="re_enter")
    await p.until_stage(Stage.THERAPY)
    await p.working_hours(hours=1)
    await p.act("withdraw", reason="found_elsewhere")
    await p.until_closed()


async def held(p: Player) -> None:
    """On hold for twelve days while a plan of care is under way, past the hold's review; then transferred."""
    await to_therapy(p)
    await p.visit(after=await p.now() + timedelta(days=1))
    await p.act("evaluate", "therapist", clinician="p-therapist", scores=BASELINE)
    await p.wait(hours=1)
    await p.act("hold", reason="patient_away", review_on=await p.now() + timedelta(days=10))
    await p.wait(days=12)
    await p.act("resume")
    await p.wait(days=25)
    await p.act("transfer", to="other_provider")
    await p.until_closed()


async def neglected(p: Player) -> None:
    """Nobody answers: the ladder is climbed to its end, and then every open day."""
    await p.refer(letters.back_pain())
    await p.wait(days=11)
    await p.act("decline", reason="no_capacity")
    await p.until_closed()


async def unanswered(p: Player) -> None:
    """The patient answers no follow-up: two reminders, then a call that reaches nobody."""
    await to_follow_up(p)
    await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=21))
    await p.act("record_call", "therapist", outcome="not_reached")
    await p.wait(days=1)
    await p.act("record_death", "coordinator")
    await p.until_closed()


async def asked_back(p: Player) -> None:
    """The referrer is asked for something, twice; the pathway is changed; in the end it is the wrong door."""
    await p.refer(letters.back_pain())
    await p.act("ask_referrer", about="imaging")
    await p.wait(hours=30)
    await p.act("receive_information")
    await p.act("choose_pathway", pathway="total_knee_replacement")
    await p.act("redirect", to="orthopaedics")
    await p.until_closed()


async def overridden(p: Player) -> None:
    """A phase after surgery stalls; a clinician opens the gate; rehab ends by its review."""
    await p.refer(letters.knee_replacement())
    await intake(p, "total_knee_replacement")
    await p.wait(days=1)
    await p.act("record_surgery", "surgeon", done_at=await p.now() - timedelta(hours=6))
    await p.until_stage(Stage.POST_SURGERY_REHAB)
    await p.wait(days=8)
    await p.act("override_gate", "clinical_lead", note="walks safely; the home is ready")
    await p.certify_active_plan()
    await p.wait(days=36)
    await p.act("review_phase", "therapist", decision="end_rehab", reason="MMI")
    await p.until_stage(Stage.DISCHARGE)
    await p.act("withdraw", reason="patient_declined")
    await p.until_closed()


async def stalled(p: Actor) -> None:
    """PostgreSQL takes no writes while a reminder falls due: the fast commit falls back to a regular activity."""
    await p.refer(letters.back_pain())
    async with stalled_record(p.house):
        waiting = asyncio.create_task(p.wait(days=2))
        await asyncio.sleep(STALL_SECONDS)
    await waiting
    await p.act("withdraw", reason="duplicate_referral")
    await p.until_closed()


@asynccontextmanager
async def stalled_record(house: House, *tables: str) -> AsyncIterator[None]:
    """Somebody holds a lock on the journal (and on other tables): nothing is written there meanwhile."""
    owner = await asyncpg.connect(house.stack.dsn("owner"))
    try:
        async with owner.transaction():
            for table in ("journal", *tables):
                await owner.execute(f"lock table continuum.{table} in exclusive mode")
            yield
    finally:
        await owner.close()


Script = Callable[[Actor], Awaitable[None]]

SCRIPTS: dict[str, Script] = {
    **{story.name: story.play for story in STORIES},
    "re-entry": re_entry,
    "held": held,
    "neglected": neglected,
    "unanswered": unanswered,
    "asked back": asked_back,
    "overridden": overridden,
}


# --- what they leave behind


@dataclass
class Played:
    """One scripted journey, afterwards."""

    player: Actor
    record: Row
    runs: list[WorkflowHistory] = field(default_factory=list)
    """One for each stage, in order."""

    def rows(self, *kinds: str) -> list[Row]:
        """Rows of the journal of these kinds."""
        return [row for row in self.record["journal"] if row["kind"] in kinds]


async def histories(house: House, journey: str) -> list[WorkflowHistory]:
    """Every run of a journey, from the first."""
    described = await house.client.get_workflow_handle(journey).describe()
    run = described.raw_description.workflow_execution_info.first_run_id
    found = []
    while run:
        history = await house.client.get_workflow_handle(journey, run_id=run).fetch_history()
        found.append(history)
        last = history.events[-1]
        run = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


def stage_of(history: WorkflowHistory) -> str:
    """The type of a run: its stage."""
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def fell_back(history: WorkflowHistory) -> bool:
    """Whether a fast commit took too long: on a machine this busy the commands are others."""
    return any(
        event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
        and event.marker_recorded_event_attributes.HasField("failure")
        for event in history.events
    )


def overshot(history: WorkflowHistory) -> bool:
    """Whether a timer was heard of long after its time: the server skipped further than it was asked to, and what was
    to happen in between did not."""
    due: dict[int, datetime] = {}
    fired: list[datetime] = []
    for event in history.events:
        at = event.event_time.ToDatetime(UTC)
        match event.event_type:
            case EventType.EVENT_TYPE_TIMER_STARTED:
                due[event.event_id] = at + event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
            case EventType.EVENT_TYPE_TIMER_FIRED:
                fired.append(due[event.timer_fired_event_attributes.started_event_id])
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                if any(at > moment + AN_HOUR for moment in fired):
                    return True
                fired = []
            case _:
                pass
    return False


async def play(house: House, name: str, script: Script | None = None, *, task_queue: str = TASK_QUEUE) -> Played:
    """Play one script to its end."""
    player = await actor(house, name, task_queue=task_queue)
    await (script or SCRIPTS[name])(player)
    return Played(player, await player.record(), await histories(house, player.journey))


async def play_all(house: House, names: list[str]) -> dict[str, Played]:
    """Play scripts, a few at once; one that was slowed down, or whose clock overshot, is played again."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Played:
        async with turn:
            for attempts_left in (2, 1, 0):
                try:
                    played = await play(house, name)
                except Overshot:
                    if not attempts_left:
                        raise
                    continue
                if not any(fell_back(run) or overshot(run) for run in played.runs):
                    break
            return played

    return dict(zip(names, await asyncio.gather(*(one(name) for name in names)), strict=True))
