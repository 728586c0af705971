"""Bundles at the server's own address: a batch, whose entries stand each for itself, and a transaction, which is one
order with what belongs to it.

A transaction is all or nothing. One order with its context is one statement here, and so is any one write by itself;
what would take several is refused rather than done by halves. Source: https://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from gateway.answers import Problem, operation_outcome
from gateway.fhir.decode import decode_object
from gateway.fhir.message import Message
from gateway.fhir.referral import referral_in
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.writing import headers, inner
from gateway.fhir_server.writing.answer import Answer, Resource
from gateway.fhir_server.writing.delivery import CLAIMED, Delivery
from gateway.fhir_server.writing.messaging import KIND, process
from gateway.fhir_server.writing.placing import known_order, place

MAX_ENTRIES = 100
TAKEN = (
    "a transaction makes one order (ServiceRequest), with its Task (fulfill) and what it refers to; or it is one write"
    " of another kind. Send a batch, or several transactions"
)
_URL = re.compile(r"(?P<path>[A-Z][A-Za-z]{2,40}(/[A-Za-z0-9.-]{1,64})?)(\?(?P<query>[\x21-\x7e]{0,2000}))?")
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"})
_CONDITIONS = {
    "ifNoneExist": "If-None-Exist",
    "ifMatch": "If-Match",
    "ifNoneMatch": "If-None-Match",
    "ifModifiedSince": "If-Modified-Since",
}


async def take(delivery: Delivery) -> Answer:
    """POST to the base. Raises RefusedError, Problem, DatabaseAway."""
    node = decode_object(delivery.raw)
    if node.get("resourceType") != "Bundle":
        raise RefusedError("structure", "a Bundle is wanted at this address", "$.resourceType")
    match node.get("type"):
        case "batch":
            return await _batch(delivery, _entries(node))
        case "transaction":
            return await _transaction(delivery, node, _entries(node))
        case "message":
            return await process(delivery, node)
        case "collection":
            referral = referral_in(Message(node), delivery.sha256, default_source=CLAIMED)
            return await place(delivery, KIND, referral, None)
    raise RefusedError("not-supported", "a Bundle of type batch, transaction or message is wanted here", "Bundle.type")


async def take_message(delivery: Delivery) -> Answer:
    """POST to `$process-message`. Raises RefusedError, Problem, DatabaseAway."""
    node = decode_object(delivery.raw)
    if node.get("resourceType") != "Bundle":
        raise RefusedError("structure", "a Bundle is wanted at this address", "$.resourceType")
    return await process(delivery, node)


def _entries(node: Resource) -> list[Resource]:
    entries = node.get("entry")
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise RefusedError("structure", "entry must be a list of objects", "Bundle.entry")
    if len(entries) > MAX_ENTRIES:
        raise RefusedError("too-costly", f"a Bundle may have {MAX_ENTRIES} entries here", "Bundle.entry")
    return entries


# --- batch


async def _batch(delivery: Delivery, entries: list[Resource]) -> Answer:
    answers = [await _entry(delivery, entry, n) for n, entry in enumerate(entries)]
    return Answer(200, {"resourceType": "Bundle", "type": "batch-response", "entry": answers})


async def _entry(delivery: Delivery, entry: Resource, n: int) -> Resource:
    """One entry, as a request of its own: with its own policy, its own row in the audit, its own answer."""
    try:
        response = await _carried_out(delivery, entry, n)
    except RefusedError as error:
        refusal = error.refusal
        outcome = operation_outcome(refusal.code, refusal.reason, refusal.path)
        return {"response": {"status": "400 Bad Request", "outcome": outcome}}
    except Problem as problem:
        outcome = operation_outcome(problem.code, problem.text, problem.path)
        return {"response": {"status": _status(problem.status), "outcome": outcome}}
    return _answered(response)


async def _carried_out(delivery: Delivery, entry: Resource, n: int) -> inner.Response:
    path = f"Bundle.entry[{n}].request"
    request = entry.get("request")
    if not isinstance(request, dict):
        raise RefusedError("required", "an entry says in request what is to be done with it", path)
    method, url = request.get("method"), request.get("url")
    if not isinstance(method, str) or method not in _METHODS:
        raise RefusedError("value", "method is one of FHIR R4 http-verb", f"{path}.method")
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if found is None:
        raise RefusedError("value", "url is relative to the base: Type, Type/ID or Type?QUERY", f"{path}.url")
    given = {"accept": headers.FHIR_JSON, "prefer": f"return={delivery.prefer}"}
    for name, header in _CONDITIONS.items():
        value = request.get(name)
        if isinstance(value, str) and value.isascii() and value.isprintable():
            given[header] = value
    body = b""
    if (resource := entry.get("resource")) is not None:
        body = json.dumps(resource, separators=(",", ":")).encode()
        given |= {"content-type": headers.FHIR_JSON, "content-length": str(len(body))}
    if delivery.idempotency_key is not None:
        given["idempotency-key"] = f"{delivery.idempotency_key}.{n}"[: headers.LONGEST_KEY]
    target = f"/fhir/{found['path']}"
    return await inner.call(delivery.request, method, target, query=found["query"] or "", headers=given, body=body)


def _answered(response: inner.Response) -> Resource:
    told: dict[str, Any] = {"status": _status(response.status)}
    for header, name in (("location", "location"), ("etag", "etag")):
        if header in response.headers:
            told[name] = response.headers[header]
    body = response.json()
    if body is None:
        return {"response": told}
    if body.get("resourceType") == "OperationOutcome":
        return {"response": {**told, "outcome": body}}
    return {"resource": body, "response": told}


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


# --- transaction


async def _transaction(delivery: Delivery, node: Resource, entries: list[Resource]) -> Answer:
    kinds = [_written(entry, n) for n, entry in enumerate(entries)]
    if kinds.count("ServiceRequest") == 1 and "" not in kinds:
        return await _order(delivery, node, entries, kinds)
    if len(entries) != 1:
        raise RefusedError("not-supported", TAKEN, "Bundle.entry")
    response = await _carried_out(delivery, entries[0], 0)
    answer = _answered(response)
    if response.status >= 400:
        return Answer(response.status, response.json())
    return Answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": [answer]})


def _written(entry: Resource, n: int) -> str:
    """The type that an entry writes; empty where it reads, deletes or changes by halves."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict):
        raise RefusedError(
            "required", "an entry says in request what is to be done with it", f"Bundle.entry[{n}].request"
        )
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    return kind if isinstance(kind, str) and request.get("method") in ("POST", "PUT") else ""


