"""A closed journey goes on: its workflow has ended, so it is started again from what it was before it closed.

The same workflow id and the stage's own type; Temporal lets one of two win. The first decision of the new run carries
the action's id, so that a repeat gets the first one's answer.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any, Literal

from pydantic import ValidationError
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from care.action import Answer
from care.actor import Actor
from care.commit import waiting_on
from care.journey import Journey, Reopening
from care.steps.reopening import digest
from gateway.acting import DEADLINE, ActionRefused, NotConfirmed, keep_note
from records import journeys
from records.database import Database
from workflows import attributes
from workflows.connection import TASK_QUEUE

Reason = Literal["death_in_error", "closed_by_mistake"]
ASK_AGAIN_SECONDS = 0.1


async def reopen(
    client: Client,
    database: Database,
    *,
    journey: str,
    reason: Reason,
    note: str,
    actor: Actor,
    action_id: str | None = None,
    deadline: timedelta = DEADLINE,
) -> Answer:
    """Reopen it, or raise ActionRefused or NotConfirmed."""
    if not actor.is_staff:
        raise ActionRefused("NotAllowed", "a journey is reopened by the clinic's staff")
    row = await journeys.journey_row(database, actor.tenant, journey)
    if row is None:
        raise ActionRefused("NoSuchJourney", "there is no journey of that id")
    action_id = action_id or f"reopen-{secrets.token_hex(8)}"
    note_id = await keep_note(database, journey, actor, action_id, note)
    try:
        why = Reopening(actor=actor, action_id=action_id, reason=reason, note=note_id)
    except ValidationError:
        raise ActionRefused("BadData", "the reason is death_in_error or closed_by_mistake") from None
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            return await _until_answered(client, database, journey, why)
    except (TimeoutError, RPCError):
        raise NotConfirmed(action_id) from None


async def _until_answered(client: Client, database: Database, journey: str, why: Reopening) -> Answer:
    """Start it, unless it runs: then it is this one's own run, another's, or one that is just closing."""
    while (answer := await _answered(database, journey, why)) is None:
        row = await journeys.journey_row(database, why.actor.tenant, journey)
        if row is not None and row["status"] != "closed":
            # Between the two looks it may have been this one's own run that opened it.
            if (answer := await _answered(database, journey, why)) is not None:
                break
            raise ActionRefused("AlreadyOpen", "this journey is open")
        await _start(client, database, journey, why)
        await asyncio.sleep(ASK_AGAIN_SECONDS)
    return answer


async def _answered(database: Database, journey: str, why: Reopening) -> Answer | None:
    row = await journeys.action_row(database, journey, why.action_id)
    if row is None:
        return None
    if row["action_digest"] != digest(why):
        raise ActionRefused("ActionReused", "this action id was used before for something else; use a new one")
    return Answer(journey=journey, seq=row["seq"], stage=row["stage"], status=row["status"], text=row["text"])


async def _start(client: Client, database: Database, journey: str, why: Reopening) -> None:
    """Where it runs already, nothing happens: what it writes is seen by whoever looks next."""
    state = await journeys.last_state(database, why.actor.tenant, journey)
    if state is None:
        row = await journeys.journey_row(database, why.actor.tenant, journey)
        if row is not None and row["status"] == "closed":
            raise ActionRefused("NothingKept", "this journey closed before its state was kept: send a new referral")
        return
    last = Journey.model_validate(state)
    last.reopening = why
    try:
        await client.start_workflow(
            (last.next_stage or last.stage).value,
            last,
            id=journey,
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary="Reopened",
            search_attributes=TypedSearchAttributes(_attributes(last)),
        )
    except WorkflowAlreadyStartedError:
        return


def _attributes(journey: Journey) -> list[SearchAttributePair[Any]]:
    """As the relay sets them, with what is known already; the first decision sets the rest."""
    known: list[SearchAttributePair[Any]] = [
        SearchAttributePair(attributes.WAITING_ON, waiting_on(journey)),
        SearchAttributePair(attributes.OVERDUE, False),
    ]
    if journey.clinic is not None:
        known.append(SearchAttributePair(attributes.CLINIC, journey.clinic.id))
    if journey.pathway is not None:
        known.append(SearchAttributePair(attributes.PATHWAY, journey.pathway.label))
    if journey.referral.priority is not None:
        known.append(SearchAttributePair(attributes.PRIORITY, journey.referral.priority))
    return known
