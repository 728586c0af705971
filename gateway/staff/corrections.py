"""What no single action of a running journey can put right: a closed journey goes on, two records are one person's."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.access.guard import about, caller_of
from gateway.access.policy import policy
from gateway.acting import ActionRefused, NotConfirmed
from gateway.context import gateway_of
from gateway.merging import merge, merge_of_journeys
from gateway.reopening import reopen
from gateway.staff import bodies, shapes
from gateway.staff.acting import ACTED, IdempotencyKey, done, not_confirmed
from gateway.staff.common import JourneyId, Json, seen
from gateway.staff.refusing import WITH_BODY, problem_of, problems
from gateway.staff.requests import MergeJourneys, MergePatients, Reopening
from gateway.staff.who_may import STAFF, actor_for

router = APIRouter(tags=["Corrections"])


@router.post(
    "/journeys/{journey}/reopening",
    response_model=shapes.Done,
    responses=ACTED,
    openapi_extra=bodies.described(Reopening),
)
@policy(roles=STAFF)
async def reopen_journey(request: Request, journey: JourneyId, idempotency_key: IdempotencyKey = None) -> Response:
    """Reopen a journey that was closed by mistake. It goes on where it stood; nothing is reset."""
    caller, gateway = await seen(request, journey), gateway_of(request)
    body = await bodies.read(request, Reopening)
    action_id = bodies.action_id(request) or f"reopen-{secrets.token_hex(8)}"
    try:
        answer = await reopen(
            await gateway.temporal.client(),
            gateway.database,
            journey=journey,
            reason=body.reason,
            note=body.note,
            actor=actor_for(caller, "reopening"),
            action_id=action_id,
        )
    except ActionRefused as refused:
        raise problem_of(refused, action_id) from None
    except NotConfirmed:
        return not_confirmed(journey, action_id)
    return done(answer, action_id)


@router.post(
    "/patient-merges",
    response_model=shapes.MergedPatients,
    responses=problems(404, 409, *WITH_BODY),
    openapi_extra=bodies.described(MergePatients, MergeJourneys),
)
@policy(roles=STAFF)
async def merge_patients(request: Request) -> Response:
    """Merge one record of the register into another: both turned out to be one person's. A repeat changes nothing."""
    caller, database = caller_of(request), gateway_of(request).database
    said = await bodies.json_object(request)
    actor = actor_for(caller, "merge")
    try:
        if "journey" in said or "into_journey" in said:
            two = bodies.as_model(said, MergeJourneys)
            await seen(request, two.journey)
            await seen(request, two.into_journey)
            merged = await merge_of_journeys(
                database, journey=two.journey, into=two.into_journey, note=two.note, actor=actor
            )
        else:
            one = bodies.as_model(said, MergePatients)
            merged = await merge(database, from_=one.from_, into=one.into, note=one.note, actor=actor)
    except ActionRefused as refused:
        raise problem_of(refused) from None
    about(request, f"Patient/{merged.into}")
    return Json(merged.model_dump())
