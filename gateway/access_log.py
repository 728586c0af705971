"""One line for each request: what was called, by whom, how it ended, how long it took.

Never a path as it was sent, a query or a header: in FHIR each of them may name a patient. The template of the route
says what was called, and the request's id leads to the audit, which says about whom.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.measures import UNMEASURED, Measures

NAME = "gateway.access_log"
log = logging.getLogger(NAME)
"""Its lines are JSON as they leave here (`continuum/logs.py`)."""

_json = json.JSONEncoder().encode
NO_ROUTE = "none"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, measures: Measures = UNMEASURED) -> None:
        self._app = app
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0
        began = time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - began
            method, route = method_of(scope), template_of(scope)
            _write(scope, method, route, status, seconds)
            self._measures.request(method, route, status, seconds)


def _write(scope: Scope, method: str, route: str, status: int, seconds: float) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    state = scope.get("state", {})
    caller = state.get("caller")
    # Written out, and handed on without asking which of our lines wrote it: each request pays for this.
    line = (
        f'{{"method": "{method}", "route": {_json(route)}, "status": {status}, "ms": {seconds * 1000:.1f},'
        f' "request_id": {_json(state.get("request_id"))}, "caller": {_json(caller.sender if caller else None)},'
        f' "event": "request", "logger": "{NAME}", "level": "info",'
        f' "timestamp": "{datetime.now(UTC).isoformat().replace("+00:00", "Z")}"}}'
    )
    log.handle(logging.LogRecord(NAME, logging.INFO, __file__, 0, line, None, None))


def method_of(scope: Scope) -> str:
    """One of the methods there are, or `other`."""
    method: str = scope["method"]
    return method if method in METHODS else "other"


def template_of(scope: Scope) -> str:
    """The route's path with names in place of values; FastAPI keeps that of an included router apart."""
    found = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    return getattr(found, "path", NO_ROUTE)
