"""Plays one journey: sends the referral, moves the journey's clock, and acts as the people concerned would.

Nothing here stands in for anything: the workflows, the record and the mail are the real ones; only the journey's
own clock is moved, by the server's time skipping.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from temporalio.client import Client, RPCTimeoutOrCancelledError, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from care.action import Answer, Expected
from care.actor import Actor, Role
from care.calendar import Calendar
from care.journey import Stage
from continuum.demo.skipping import Skipper
from gateway.acting import ActionRefused, NotConfirmed, perform
from gateway.referring import Received, receive
from records import journeys, post
from records.database import Database, DatabaseAway

Row = dict[str, Any]
Narrator = Callable[[str, Row], None]
T = TypeVar("T")

PATIENCE = timedelta(seconds=60)
POST_TAKES = timedelta(seconds=10)
"""So long a message is waited for that may leave."""
A_MOMENT = 0.05
"""Seconds between two looks at the record: more often costs more than it gains."""
VISITING_HOURS = (10, 9, 11, 8)
AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.ABORTED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.INTERNAL,
}
PEOPLE: dict[Role, str] = {
    "coordinator": "p-coordinator",
    "therapist": "p-therapist",
    "clinical_lead": "p-lead",
    "surgeon": "p-surgeon",
    "on_call": "p-on-call",
    "patient": "p-patient",
    "referrer": "p-referrer",
}


class Player:
    """One journey and everybody in it."""

    def __init__(
        self,
        name: str,
        client: Client,
        database: Database,
        calendar: Calendar,
        *,
        tenant: str,
        narrate: Narrator | None = None,
    ) -> None:
        self.name = name
        self.journey = ""
        self.client = client
        self._database = database
        self._calendar = calendar
        self._tenant = tenant
        self._narrate = narrate
        self._told = 0
        self._acted = 0
        self._skipper = Skipper(client)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The journey's workflow."""
        return self.client.get_workflow_handle(self.journey)

    async def refer(self, raw: bytes, *, source: str = "demo", received_at: datetime | None = None) -> Received:
        """The physician's system sends the referral; waits until the journey has begun."""
        now = received_at or datetime.now(UTC)
        received = await patiently(lambda: receive(self._database, raw, tenant=self._tenant, source=source, now=now))
        if received.journey is not None:
            self.journey = received.journey
            await self._until(lambda row: row["seq"] > 0)
        return received

    async def now(self) -> datetime:
        """The journey's own time."""
        return await patiently(lambda: self._skipper.now(self.handle))

    async def wait(self, until: datetime | None = None, **delta: float) -> None:
        """Let time pass: to a moment, or for so many days, hours or minutes."""
        target = until if until is not None else await self.now() + timedelta(**delta)
        await self._deliver_by_hand()
        await patiently(lambda: self._go_to(target))
        await self._settle()

    async def _go_to(self, target: datetime) -> None:
        """Move the clock on, stopping at the hour of each message that waits: it is decided by what is so then."""
        while (await self.state())["status"] != "closed":
            hour = await post.next_hour(self._database, self.journey, await self._skipper.now(self.handle))
            await self._skipper.go_to(self.handle, min(hour or target, target))
            now = await self._skipper.now(self.handle)
            await post.clock_moved(self._database, self.journey, now)
            await self._posted(now)
            if now >= target:
                return

    async def _posted(self, now: datetime) -> None:
        """Until what may leave has left, or was tried; not for ever, for anybody may have pulled a plug."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POST_TAKES.total_seconds()):
                while await patiently(lambda: post.on_its_way(self._database, self.journey, now)):  # noqa: ASYNC110
                    await asyncio.sleep(A_MOMENT)

    async def working_hours(self, **delta: float) -> None:
        """Let so many hours or days pass, and then wait until the clinic is open."""
        await self.wait(until=self._calendar.opening(await self.now() + timedelta(**delta)))

    async def slot(self, *, after: datetime, hour: int = 10, minutes: int = 60) -> datetime:
        """The first day from `after` on with an opening that long at that hour of the clinic's day."""
        start = max(after, await self.now() + timedelta(minutes=5))
        day = self._calendar.local(start).replace(hour=hour, minute=0, second=0, microsecond=0)
        while day <= start or not self._calendar.is_open(day, day + timedelta(minutes=minutes)):
            day += timedelta(days=1)
        return day.astimezone(UTC)

    async def act(self, name: str, role: Role = "coordinator", **data: Any) -> Answer:
        """Somebody does something; asks again where the answer does not come in time."""
        self._acted += 1
        action_id = f"demo-{self.name.replace(' ', '-')}-{self._acted}"
        person = data.pop("person", PEOPLE.get(role, "p-staff"))
        actor = Actor(person=person, role=role, tenant=self._tenant)
        stage = Expected(stage=Stage((await self.state())["stage"]))
        body = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in data.items()}
        while True:
            try:
                answer = await perform(
                    self.client,
                    self._database,
                    journey=self.journey,
                    name=name,
                    data=dict(body),
                    actor=actor,
                    action_id=action_id,
                    expected=stage,
                )
                break
            except (NotConfirmed, DatabaseAway):
                await asyncio.sleep(1)
        await self._settle()
        return answer

    async def visit(
        self, *, after: datetime, scores: Row | None = None, answers: Row | None = None, outcome: str = "attended"
    ) -> Answer:
        """Book a visit, let its time come, and record what happened."""
        starts_at = await self.book(after=after)
        record = await self.record()
        visit = next(v for v in record["visits"] if v["status"] == "booked" and v["starts_at"] == starts_at)
        await self.wait(until=visit["ends_at"] - timedelta(minutes=1))
        return await self.act(
            "record_visit",
            "therapist",
            visit=visit["id"],
            outcome=outcome,
            scores=scores or {},
            answers=answers or {},
        )

    async def book(self, *, after: datetime) -> datetime:
        """Book the therapist for the first hour that nobody else has taken."""
        for hour in VISITING_HOURS:
            starts_at = await self.slot(after=after, hour=hour)
            try:
                await self.act("book_visit", clinician="p-therapist", starts_at=starts_at, person="p-front-desk")
            except ActionRefused as refused:
                if refused.kind != "SlotTaken":
                    raise
            else:
                return starts_at
        raise LookupError("the therapist is booked out on that day")

    def companion(self, name: str) -> Player:
        """Somebody to play another journey of the same story."""
        return Player(name, self.client, self._database, self._calendar, tenant=self._tenant, narrate=self._narrate)

    async def task(self, kind: str) -> Row:
        """The open task of a kind."""
        return next(t for t in (await self.record())["tasks"] if t["kind"] == kind and t["settled_at"] is None)

    async def active_plan(self) -> str:
        """The id of the plan of care under way."""
        return str(next(p["id"] for p in (await self.record())["plans"] if p["status"] == "active"))

    async def certify_active_plan(self) -> None:
        """The referrer's order and the sending of the plan, an hour ago, are on record."""
        await self.act(
            "certify_plan",
            "therapist",
            plan=await self.active_plan(),
            by="order_and_transmission",
            order_signed_at=await self.referred_at(),
            plan_sent_at=await self.now() - timedelta(hours=1),
        )

    async def sign_anew(self) -> None:
        """The referrer has signed the plan under way again, as its certified time draws to its end."""
        await self.act("certify_plan", "therapist", plan=await self.active_plan(), by="signature")

    async def referred_at(self) -> datetime:
        """When the referral, the referrer's signed order, came."""
        return datetime.fromisoformat(str((await self.record())["journal"][0]["at"]))

    async def entered(self, stage: Stage) -> datetime:
        """When a stage was entered last."""
        rows = [r for r in (await self.record())["journal"] if r["kind"] == "entered" and r["stage"] == stage]
        return datetime.fromisoformat(str(rows[-1]["at"]))

    async def surgery(self) -> datetime:
        """When surgery took place, as the gates count it."""
        rows = [r for r in (await self.record())["journal"] if r["rule"] == "open_gate"]
        return datetime.fromisoformat(rows[-1]["inputs"]["surgery_at"])

    async def state(self) -> Row:
        """The journey as the record has it."""
        return await patiently(lambda: journeys.journey_row(self._database, self._tenant, self.journey)) or {}

    async def record(self) -> Row:
        """The journey with everything that belongs to it."""
        return await patiently(lambda: journeys.journey(self._database, self._tenant, self.journey)) or {}

    async def part(self, name: str) -> list[Row]:
        """One list of the record: `plans`, `visits`, `scores`."""
        return await patiently(lambda: journeys.part(self._database, self.journey, name))

    async def journal(self, since: int = 0) -> list[Row]:
        """The rows of the journal after that one."""
        return await patiently(lambda: journeys.journal_since(self._database, self._tenant, self.journey, since))

    async def abandon(self) -> None:
        """Stop playing: the workflow is terminated where it is, and the record stays as it was then."""
        with suppress(RPCError):  # it has just closed by itself
            await self.handle.terminate("nobody plays this journey any further")

    async def until_stage(self, stage: Stage) -> None:
        """Wait until the record says that the stage has begun."""
        await self._until(lambda row: row["stage"] == stage)

    async def until_closed(self) -> None:
        """Wait until the journey is closed."""
        await self._until(lambda row: row["status"] == "closed", meanwhile=self._deliver_by_hand)
        await patiently(self.handle.result)
        await self._posted(datetime.max.replace(tzinfo=UTC))
        # Should it be opened again, it begins at the true time.
        await patiently(lambda: post.clock_moved(self._database, self.journey, datetime.now(UTC)))
        await self._settle()

    async def _until(
        self, condition: Callable[[Row], bool], *, meanwhile: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while not ((row := await self.state()) and condition(row)):
                    if meanwhile is not None:
                        await meanwhile()
                    await asyncio.sleep(A_MOMENT)
        except TimeoutError:
            raise TimeoutError(f"{self.name} stands still; {await self._whereabouts()}") from None
        await self._settle()

    async def _whereabouts(self) -> str:
        row, owed = await self.state(), ", ".join(task["kind"] for task in await self.owed())
        return f"stage {row.get('stage')}, {row.get('status')}, seq {row.get('seq')}, owed: {owed or 'nothing'}"

    async def owed(self) -> list[Row]:
        """The tasks open now."""
        return await patiently(lambda: journeys.open_tasks(self._database, self._tenant, self.journey))

    async def _deliver_by_hand(self) -> None:
        """The front desk telephones where a message may not have left: a journey does not end before.

        Nobody is asked to unless a plug was pulled in the middle of a letter.
        """
        for task in await self.owed():
            if task["kind"] == "deliver_notice" and (await self.state())["status"] != "closed":
                await self.act("settle_notice", person="p-front-desk", task=task["id"], outcome="told_by_phone")

    async def _settle(self) -> None:
        """Tell what is new in the journal, where somebody listens."""
        if self._narrate is None:
            return
        for row in (await self.record()).get("journal", []):
            if row["seq"] > self._told:
                self._told = row["seq"]
                self._narrate(self.name, row)


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again for a while where a server is away: anybody may pull a plug while the demo runs."""
    async with asyncio.timeout(PATIENCE.total_seconds()):
        while True:
            try:
                return await attempt()
            except (DatabaseAway, RPCTimeoutOrCancelledError):
                pass
            except RPCError as error:
                if error.status not in AWAY:
                    raise
            await asyncio.sleep(0.5)
