"""An order comes, or comes again: `ServiceRequest` by POST and PUT.

The order belongs to its sender. One order begins one journey, however often it is sent at once; the same order with
other content is kept for a person to review, and is never merged.
"""

from __future__ import annotations

from typing import Any

from gateway.access import guard
from gateway.access.policy import Policy
from gateway.answers import Problem
from gateway.fhir import IncomingReferral
from gateway.fhir.decode import decode_object
from gateway.fhir.message import Message
from gateway.fhir.models import ServiceRequest, read_as
from gateway.fhir.referral import referral_in
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing import headers, inner
from gateway.fhir_server.writing.answer import Answer, Resource
from gateway.fhir_server.writing.asking import ask, later
from gateway.fhir_server.writing.delivery import CLAIMED, Delivery
from gateway.fhir_server.writing.naming import journey_of, onlooker
from gateway.inbound import About, Ask, NewReferral, Noted, Taken, take_in
from gateway.inbound.meaning import REQUEST_CANCELLATION
from records import locating, orders
from records.audit import AuditEntry
from records.orders import Standing

KIND = "ServiceRequest"
PLACING = Policy(roles=frozenset({"physician", "coordinator"}), scope="ServiceRequest.c")
"""Who may send an order, in whatever it comes."""
CREATED = "stored; a journey begins"
REVIEWED = "the same order with other content: kept for a person to review, nothing was merged"
SEEN_BEFORE = "received before; nothing was changed"
ENDED = {"revoked": {}, "entered-in-error": {"reason": "entered_in_error"}}
"""Statuses by which a sender takes an order back, and what the cancellation then says."""


async def create(delivery: Delivery) -> Answer:
    """POST. Raises RefusedError, Problem (409, 412), DatabaseAway."""
    message = Message(alone(delivery, KIND))
    referral = referral_in(message, delivery.sha256, default_source=CLAIMED)
    wanted = headers.if_none_exist(delivery.header("if-none-exist"))
    if wanted is not None and (known := await known_order(delivery, KIND, referral, wanted)) is not None:
        return known
    order = message.entries[0].node
    return await place(delivery, KIND, referral, order, keep=wanted is not None, whole=True)


async def place(
    delivery: Delivery,
    kind: str,
    referral: IncomingReferral,
    order: Resource | None,
    *,
    keep: bool = False,
    whole: bool = False,
) -> Answer:
    """Take an order in. `keep`: whoever sent it wants an order that is there left as it is. `whole`: it is all that the
    request is about, so that the audit says so in the same statement."""
    if not PLACING.allows(delivery.caller):
        raise Problem(403, "forbidden", "this caller may not send orders")
    envelope = delivery.envelope(kind, claimed=referral.source, key=delivery.idempotency_key or referral.transport_key)

    def audit(journey: str) -> AuditEntry | None:
        return guard.row_of(delivery.request, 201, f"{KIND}/{journey}")

    taken = await take_in(
        delivery.gateway.database, envelope, NewReferral(referral=referral), audit=audit if whole else None
    )
    if taken.journey is not None:
        guard.about(delivery.request, f"{KIND}/{taken.journey}")
    if taken.audited:
        guard.audited(delivery.request, 201)
    match taken.outcome:
        case "accepted":
            return Answer(
                201,
                order_of(order, taken, delivery) if order is not None else None,
                location=_address(delivery, taken),
                version=1,
                modified_at=delivery.received_at,
                told=CREATED,
            )
        case "amendment" if not keep:
            return Answer(202, location=_address(delivery, taken), told=REVIEWED)
        case "conflict":
            raise Problem(409, taken.code, taken.reason or "")
        case _ if taken.journey is None:  # the key was first used for something that began no journey
            raise Problem(409, "duplicate", "this delivery's id was used before for something else")
    return await standing_order(delivery, taken.journey)


async def known_order(delivery: Delivery, kind: str, referral: IncomingReferral, wanted: str) -> Answer | None:
    """The answer to a conditional create whose order is there already; None where it is not."""
    if referral.referral_id != wanted:
        reason = "If-None-Exist names another identifier than the one by which this order is known: the placer's first"
        raise RefusedError("business-rule", reason, f"{referral.path}.identifier")
    caller = delivery.caller
    found = await locating.by_referral(delivery.gateway.database, caller.tenant, caller.sender, wanted)
    if not found:
        return None
    if len(found) > 1:
        raise Problem(412, "multiple-matches", "several orders have this identifier")
    envelope = delivery.envelope(kind, claimed=referral.source, key=delivery.idempotency_key or referral.transport_key)
    taken = await take_in(delivery.gateway.database, envelope, Noted(why="the order is there already"))
    if taken.outcome == "conflict":
        raise Problem(409, taken.code, taken.reason or "")
    return await standing_order(delivery, found[0])


