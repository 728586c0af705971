"""Actions as resources: which may I take now, take one, and what became of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from care.action import ACTIONS, Answer, Expected
from care.journey import Stage
from gateway.access.caller import Caller
from gateway.access.policy import PUBLIC, marked, policy
from gateway.acting import ActionRefused, NotConfirmed, allowed_now, perform
from gateway.answers import RETRY_AFTER_SECONDS, Problem
from gateway.context import TemporalAway, gateway_of
from gateway.people import unknown_person
from gateway.staff import bodies, shapes
from gateway.staff.common import READERS, JourneyId, Json, etag, looks_like_an_id, seen
from gateway.staff.refusing import WITH_BODY, no_journey, problem_of, problems
from gateway.staff.requests import BODIES
from gateway.staff.who_may import WHO_MAY, actor_for, may
from records import journeys

router = APIRouter(tags=["Actions"])

LOOK_SECONDS = 3.0
"""So long a journey is given to say which actions it takes."""
NOT_HELPED_BY_ANOTHER = {"BadData", "NoSuchJourney", "ActionReused", "NotAllowed", "UnknownPerson", "UnknownQueue"}

NOT_IN_A_BODY = {"actor", "action_id", "expected"}
SAID_ELSEWHERE = (
    "who acts is who the token says, the action's id is its Idempotency-Key, and what it is meant for is If-Match"
)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r'^"?[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"?$',
        description="The action's id: a repeat under it gets the first one's answer, for ever.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^(\*|(W/)?"(0|[1-9][0-9]{0,8})")$',
        description="The ETag of the journey that you looked at.",
    ),
]
ExpectedStage = Annotated[Stage | None, Query(description="The stage that this is meant for.")]
OnBehalfOf = Annotated[
    str | None,
    Query(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Whom a coordinator acts for, by directory id."),
]
_202: dict[int | str, dict[str, Any]] = {
    202: {
        "model": shapes.NotYetConfirmed,
        "description": "Not refused, and not confirmed in time.",
        "headers": {"Location": {"description": "Where to ask.", "schema": {"type": "string"}}},
    }
}
ACTED = {**problems(404, 409, 412, *WITH_BODY), **_202}


def title_of(name: str) -> str:
    """What an action is, in a line."""
    return " ".join((ACTIONS[name].__doc__ or name).split("\n\n")[0].split())


# --- which


@router.get("/journeys/{journey}/actions", response_model=shapes.PossibleActions, responses=problems(404))
@policy(roles={*READERS, "physician"})
async def possible_actions(request: Request, journey: JourneyId) -> Response:
    """Which actions may I take now: those that the journey's stage takes and my role may. The ETag is its version."""
    caller = await seen(request, journey)
    row = await journeys.journey_row(gateway_of(request).database, caller.tenant, journey)
    if row is None:
        raise no_journey()
    names = [] if row["status"] == "closed" or not row["seq"] else await _possible(request, caller, journey)
    items = [
        {
            "name": name,
            "title": title_of(name),
            "href": f"/api/journeys/{journey}/actions/{name}",
            "schema": f"/api/schemas/{name}",
        }
        for name in names
    ]
    head = {"journey": journey, **{part: row[part] for part in ("stage", "status", "seq")}}
    return Json({**head, "items": items}, headers=etag(row["seq"]))


async def _possible(request: Request, caller: Caller, journey: str) -> list[str]:
    """Raises TemporalAway: also where no worker answers."""
    client = await gateway_of(request).temporal.client()
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            names = await allowed_now(client.get_workflow_handle(journey))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return []
        raise TemporalAway("Temporal cannot be reached") from None
    except (TimeoutError, WorkflowQueryFailedError):
        raise TemporalAway("no worker answers") from None
    return [name for name in names if may(caller, name)]


@router.get("/schemas/{name}", responses={**problems(404), 200: {"content": {"application/schema+json": {}}}})
@marked(PUBLIC)
async def action_schema(name: str) -> Response:
    """The JSON Schema of an action's body."""
    body = BODIES.get(name)
    if body is None:
        raise Problem(404, "NoSuchAction", f"there is no action of that name; there are: {', '.join(BODIES)}")
    return Json(_schema(name), media_type="application/schema+json")


@cache
def _schema(name: str) -> dict[str, Any]:
    return BODIES[name].model_json_schema()


# --- what became of it


