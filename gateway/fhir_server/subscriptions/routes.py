"""`/fhir/Subscription`: a client's own subscriptions, how they stand, and what they were to tell."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from fastapi import APIRouter, Request
from starlette.responses import Response

from activities import notifications
from gateway.access.caller import CallerRole
from gateway.access.guard import about, caller_of
from gateway.access.policy import policy
from gateway.answers import Problem
from gateway.context import Gateway, gateway_of
from gateway.fhir_server.negotiation import check_acceptable
from gateway.fhir_server.registry import Interactions, Operation, SearchParam, declare
from gateway.fhir_server.subscriptions import described
from gateway.fhir_server.subscriptions.asking import Asked, decoded, number, one, parameters, query
from gateway.fhir_server.subscriptions.reading import asked_status, wanted
from gateway.fhir_server.subscriptions.rendering import resource
from gateway.fhir_server.subscriptions.topics import TOPICS
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.delivery import receive
from gateway.fhir_server.writing.headers import if_match
from records import deliveries, subscriptions
from records.subscriptions import Subscription

AT_MOST = 20
"""Subscriptions of one owner that are not off."""
EVENTS_AT_ONCE = 500
SEARCHED = {"_id", "criteria", "status", "url"}
STATUS_PARAMETERS = {"id", "status"}
EVENT_PARAMETERS = {"eventsSinceNumber", "eventsUntilNumber", "content"}
PEOPLE: frozenset[CallerRole] = frozenset({"physician"})
"""People who send referrals. Systems need a scope."""
OPERATIONS = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")

router = APIRouter(prefix="/fhir/Subscription", tags=["FHIR: subscriptions"], default_response_class=Response)

declare(
    Interactions(
        "Subscription",
        interactions={"create", "read", "update", "search-type"},
        search=(
            SearchParam("_id", "token"),
            SearchParam("criteria", "uri"),
            SearchParam("status", "token"),
            SearchParam("url", "uri"),
        ),
        profiles=(f"{notifications.BACKPORT}/backport-subscription",),
        operations=(
            Operation("status", f"{OPERATIONS}/backport-subscription-status"),
            Operation("events", f"{OPERATIONS}/backport-subscription-events"),
        ),
        documentation=(
            "Topic-based, by rest-hook or email, with the content empty or id-only. The status off ends one. Topics: "
            + "; ".join(f"{topic.url} ({topic.title})" for topic in TOPICS.values())
        ),
    )
)


@router.post("", status_code=201, responses=described.CREATED, openapi_extra=described.BODY)
@policy(scope="Subscription.c", roles=PEOPLE)
async def create(request: Request) -> Response:
    """Take it; a handshake is on its way, and its answer makes it active."""
    check_acceptable(request)
    delivery = await receive(request)
    said = decoded(delivery.raw)
    asked = wanted(said, delivery.received_at, _private(delivery.gateway))
    it = await subscriptions.add(
        delivery.gateway.database,
        id=secrets.token_hex(16),
        tenant=delivery.caller.tenant,
        owner=delivery.caller.sender,
        wanted=asked,
        status=asked_status(said, new=True),
        at_most=AT_MOST,
    )
    if it is None:
        text = f"you have {AT_MOST} subscriptions already: switch one off, or change it"
        raise Problem(422, "business-rule", text, path="Subscription")
    about(request, f"Subscription/{it.id}")
    return _answer(it, delivery.gateway, 201).as_preferred(delivery.prefer).response()


@router.get("", responses=described.FOUND, openapi_extra=described.asks(SEARCHED))
@policy(scope="Subscription.s", roles=PEOPLE)
async def search(request: Request) -> Response:
    """One's own."""
    return await _search(request)


@router.post("/_search", responses=described.ASKED, openapi_extra=described.form(SEARCHED))
@policy(scope="Subscription.s", roles=PEOPLE)
async def search_by_post(request: Request) -> Response:
    """The same, with the parameters in the body."""
    return await _search(request)


@router.get("/$status", responses=described.FOUND, openapi_extra=described.asks(STATUS_PARAMETERS))
@policy(scope="Subscription.r", roles=PEOPLE)
async def statuses(request: Request) -> Response:
    """How one's own stand."""
    return await _statuses(request, await query(request, STATUS_PARAMETERS))


@router.post("/$status", responses=described.ASKED, openapi_extra=described.PARAMETERS)
@policy(scope="Subscription.r", roles=PEOPLE)
async def statuses_by_post(request: Request) -> Response:
    """The same, by Parameters."""
    return await _statuses(request, await parameters(request, STATUS_PARAMETERS))


@router.get("/{id}", responses=described.READ)
@policy(scope="Subscription.r", roles=PEOPLE)
async def read(request: Request, id: str) -> Response:  # noqa: A002
    """As it stands."""
    it = await _own(request, id)
    return _answer(it, gateway_of(request), 200).response()


@router.put("/{id}", responses=described.UPDATED, openapi_extra=described.BODY)
@policy(scope="Subscription.u", roles=PEOPLE)
async def update(request: Request, id: str) -> Response:  # noqa: A002
    """Replace it; unless it is switched off, a handshake comes first again.

    Headers that are not repeated stay as long as the endpoint does: nobody can read them back to repeat them.
    """
    delivery = await receive(request)
    standing = await _own(request, id)
    version = if_match(delivery.header("if-match"))
    said = decoded(delivery.raw)
    if said.get("id") != id:
        raise Problem(400, "invalid", "the id in the body must be the one in the address", path="Subscription.id")
    status = asked_status(said, new=False)
    asked = wanted(said, delivery.received_at, _private(delivery.gateway))
    if "header" not in said["channel"] and asked.url == standing.url:
        asked = asked.model_copy(update={"headers": standing.headers})
    it = await subscriptions.change(
        delivery.gateway.database, delivery.caller.tenant, id, asked, status, version=version
    )
    if it is None:
        raise Problem(412, "conflict", "it has changed meanwhile: read it again, and send your change with its ETag")
    return _answer(it, delivery.gateway, 200).as_preferred(delivery.prefer).response()


