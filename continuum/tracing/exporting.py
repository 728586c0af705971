"""How spans leave: in batches, from a thread of their own, to a collector that may be slow or away.

A span is put into a bounded queue and that is all a request or a decision waits for. When the queue is full, spans are
lost. What leaves is chosen here, whoever made the span: the SDK writes the words of exceptions into its own, and they
may repeat a patient's data.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, Status

from continuum.tracing.doors import Doors
from continuum.tracing.ids import Ids
from continuum.tracing.journeys import JourneyTracing
from gateway import spans
from workflows import connection

log = structlog.get_logger(__name__)

CLOSE_SECONDS = 0.5
"""So long the last spans have at the end of a process. A person may wait for it: the command line ends so too."""
MAY_LEAVE = frozenset(
    {
        *("temporalWorkflowID", "temporalRunID", "temporalActivityID"),
        *("http.request.method", "http.route", "http.response.status_code"),
        *("continuum.action", "continuum.ask", "continuum.journey", "continuum.message"),
        *("continuum.outcome", "continuum.protocol", "continuum.request_id", "continuum.stage"),
        "error.type",
    }
)
SILENT = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""They would log each batch that does not leave, and each span for which there is no room."""


class Traced:
    """Tracing that is on; see `switch.Tracing`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        tracer = provider.get_tracer("continuum")
        connection.traced(JourneyTracing(tracer))
        spans.use(Doors(tracer, provider.sampler))

    @classmethod
    def to(cls, endpoint: str, part: str) -> Traced:
        """Spans go to this collector. How many of them, how often, and with which headers and certificates, the
        `OTEL_...` variables say that OpenTelemetry's SDK reads itself."""
        for name in SILENT:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Never the global one: whatever finds that, as FastAPI does, makes spans of its own, with queries in them.
        provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: f"continuum-{part}"}), id_generator=Ids(), shutdown_on_exit=False
        )
        provider.add_span_processor(BatchSpanProcessor(OnlyIds(OTLPSpanExporter(endpoint=endpoint))))
        log.info("traces_on")
        return cls(provider)

    def close(self) -> None:
        """See `switch.Tracing`. The SDK would wait half a minute for a collector that is silent."""
        connection.traced(None)
        spans.use(spans.NO_SPANS)
        leaving = threading.Thread(target=self._provider.shutdown, daemon=True)
        leaving.start()
        leaving.join(CLOSE_SECONDS)


class OnlyIds(SpanExporter):
    """Lets out of each span what may leave, and says in the log when spans are lost, and when that is over."""

    def __init__(self, to: SpanExporter) -> None:
        self._to = to
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See `SpanExporter`."""
        result = self._to.export([bare(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("traces_leave_again", lost=self._lost)
            self._lost = 0
        else:
            if not self._lost:
                log.warning("traces_lost")
            self._lost += len(spans)
        return result

    def shutdown(self) -> None:
        """See `SpanExporter`."""
        self._to.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """See `SpanExporter`."""
        return self._to.force_flush(timeout_millis)


def bare(span: ReadableSpan) -> ReadableSpan:
    """A span without what may not leave: of an exception only its type stays, of links and status only that they are
    there."""
    attributes = {name: value for name, value in (span.attributes or {}).items() if name in MAY_LEAVE}
    if (kind := _raised(span.events)) is not None:
        attributes["error.type"] = kind
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=[Link(_only_its_ids(link.context)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _raised(events: Sequence[Event]) -> str | None:
    kinds = [(event.attributes or {}).get("exception.type") for event in events]
    return next((str(kind) for kind in reversed(kinds) if kind is not None), None)


def _only_its_ids(context: SpanContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)
