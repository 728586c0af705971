"""Tasks: what is owed, by anybody, by a queue or person, or by whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from care.task import TaskKind
from gateway.access.caller import Caller
from gateway.access.guard import caller_of
from gateway.access.policy import policy
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.people import unknown_person, whose
from gateway.staff import shapes
from gateway.staff.common import READERS, Json
from gateway.staff.journeys import After, Limit
from gateway.staff.paging import cursor, place
from gateway.staff.refusing import problems
from records import directory as stored
from records import journeys as reading
from records.database import Database

router = APIRouter(tags=["Tasks"])

ME = "me"
Owner = Annotated[
    str | None,
    Query(pattern=r"^((queue|person):)?[a-z0-9][a-z0-9._-]{0,63}$", description="Only this queue or person."),
]
Mine = Annotated[
    str | None,
    Query(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$",
        description="What is this person's (`me`: the caller's): theirs, of whom they stand in for, of their queues.",
    ),
]


@router.get("/tasks", response_model=shapes.TaskPage, responses=problems())
@policy(roles=READERS)
async def list_tasks(
    request: Request,
    owner: Owner = None,
    mine: Mine = None,
    kind: Annotated[TaskKind | None, Query()] = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """What is owed now, soonest due first."""
    caller, database = caller_of(request), gateway_of(request).database
    named = await _named(database, caller, mine) if mine is not None else {}
    if owner is not None:
        owner = await _owner(database, caller, owner)
    rows = await reading.tasks(
        database,
        caller.tenant,
        owner=owner,
        kind=kind,
        after=place(after, (datetime, str)),
        limit=limit,
        **named,
    )
    following = cursor((rows[-1]["due_at"], rows[-1]["id"])) if len(rows) == limit else None
    return Json({"items": rows, "next": following})


async def _named(database: Database, caller: Caller, mine: str) -> dict[str, Any]:
    person = caller.id if mine == ME else mine
    found = await stored.load(database, caller.tenant)
    if found.person(person) is None and (wrong := await unknown_person(database, caller.tenant, person)):
        raise Problem(422, *wrong, path="query.mine")
    return whose(found, person, datetime.now(UTC))


async def _owner(database: Database, caller: Caller, said: str) -> str:
    """An owner in full. Raises Problem where nobody bears that name: an empty list would say that nothing is owed."""
    kind, _, id_ = said.rpartition(":")
    found = await stored.load(database, caller.tenant)
    queues, people = {q.id for q in found.queues}, {p.id for p in found.people}
    if kind != "person" and id_ in queues:
        return f"queue:{id_}"
    if kind != "queue" and id_ in people:
        return f"person:{id_}"
    there = ", ".join(sorted({"queue": queues, "person": people}.get(kind, queues | people))) or "none"
    raise Problem(422, "UnknownOwner", f"nobody of that id is in the directory; there are: {there}", path="query.owner")
