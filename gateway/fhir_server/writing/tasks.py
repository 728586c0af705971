"""`Task` by POST and PUT: an order with its Task, a request to cancel, word that the report was read, and the states of
the coordination Task.

The coordination Task of an order has the id of its journey; a Task that asks for something has the id of what it asks.
"""

from __future__ import annotations

import re
from dataclasses import replace

from gateway.answers import Problem
from gateway.fhir.message import Message
from gateway.fhir.models import Reference, read_as
from gateway.fhir.order import TASK_CODES, asks_to_abort
from gateway.fhir.referral import referral_in_task
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing import headers, inner
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.asking import Settled, ask, later
from gateway.fhir_server.writing.delivery import CLAIMED, Delivery
from gateway.fhir_server.writing.models import Task
from gateway.fhir_server.writing.naming import journey_of, onlooker, ours, seen
from gateway.fhir_server.writing.placing import alone, place
from gateway.fhir_server.writing.task_states import ALL, Asks, Illegal, Party, Unchanged, transition
from gateway.inbound import About, Ask, Noted, take_in
from gateway.inbound.meaning import REQUEST_CANCELLATION
from records import inbound, orders
from records.orders import Standing

KIND = "Task"
REPORTS = frozenset({"DocumentReference", "DiagnosticReport", "Composition"})
_ASK = re.compile(r"ask-[0-9a-f]{24}")
_PERSON = re.compile(r"Practitioner/([a-z0-9][a-z0-9.-]{0,63})")


async def create(delivery: Delivery) -> Answer:
    """POST. Raises RefusedError, Problem, DatabaseAway."""
    node = alone(delivery, KIND)
    return await created(delivery, Message(node), read_as(Task, node, KIND), KIND)


async def created(delivery: Delivery, message: Message, task: Task, path: str) -> Answer:
    """What becomes of a Task that stands alone: by its code, else by what it focuses on."""
    if task.focus is None:
        raise RefusedError("required", "a Task has a focus: the order, its Task, or the report", f"{path}.focus")
    if asks_to_abort(task):
        return await _abort(delivery, task, task.focus, path)
    if task.code is not None and task.code.has(TASK_CODES, "fulfill"):
        return await _fulfil(delivery, message, task, task.focus, path)
    if _kind_of(task.focus, delivery.base) in REPORTS:
        return await _report_read(delivery, task, task.focus, path)
    reason = "a Task may fulfil an order (code fulfill), ask to cancel one (abort), or say that a report was read"
    raise RefusedError("not-supported", f"{reason} (focus: the DocumentReference; status: completed)", f"{path}.code")


async def _abort(delivery: Delivery, task: Task, focus: Reference, path: str) -> Answer:
    if task.status != "requested":
        raise RefusedError("business-rule", "a request to cancel is new: status requested is wanted", f"{path}.status")
    about, _ = await seen(delivery, [("focus", focus), *(("basedOn", one) for one in task.based_on)], f"{path}.focus")
    settled = await ask(delivery, delivery.envelope(KIND), Ask(name=REQUEST_CANCELLATION, about=about))
    if not settled.done:
        return later(delivery, settled)
    return await _asked(delivery, settled, "the request to cancel was taken to the journey")


async def _asked(delivery: Delivery, settled: Settled, told: str) -> Answer:
    """A Task that asks for something is there from now on, with what became of it."""
    shown = await inner.shown(delivery.request, KIND, settled.id) if delivery.prefer == "representation" else None
    return Answer(
        200 if settled.repeated else 201,
        shown,
        location=f"{delivery.base}/{KIND}/{settled.id}",
        modified_at=delivery.received_at,
        told=told,
    )


async def _fulfil(delivery: Delivery, message: Message, task: Task, focus: Reference, path: str) -> Answer:
    """The order came along, contained; or it came before, and its coordination Task is there already."""
    if (focus.reference or "").startswith("#"):
        referral = referral_in_task(message, delivery.sha256, default_source=CLAIMED)
        answer = await place(delivery, KIND, referral, message.entries[0].node)
        at = (answer.location or "").replace("/ServiceRequest/", f"/{KIND}/")
        body = {**answer.body, "status": "requested"} if answer.body and answer.status == 201 else None
        return replace(answer, location=at, body=body, version=None, modified_at=None)
    _, standing = await seen(delivery, [("focus", focus)], f"{path}.focus")
    if standing is None:
        reason = "there is no such order here: send it first, contained in the Task, or in one transaction with it"
        raise RefusedError("not-found", reason, f"{path}.focus")
    await _noted(delivery, "the coordination Task of an order is there from the beginning")
    shown = await inner.shown(delivery.request, KIND, standing.journey)
    told = "the order has its coordination Task already"
    return Answer(200, shown, location=f"{delivery.base}/{KIND}/{standing.journey}", told=told)


def _kind_of(reference: Reference, base: str) -> str | None:
    """The type to which a reference points, by its address here or as it says itself."""
    here = ours(reference, base)
    return here[0] if here is not None else reference.type


