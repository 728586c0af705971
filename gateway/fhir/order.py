"""Which resource of a message is the order, and whether it is one we may act on.

Sources: FHIR R4 ServiceRequest (https://hl7.org/fhir/R4/servicerequest.html) and its value sets
request-intent and request-status; HL7 Clinical Order Workflows (https://build.fhir.org/ig/HL7/fhir-cow-ig):
the coordination Task (`fulfill`) focuses on the order, an `abort` Task asks to cancel it; BSeR
(https://build.fhir.org/ig/HL7/bser): MessageHeader.focus is that Task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gateway.fhir.incoming import Kind
from gateway.fhir.message import Located, Message
from gateway.fhir.models import MessageHeader, Reference, ServiceRequest, Task
from gateway.fhir.refusal import RefusedError

Status = Literal["active", "draft"]

BUNDLES: dict[str, Kind] = {
    "message": "bundle-message",
    "transaction": "bundle-transaction",
    "collection": "bundle-collection",
}
"""A searchset or history is an answer to a question, a batch is several requests that may part company, a
document is a record of something said: none of them asks us for anything as one piece."""

ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
"""`order` and its children in R4's request-intent hierarchy; each of them authorises action."""

MESSAGES_WITH_PLAN = frozenset(
    {
        "https://fhir.nhs.uk/CodeSystem/message-events-bars",
        "https://fhir.nhs.uk/CodeSystem/message-event-servicerequest",
    }
)
"""Events of England's Booking and Referral Standard. Its profile fixes ServiceRequest.intent to `plan`
(BARSServiceRequest-request-referral 1.0.3 in package uk.nhsdigital.r4 2.5.2) and the message itself is the
request, so a `plan` in such a message is a referral. Anywhere else a plan authorises nobody to act."""

_NOT_NOW = {
    "on-hold": "the order is on hold; send it when it is active",
    "revoked": "the order is revoked; a revoked order starts no referral",
    "completed": "the order is completed; there is nothing left to do",
    "entered-in-error": "the order was entered in error; it starts no referral",
    "unknown": "the status of the order is unknown to its sender; active or draft is wanted",
}
_NOT_AN_ORDER = {
    "proposal": "a proposal suggests and does not authorise; intent order is wanted",
    "plan": "a plan does not authorise others to act; intent order is wanted",
    "directive": "a directive is the patient's own instruction; intent order is wanted",
    "option": "an option is one of several choices, not yet made; intent order is wanted",
}
_OLD_ORDERS = frozenset({"ReferralRequest", "ProcedureRequest"})
_OVER = frozenset({"rejected", "cancelled", "failed", "completed", "entered-in-error"})
TASK_CODES = "http://hl7.org/fhir/CodeSystem/task-code"


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """The order that a message is about, whatever the message wants of it, and what else in it speaks of that order."""

    at: Located
    request: ServiceRequest
    kind: Kind
    header: tuple[Located, MessageHeader] | None
    tasks: tuple[tuple[Located, Task], ...]


@dataclass(frozen=True, slots=True)
class Order(NamedOrder):
    """An order that was judged fit to become a referral."""

    status: Status
    intent: str


def named_order(message: Message) -> NamedOrder:
    """The one order that this message is about, or `RefusedError`."""
    kind = _kind(message)
    header = _header(message, kind)
    tasks = tuple((at, at.read(Task)) for at in message.of_type("Task"))
    at = _chosen(message, header, tasks)
    about = tuple((where, task) for where, task in tasks if _focuses(message, where, task, at))
    return NamedOrder(at, at.read(ServiceRequest), kind, header, about)


def find_order(message: Message) -> Order:
    """The one order of this message, fit to become a referral, or `RefusedError`."""
    named = named_order(message)
    status, intent = judge(named.request, named.at.path, plan_allowed=_plan_allowed(named.header))
    _refuse_cancellation(named.tasks)
    return Order(named.at, named.request, named.kind, named.header, named.tasks, status, intent)


def order_in_task(message: Message) -> Order:
    """The order that a Task brings along, contained, and asks us to fulfil.

    A contained resource has no identity outside its Task, so its identifier has to say which order it is.
    """
    (task_at,) = message.entries
    task = task_at.read(Task)
    at = message.resolve(task.focus, task_at) if task.focus else None
    if at is None or at.resource_type != "ServiceRequest":
        reason = "focus names no order in this Task; send the order with it, contained"
        raise RefusedError("required", reason, f"{task_at.path}.focus")
    request = at.read(ServiceRequest)
    if not any(one.system and one.value for one in request.identifier):
        reason = "a contained order has an identifier with a system, which says which order it is"
        raise RefusedError("required", reason, f"{at.path}.identifier")
    status, intent = judge(request, at.path)
    tasks = ((task_at, task),)
    _refuse_cancellation(tasks)
    return Order(at, request, "service-request", None, tasks, status, intent)


