"""The edge of the application: what every answer carries, what is said when something of ours fails, and a last look
whether a guard stood in front of what was answered."""

from __future__ import annotations

import traceback

import structlog
from starlette.datastructures import MutableHeaders
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


class Unguarded(Exception):  # noqa: N818
    """A route answered that was added after the guard."""


class Edge:
    """Middleware around everything else."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = {**ALWAYS, "Strict-Transport-Security": TWO_YEARS} if https else ALWAYS

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
        headers = MutableHeaders(scope=message)
        headers.update(self._always)
        for name, value in UNLESS_SAID.items():
            headers.setdefault(name, value)
        if request_id := scope.get("state", {}).get("request_id"):
            headers["X-Request-Id"] = request_id


class Unfinished(Exception):  # noqa: N818
    """An answer broke off after it had begun; the server cuts the connection."""


def _log(scope: Scope, error: Exception) -> None:
    """Kind and places, never the words of an exception: they may repeat what was sent."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)][-6:]
    request_id = scope.get("state", {}).get("request_id")
    log.error("request failed", kind=type(error).__name__, places=places, request_id=request_id)