async def _report_read(delivery: Delivery, task: Task, focus: Reference, path: str) -> Answer:
    if task.status != "completed":
        raise RefusedError("business-rule", "the Task of a report that was read is completed", f"{path}.status")
    here = [("focus", focus)] if ours(focus, delivery.base) is not None else []
    orders_ = [("basedOn", one) for one in task.based_on]
    about, _ = await seen(delivery, [*here, *orders_], f"{path}.focus")
    settled = await ask(delivery, delivery.envelope(KIND), Ask(name="confirm_receipt", about=about))
    return await _asked(delivery, settled, "receipt is on record") if settled.done else later(delivery, settled)


# --- changes


async def update(delivery: Delivery, id_: str) -> Answer:
    """PUT, by whoever has the last version in front of them. Raises RefusedError, Problem, DatabaseAway."""
    if _ASK.fullmatch(id_):
        return await _update_asked(delivery, id_)
    caller, database = delivery.caller, delivery.gateway.database
    standing = await orders.standing(database, onlooker(caller), id_) if journey_of(id_) == id_ else None
    if standing is None:
        raise Problem(404, None, "there is no such Task here")
    version = headers.if_match(delivery.header("if-match"))
    task = _read(delivery, id_)
    key = f"PUT {KIND}/{id_} {version} {task.status if task.status in ALL else '?'}"
    if version != standing.task_version:
        before = await orders.taken_before(
            database, caller.tenant, delivery.envelope(KIND).source, key, delivery.sha256
        )
        if before != "same":
            raise Problem(412, "conflict", "the Task has changed since that version was read; read it again")
    wanted = transition(_party(delivery, standing), standing, task.status or "", task.status_reason, _clinician(task))
    if version != standing.task_version and isinstance(wanted, Illegal | Unchanged):
        wanted = Unchanged()  # a repeat of what brought it there
    match wanted:
        case Illegal(reason):
            raise RefusedError("business-rule", reason, "Task.status")
        case Unchanged():
            await _noted(delivery, "the Task is in that state already", key)
            return await _updated(delivery, id_, "the Task is in that state already")
        case Asks(name, data):
            asked = Ask(name=name, about=About(journey=standing.journey), data=dict(data))
            settled = await ask(delivery, delivery.envelope(KIND, key=key), asked)
            return await _updated(delivery, id_, "done") if settled.done else later(delivery, settled)


def _party(delivery: Delivery, standing: Standing) -> Party:
    return "staff" if not delivery.caller.sees_own_only and standing.sender != delivery.caller.sender else "placer"


def _clinician(task: Task) -> str | None:
    """Who is to treat, where the owner is one of the directory's people."""
    found = _PERSON.fullmatch((task.owner.reference if task.owner else None) or "")
    return found[1] if found else None


def _read(delivery: Delivery, id_: str) -> Task:
    node = alone(delivery, KIND)
    if node.get("id") != id_:
        raise RefusedError("invalid", "the id in the resource is not that of the address", "Task.id")
    task = read_as(Task, node, KIND)
    if task.status is None:
        raise RefusedError("required", "a Task has a status", "Task.status")
    return task


async def _update_asked(delivery: Delivery, id_: str) -> Answer:
    """Who asked for something may take it back as long as nothing has come of it."""
    caller, database = delivery.caller, delivery.gateway.database
    row = await inbound.ask(database, id_, caller.tenant)
    if row is None or row.sender != caller.sender:
        raise Problem(404, None, "there is no such Task here")
    headers.if_match(delivery.header("if-match"))
    task = _read(delivery, id_)
    if task.status not in ("cancelled", "entered-in-error"):
        reason = "this status cannot be set now; allowed now: cancelled, entered-in-error"
        raise RefusedError("business-rule", reason, "Task.status")
    if row.status in ("waiting", "quarantined", "dead"):
        await inbound.settle(database, id_, "dismissed", reason="taken back by its sender", by=caller.sender)
    elif row.status != "dismissed":
        reason = "what this Task asks for is settled already; allowed now: none"
        raise RefusedError("business-rule", reason, "Task.status")
    await _noted(delivery, "taken back", f"PUT {KIND}/{id_} {task.status}")
    return await _updated(delivery, id_, "taken back: nothing follows from it")


async def _noted(delivery: Delivery, why: str, key: str | None = None) -> None:
    taken = await take_in(delivery.gateway.database, delivery.envelope(KIND, key=key), Noted(why=why))
    if taken.outcome == "conflict":
        raise Problem(409, taken.code, taken.reason or "")


async def _updated(delivery: Delivery, id_: str, told: str) -> Answer:
    shown = await inner.call(delivery.request, "GET", f"/fhir/{KIND}/{id_}")
    body = shown.json() if shown.status == 200 else None
    version = re.fullmatch(r'W/"(\d+)"', shown.headers.get("etag", ""))
    return Answer(
        200, body, location=f"{delivery.base}/{KIND}/{id_}", version=int(version[1]) if version else None, told=told
    )
