"""`Task/ID/$available-actions`: which actions may I take now, on the version that I have in front of me?

An answer is of one moment: another action may change it, and then the version is another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from fastapi import Request, Response
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from gateway.access.caller import Caller
from gateway.acting import allowed_now
from gateway.answers import Problem
from gateway.context import TemporalAway, gateway_of
from gateway.fhir_server import negotiation
from gateway.fhir_server.elements import Resource
from gateway.fhir_server.reading import caller_of, row_of
from gateway.fhir_server.resources.task import TASK
from gateway.staff.who_may import WHO_MAY, may
from records import journeys

LOOK_SECONDS = 5.0
NAME = "available-actions"
DEFINITION = "urn:continuum:OperationDefinition:available-actions"


def may_take(caller: Caller, names: Iterable[str]) -> list[str]:
    """Those of a stage's actions that this caller may ask for. A referrer's system may what a physician may."""
    return [
        name
        for name in sorted(names)
        if may(caller, name) or ("system" in caller.roles and "physician" in WHO_MAY.get(name, ()))
    ]


async def available_actions(request: Request, id: str) -> Response:  # noqa: A002 - FHIR's own word
    """As Parameters. Raises Problem 400, 404, and 409 where the Task is not at the version that was expected."""
    negotiation.check_acceptable(request)
    expected = request.query_params.getlist("expected")
    if any(name not in ("expected", *negotiation.FORMAT) for name in request.query_params) or len(expected) > 1:
        raise Problem(400, "not-supported", "this operation takes one parameter: expected, the version of the Task")
    task = await row_of(request, TASK, id)
    if task["kind"] != "fulfill":
        raise Problem(404, "not-found", "actions are taken on the Task that carries an order's execution")
    version = str(task["version"])
    if expected and expected[0].removeprefix('W/"').removesuffix('"') != version:
        raise Problem(409, "conflict", f"the Task is at version {version} now: look again")
    caller = caller_of(request)
    row = await journeys.journey_row(gateway_of(request).database, caller.tenant, task["journey"])
    names: list[str] = []
    if row is not None and row["status"] != "closed" and row["seq"]:
        names = may_take(caller, await _of_stage(request, task["journey"]))
    headers = {**negotiation.NEVER_KEPT, "ETag": negotiation.etag(task)}
    return negotiation.answer(request, parameters(id, version, row["stage"] if row else None, names), headers=headers)


def parameters(task: str, version: str, stage: str | None, names: Iterable[str]) -> Resource:
    """The answer: of which Task and version, in which stage, and one `action` for each."""
    found: list[Resource] = [
        {"name": "task", "valueReference": {"reference": f"Task/{task}"}},
        {"name": "version", "valueString": version},
    ]
    if stage is not None:
        found.append({"name": "stage", "valueCode": stage})
    found += [{"name": "action", "valueCode": name} for name in names]
    return {"resourceType": "Parameters", "parameter": found}


async def _of_stage(request: Request, journey: str) -> list[str]:
    """Raises TemporalAway, also where no worker answers."""
    client = await gateway_of(request).temporal.client()
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await allowed_now(client.get_workflow_handle(journey))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return []
        raise TemporalAway("Temporal cannot be reached") from None
    except (TimeoutError, WorkflowQueryFailedError):
        raise TemporalAway("no worker answers") from None
