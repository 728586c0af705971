"""The edge of the application: what every answer carries, what is said when something of ours fails, and a last look
whether a guard stood in front of what was answered."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.answers import Problem, answer_of

log = structlog.get_logger("gateway")

GUARDED = "continuum.guarded"
"""In the scope of a request that a guard has looked at."""
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
UNLESS_SAID = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""A route that serves something else than a record says so itself."""
TWO_YEARS = "max-age=63072000; includeSubDomains"


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


_UNLESS_SAID = _raw(UNLESS_SAID)
_REQUEST_ID = b"x-request-id"


class Unguarded(Exception):  # noqa: N818
    """A route answered that was added after the guard."""


class Edge:
    """Middleware around everything else."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = _raw({**ALWAYS, "Strict-Transport-Security": TWO_YEARS} if https else ALWAYS)
        self._names = {name for name, _ in self._always} | {_REQUEST_ID}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def checked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                if "endpoint" in scope and GUARDED not in scope:
                    raise Unguarded
                begun = True
                self._put_headers(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, checked)
        except Exception as error:
            _log(scope, error)
            if begun:
                raise Unfinished from None
            scope[GUARDED] = True
            problem = Problem(500, "exception", "something went wrong here; it is in our log under the X-Request-Id")
            await answer_of(Request(scope), problem)(scope, receive, checked)

    def _put_headers(self, scope: Scope, message: Message) -> None:
        said = [(name.lower(), value) for name, value in message.get("headers", ()) if name.lower() not in self._names]
        there = {name for name, _ in said}
        said += self._always
        said += [one for one in _UNLESS_SAID if one[0] not in there]
        if request_id := scope.get("state", {}).get("request_id"):
            said.append((_REQUEST_ID, request_id.encode("ascii")))
        message["headers"] = said


class Unfinished(Exception):  # noqa: N818
    """An answer broke off after it had begun; the server cuts the connection."""


def _log(scope: Scope, error: Exception) -> None:
    """Kind and places, never the words of an exception: they may repeat what was sent."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)][-6:]
    request_id = scope.get("state", {}).get("request_id")
    log.error("request failed", kind=type(error).__name__, places=places, request_id=request_id)
