"""Spans of what comes in: requests, messages that are stored, and what is made of them later. See `gateway.spans`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from continuum.tracing.ids import given, ids_of
from gateway.access_log import method_of, template_of

UNTRACED = frozenset({"/health", "/ready"})
"""Asked every few seconds by machines."""
FAILED = 500
NANO = 1_000_000_000


class Doors:
    """The spans of a process that traces."""

    def __init__(self, tracer: Tracer, sampler: Sampler) -> None:
        self._tracer = tracer
        self._sampler = sampler

    def requests(self, app: ASGIApp) -> ASGIApp:
        """See `gateway.spans.Spans`."""
        return Requests(app, self._tracer)

    def taken_in(self, key: str, *, protocol: str, outcome: str, since: datetime) -> None:
        """The first span of the trace of this key. Where a request brought the message, the two know of each other."""
        brought_by = trace.get_current_span().get_span_context()
        with given(ids_of(key)):
            span = self._tracer.start_span(
                f"TakeIn:{protocol}",
                Context(),
                kind=SpanKind.CONSUMER,
                attributes={"continuum.message": key, "continuum.protocol": protocol, "continuum.outcome": outcome},
                links=[Link(brought_by)] if brought_by.is_valid else (),
                start_time=min(int(since.timestamp() * NANO), time.time_ns()),
            )
        span.end()

    @contextmanager
    def later(self, key: str, name: str, **ids: str) -> Iterator[None]:
        """See `gateway.spans.Spans`."""
        trace_id, first = ids_of(key)
        sampled = self._sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        parent = NonRecordingSpan(SpanContext(trace_id, first, is_remote=True, trace_flags=flags))
        with self._tracer.start_as_current_span(
            name,
            trace.set_span_in_context(parent, Context()),
            kind=SpanKind.CONSUMER,
            attributes={f"continuum.{of}": id_ for of, id_ in ids.items()},
        ):
            yield


class Requests:
    """ASGI middleware around everything else: one trace for each request, under the template of its route.

    What a caller says of a trace of its own is not listened to: it would decide what is sampled, and its words would
    leave with ours.
    """

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = method_of(scope)
        with self._tracer.start_as_current_span(method, Context(), kind=SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, noted)
            finally:
                route = template_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route})
                if status:
                    span.set_attribute("http.response.status_code", status)
                if request_id := scope.get("state", {}).get("request_id"):
                    span.set_attribute("continuum.request_id", request_id)
                if status >= FAILED:
                    span.set_status(Status(StatusCode.ERROR))
