"""The limits in front of the application: what a request may cost, whoever sends it, before it is read.

The server (Hypercorn) cuts connections that do not get through with their headers, and idle ones. What it does not
bound is here: the size of a body whose length nobody announced, the time it takes altogether, how long an answer waits
for a client that does not read, and how many requests are worked on at once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.answers import Problem, answer_of
from gateway.limits.bounds import Bounds, may_have_body, refusal, too_large
from records.patience import within

LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024 * 1024
"""After an answer to a request that was not read to its end: so much is still read and thrown away. A server that
closes at once resets the connection, and the client never sees why (RFC 9112, 9.6)."""
NEVER_TOO_BUSY = ("/health", "/ready")


class BodyRefused(HTTPException):
    """A body that is not read on; an HTTPException, since FastAPI makes 400 of all others while it reads."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, problem.text)
        self.problem = problem


class RequestLimits:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, bounds: Bounds) -> None:
        self.bounds = bounds
        self.busy = 0
        """Requests under way that do not wait for their client."""
        self.held = 0
        """Bytes of the bodies of all requests under way."""
        self._app = app
        self._waiting = _Waiting(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        exchange = _Exchange(self, scope, receive, send)
        problem = self._refusal(scope)
        self.busy += 1
        try:
            if problem is not None:
                await answer_of(Request(scope), problem)(scope, receive, exchange.send)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        finally:
            self.busy -= 1
            exchange.let_go()

    def waiting(self) -> _Waiting:
        """While a request waits for its client it is not counted as under way."""
        return self._waiting

    def _refusal(self, scope: Scope) -> Problem | None:
        target = scope["raw_path"] + scope["query_string"]
        problem = refusal(target, scope["path"], scope["headers"], self.bounds)
        if problem is None and self.busy >= self.bounds.at_once and scope["path"] not in NEVER_TOO_BUSY:
            return too_busy()
        return problem


class _Waiting:
    """One fewer is under way, for as long as it lasts."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits

    def __enter__(self) -> None:
        self._limits.busy -= 1

    def __exit__(self, *_: object) -> None:
        self._limits.busy += 1


class _Exchange:
    """One request and its answer."""

    def __init__(self, limits: RequestLimits, scope: Scope, receive: Receive, send: Send) -> None:
        self.held = 0
        self._limits = limits
        self._receive = receive
        self._send = send
        self._most = limits.bounds.body(scope["path"])
        self._patience = limits.bounds.body_seconds
        self._answer_patience = limits.bounds.answer_seconds
        self._unread = may_have_body(scope["method"], scope["http_version"], scope["headers"])
        self._gone = False
        """The client has stalled, or is not there any more: nothing more of its request is waited for."""
        self._deaf = False
        """The client does not take its answer. The server closes the connection when the application is through."""

    async def receive(self) -> Message:
        """The next part of the body. Raises BodyRefused."""
        if not self._unread:
            return await self._receive()
        began = time.monotonic()
        try:
            with self._limits.waiting():
                message = await within(self._patience, self._receive())
        except TimeoutError:
            self._gone = True
            raise BodyRefused(
                Problem(408, "timeout", f"the body did not come within {self._limits.bounds.body_seconds:g} seconds")
            ) from None
        self._patience -= time.monotonic() - began
        self._took(message)
        if self._gone:
            raise BodyRefused(Problem(400, "incomplete", "the connection ended before the body did"))
        part = len(message.get("body", b""))
        if self.held + part > self._most:
            self.let_go()
            raise BodyRefused(too_large(self._most))
        if self._limits.held + part > self._limits.bounds.held:
            self.let_go()
            raise BodyRefused(too_busy())
        self.held += part
        self._limits.held += part
        return message

    def let_go(self) -> None:
        """Nothing is held of its body any more."""
        self._limits.held -= self.held
        self.held = 0

    async def send(self, message: Message) -> None:
        """A part of the answer; the last one leaves when the rest of the request was read, or was given up."""
        if message["type"] == "http.response.body" and not message.get("more_body", False) and self._unread:
            await self._send_in_time({**message, "more_body": True})
            await self._throw_away()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send_in_time(message)

    async def _send_in_time(self, message: Message) -> None:
        if self._deaf:
            return
        began = time.monotonic()
        try:
            with self._limits.waiting():
                await within(self._answer_patience, self._send(message))
        except TimeoutError:
            self._deaf = True
        self._answer_patience -= time.monotonic() - began

    async def _throw_away(self) -> None:
        left = LINGER_BYTES
        with suppress(TimeoutError), self._limits.waiting():
            async with asyncio.timeout(LINGER_SECONDS):
                while self._unread and not self._gone and left > 0:
                    message = await self._receive()
                    self._took(message)
                    left -= len(message.get("body", b""))

    def _took(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._gone = True
        if self._gone or not message.get("more_body", False):
            self._unread = False


def too_busy() -> Problem:
    """As many requests as we work on at once are under way."""
    return Problem(
        503, "throttled", "too many requests at once; nothing was changed, try again", headers={"Retry-After": "1"}
    )


def install(app: FastAPI) -> None:
    """Let the application answer what `RequestLimits` refuses while a body is read."""
    app.add_exception_handler(BodyRefused, _refused)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, BodyRefused)  # noqa: S101 - registered for it alone
    return answer_of(request, error.problem)