@router.get("/{id}/$status", responses=described.READ)
@policy(scope="Subscription.r", roles=PEOPLE)
async def status(request: Request, id: str) -> Response:  # noqa: A002
    """How it stands."""
    return await _status(request, await _own(request, id))


@router.post("/{id}/$status", responses=described.ASKED, openapi_extra=described.PARAMETERS)
@policy(scope="Subscription.r", roles=PEOPLE)
async def status_by_post(request: Request, id: str) -> Response:  # noqa: A002
    """The same."""
    return await _status(request, await _own(request, id))


@router.get("/{id}/$events", responses=described.EVENTS, openapi_extra=described.asks(EVENT_PARAMETERS))
@policy(scope="Subscription.r", roles=PEOPLE)
async def events(request: Request, id: str) -> Response:  # noqa: A002
    """What was to be told, delivered or not."""
    return await _events(request, id, await query(request, EVENT_PARAMETERS))


@router.post("/{id}/$events", responses=described.ASKED, openapi_extra=described.PARAMETERS)
@policy(scope="Subscription.r", roles=PEOPLE)
async def events_by_post(request: Request, id: str) -> Response:  # noqa: A002
    """The same, by Parameters."""
    return await _events(request, id, await parameters(request, EVENT_PARAMETERS))


async def _events(request: Request, id: str, asked: Asked) -> Response:  # noqa: A002
    gateway = gateway_of(request)
    it = await _own(request, id)
    since, until = number(asked, "eventsSinceNumber"), number(asked, "eventsUntilNumber")
    content = one(asked, "content")
    if content is not None:
        if content not in ("empty", "id-only"):
            raise Problem(422, "not-supported", "content is empty or id-only", path="content")
        it = it.model_copy(update={"content": content})
    found = await deliveries.events(gateway.database, it.id, since or 1, until, EVENTS_AT_ONCE)
    now = datetime.now(UTC)
    bundle = notifications.notification(it, "query-event", gateway.settings.base_url, now, found)
    return Answer(200, bundle).response()


async def _search(request: Request) -> Response:
    gateway = gateway_of(request)
    asked = await query(request, SEARCHED)
    found = await _all_own(request, asked)
    ids, criteria = asked.get("_id"), asked.get("criteria")
    matching = [it for it in found if (not ids or it.id in ids) and (not criteria or it.topic in criteria)]
    return _searchset(
        [(f"{gateway.settings.base_url}/fhir/Subscription/{it.id}", resource(it)) for it in matching], request, gateway
    )


async def _statuses(request: Request, asked: Asked) -> Response:
    ids = asked.get("id")
    found = await _all_own(request, asked)
    return _told(request, [it for it in found if not ids or it.id in ids])


async def _status(request: Request, it: Subscription) -> Response:
    return _told(request, [it])


def _told(request: Request, found: list[Subscription]) -> Response:
    gateway = gateway_of(request)
    base = gateway.settings.base_url
    states = [notifications.status(it, "query-status", base, trouble=it.trouble) for it in found]
    return _searchset([(f"urn:uuid:{state['id']}", state) for state in states], request, gateway)


def _searchset(entries: list[tuple[str, dict[str, Any]]], request: Request, gateway: Gateway) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": str(uuid5(NAMESPACE_URL, f"{datetime.now(UTC)}")),
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": f"{gateway.settings.base_url}{request.url.path}{query}"}],
    }
    if entries:  # FHIR has no empty arrays
        bundle["entry"] = [{"fullUrl": url, "resource": body, "search": {"mode": "match"}} for url, body in entries]
    return Answer(200, bundle).response()


async def _all_own(request: Request, asked: Asked) -> list[Subscription]:
    """The caller's, of these statuses and this URL. The operator's webhooks are none."""
    caller = caller_of(request)
    found = await subscriptions.search(
        gateway_of(request).database,
        caller.tenant,
        owner=caller.sender,
        status=asked.get("status", ()),
        url=one(asked, "url"),
    )
    return [it for it in found if it.kind != "webhook"]


async def _own(request: Request, id: str) -> Subscription:  # noqa: A002
    """One of the caller's. Another's looks as if it were not there."""
    check_acceptable(request)
    caller = caller_of(request)
    database = gateway_of(request).database
    it = await subscriptions.one(database, caller.tenant, id, owner=caller.sender) if _ID.fullmatch(id) else None
    if it is None or it.kind == "webhook":
        raise Problem(404, "not-found", "there is no such Subscription")
    return it


def _answer(it: Subscription, gateway: Gateway, status_: int) -> Answer:
    return Answer(
        status_,
        resource(it),
        location=f"{gateway.settings.base_url}/fhir/Subscription/{it.id}",
        version=it.version,
        modified_at=it.updated_at,
        told=f"the subscription is {it.status}",
    )


def _private(gateway: Gateway) -> frozenset[tuple[str, int]]:
    return gateway.settings.access.allowed_private
