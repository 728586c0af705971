"""Putting right what the doctor found. Only what the record or Temporal's histories suffice for; the rest is flagged.

Nothing that is written here reaches anybody by mail: decisions that are written anew tell nobody twice (see
`records/migrations/0012_doctor.sql`), and a workflow that is started from the record knows what it has told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.replies import task_of
from care import action as act
from care.actor import system
from care.commit import Commit, next_due, overdue, waiting_on
from care.journey import Journey, Stage
from continuum.doctor import histories
from continuum.doctor.comparing import differences
from continuum.doctor.mismatch import Mismatch
from records import doctor, notices
from records.database import Database, DatabaseRefused
from workflows import attributes
from workflows.connection import TASK_QUEUE

PUT_RIGHT = "put right by the doctor"
BEFORE_ANSWER = timedelta(seconds=10)


class CannotRepair(Exception):  # noqa: N818
    """Why not, in a few words."""


class Outcome(BaseModel):
    """What came of one mismatch."""

    model_config = ConfigDict(frozen=True)

    mismatch: Mismatch
    done: str | None
    """What was done; None: nothing."""
    why_not: str | None = None


async def write_down(database: Database, found: Mismatch, done: str) -> None:
    """What was done about a mismatch stays on record."""
    await doctor.repaired(
        database, tenant=found.tenant, journey=found.journey, kind=found.kind, detail=found.detail, done=done
    )


class Repairs:
    """Puts right, one mismatch at a time."""

    def __init__(self, client: Client, database: Database) -> None:
        self._client = client
        self._database = database

    async def repair(self, found: Mismatch) -> Outcome:
        """Put it right if that is safe, and write down that it was done."""
        work = _HOW.get(found.kind) if found.safe else None
        if work is None:
            return Outcome(mismatch=found, done=None, why_not="a person has to")
        try:
            done = await work(self, found)
        except (CannotRepair, LookupError) as why:
            return Outcome(mismatch=found, done=None, why_not=str(why.args[0]))
        except DatabaseRefused as refused:
            return Outcome(mismatch=found, done=None, why_not=f"the record refused it (SQLSTATE {refused.sqlstate})")
        except (RPCError, WorkflowUpdateFailedError) as error:
            return Outcome(mismatch=found, done=None, why_not=f"Temporal did not take it ({type(error).__name__})")
        await write_down(self._database, found, done)
        return Outcome(mismatch=found, done=done)

    # --- the record from Temporal

    async def from_histories(self, found: Mismatch) -> str:
        """Every decision that the journal lacks. Those that it has are found written already, and left alone."""
        journey = _id(found)
        run = await histories.latest(self._client, journey)
        if run is None:
            raise CannotRepair("Temporal has no history of it")
        after = 0 if found.kind == "journal_gap" else await self._journal_last(journey)
        lost = await histories.decisions(self._client, run, after)
        if not lost:
            raise CannotRepair("its histories hold nothing that is missing")
        for commit in lost:
            await doctor.rewrite(self._database, commit)
        await self._keep(run)
        return f"wrote decisions {lost[0].seq} to {lost[-1].seq}"

    async def keep(self, found: Mismatch) -> str:
        """The journey as Temporal has it."""
        run = await histories.latest(self._client, _id(found))
        if run is None or not await self._keep(run):
            raise CannotRepair("Temporal does not have it as the journal does")
        return "kept"

    async def _keep(self, run: histories.Run) -> bool:
        journey = await self._in_temporal(run.journey)
        if journey is None or journey.status == "closed" or journey.seq != await self._journal_last(run.journey):
            return False
        await doctor.keep(self._database, journey)
        return True

    # --- Temporal from the record

    async def from_record(self, found: Mismatch) -> str:
        """The workflow begins again where the record stands; one that runs is ended in the same call."""
        id_ = _id(found)
        last = await self._journal_last(id_)
        journey = await self._whole(id_, last)
        if journey is None:
            raise CannotRepair("the record does not keep this journey as it stands now")
        try:
            await self._client.start_workflow(
                (journey.next_stage or journey.stage).value,
                journey,
                id=id_,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL
                if found.kind == "journey_without_workflow"
                else WorkflowIDConflictPolicy.TERMINATE_EXISTING,
                static_summary="Started again from the record",
                search_attributes=_attributes(journey),
            )
        except WorkflowAlreadyStartedError:
            raise CannotRepair("its workflow runs by now") from None
        return f"started in {(journey.next_stage or journey.stage).value}, after decision {last}"

    async def end_workflow(self, found: Mismatch) -> str:
        """The journey is closed: what still runs for it is older than that."""
        await self._client.get_workflow_handle(_id(found)).terminate(reason="the record has this journey closed")
        return "ended its workflow"

    async def agree(self, found: Mismatch) -> str:
        """The record is right: what it keeps of the journey was written with the decision itself. Where Temporal has
        the same journey, only rows that are written from it differ."""
        id_ = _id(found)
        kept, there = await doctor.kept_journey(self._database, id_), await self._in_temporal(id_)
        if kept is not None and there is not None and kept.seq == there.seq and differences(kept, there):
            return await self.from_record(found)
        return await self.projections(found)

    # --- within the record

    async def projections(self, found: Mismatch) -> str:
        """Rows that are written from a journey are written from it again."""
        id_ = _id(found)
        journey = await self._whole(id_, await self._journal_last(id_))
        if journey is None:
            raise CannotRepair("neither Temporal nor the record has the journey as the journal does")
        now = datetime.now(UTC)
        await doctor.rewrite(self._database, _standing(journey, now))
        await doctor.only_open(self._database, journey, now, PUT_RIGHT)
        return "written from the journey"

    async def settle(self, found: Mismatch) -> str:
        """Nothing is open in a closed journey."""
        await doctor.close_open(self._database, _id(found), PUT_RIGHT)
        return "settled"

    async def begin_again(self, found: Mismatch) -> str:
        """The relay does."""
        await doctor.start_again(self._database, _id(found))
        return "the relay begins it again"

    # --- messages

    async def give_up(self, found: Mismatch) -> str:
        """It leaves no more by itself; a person is told to, where it is a person's (`notice_untold`)."""
        status, reason = ("failed", "nobody was sending it")
        if found.kind == "notice_cut_off":
            status, reason = ("uncertain", "an earlier attempt was cut off")
        await doctor.give_up_notice(self._database, str(found.about), status, reason)
        return status

    async def tell_journey(self, found: Mismatch) -> str:
        """The journey hears that a message did not arrive, and opens its task."""
        rows = await self._database.fetch("select recipient from continuum.notice where id = $1", found.about)
        handle = self._client.get_workflow_handle(_id(found))
        stage = Stage((await handle.describe()).workflow_type)
        action = act.NoteUndelivered(
            action_id=f"undelivered-{sha256(str(found.about).encode()).hexdigest()[:32]}",
            actor=system(found.tenant),
            expected=act.Expected(stage=stage),
            notice=str(found.about),
            to=rows[0]["recipient"],
        )
        await handle.execute_update("note_undelivered", action, id=action.action_id, rpc_timeout=BEFORE_ANSWER)
        return "opened a task"

    async def write_reply(self, found: Mismatch) -> str:
        """The answer to the referrer's system is written, and whoever subscribed hears of it."""
        for reply in await notices.unwritten(self._database, [str(found.about)]):
            await notices.reply_ready(self._database, reply["id"], task_of(reply))
        return "written"

    # --- what is known of a journey

    async def _journal_last(self, journey: str) -> int:
        rows = await doctor.standings(self._database, only=[journey])
        return rows[0].journal_last if rows else 0

    async def _whole(self, journey: str, seq: int) -> Journey | None:
        """The journey as it stood after that decision, from whoever has it."""
        kept = await doctor.kept_journey(self._database, journey)
        if kept is not None and kept.seq == seq:
            return kept
        there = await self._in_temporal(journey)
        return there if there is not None and there.seq == seq else None

    async def _in_temporal(self, journey: str) -> Journey | None:
        run = await histories.latest(self._client, journey)
        told = (await histories.replayed(self._client, [run])).get(journey) if run is not None else None
        return None if told is None or told.does_not_replay else told.journey


