"""What a caller is told when something is wrong, in the form of the interface that they used.

Under `/fhir` it is an OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html), elsewhere problem+json
(RFC 9457). Both are made of our own words: nothing that a caller sent is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.context import TemporalAway
from records.database import DatabaseAway, DatabaseRefused

RETRY_AFTER_SECONDS = 5
FHIR_JSON = "application/fhir+json"
PROBLEM_JSON = "application/problem+json"

_CODES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-costly",
    415: "not-supported",
    422: "business-rule",
    429: "throttled",
    503: "transient",
}
"""FHIR issue type of each status, where nothing more precise is known."""


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """Stops a request. `code` is a FHIR issue type or, for the staff API, the kind of a refused action."""

    def __init__(
        self,
        status: int,
        code: str | None,
        text: str,
        *,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code or _CODES.get(status, "processing")
        self.text = text
        self.path = path
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        """Further members of the problem+json: what is allowed now, an action's id."""


def operation_outcome(code: str, text: str, path: str | None = None, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome of one issue; a path that is no FHIRPath goes to `diagnostics`."""
    issue: dict[str, Any] = {"severity": severity, "code": code, "details": {"text": text}}
    if path and path[:1].isupper():
        issue["expression"] = [path]
    elif path and path != "$":
        issue["diagnostics"] = f"at {path}"
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def is_fhir(request: Request) -> bool:
    """Whether the caller uses the FHIR interface."""
    path = request.url.path
    return path == "/fhir" or path.startswith("/fhir/")


def answer_of(request: Request, problem: Problem) -> Response:
    """The response that tells of a problem."""
    if is_fhir(request):
        outcome = operation_outcome(problem.code, problem.text, problem.path)
        return JSONResponse(outcome, problem.status, problem.headers, FHIR_JSON)
    body = {"type": "about:blank", "status": problem.status, "code": problem.code, "detail": problem.text}
    if problem.path:
        body["path"] = problem.path
    return JSONResponse({**body, **problem.more}, problem.status, problem.headers, PROBLEM_JSON)


def away(what: str) -> Problem:
    """Something that we need is not there; nothing was stored."""
    return Problem(
        503,
        "transient",
        f"{what} cannot be reached now; nothing was changed, try again",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def install(app: FastAPI) -> None:
    """Let the application answer all its errors this way."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(DatabaseAway, _away)
    app.add_exception_handler(DatabaseRefused, _refused)
    app.add_exception_handler(TemporalAway, _temporal)


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - registered for it alone
    return answer_of(request, problem)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    words = {404: "there is nothing at this address", 405: "this method is not allowed here"}
    text = words.get(error.status_code, "the request was refused")
    return answer_of(request, Problem(error.status_code, None, text, headers=error.headers))


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = next(iter(error.errors()), None)
    place = ".".join(str(part) for part in first["loc"] if isinstance(part, str)) if first else None
    return answer_of(request, Problem(400, "invalid", f"{_wrong(first)}", path=place))


def _wrong(first: Mapping[str, Any] | None) -> str:
    """Our own words for what a validator found: its own may repeat what was sent."""
    kind = str(first["type"]) if first else ""
    if kind == "missing":
        return "a field is missing"
    if kind == "extra_forbidden":
        return "there is no field of that name"
    if kind == "json_invalid":
        return "the body is not well-formed JSON"
    return (
        f"a field is not as it should be ({kind.replace('_', ' ')})" if kind else "the request is not as it should be"
    )


async def _away(request: Request, error: Exception) -> Response:
    return answer_of(request, away("the record"))


async def _temporal(request: Request, error: Exception) -> Response:
    return answer_of(request, away("the workflow service"))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseRefused)  # noqa: S101
    return answer_of(request, Problem(422, "value", "the record cannot hold this; nothing was changed"))