async def standing_order(delivery: Delivery, journey: str) -> Answer:
    """The order as it is known here, for whoever sent it again."""
    found = await orders.standing(delivery.gateway.database, onlooker(delivery.caller), journey)
    if found is None:
        raise Problem(404, None, "there is no such order here")
    return await _shown(delivery, found, SEEN_BEFORE)


async def _shown(delivery: Delivery, found: Standing, told: str) -> Answer:
    return Answer(
        200,
        await inner.shown(delivery.request, KIND, found.journey) if delivery.prefer == "representation" else None,
        location=f"{delivery.base}/{KIND}/{found.journey}",
        version=found.version,
        modified_at=found.changed_at,
        told=told,
    )


async def update(delivery: Delivery, id_: str) -> Answer:
    """PUT, by the sender of the order, who has its last version in front of them.

    The version that is replaced is the delivery's key: of two updates of one version one is stale. A repeat gets the
    first one's answer.
    """
    found = await _own(delivery, id_)
    version = headers.if_match(delivery.header("if-match"))
    node = alone(delivery, KIND)
    if node.get("id") != id_:
        raise RefusedError("invalid", "the id in the resource is not that of the address", "ServiceRequest.id")
    status = read_as(ServiceRequest, node, KIND).status
    key = f"PUT {KIND}/{id_} {version}{f' {status}' if status in ENDED else ''}"
    if version != found.version:
        before = await orders.taken_before(
            delivery.gateway.database, delivery.caller.tenant, found.source, key, delivery.sha256
        )
        if before != "same":
            raise Problem(412, "conflict", "the order has changed since that version was read; read it again")
    if status in ENDED:
        return await _end(delivery, found, node, key, ENDED[status])
    referral = referral_in(Message(node), delivery.sha256, default_source=CLAIMED)
    referral = referral.model_copy(update={"source": found.source, "referral_id": found.referral_id})
    envelope = delivery.envelope(KIND, source=found.source, key=key)
    taken = await take_in(delivery.gateway.database, envelope, NewReferral(referral=referral))
    if taken.outcome == "conflict":
        raise Problem(412, "conflict", "somebody else changed the order just now; read it again")
    return await _updated(delivery, id_, node, REVIEWED if taken.outcome == "amendment" else SEEN_BEFORE)


async def _own(delivery: Delivery, id_: str) -> Standing:
    """An order is changed by its sender and by nobody else."""
    caller = delivery.caller
    found = await orders.standing(delivery.gateway.database, onlooker(caller), id_) if journey_of(id_) else None
    if found is None:
        raise Problem(404, None, "there is no such order here")
    if found.sender != caller.sender:
        raise Problem(403, "forbidden", "an order is changed only by whoever sent it")
    return found


async def _end(delivery: Delivery, found: Standing, node: Resource, key: str, data: dict[str, Any]) -> Answer:
    envelope = delivery.envelope(KIND, source=found.source, key=key)
    asked = Ask(name=REQUEST_CANCELLATION, about=About(journey=found.journey), data=data)
    settled = await ask(delivery, envelope, asked)
    if not settled.done:
        return later(delivery, settled)
    return await _updated(delivery, found.journey, node, "the request to cancel was taken to the journey")


async def _updated(delivery: Delivery, id_: str, node: Resource, told: str) -> Answer:
    found = await _own(delivery, id_)
    body = await inner.shown(delivery.request, KIND, id_) if delivery.prefer == "representation" else None
    return Answer(
        200,
        body or versioned(node, id_, found.version, found.changed_at.isoformat()),
        location=f"{delivery.base}/{KIND}/{id_}",
        version=found.version,
        modified_at=found.changed_at,
        told=told,
    )


def alone(delivery: Delivery, kind: str) -> Resource:
    """The resource in the body, which has to be of the type of the address. Raises RefusedError."""
    node = decode_object(delivery.raw)
    if node.get("resourceType") != kind:
        raise RefusedError("structure", f"a {kind} is wanted at this address", "$.resourceType")
    return node


def order_of(order: Resource, taken: Taken, delivery: Delivery) -> Resource:
    """The order that was just stored, as its sender sent it, under the id that it has here."""
    return versioned(order, taken.journey or "", 1, delivery.received_at.isoformat())


def versioned(node: Resource, id_: str, version: int, at: str) -> Resource:
    """A resource as it was sent, under the id and with the version that it has here."""
    meta = node.get("meta")
    kept = meta if isinstance(meta, dict) else {}
    return {**node, "id": id_, "meta": {**kept, "versionId": str(version), "lastUpdated": at}}


def _address(delivery: Delivery, taken: Taken) -> str:
    return f"{delivery.base}/{KIND}/{taken.journey}"
