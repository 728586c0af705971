"""From a request to a delivery, from an answer to a response; the same for every route that writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request
from starlette.responses import Response

from gateway.answers import Problem
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.negotiation import check_acceptable
from gateway.fhir_server.writing.answer import Answer
from gateway.fhir_server.writing.delivery import Delivery, receive
from gateway.fhir_server.writing.headers import mirrored
from gateway.fhir_server.writing.refusing import refused

Handler = Callable[[Delivery], Awaitable[Answer]]
CORRELATION = "X-Correlation-Id"


async def served(request: Request, kind: str, handler: Handler) -> Response:
    """Take the delivery in, let `handler` do what it asks for, and answer as the caller prefers.

    A handler raises RefusedError for a message that is not fit (it is kept), Problem for everything else.
    """
    correlation = mirrored(request.headers.get(CORRELATION))
    try:
        check_acceptable(request)
        delivery = await receive(request)
        response = (await handled(delivery, kind, handler)).as_preferred(delivery.prefer).response()
    except Problem as problem:
        if correlation is not None:
            problem.headers[CORRELATION] = correlation
        raise
    if correlation is not None:
        response.headers[CORRELATION] = correlation
    return response


async def handled(delivery: Delivery, kind: str, handler: Handler) -> Answer:
    """What became of it. Raises Problem, DatabaseAway."""
    try:
        return await handler(delivery)
    except RefusedError as error:
        refusal = error.refusal
    raise await refused(delivery, kind, refusal)
