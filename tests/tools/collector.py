"""A collector of traces: keeps what is sent to it as OTLP over HTTP. It can also take it and be silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Span:
    """One that arrived."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    """Traces."""
    attributes: dict[str, Any]
    events: int
    words: str
    """Of its status."""


class Collector:
    """Listens on a port of this machine."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        """Path and body of all that arrived."""
        self.resources: set[str] = set()
        self.answers = threading.Event()
        self.answers.set()
        self._spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.answers.wait(60)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Not on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.endpoint = f"{self.base}/v1/traces"

    def take(self, path: str, body: bytes) -> None:
        """What arrived."""
        self.bodies.append((path, body))
        if path != "/v1/traces":
            return
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = _values(group.resource.attributes)
            self.resources |= set(of)
            for scope in group.scope_spans:
                for span in scope.spans:
                    self._spans.append(
                        Span(
                            span.name,
                            of["service.name"],
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            tuple(link.trace_id.hex() for link in span.links),
                            _values(span.attributes),
                            len(span.events),
                            span.status.message,
                        )
                    )

    @property
    def spans(self) -> list[Span]:
        """All, so far."""
        return list(self._spans)

    def trace(self, id_: str) -> list[Span]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace == id_]

    @contextmanager
    def running(self) -> Iterator[Collector]:
        """As long as it is needed."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.answers.set()
            self._server.shutdown()
            self._server.server_close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()


def connected(trace: list[Span]) -> bool:
    """One root, and every other span below one that is there."""
    ids = {span.id for span in trace}
    return [span.parent for span in trace].count("") == 1 and all(span.parent in ids for span in trace if span.parent)


def _values(attributes: Any) -> dict[str, Any]:
    def value(of: KeyValue) -> Any:
        return getattr(of.value, of.value.WhichOneof("value") or "string_value")

    return {one.key: value(one) for one in attributes}
