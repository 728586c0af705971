"""From the record to Temporal: starts the journeys of stored referrals, and tells journeys of amendments, of merged
patients, and of messages that did not arrive.

Intake stores and acknowledges whether or not Temporal is there; this catches up. The workflow id is the journey's,
so that two relays, or one that was killed half-way, start it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import nullcontext, suppress
from hashlib import sha256
from typing import Any

import structlog
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from care import action as act
from care.actor import system
from care.caseload import Adoption
from care.journey import Journey, Stage
from care.referral import Referral
from gateway.matching import matched
from gateway.spans import spans
from records import notices, patients, referrals
from records.database import Database
from workflows import attributes
from workflows.connection import TASK_QUEUE

log = structlog.get_logger(__name__)

EVERY_SECONDS = 0.5
ADOPTION = "adoption"
"""Under this name the facts of a referral hold where its journey stood when it was taken over."""
PATIENCE_SECONDS = 5.0
"""With one referral: a journey that does not answer holds up no other."""


class Relay:
    """Runs beside the worker."""

    def __init__(self, client: Client, database: Database, *, must_be_signed: bool) -> None:
        self._client = client
        self._database = database
        self._must_be_signed = must_be_signed

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. What fails now is tried again in a moment; nothing ends the relay."""
        while not stop.is_set():
            try:
                await self.once()
            except Exception as error:
                log.warning("relay_waits", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), EVERY_SECONDS)

    async def once(self) -> None:
        """Start what waits, and note what changed. One that fails does not hold up the others."""
        for referral in await referrals.to_start(self._database):
            if not await self._try(self._start(referral), referral.journey):
                await referrals.not_started(self._database, referral.journey)
        for lost in await notices.undelivered_to_note(self._database):
            await self._try(self._note_undelivered(lost), lost.journey)
        for inbound, journey, tenant in await referrals.amendments_to_note(self._database):
            await self._try(self._note_amendment(str(inbound), journey, tenant), journey)
        for merged in await patients.merges_to_note(self._database):
            await self._try(self._note_merge(merged), merged.journey)

    async def _try(self, work: Coroutine[None, None, None], journey: str) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await work
        except Exception as error:
            log.warning("relay_failed", journey=journey, error=type(error).__name__)
            return False
        return True

    async def _start(self, waiting: referrals.Waiting) -> None:
        """A referral begins in intake; a journey that is taken over from elsewhere begins in the stage it was in."""
        found = waiting.facts.get(ADOPTION)
        adoption = Adoption.model_validate(found) if found is not None else None
        stage = adoption.stage if adoption else Stage.INTAKE
        referral = Referral.model_validate(waiting.facts)
        if not waiting.matched:
            referral = matched(referral, waiting.codes, waiting.texts, must_be_signed=self._must_be_signed)
        journey = Journey(id=waiting.journey, tenant=waiting.tenant, stage=stage, referral=referral, adoption=adoption)
        # A caseload that is taken over was no message.
        sent = nullcontext() if adoption else spans().later(journey.id, "Begin", journey=journey.id)
        with sent, suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                stage.value,
                journey,
                id=journey.id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary="Taken over" if adoption else "Referral received",
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(attributes.WAITING_ON, "Continuum" if adoption else "intake"),
                        SearchAttributePair(attributes.OVERDUE, False),
                    ]
                ),
            )
        await referrals.started(self._database, journey.id, {**waiting.facts, **referral.model_dump(mode="json")})

    async def _note_amendment(self, inbound: str, journey: str, tenant: str) -> None:
        handle, expected = await self._found(journey)
        action = act.NoteAmendment(action_id=f"amendment-{inbound}", actor=system(tenant), expected=expected)
        # Where it fails, the stage has just changed: the next round tries again.
        with spans().later(inbound, "CarryOut:note_amendment", journey=journey), suppress(WorkflowUpdateFailedError):
            await handle.execute_update("note_amendment", action, id=action.action_id)

    async def _note_merge(self, merged: patients.ToNote) -> None:
        handle, expected = await self._found(merged.journey)
        action = act.NoteMerge(
            action_id=f"merge-{merged.merge}",
            actor=system(merged.tenant),
            expected=expected,
            other_open=merged.other_open,
        )
        with suppress(WorkflowUpdateFailedError):  # as above
            await handle.execute_update("note_merge", action, id=action.action_id)

    async def _note_undelivered(self, lost: notices.Undelivered) -> None:
        handle, expected = await self._found(lost.journey)
        # A notice's id may be longer than an action's.
        action_id = f"undelivered-{sha256(lost.id.encode()).hexdigest()[:32]}"
        action = act.NoteUndelivered(
            action_id=action_id, actor=system(lost.tenant), expected=expected, notice=lost.id, to=lost.recipient
        )
        with suppress(WorkflowUpdateFailedError):  # as above
            await handle.execute_update("note_undelivered", action, id=action.action_id)

    async def _found(self, journey: str) -> tuple[WorkflowHandle[Any, Any], act.Expected]:
        """A journey, and the stage that it is in."""
        handle = self._client.get_workflow_handle(journey)
        return handle, act.Expected(stage=Stage((await handle.describe()).workflow_type))
