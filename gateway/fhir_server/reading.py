"""Reading: from a request to the row that its caller may see, and from that to an answer."""

from __future__ import annotations

import asyncio

from fastapi import Request, Response

from gateway.access.caller import Caller
from gateway.access.policy import Policy
from gateway.answers import Problem
from gateway.context import gateway_of
from gateway.fhir_server import negotiation
from gateway.fhir_server.elements import Resource, Row, Setting, measures
from gateway.fhir_server.resource_type import COMMON, ResourceType
from gateway.fhir_server.search.values import ID
from records import clients, fhir
from records.clients import Profile
from records.fhir import Own, Scope

NOT_THERE = "there is nothing of that id"
ONLY_THE_LAST = "only the current version of a resource is shown; there is no history"


def caller_of(request: Request) -> Caller:
    """Whoever the guard let in."""
    caller: Caller = request.state.caller
    return caller


def scope_of(caller: Caller) -> Scope:
    """What of the record they may see."""
    own = Own(caller.sender, caller.email) if caller.sees_own_only else None
    return Scope(caller.tenant, own)


async def setting_of(request: Request) -> Setting:
    """Where we are, and the guide that the caller speaks."""
    gateway, caller = gateway_of(request), caller_of(request)
    if not measures.cache_info().currsize:
        await asyncio.to_thread(measures)  # our content is read from files once, while others are served
    profile: Profile = "cow"
    if caller.kind == "system":
        client = await clients.find(gateway.database, caller.id)
        profile = client.profile if client is not None else profile
    return Setting(f"{gateway.settings.base_url}/fhir", profile)


# --- one resource


async def row_of(request: Request, kind: ResourceType, id: str) -> Row:  # noqa: A002 - FHIR's own word
    """The row of a resource. Raises Problem 404 where there is none, or none that this caller may see."""
    where = kind.of_id(id) if ID.fullmatch(id) else None
    row = None
    if where is not None:
        database, scope = gateway_of(request).database, scope_of(caller_of(request))
        row = await fhir.read(database, kind.view, scope, kind.seen, (*COMMON, *kind.columns), where)
    # Two ids may come down to one key; only one of them is that of the resource.
    if row is None or row["id"] != id:
        raise Problem(404, "not-found", NOT_THERE)
    return row


async def read(request: Request, kind: ResourceType, id: str) -> Response:  # noqa: A002
    """`read`: 200, or 304 where the caller has it already."""
    negotiation.check_acceptable(request)
    return await shown(request, kind, await row_of(request, kind, id))


async def vread(request: Request, kind: ResourceType, id: str, version: str) -> Response:  # noqa: A002
    """`vread` of the current version; of others 404 that says why."""
    negotiation.check_acceptable(request)
    row = await row_of(request, kind, id)
    if str(row["version"]) != version:
        raise Problem(404, "not-found", ONLY_THE_LAST)
    return await shown(request, kind, row)


async def shown(request: Request, kind: ResourceType, row: Row) -> Response:
    """A row as the answer to a read."""
    headers = negotiation.versioned(row)
    if negotiation.not_modified(request, row):
        return Response(status_code=304, headers=headers)
    (resource,) = await built(kind, [row], await setting_of(request))
    return negotiation.answer(request, resource, headers=headers)


async def built(kind: ResourceType, rows: list[Row], setting: Setting) -> list[Resource]:
    """Rows as resources."""
    if kind.heavy and rows:
        return await asyncio.to_thread(lambda: [kind.build(row, setting) for row in rows])
    return [kind.build(row, setting) for row in rows]


def policy_of(kind: ResourceType, permission: str) -> Policy:
    """Who may read or search a type."""
    scope = f"{kind.name}.{permission}" if kind.for_systems else None
    return Policy(roles=frozenset(kind.roles), scope=scope)