def judge(request: ServiceRequest, path: str, *, plan_allowed: bool = False) -> tuple[Status, str]:
    """Status and intent of an order we may act on.

    A draft is taken too: guides use it for an order that still lacks a signature (Belgium's co-signed
    prescriptions), and the clock of the patient has started. It stays a draft until its sender activates it.
    """
    if request.status is None:
        raise RefusedError("required", "an order has a status; active is wanted", f"{path}.status")
    if request.intent is None:
        raise RefusedError("required", "an order has an intent; order is wanted", f"{path}.intent")
    if request.do_not_perform:
        reason = "doNotPerform is true: this forbids a service rather than asking for one"
        raise RefusedError("business-rule", reason, f"{path}.doNotPerform")
    if request.intent not in ORDERS and not (plan_allowed and request.intent == "plan"):
        if request.intent in _NOT_AN_ORDER:
            raise RefusedError("business-rule", _NOT_AN_ORDER[request.intent], f"{path}.intent")
        raise RefusedError("value", "intent is not a code of FHIR R4 request-intent", f"{path}.intent")
    for status in get_args(Status):
        if request.status == status:
            return status, request.intent
    if request.status in _NOT_NOW:
        raise RefusedError("business-rule", _NOT_NOW[request.status], f"{path}.status")
    raise RefusedError("value", "status is not a code of FHIR R4 request-status", f"{path}.status")


def _kind(message: Message) -> Kind:
    if message.bundle is not None:
        kind = BUNDLES.get(message.bundle.type or "")
        if kind is None:
            reason = "this type of Bundle is not taken; message, transaction and collection are"
            raise RefusedError("not-supported", reason, "Bundle.type")
        return kind
    (only,) = message.entries
    if only.resource_type == "ServiceRequest":
        return "service-request"
    if only.resource_type in _OLD_ORDERS:
        reason = "this is an order of FHIR STU3; an R4 ServiceRequest is wanted"
    else:
        reason = "this resource is not an order; an R4 ServiceRequest, or a Bundle with one, is wanted"
    raise RefusedError("not-supported", reason, "$.resourceType")


def _header(message: Message, kind: Kind) -> tuple[Located, MessageHeader] | None:
    if kind != "bundle-message":
        return None
    for at in message.of_type("MessageHeader"):
        return at, at.read(MessageHeader)
    raise RefusedError("required", "a message has a MessageHeader as its first entry", "Bundle.entry")


def _chosen(
    message: Message,
    header: tuple[Located, MessageHeader] | None,
    tasks: tuple[tuple[Located, Task], ...],
) -> Located:
    """What the header says, else what the Tasks say, else the only order that could be meant.

    Several orders are refused rather than split: one message has one answer and one transport key, and half a
    message accepted could not be told from the whole.
    """
    orders = tuple(message.of_type("ServiceRequest"))
    if not orders:
        old = any(entry.resource_type in _OLD_ORDERS for entry in message.entries)
        reason = "the order in it is of FHIR STU3; an R4 ServiceRequest is wanted" if old else None
        raise RefusedError(
            "not-supported" if old else "required",
            reason or "the Bundle holds no ServiceRequest, so there is no order in it",
            "Bundle.entry",
        )
    said = [(header[0], focus) for header in (header,) if header for focus in header[1].focus]
    planned = [(at, task.focus) for at, task in tasks if task.focus]
    fit = orders if len(orders) == 1 else tuple(at for at in orders if _fit(at, _plan_allowed(header)))
    for candidates in (_pointed_at(message, said), _pointed_at(message, planned), fit):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            break
    reason = "the Bundle holds several orders; send one order per Bundle, or name it in MessageHeader.focus"
    raise RefusedError("multiple-matches", reason, "Bundle.entry")


def _pointed_at(message: Message, pointers: list[tuple[Located, Reference]]) -> tuple[Located, ...]:
    """The orders these references reach, directly or through a Task."""
    reached: dict[Located, None] = {}
    for holder, reference in pointers:
        target = message.resolve(reference, holder)
        if target is not None and target.resource_type == "Task":
            focus = target.read(Task).focus
            target = message.resolve(focus, target) if focus else None
        if target is not None and target.resource_type == "ServiceRequest":
            reached[target] = None
    return tuple(reached)


def _fit(at: Located, plan_allowed: bool) -> bool:
    try:
        judge(at.read(ServiceRequest), at.path, plan_allowed=plan_allowed)
    except RefusedError:
        return False
    return True


def _plan_allowed(header: tuple[Located, MessageHeader] | None) -> bool:
    event = header[1].event_coding if header else None
    return event is not None and event.system in MESSAGES_WITH_PLAN


def _focuses(message: Message, at: Located, task: Task, order: Located) -> bool:
    return task.focus is not None and order in _pointed_at(message, [(at, task.focus)])


def asks_to_abort(task: Task) -> bool:
    """Whether a Task asks that what it focuses on be cancelled."""
    return task.code is not None and task.code.has(TASK_CODES, "abort")


def _refuse_cancellation(about: tuple[tuple[Located, Task], ...]) -> None:
    """A Task that asks to end this order, or one already over, is no new referral."""
    for at, task in about:
        if asks_to_abort(task):
            reason = "this asks to cancel an order (Task abort); it starts no referral"
            raise RefusedError("business-rule", reason, f"{at.path}.code")
    if about and all(task.status in _OVER for _, task in about):
        reason = "the Task that carries this order is already over; it starts no referral"
        raise RefusedError("business-rule", reason, f"{about[0][0].path}.status")
