"""Starts the Temporal worker: builds what the activities need, registers everything, runs until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import structlog
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.worker import Worker

from activities.clinics import PostgresClinics
from activities.content import PathwayLibrary
from activities.deliveries import Deliveries
from activities.digests import Digests
from activities.documents import WrittenDocuments
from activities.failures import SilentFailures
from activities.heartbeats import Heartbeats
from activities.messages import MailMessages
from activities.post import Post
from activities.records import PostgresRecords
from channels.mail import Mail
from continuum.collecting import settle
from continuum.doctor.after_a_crash import AfterACrash
from continuum.doctor.nightly import Nightly, Scheduling
from continuum.embedded.folder import StackError
from continuum.embedded.ready import touch_ready_file
from continuum.logs import configure
from continuum.metrics.endpoint import CannotMeasure, open_endpoint
from continuum.metrics.persisting import Persisting
from continuum.metrics.polling import Polling
from continuum.metrics.site import SiteMetrics
from continuum.patience import leave, leave_in_time, patiently
from continuum.production import refuse_unsafe
from continuum.settings import Settings, settings_here
from continuum.tracing.switch import open_tracing
from gateway.context import ConnectedTemporal
from gateway.hl7.telling import Hl7Answers
from gateway.inbound.attention import Attention
from gateway.inbound.relaying import AskRelay
from gateway.relay import Relay
from records.database import Database
from workflows.connection import STAGES, TASK_QUEUE, connect, workflow_runner
from workflows.details import Details
from workflows.nightly import NightlyComparison

T = TypeVar("T")

log = structlog.get_logger(__name__)

ACTIVITIES_AT_ONCE = 20
DRAIN = timedelta(seconds=10)
MISTAKE = 2


class Runs(Protocol):
    """Something that runs beside the worker until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        ...


def activities(
    database: Database, settings: Settings, client: Client | None = None, nudge: asyncio.Event | None = None
) -> list[Callable[..., Any]]:
    """Everything a workflow may ask the world for."""
    records = PostgresRecords(database, nudge)
    clinics = PostgresClinics(database, must_be_signed=settings.pathways_must_be_signed)
    content = PathwayLibrary(must_be_signed=settings.pathways_must_be_signed)
    messages = MailMessages(
        database,
        Mail(settings.mail()),
        domain=settings.mail_domain,
        alarm_address=settings.alarm_address,
        sent_log=settings.sent_log,
    )
    documents = WrittenDocuments(database)
    of_site: list[Callable[..., Any]] = []
    if client is not None:
        operator = settings.alarm_address
        mail = Mail(settings.mail())
        of_site = [Nightly(client, database, mail, domain=settings.mail_domain, operator=operator).compare]
    return [
        records.persist,
        records.standing,
        clinics.prepare,
        content.load_pathway,
        messages.alarm,
        documents.write_summary,
        *of_site,
    ]


def build(
    client: Client,
    database: Database,
    settings: Settings,
    meter: MetricMeter = MetricMeter.noop,
    nudge: asyncio.Event | None = None,
) -> Worker:
    """A worker for all stages and activities; tests use the same. `nudge` tells the post that a message was queued."""
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[*STAGES, NightlyComparison],
        activities=activities(database, settings, client, nudge),
        workflow_runner=workflow_runner(),
        interceptors=[SilentFailures(), Heartbeats(), Persisting(meter), Details()],
        max_concurrent_activities=ACTIVITIES_AT_ONCE,
        max_cached_workflows=settings.worker_cached_journeys,
        graceful_shutdown_timeout=DRAIN,
    )


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Run until told to stop. Waits for PostgreSQL and Temporal rather than fail while they start.

    Raises CannotMeasure.
    """
    meter = open_endpoint(settings.metrics_address)
    database = await patiently(
        lambda: Database.open(
            settings.database_url, password=settings.database_password(), size=settings.database_connections
        ),
        stop,
    )
    if database is None:
        return
    try:
        client = await patiently(connect, stop)
        if client is not None:
            await _work(client, database, settings, stop, meter)
    finally:
        await database.close()
    log.info("worker_stopped")


def loops(
    client: Client,
    database: Database,
    settings: Settings,
    stop: asyncio.Event,
    nudge: asyncio.Event | None = None,
) -> list[asyncio.Task[None]]:
    """What runs beside the worker, on the machine's clock, until stopped; tests use the same."""
    post = Post(database, Mail(settings.mail()), domain=settings.mail_domain, sent_log=settings.sent_log, nudge=nudge)
    digests = Digests(
        database,
        Mail(settings.mail()),
        domain=settings.mail_domain,
        after_seconds=settings.digest_seconds,
        sent_log=settings.sent_log,
    )
    attention = Attention(
        database, Mail(settings.mail()), domain=settings.mail_domain, every_seconds=settings.digest_seconds
    )
    relay = Relay(client, database, must_be_signed=settings.pathways_must_be_signed)
    asks = AskRelay(ConnectedTemporal(client), database)
    deliveries = Deliveries(
        database,
        settings.egress(),
        Mail(settings.mail()),
        base_url=settings.base_url,
        domain=settings.mail_domain,
        alarm_address=settings.alarm_address,
    )
    beside = (relay, asks, attention, post, digests, deliveries, Hl7Answers(database))
    return [asyncio.create_task(one.run(stop)) for one in beside]


def _watching(client: Client, database: Database, settings: Settings, meter: MetricMeter) -> list[Runs]:
    """What says how it goes. The numbers of the site are read only where somebody sees them."""
    polling = Polling(client, TASK_QUEUE, meter)
    return (
        [polling]
        if settings.metrics_address is None
        else [polling, SiteMetrics(database, meter, backups=settings.backup_folder)]
    )


async def _work(
    client: Client, database: Database, settings: Settings, stop: asyncio.Event, meter: MetricMeter
) -> None:
    nudge = asyncio.Event()
    async with build(client, database, settings, meter, nudge):
        more: list[Runs] = [
            Scheduling(client),
            AfterACrash(client, database),
            *_watching(client, database, settings, meter),
        ]
        beside = loops(client, database, settings, stop, nudge) + [asyncio.create_task(one.run(stop)) for one in more]
        settle()
        touch_ready_file()
        log.info("worker_ready")
        await stop.wait()
        leaving = asyncio.create_task(leave_in_time("worker"))  # the SDK waits for a Temporal that is silent
        for loop in beside:
            loop.cancel()  # safe wherever it is: the next worker finishes what this one began
        await asyncio.wait(beside)
        await asyncio.sleep(0)  # let activities that have just ended report before the worker drains
    leaving.cancel()


async def _main() -> None:
    settings = settings_here()
    refuse_unsafe(settings, "worker")
    configure(settings.log_level)
    tracing = open_tracing(settings.traces_endpoint, "worker")
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
    except (StackError, CannotMeasure) as wrong:
        print(f"continuum: {wrong}", file=sys.stderr)
        return MISTAKE
    return 0


if __name__ == "__main__":
    leave(main())
