"""Starts the gateway: FHIR and the staff API over HTTP, HL7 v2 over MLLP; runs until SIGTERM.

As many of them as you like may run side by side, on this machine or on others: all that they know is in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace

import structlog

from continuum.collecting import settle
from continuum.embedded.folder import StackError
from continuum.embedded.ready import touch_ready_file
from continuum.logs import configure
from continuum.metrics.endpoint import CannotMeasure, open_endpoint
from continuum.metrics.gateway import GatewayMeasures
from continuum.metrics.site import PoolMetrics
from continuum.patience import leave, leave_in_time, patiently
from continuum.production import refuse_unsafe
from continuum.settings import Settings, settings_here
from continuum.tracing.switch import open_tracing
from gateway.access.keyring import KeyFileWrong
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from gateway.hl7.listener import serve_mllp
from gateway.serving import Address, CannotServe, Certificate, application, serve_http
from records.database import Database

log = structlog.get_logger("gateway")

MISTAKE = 2


def gateway_settings(settings: Settings) -> GatewaySettings:
    """What the environment says of the gateway."""
    return GatewaySettings(
        tenant=settings.tenant,
        base_url=settings.base_url,
        must_be_signed=settings.pathways_must_be_signed,
        unknown_senders=settings.hl7_unknown_senders,
        access=settings.access(),
    )


def certificate(settings: Settings) -> Certificate | None:
    """What HTTP is served with; None: without TLS. Raises CannotServe."""
    chain, key = settings.tls_certificate_file, settings.tls_key_file
    if (chain is None) != (key is None):
        raise CannotServe("CONTINUUM_TLS_CERTIFICATE_FILE and CONTINUUM_TLS_KEY_FILE go together: give both or neither")
    return Certificate(chain, key) if chain is not None and key is not None else None


def hl7_context(settings: Settings) -> ssl.SSLContext | None:
    """What HL7 v2 is served with; None: without TLS. Raises CannotServe."""
    if not settings.hl7_tls:
        if settings.hl7_client_ca_file is not None:
            raise CannotServe("CONTINUUM_HL7_CLIENT_CA_FILE needs CONTINUUM_HL7_TLS: without TLS nobody shows one")
        return None
    own = certificate(settings)
    if own is None:
        raise CannotServe("CONTINUUM_HL7_TLS needs CONTINUUM_TLS_CERTIFICATE_FILE and CONTINUUM_TLS_KEY_FILE")
    return replace(own, client_authority=settings.hl7_client_ca_file).context()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run until told to stop. Waits for PostgreSQL rather than fail while it starts. Raises CannotServe."""
    secured, hl7_secured = certificate(settings), hl7_context(settings)
    if secured is not None:
        secured.context()
    database = await patiently(
        lambda: Database.open(
            settings.database_url, password=settings.database_password(), size=settings.database_connections
        ),
        stop,
    )
    if database is None:
        return
    leaving = asyncio.create_task(_leave_in_time(stop))
    try:
        meter = open_endpoint(settings.metrics_address)
        gateway = Gateway(database, LazyTemporal(), gateway_settings(settings), GatewayMeasures(meter))
        watched = asyncio.create_task(PoolMetrics(database, meter).run(stop))
        try:
            await _serve(gateway, settings, stop, secured, hl7_secured)
        finally:
            watched.cancel()
    except CannotMeasure as wrong:
        raise CannotServe(str(wrong)) from None
    finally:
        leaving.cancel()
        await database.close()
    log.info("gateway_stopped")


async def _serve(
    gateway: Gateway,
    settings: Settings,
    stop: asyncio.Event,
    secured: Certificate | None,
    hl7_secured: ssl.SSLContext | None,
) -> None:
    """All doors, until told to stop; when one of them cannot be opened, none is. Raises CannotServe."""
    try:
        app = application(gateway)
    except KeyFileWrong as wrong:
        raise CannotServe(str(wrong)) from None
    http = Address(settings.http_host, settings.http_port, shared=settings.http_shared)
    doors = 1 if settings.hl7_port is None else 2

    def opened() -> None:
        nonlocal doors
        doors -= 1
        if doors == 0:
            # What is there now stays: no collection has to go through the application and its models again.
            settle()
            touch_ready_file()
            log.info("gateway_ready")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_http(app, http, certificate=secured, stop=stop, listening=opened))
            if settings.hl7_port is not None:
                group.create_task(_serve_hl7(gateway, settings.hl7_host, settings.hl7_port, hl7_secured, stop, opened))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _serve_hl7(
    gateway: Gateway,
    host: str,
    port: int,
    secured: ssl.SSLContext | None,
    stop: asyncio.Event,
    opened: Callable[[], None],
) -> None:
    try:
        await serve_mllp(gateway, host, port, ssl_context=secured, stop=stop, bound=lambda _: opened())
    except OSError as error:
        raise CannotServe(f"cannot listen on {host} port {port} for HL7 v2: {error.strerror}") from None


async def _leave_in_time(stop: asyncio.Event) -> None:
    await stop.wait()
    await leave_in_time("gateway")


def _settings() -> Settings:
    try:
        settings = settings_here()
        refuse_unsafe(settings, "gateway")
        return settings
    except StackError as wrong:
        raise CannotServe(str(wrong)) from None


async def _main() -> None:
    settings = _settings()
    configure(settings.log_level)
    tracing = open_tracing(settings.traces_endpoint, "gateway")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await run(settings, stop)
    finally:
        tracing.close()


def main() -> int:
    """Exit code 0 after an orderly stop, 2 when something is set wrongly (one line says what)."""
    try:
        asyncio.run(_main())
    except CannotServe as wrong:
        print(f"continuum: {wrong}", file=sys.stderr)
        return MISTAKE
    return 0


if __name__ == "__main__":
    leave(main())
