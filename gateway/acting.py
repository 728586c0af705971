"""A person acts on a journey: the one way in for command line, and later for API and pages.

A caller has a deadline of its own: what is not confirmed in time is answered "not yet confirmed", with the action's
id to ask again. A repeat gets the first one's answer, also after the journey has moved on to another stage.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from care.action import ACTIONS, Action, Answer, Expected, digest
from care.actor import Actor
from care.journey import Stage
from gateway.people import unknown
from records import journeys
from records.database import Database

DEADLINE = timedelta(seconds=5)
MOMENT_WANTED = "a moment with its offset from UTC is wanted, for example 2026-12-01T09:00+04:00"


class ActionRefused(Exception):  # noqa: N818
    """It may not be done: why, and what would be right. `kind` is for programs."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotConfirmed(Exception):  # noqa: N818
    """Not refused, but not confirmed in time either: ask again under the same action id."""

    def __init__(self, action_id: str) -> None:
        super().__init__(f"accepted, not yet confirmed: ask again with the action id {action_id}")
        self.action_id = action_id


async def perform(
    client: Client,
    database: Database,
    *,
    journey: str,
    name: str,
    data: dict[str, Any],
    actor: Actor,
    action_id: str | None = None,
    expected: Expected | None = None,
    deadline: timedelta = DEADLINE,
) -> Answer:
    """Do it, or raise ActionRefused or NotConfirmed."""
    row = await journeys.journey_row(database, actor.tenant, journey)
    if row is None:
        raise ActionRefused("NoSuchJourney", "there is no journey of that id")
    action_id = action_id or f"act-{secrets.token_hex(8)}"
    expected = expected or Expected(stage=Stage(row["stage"]))
    words, data = data.get("note"), {k: v for k, v in data.items() if k != "note"}
    action = build(name, data, actor=actor, action_id=action_id, expected=expected)
    if words is not None:
        note = await keep_note(database, journey, actor, action_id, words)
        action = action.model_copy(update={"note": note})
    if (wrong := await unknown(database, actor.tenant, name, action)) is not None:
        if (first := await _answered_before(database, journey, action)) is not None:
            return first
        raise ActionRefused(*wrong)
    handle = client.get_workflow_handle(journey)
    try:
        return await _send(handle, name, action, deadline)
    except WorkflowUpdateFailedError as failure:
        if (first := await _answered_before(database, journey, action)) is not None:
            return first
        raise await _refusal(handle, name, failure) from None
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise NotConfirmed(action_id) from None
        if (first := await _answered_before(database, journey, action)) is not None:
            return first
        raise await _not_running(database, actor.tenant, journey) from None


def build(name: str, data: dict[str, Any], *, actor: Actor, action_id: str, expected: Expected) -> Action:
    """The action from its name and data. Raises ActionRefused naming our own field, never what was sent in it."""
    kind = ACTIONS.get(name)
    if kind is None:
        raise ActionRefused("NoSuchAction", f"there is no action of that name; there are: {', '.join(sorted(ACTIONS))}")
    body = {**data, "action_id": action_id, "actor": actor, "expected": expected}
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = str(first["loc"][0]) if first["loc"] and first["loc"][0] in kind.model_fields else "data"
        fields = ", ".join(sorted(set(kind.model_fields) - set(Action.model_fields))) or "none"
        raise ActionRefused(
            "BadData", f"{where}: {_wanted(first['type'], first['msg'])} (fields of {name}: {fields})"
        ) from None


def _wanted(type_: str, words: str) -> str:
    """What would be right, where the validator's own words help nobody."""
    if type_ == "timezone_aware" or type_.startswith("datetime_"):
        return MOMENT_WANTED
    if type_ == "string_pattern_mismatch":
        return "person:ID or queue:NAME is wanted" if "(queue|person):" in words else "an id is wanted"
    return words


async def _send(handle: WorkflowHandle[Any, Any], name: str, action: Action, deadline: timedelta) -> Answer:
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            # The service answers a repeated update id with the first one's answer and looks at nothing else; with
            # the digest in it, another action under the same id reaches the journey and is refused there.
            update_id = f"{action.action_id}:{digest(action)[:16]}"
            answer: Answer = await handle.execute_update(name, action, id=update_id, result_type=Answer)
            return answer
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # the SDK makes its own error of the caller's cancellation
            raise asyncio.CancelledError from None
        raise NotConfirmed(action.action_id) from None


async def _refusal(handle: WorkflowHandle[Any, Any], name: str, failure: WorkflowUpdateFailedError) -> ActionRefused:
    cause = failure.cause
    if isinstance(cause, ApplicationError) and cause.type in REFUSED_BY_THE_SDK:
        try:
            people_say = [one for one in await allowed_now(handle) if not one.startswith(OURS_ALONE)]
            now = f"; possible now: {', '.join(people_say)}"
        except (RPCError, WorkflowQueryFailedError):
            now = ""
        return ActionRefused("NotNow", f"{name} cannot be done in this stage{now}")
    if isinstance(cause, ApplicationError):
        return ActionRefused(cause.type or "Refused", cause.message)
    return ActionRefused("Refused", "the journey refused this action")


async def _not_running(database: Database, tenant: str, journey: str) -> ActionRefused:
    row = await journeys.journey_row(database, tenant, journey) or {"status": "open", "outcome": None}
    if row["status"] == "closed":
        return ActionRefused("Closed", f"this journey is closed ({row['outcome']})")
    return ActionRefused("NotBegun", "this journey has not begun yet: try again in a moment")


OURS_ALONE = "note_"
"""Actions of this prefix are how Continuum itself tells a journey of something that happened elsewhere."""
REFUSED_BY_THE_SDK = {None, "", "RuntimeError"}


async def allowed_now(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The actions that the journey's stage knows."""
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    return sorted(update.name for update in metadata.definition.update_definitions)


async def keep_note(database: Database, journey: str, actor: Actor, action_id: str, words: Any) -> str:
    """A note's words go to PostgreSQL; the action carries its id. A repeat of the action has the same note."""
    if not isinstance(words, str) or not words.strip() or not _storable(words):
        raise ActionRefused("BadData", "note: words are wanted")
    note_id = f"note-{sha256(f'{journey}/{action_id}'.encode()).hexdigest()[:32]}"
    kept = await journeys.add_note(
        database, note_id=note_id, tenant=actor.tenant, journey_id=journey, author=actor.person, body=words
    )
    if kept != words:
        raise ActionRefused("ActionReused", "this action id was used before with another note; use a new one")
    return note_id


def _storable(words: str) -> bool:
    """PostgreSQL stores no U+0000 and no half of a surrogate pair."""
    return "\0" not in words and not any("\ud800" <= letter <= "\udfff" for letter in words)


async def _answered_before(database: Database, journey: str, action: Action) -> Answer | None:
    row = await journeys.action_row(database, journey, action.action_id)
    if row is None:
        return None
    if row["action_digest"] != digest(action):
        raise ActionRefused("ActionReused", "this action id was used before for something else; use a new one")
    return Answer(journey=journey, seq=row["seq"], stage=row["stage"], status=row["status"], text="done before")
