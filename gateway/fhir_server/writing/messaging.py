"""`$process-message`: a message Bundle in, a message Bundle out.

What a message wants is in its order and its Task, whatever the event is called: a new order, the same order with other
content, or that it be cancelled. Events that are known so: HL7 Clinical Order Workflows `new-order` and `order-update`,
BSeR's REF^I12, and `servicerequest-request` of England's Booking and Referral Standard with its reasons new, update,
delete. Sources: FHIR R4 messaging (https://hl7.org/fhir/R4/messaging.html) and
https://hl7.org/fhir/R4/messageheader-operation-process-message.html.
"""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from gateway.answers import Problem, operation_outcome
from gateway.fhir.identity import name_of_order, source_of, transport_key_of
from gateway.fhir.message import Located, Message
from gateway.fhir.models import MessageHeader
from gateway.fhir.order import NamedOrder, asks_to_abort, named_order
from gateway.fhir.people import requester_of
from gateway.fhir.referral import referral_in
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing.answer import Answer, Resource
from gateway.fhir_server.writing.asking import ask, later
from gateway.fhir_server.writing.delivery import CLAIMED, Delivery
from gateway.fhir_server.writing.models import Task
from gateway.fhir_server.writing.naming import seen
from gateway.fhir_server.writing.placing import ENDED, place
from gateway.fhir_server.writing.refusing import refused
from gateway.inbound import About, Ask, Noted, take_in
from gateway.inbound.meaning import REQUEST_CANCELLATION

KIND = "Bundle"
CANCELLING = frozenset({"cancelled", "entered-in-error"})
"""A Task about the order that is in one of these: its sender takes the order back."""
DELETING = frozenset({"delete", "cancel", "cancelled"})
"""Reasons of a message that takes its order back."""
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


async def process(delivery: Delivery, node: Resource) -> Answer:
    """The answer to a message. Raises RefusedError where it has no header to answer to, DatabaseAway."""
    if node.get("type") != "message":
        raise RefusedError("not-supported", "a Bundle of type message is wanted here", "Bundle.type")
    message = Message(node)
    at = next(message.of_type("MessageHeader"), None)
    if at is None:
        raise RefusedError("required", "a message has a MessageHeader as its first entry", "Bundle.entry")
    header = at.read(MessageHeader)
    try:
        answer = await _handle(delivery, message, header)
    except RefusedError as error:
        problem = await refused(delivery, KIND, error.refusal)
    except Problem as error:
        problem = error
    else:
        return _replied(delivery, node, at, answer, "ok", answer.outcome)
    outcome = operation_outcome(problem.code, problem.text, problem.path)
    return _replied(delivery, node, at, Answer(problem.status), "fatal-error", outcome)


async def _handle(delivery: Delivery, message: Message, header: MessageHeader) -> Answer:
    if header.response is not None:
        taken = await take_in(
            delivery.gateway.database, delivery.envelope(KIND), Noted(why="a reply to a message of ours")
        )
        if taken.outcome == "conflict":
            raise Problem(409, taken.code, taken.reason or "")
        return Answer(200, told="a reply: kept, and nothing follows from it here")
    if not any(message.of_type("ServiceRequest")):
        return await _about_a_task(delivery, message)
    order = named_order(message)
    if _cancels(order, header):
        return await _cancel(delivery, message, order)
    referral = referral_in(message, delivery.sha256, default_source=CLAIMED)
    return await place(delivery, KIND, referral, None)


def _cancels(order: NamedOrder, header: MessageHeader) -> bool:
    """Whether the message takes its order back."""
    if order.request.status in ENDED or any(
        asks_to_abort(task) or task.status in CANCELLING for _, task in order.tasks
    ):
        return True
    reason = header.reason
    return reason is not None and any(coding.code in DELETING for coding in reason.coding)


async def _cancel(delivery: Delivery, message: Message, order: NamedOrder) -> Answer:
    """The order is named as it was when it came, by the same source."""
    name = name_of_order(order.at, order.request)
    if name is None:
        raise RefusedError("required", "an order that is taken back has an identifier", f"{order.at.path}.identifier")
    claimed = source_of(message, order, requester_of(message, order), CLAIMED)
    key = delivery.idempotency_key or transport_key_of(message, order, delivery.sha256)
    error = order.request.status == "entered-in-error" or any(t.status == "entered-in-error" for _, t in order.tasks)
    asked = Ask(
        name=REQUEST_CANCELLATION,
        about=About(referral_id=name),
        data={"reason": "entered_in_error"} if error else {},
    )
    settled = await ask(delivery, delivery.envelope(KIND, claimed=claimed, key=key), asked)
    if not settled.done:
        return later(delivery, settled)
    told = "the request to cancel was taken to the journey"
    return Answer(200, location=f"{delivery.base}/Task/{settled.id}", told=told)


async def _about_a_task(delivery: Delivery, message: Message) -> Answer:
    """A request to cancel whose order is not in the message: the Task says which it is."""
    for at in message.of_type("Task"):
        task = at.read(Task)
        if asks_to_abort(task) and task.focus is not None:
            about, _ = await seen(delivery, [("focus", task.focus)], f"{at.path}.focus")
            settled = await ask(delivery, delivery.envelope(KIND), Ask(name=REQUEST_CANCELLATION, about=about))
            answer = later(delivery, settled)
            return replace(answer, status=200, told="the request was taken to the journey") if settled.done else answer
    reason = "the message holds no order, and no Task (code abort) that asks to cancel one"
    raise RefusedError("required", reason, "Bundle.entry")


def _replied(delivery: Delivery, node: Resource, at: Located, answer: Answer, code: str, outcome: Resource) -> Answer:
    """The answer as a message. A message that comes again gets the same one, but for its time."""
    digest = delivery.sha256
    told = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{digest}/outcome')}"
    header: Resource = {
        "resourceType": "MessageHeader",
        "id": str(uuid5(NAMESPACE_URL, f"{digest}/header")),
        "source": {"name": "Continuum", "endpoint": f"{delivery.base}/$process-message"},
        "response": {"identifier": _answered_to(node, at), "code": code, "details": {"reference": told}},
    }
    event = at.read(MessageHeader).event_coding
    if event is not None and event.system and event.code and _ID.fullmatch(event.code):
        header["eventCoding"] = {"system": event.system, "code": event.code}
    else:
        header["eventUri"] = "urn:continuum:message-answered"
    if answer.location is not None:
        header["focus"] = [{"reference": answer.location.replace("/ServiceRequest/", "/Task/")}]
    body: Resource = {
        "resourceType": "Bundle",
        "id": str(uuid5(NAMESPACE_URL, f"{digest}/bundle")),
        "type": "message",
        "timestamp": delivery.received_at.isoformat(),
        "entry": [
            {"fullUrl": f"urn:uuid:{header['id']}", "resource": header},
            {"fullUrl": told, "resource": outcome},
        ],
    }
    return Answer(200 if answer.status < 400 else answer.status, body)


def _answered_to(node: Resource, at: Located) -> str:
    """The message that is answered, by its header's id or its Bundle's."""
    for id_ in (at.id, node.get("id")):
        if isinstance(id_, str) and _ID.fullmatch(id_):
            return id_
    return "unknown"