async def _order(delivery: Delivery, node: Resource, entries: list[Resource], kinds: list[str]) -> Answer:
    message = Message(node)
    referral = referral_in(message, delivery.sha256, default_source=CLAIMED)
    n = kinds.index("ServiceRequest")
    said = entries[n]["request"].get("ifNoneExist")
    wanted = headers.if_none_exist(said if isinstance(said, str) else None)
    answer = await known_order(delivery, KIND, referral, wanted) if wanted is not None else None
    if answer is None:
        answer = await place(delivery, KIND, referral, entries[n]["resource"], keep=wanted is not None)
    answers = [_part(answer, kind, delivery) for kind in kinds]
    return Answer(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": answers})


def _part(answer: Answer, kind: str, delivery: Delivery) -> Resource:
    """What became of one entry: the order and its Task have an address, everything else is kept with the order."""
    if kind not in ("ServiceRequest", "Task"):
        words = "kept with the order, and not a resource of its own here"
        outcome = operation_outcome("informational", words, severity="information")
        return {"response": {"status": _status(202), "outcome": outcome}}
    told: dict[str, Any] = {"status": _status(answer.status), "location": answer.location}
    if kind == "Task":
        return {"response": {**told, "location": (answer.location or "").replace("/ServiceRequest/", "/Task/")}}
    if answer.version is not None:
        told["etag"] = headers.etag(answer.version)
    if answer.modified_at is not None:
        told["lastModified"] = answer.modified_at.isoformat()
    if answer.body is None or delivery.prefer != "representation":
        return {"response": {**told, "outcome": answer.outcome}}
    return {"resource": answer.body, "response": told}
