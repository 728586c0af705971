"""The nightly comparison: the schedule that starts it, and who is told what it found."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import structlog
from temporalio import activity
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    WorkflowUpdateFailedError,
)
from temporalio.service import RPCError

from activities.signatures import Compared, Doctoring
from care import action as act
from care.actor import system
from care.journey import Stage
from care.steps.inbound import DISAGREEMENT
from channels.ids import MessageIds
from channels.mail import Letter, Mail
from continuum.doctor.examining import SECOND_LOOK_SECONDS, examine
from continuum.doctor.mismatch import KINDS, Mismatch
from continuum.doctor.repairing import Repairs
from records.database import Database
from workflows.connection import TASK_QUEUE
from workflows.nightly import NightlyComparison

log = structlog.get_logger(__name__)

SCHEDULE = "continuum-nightly-comparison"
AT = "30 2 * * *"
"""Cron, UTC: when little happens, wherever this is used so far."""
CATCH_UP = timedelta(hours=12)
ANSWER = timedelta(seconds=10)
RETRY_SECONDS = 60.0
MOST_LINES = 200


async def ensure_schedule(client: Client) -> None:
    """The schedule, unless it is there already: whoever paused or moved it had a reason."""
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(NightlyComparison.run, id="continuum-nightly", task_queue=TASK_QUEUE),
        spec=ScheduleSpec(cron_expressions=[AT]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(SCHEDULE, schedule)


class Scheduling:
    """Runs beside the worker until the schedule is there."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is there, or stopped."""
        while not stop.is_set():
            try:
                await ensure_schedule(self._client)
            except RPCError as error:
                log.warning("schedule_waits", error=error.status.name)
            else:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)


class Nightly(Doctoring):
    """Compares, and tells: each journey by a task, and the operator by one mail."""

    def __init__(
        self,
        client: Client,
        database: Database,
        mail: Mail,
        *,
        domain: str,
        operator: str,
        again_after: float = SECOND_LOOK_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._database = database
        self._mail = mail
        self._ids = MessageIds(domain)
        self._operator = operator
        self._again_after = again_after
        self._now = now

    @activity.defn(name="compare")
    async def compare(self) -> Compared:
        """See `Doctoring.compare`."""
        found = await self._kept(await examine(self._client, self._database, again_after=self._again_after))
        of_journey: dict[tuple[str, str], list[Mismatch]] = defaultdict(list)
        rest = [m for m in found if m.journey is None]
        for mismatch in found:
            if mismatch.journey is not None:
                of_journey[mismatch.journey, mismatch.tenant].append(mismatch)
        tasks = 0
        for (journey, tenant), theirs in of_journey.items():
            if await self._task(journey, tenant, theirs):
                tasks += 1
            else:
                rest += theirs
        if found:
            await self._write(found)
        log.info("compared", mismatches=len(found), tasks=tasks, by_mail=len(rest))
        return Compared(mismatches=len(found), tasks=tasks, by_mail=len(rest))

    async def _kept(self, found: list[Mismatch]) -> list[Mismatch]:
        """A copy that the record lacks, as of every journey from before it kept any, is made, and is no news."""
        repairs = Repairs(self._client, self._database)
        return [m for m in found if m.kind != "state_not_kept" or (await repairs.repair(m)).done is None]

    async def _task(self, journey: str, tenant: str, found: list[Mismatch]) -> bool:
        """A task of the journey's own. A mismatch that stands for nights opens one, and is written down once: what it
        is about, not when it was seen, names the action."""
        about = sha256(" ".join(sorted(f"{m.kind} {m.about or ''} {m.detail}" for m in found)).encode()).hexdigest()
        handle = self._client.get_workflow_handle(journey)
        try:
            stage = Stage((await handle.describe()).workflow_type)
            action = act.NoteMessage(
                action_id=f"mismatch-{about[:32]}",
                actor=system(tenant),
                expected=act.Expected(stage=stage),
                message=f"mismatch-{about[:32]}",
                about=DISAGREEMENT,
            )
            await handle.execute_update("note_message", action, id=action.action_id, rpc_timeout=ANSWER)
        except (RPCError, WorkflowUpdateFailedError, ValueError):
            return False  # there is none, it is closed, or it stands still: the mail names it
        return True

    async def _write(self, found: list[Mismatch]) -> None:
        now = self._now()
        lines = [f"{m.journey or '-'}  {m.kind}: {m.detail}" for m in found[:MOST_LINES]]
        if len(found) > MOST_LINES:
            lines.append(f"... and {len(found) - MOST_LINES} more")
        means = sorted({f"{m.kind}: {KINDS[m.kind].words}; {KINDS[m.kind].repair}" for m in found})
        sent = await self._mail.send(
            Letter(
                message_id=self._ids.of("nightly comparison", f"{now:%Y-%m-%d}", *sorted(map(str, lines))),
                to=self._operator,
                subject=f"Continuum: {len(found)} mismatch(es) found at night",
                body="\n".join(
                    [*lines, "", *means, "", "continuum doctor lists them; --repair puts right what is safe."]
                )
                + "\n",
                date=now,
            )
        )
        if sent.outcome == "later":
            log.warning("nightly_mail_waits", reason=sent.reason)
