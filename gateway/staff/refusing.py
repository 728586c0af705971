"""A refused action as problem+json, and which problems a route declares."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from gateway.acting import ActionRefused
from gateway.answers import PROBLEM_JSON, Problem

STATUS = {
    "NoSuchJourney": 404,
    "NotAllowed": 403,
    "StageMoved": 409,
    "ActionReused": 409,
    "Closed": 409,
    "AlreadyOpen": 409,
    "NotBegun": 409,
    "VersionMoved": 412,
}
"""Where a refusal is not simply 422: what is asked for does not fit how the journey stands now."""

NOTHING_THERE = "there is no journey of that id"
"""Said alike of one that is not there, of another provider's, and of one that this caller may not see."""


class ProblemBody(BaseModel):
    """RFC 9457. Never repeats what was sent."""

    type: str
    status: int
    code: str
    """For programs: the kind of a refused action (`StageMoved`, `NotNow`, ...), or why the request was stopped."""
    detail: str
    path: str | None = None
    allowed: list[str] | None = None
    """Actions that this caller may ask for now."""
    action_id: str | None = None


def no_journey() -> Problem:
    """The one answer for all that is not there for this caller."""
    return Problem(404, "NoSuchJourney", NOTHING_THERE)


def problem_of(refused: ActionRefused, action_id: str | None = None, allowed: list[str] | None = None) -> Problem:
    """A refused action, in the API's form."""
    if refused.kind == "NoSuchJourney":
        return no_journey()
    more: dict[str, Any] = {}
    if action_id is not None:
        more["action_id"] = action_id
    if allowed is not None:
        more["allowed"] = allowed
    return Problem(STATUS.get(refused.kind, 422), refused.kind, str(refused), more=more)


_WORDS = {
    400: "The request is not as it should be.",
    401: "A valid bearer token is needed.",
    403: "This caller may not do this.",
    404: "There is nothing of that id, or not for this caller.",
    409: "It does not fit how things stand now: the stage has moved, or the action id was used for something else.",
    412: "The journey has moved on since the version that If-Match names.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Refused: `code` and `detail` say why, `allowed` what may be done instead.",
    429: "Too many requests; wait for Retry-After.",
    503: "The record or the workflow service cannot be reached now; try again after Retry-After.",
}
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}}
_HEADERS = {401: _CHALLENGE, 429: _RETRY, 503: _RETRY}
ALWAYS = (400, 401, 403, 422, 429, 503)
WITH_BODY = (413, 415)


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route: those that any may answer with, and these."""
    return {status: _declared(status) for status in sorted({*ALWAYS, *more})}


def _declared(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    said: dict[str, Any] = {"description": _WORDS[status], "content": {PROBLEM_JSON: {"schema": schema}}}
    return {**said, "headers": _HEADERS[status]} if status in _HEADERS else said
