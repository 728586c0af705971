"""Serves the gateway over HTTP, on Hypercorn: it outlives slow clients, and lets what is under way come to its end.

    connection -> Hypercorn: TLS, HTTP/1.1 and HTTP/2, time for headers, idle connections
               -> AccessLog -> RequestLimits: sizes, time for a body, how many at once
               -> the application (`gateway/app.py`)

What was measured of servers and their defaults is why it is this one: a bare uvicorn keeps slow connections for ever.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import structlog
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import Framework
from starlette.types import ASGIApp

from gateway import limits
from gateway.access_log import AccessLog
from gateway.app import create_app
from gateway.context import Gateway
from gateway.limits import Bounds, RequestLimits
from gateway.spans import spans

log = structlog.get_logger(__name__)

HEADER_SECONDS = 10
"""Time for a connection to come through with a request's headers, and how long an idle one is kept. Longer than the
clients' usual 5 s, so that it is they who close what they keep."""
SILENCE_SECONDS = 60
"""A connection that says nothing for so long is closed even while an answer is being worked on."""
HANDSHAKE_SECONDS = 10
UNTAKEN_MS = 15_000
"""So long the kernel keeps what a client does not acknowledge or has no room for."""
FINISH_SECONDS = 10.0
"""At the end, what is under way has so long."""
BACKLOG = 512
HTTP2_STREAMS = 64


class CannotServe(Exception):  # noqa: N818
    """One line for whoever starts the gateway: what is wrong and what would be right."""


@dataclass(frozen=True)
class Certificate:
    """What a server proves itself with, PEM files; and the authority of clients that have to do the same."""

    chain: Path
    key: Path
    client_authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For a listener. Raises CannotServe."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.chain, self.key, password=_no_password)
            if self.client_authority is not None:
                context.load_verify_locations(self.client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "not usable"
            files = ", ".join(str(file) for file in (self.chain, self.key, self.client_authority) if file)
            raise CannotServe(f"TLS: {why} ({files}); PEM files, the key without a password") from None
        return context


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int
    shared: bool = False
    """Several processes of one user listen on this port, and the kernel spreads connections over them."""

    def listen(self) -> socket.socket:
        """A listening socket. Raises CannotServe."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.shared:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # accepted connections inherit it
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)
            found.bind((self.host, self.port))
            found.setblocking(False)
        except (OSError, OverflowError) as error:
            found.close()
            why = error.strerror if isinstance(error, OSError) else "no such port"
            raise CannotServe(f"cannot listen on {self.host} port {self.port}: {why}; name another port") from None
        return found


def application(gateway: Gateway, bounds: Bounds | None = None) -> ASGIApp:
    """The application as it is served: with its limits, its log, and its traces where there are any."""
    app = create_app(gateway)
    limits.install(app)
    return spans().requests(AccessLog(RequestLimits(app, bounds or Bounds()), gateway.measures))


async def serve_http(
    app: ASGIApp,
    address: Address,
    *,
    stop: asyncio.Event,
    certificate: Certificate | None = None,
    listening: Callable[[], None] | None = None,
) -> None:
    """Serve until told to stop; then take nothing new, and give what is under way its time.

    `listening` is called when connections are accepted. Raises CannotServe.
    """
    if certificate is not None:
        certificate.context()  # says what is wrong with the files
    config = configuration(certificate)
    config.bind = [f"fd://{address.listen().detach()}"]

    async def until_stopped() -> None:
        # Hypercorn asks for this when all its sockets listen.
        if listening is not None:
            listening()
        await stop.wait()

    asyncio.get_running_loop().set_exception_handler(_only_the_kind)
    try:
        await serve(cast(Framework, app), config, shutdown_trigger=until_stopped, mode="asgi")
    except Exception as error:
        if not stop.is_set():
            raise
        # A connection that broke while it was given its time: nothing more can be done for it.
        log.warning("connection_broke_at_the_end", error=type(error).__name__)


def configuration(certificate: Certificate | None = None) -> Config:
    """Hypercorn's. Benches serve others by the same."""
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.errorlog.setLevel(logging.WARNING)
    config.include_server_header = False
    config.backlog = BACKLOG
    config.keep_alive_timeout = HEADER_SECONDS
    config.read_timeout = SILENCE_SECONDS
    config.graceful_timeout = FINISH_SECONDS
    config.ssl_handshake_timeout = HANDSHAKE_SECONDS
    config.h2_max_concurrent_streams = HTTP2_STREAMS
    config.h2_max_header_list_size = Bounds.headers
    if certificate is not None:
        config.certfile, config.keyfile = str(certificate.chain), str(certificate.key)
    return config


def _only_the_kind(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What goes wrong with a connection is told by its kind: its words may hold what was sent."""
    error = context.get("exception")
    if not isinstance(error, ssl.SSLError | ConnectionError | TimeoutError):
        log.warning("connection_broke", error=type(error).__name__ if error else None)


def _no_password() -> str:
    raise ValueError("the key has a password")
