"""Routes that are called often are reached directly, by method and path, past what FastAPI wraps around each route.

FastAPI reads parameters and bodies, opens and closes what dependencies hold, and tries one route after the other. Of a
route that takes the request as it is, none of this is needed, and it costs as much as reading the referral. The guard
stands around the route itself, so nothing is passed by that admits anybody.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request
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


class DirectlyReached(FastAPI):
    """An application that knows its direct routes by heart; everything else goes the usual way."""

    _direct: Mapping[tuple[str, str], DirectRoute] = MappingProxyType({})
    _edge: ASGIApp

    def reach_directly(self, routes: Iterable[BaseRoute], edge: Callable[[ASGIApp], ASGIApp]) -> None:
        """Those of `routes` that may be. `edge` stands around them, as it does around all others."""
        self._direct = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute) and not route.varies
            for method in route.methods or ()
        }
        self._edge = edge(_handle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        route = None
        if scope["type"] == "http" and not scope.get("root_path"):
            route = self._direct.get((scope["method"], scope["path"]))
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        scope["route"] = route
        scope["endpoint"] = route.endpoint
        scope["path_params"] = {}
        await self._edge(scope, receive, send)


async def _handle(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await scope["route"].handle(scope, receive, send)
    except Exception as error:  # the guard's: nothing was answered yet
        await answer_error(error, scope, receive, send)


async def answer_error(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """As the application's handlers answer it. Raises it again where it has none."""

    async def failed(*_: Any) -> None:
        raise error

    await ExceptionMiddleware(failed, handlers=scope["app"].exception_handlers)(scope, receive, send)
