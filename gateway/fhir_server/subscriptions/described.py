"""What the routes of subscriptions take and answer, for OpenAPI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.answers import FHIR_JSON
from gateway.fhir_server.searching import FORM

Described = dict[str, Any]

_RESOURCE: Described = {"content": {FHIR_JSON: {"schema": {"type": "object", "required": ["resourceType"]}}}}
_WORDS = {
    200: "Done; the resource",
    201: "Taken; a handshake is on its way",
    400: "Not as FHIR R4 has it",
    401: "Not signed in",
    403: "This caller may not do this",
    404: "Not there, or not this caller's",
    406: "Only JSON of FHIR R4 is spoken",
    412: "Changed since it was read",
    413: "Too large",
    415: "Only JSON is read",
    422: "Understood, and it cannot be done",
    428: "If-Match is missing",
    429: "Too many requests: see Retry-After",
    503: "The record cannot be reached: see Retry-After",
}
_ALWAYS = (400, 401, 403, 406, 429, 503)


def answers(*statuses: int) -> dict[int | str, Described]:
    """What a route may answer beside what every route may."""
    return {n: {"description": _WORDS[n], **_RESOURCE} for n in sorted({*statuses, *_ALWAYS})}


def asks(names: Iterable[str]) -> Described:
    """Parameters of the address; each may be a list with commas."""
    schema = {"type": "string"}
    return {"parameters": [{"name": n, "in": "query", "required": False, "schema": schema} for n in sorted(names)]}


def form(names: Iterable[str]) -> Described:
    """The same as a form."""
    properties = {name: {"type": "string"} for name in sorted(names)}
    return {
        "requestBody": {"required": False, "content": {FORM: {"schema": {"type": "object", "properties": properties}}}}
    }


BODY: Described = {"requestBody": {"required": True, **_RESOURCE}}
PARAMETERS: Described = {"requestBody": {"required": False, **_RESOURCE}}
READ = answers(200, 404)
FOUND = answers(200)
CREATED = answers(201, 413, 415, 422)
UPDATED = answers(200, 404, 412, 413, 415, 422, 428)
EVENTS = answers(200, 404, 422)
ASKED = answers(200, 404, 413, 415, 422)
