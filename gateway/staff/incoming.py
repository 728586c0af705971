"""What came in and what it asks of journeys: for those who look after what no rule could decide."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gateway.access.caller import Caller
from gateway.access.guard import caller_of
from gateway.access.policy import policy
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.staff import bodies, shapes
from gateway.staff.common import Json, looks_like_an_id, seen
from gateway.staff.refusing import WITH_BODY, problems
from gateway.staff.requests import Dismissal, Replay
from records import inbound
from records.database import Database

router = APIRouter(tags=["What came in"])

OpenStatus = Literal["waiting", "quarantined", "dead", "refused"]
TO_LOOK_AT: tuple[OpenStatus, ...] = ("quarantined", "dead", "refused")
AtMost = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


@router.get("/messages", response_model=shapes.Messages, responses=problems())
@policy(roles={"coordinator", "operator", "auditor"})
async def list_messages(
    request: Request, outcome: Annotated[inbound.Outcome | None, Query()] = None, limit: AtMost = 200
) -> Response:
    """What came in last, newest first, and what became of it."""
    caller = caller_of(request)
    rows = await inbound.messages(gateway_of(request).database, caller.tenant, outcome=outcome, limit=limit)
    return Json({"items": rows})


@router.get("/asks", response_model=shapes.Asks, responses=problems())
@policy(roles={"coordinator", "operator", "auditor"})
async def list_asks(
    request: Request,
    status: Annotated[list[OpenStatus] | None, Query(description="Without: all that a person has to look at.")] = None,
    limit: AtMost = 200,
) -> Response:
    """What messages ask of journeys and no rule could carry out, oldest first."""
    caller = caller_of(request)
    statuses = tuple(status) if status else TO_LOOK_AT
    rows = await inbound.asks(gateway_of(request).database, caller.tenant, statuses, limit)
    return Json({"items": rows})


async def _ask(database: Database, caller: Caller, id_: str) -> inbound.AskRow:
    found = await inbound.ask(database, id_, caller.tenant) if looks_like_an_id(id_) else None
    if found is None:
        raise Problem(404, "NoSuchAsk", "there is nothing of that id")
    return found


@router.post(
    "/asks/{ask}/replay",
    response_model=shapes.Settled,
    responses=problems(404, 409, *WITH_BODY),
    openapi_extra=bodies.described(Replay),
)
@policy(roles={"coordinator", "operator"})
async def replay_ask(request: Request, ask: str) -> Response:
    """Try it once more, perhaps for the journey that you found."""
    caller, database = caller_of(request), gateway_of(request).database
    await _ask(database, caller, ask)
    body = await bodies.read(request, Replay)
    if body.journey is not None:
        await seen(request, body.journey)
    if not await inbound.replay(database, caller.tenant, ask, caller.sender, body.journey):
        raise Problem(409, "NotReplayable", "it is waiting already, done, or was dismissed")
    return Json({"id": ask, "status": "waiting"})


@router.post(
    "/asks/{ask}/dismiss",
    response_model=shapes.Settled,
    responses=problems(404, 409, *WITH_BODY),
    openapi_extra=bodies.described(Dismissal),
)
@policy(roles={"coordinator", "operator"})
async def dismiss_ask(request: Request, ask: str) -> Response:
    """Nothing follows from it. The note stays with it."""
    caller, database = caller_of(request), gateway_of(request).database
    found = await _ask(database, caller, ask)
    body = await bodies.read(request, Dismissal)
    # In `result`, which lists do not show: what somebody writes may speak of a patient.
    said = {"note": body.note}
    if found.status == "waiting" or not await inbound.settle(
        database, ask, "dismissed", code=found.code, reason=found.reason, result=said, by=caller.sender
    ):
        raise Problem(409, "NotDismissible", "it is waiting to be carried out, done, or was dismissed before")
    return Json({"id": ask, "status": "dismissed"})