@router.get("/actions/{action_id}", response_model=shapes.ActionStatus, responses=problems(404))
@policy(roles={*READERS, "physician", "patient"})
async def action_status(
    request: Request, action_id: str, journey: Annotated[str, Query(description="The journey's id.")]
) -> Response:
    """Whether an action is on record. Where it is not, a repeat under its id tells more: done, or refused and why."""
    await seen(request, journey)
    row = None
    if looks_like_an_id(action_id):
        row = await journeys.action_row(gateway_of(request).database, journey, action_id)
    said = {"action_id": action_id, "journey": journey}
    if row is None:
        words = "nothing is on record under this id: repeat the action under it to learn what becomes of it"
        return Json({**said, "state": "not_confirmed", "done": None, "detail": words})
    done = {**said, **{part: row[part] for part in ("seq", "stage", "status", "text")}}
    return Json({**said, "state": "done", "done": done, "detail": row["text"]})


# --- take one


async def take(
    request: Request,
    journey: str,
    name: str,
    data: dict[str, Any],
    *,
    stage: Stage | None = None,
    on_behalf_of: str | None = None,
    action_id: str | None = None,
) -> Response:
    """Do it for whoever asks. Raises Problem, DatabaseAway, TemporalAway."""
    caller, gateway = await seen(request, journey), gateway_of(request)
    action_id = action_id or bodies.action_id(request) or f"act-{secrets.token_hex(8)}"
    seq = bodies.version(request)
    if stage is None and seq is not None:
        row = await journeys.journey_row(gateway.database, caller.tenant, journey)
        stage = Stage(row["stage"]) if row else None
    expected = Expected(stage=stage, seq=seq) if stage is not None else None
    try:
        answer = await perform(
            await gateway.temporal.client(),
            gateway.database,
            journey=journey,
            name=name,
            data=data,
            actor=actor_for(caller, name, await _principal(request, caller, on_behalf_of)),
            action_id=action_id,
            expected=expected,
        )
    except ActionRefused as refused:
        allowed = None if refused.kind in NOT_HELPED_BY_ANOTHER else await _allowed(request, caller, journey)
        raise problem_of(refused, action_id, allowed) from None
    except NotConfirmed:
        return not_confirmed(journey, action_id)
    return done(answer, action_id)


async def _principal(request: Request, caller: Caller, person: str | None) -> str | None:
    """Whom somebody acts for: a person of the directory, and only coordinators act for others. Raises Problem."""
    if person is None:
        return None
    if "coordinator" not in caller.roles:
        raise Problem(403, "NotAllowed", "only coordinators act on behalf of somebody", path="query.on_behalf_of")
    wrong = await unknown_person(gateway_of(request).database, caller.tenant, person)
    if wrong is not None:
        raise Problem(422, *wrong, path="query.on_behalf_of")
    return person


async def _allowed(request: Request, caller: Caller, journey: str) -> list[str] | None:
    """For a refusal: it is as true without."""
    try:
        return await _possible(request, caller, journey)
    except TemporalAway:
        return None


def done(answer: Answer, action_id: str) -> Response:
    """200: it is on record."""
    return Json({"action_id": action_id, **answer.model_dump(mode="json")}, headers=etag(answer.seq))


def not_confirmed(journey: str, action_id: str) -> Response:
    """202: where to ask."""
    url = f"/api/actions/{action_id}?journey={journey}"
    detail = "accepted, not yet confirmed: ask at status_url, or repeat it under the same Idempotency-Key"
    return Json(
        {"action_id": action_id, "status_url": url, "detail": detail},
        202,
        {"Location": url, "Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _endpoint(name: str) -> Callable[..., Awaitable[Response]]:
    async def act(
        request: Request,
        journey: JourneyId,
        idempotency_key: IdempotencyKey = None,
        if_match: IfMatch = None,
        expected_stage: ExpectedStage = None,
        on_behalf_of: OnBehalfOf = None,
    ) -> Response:
        await seen(request, journey)  # before the body: nobody learns of a journey by how their body is answered
        data = await bodies.json_object(request)
        if forged := sorted(NOT_IN_A_BODY & set(data)):
            raise Problem(422, "BadData", f"{', '.join(forged)}: not in the body; {SAID_ELSEWHERE}")
        return await take(request, journey, name, data, stage=expected_stage, on_behalf_of=on_behalf_of)

    act.__name__ = name
    act.__doc__ = ACTIONS[name].__doc__
    return act


for _name, _roles in WHO_MAY.items():
    router.add_api_route(
        f"/journeys/{{journey}}/actions/{_name}",
        policy(roles=_roles)(_endpoint(_name)),
        methods=["POST"],
        response_model=shapes.Done,
        responses=ACTED,
        operation_id=_name,
        summary=_name.replace("_", " ").capitalize(),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{BODIES[_name].__name__}"}}},
            }
        },
    )
