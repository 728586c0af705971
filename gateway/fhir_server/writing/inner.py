"""A request to this server from within it: the same routes, behind the same guard, for the same caller.

Entries of a batch are carried out like this, each on its own, and what was written is shown as a read would show it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.types import Message

PASSED_ON = ("authorization", "x-correlation-id")


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any] | None:
        """The resource in it, if there is one."""
        try:
            found = json.loads(self.body) if self.body else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


async def call(
    request: Request,
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Response:
    """Ask `path` (below the application's root) as whoever sent `request`."""
    given = {name: request.headers[name] for name in PASSED_ON if name in request.headers} | dict(headers or {})
    outer = request.scope
    scope = {
        "type": "http",
        "asgi": outer["asgi"],
        "http_version": outer.get("http_version", "1.1"),
        "method": method,
        "scheme": outer.get("scheme", "http"),
        "path": path,
        "raw_path": path.encode("ascii", "ignore"),
        "query_string": query.encode("ascii", "ignore"),
        "root_path": "",
        "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in given.items()],
        "client": outer.get("client"),
        "server": outer.get("server"),
        "state": {},
    }
    told: dict[str, Any] = {}
    parts: list[bytes] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.update(message)
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await request.app(scope, receive, send)
    found = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in told.get("headers", ())}
    return Response(told["status"], found, b"".join(parts))


async def shown(request: Request, type_: str, id_: str) -> dict[str, Any] | None:
    """The resource as this caller may read it; None where they may not, or cannot yet."""
    response = await call(request, "GET", f"/fhir/{type_}/{id_}", headers={"accept": "application/fhir+json"})
    return response.json() if response.status == 200 else None
