"""Routes that are called often are reached directly, by method and path, past what FastAPI wraps around each route.

FastAPI reads parameters and bodies, opens and closes what dependencies hold, and tries one route after the other. Of a
route that takes the request as it is, none of this is needed, and it costs as much as reading the referral. The guard
stands around the route itself, so nothing is passed by that admits anybody.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """A route of whose endpoint FastAPI knows only the description, where nothing in its path varies: it takes the
    request, and gives the response."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.varies = bool(self.param_convertors)
        if self.varies:
            return
        if list(inspect.signature(endpoint).parameters) != ["request"] or self.dependencies:
            raise TypeError(f"{path}: what is reached directly takes the request and nothing else")
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self.endpoint(Request(scope, receive, send))
        except Exception as error:
            await answer_error(error, scope, receive, send)
            return
        await response(scope, receive, send)


class Direct:
    """Middleware that knows the direct routes by heart; everything else goes on as it would."""

    def __init__(self, app: ASGIApp, *, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], DirectRoute] = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute) and not route.varies
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http" and not scope.get("root_path"):
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        scope["endpoint"] = route.endpoint
        scope["path_params"] = {}
        try:
            await route.handle(scope, receive, send)
        except Exception as error:  # the guard's: nothing was answered yet
            await answer_error(error, scope, receive, send)


async def answer_error(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """As the application's handlers answer it. Raises it again where it has none."""

    async def failed(*_: Any) -> None:
        raise error

    await ExceptionMiddleware(failed, handlers=scope["app"].exception_handlers)(scope, receive, send)