_HOW: dict[str, Callable[[Repairs, Mismatch], Awaitable[str]]] = {
    "referral_without_journey": Repairs.begin_again,
    "workflow_without_journey": Repairs.from_histories,
    "journal_behind": Repairs.from_histories,
    "journal_gap": Repairs.from_histories,
    "journey_without_workflow": Repairs.from_record,
    "workflow_behind": Repairs.from_record,
    "stage_differs": Repairs.agree,
    "closed_but_running": Repairs.end_workflow,
    "state_not_kept": Repairs.keep,
    "projection_behind": Repairs.projections,
    "projection_differs": Repairs.agree,
    "open_in_closed": Repairs.settle,
    "notice_unsent": Repairs.give_up,
    "notice_cut_off": Repairs.give_up,
    "notice_untold": Repairs.tell_journey,
    "reply_unwritten": Repairs.write_reply,
}

ORDER = tuple(_HOW)
"""The record is put right before what is started from it, and both before what only waits."""


def _id(found: Mismatch) -> str:
    if found.journey is None:
        raise CannotRepair("it is no journey's")
    return found.journey


def _standing(journey: Journey, now: datetime) -> Commit:
    """Where a journey stands, as a decision that decides nothing."""
    return Commit(
        journey=journey.id,
        tenant=journey.tenant,
        clinic=journey.clinic.id if journey.clinic else "unassigned",
        stage=journey.stage,
        status=journey.status,
        outcome=journey.outcome,
        pathway=journey.pathway.label if journey.pathway else None,
        priority=journey.referral.priority,
        waiting_on=waiting_on(journey),
        next_due=next_due(journey),
        overdue=overdue(journey, now),
        at=now,
        seq=journey.seq,
        entries=(),
        plans=tuple(journey.plans),
        visits=tuple(journey.visits),
        tasks=tuple(journey.open_tasks),
    )


def _attributes(journey: Journey) -> TypedSearchAttributes:
    """As the first decision of the new run will set them."""
    now = datetime.now(UTC)
    known: list[SearchAttributePair[Any]] = list(attributes.of(_standing(journey, now)).search_attributes)
    return TypedSearchAttributes(known)
