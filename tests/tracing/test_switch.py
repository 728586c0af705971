"""On and off: off is nothing at all, and on is nothing that anybody waits for."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, TraceState
from temporalio.worker import Replayer

from care.journey import Stage
from continuum.commands import stack
from continuum.demo import referrals, stories
from continuum.embedded import supervisor
from continuum.embedded.supervisor import worker_environment
from continuum.settings import settings_here
from continuum.tracing.doors import Doors
from continuum.tracing.exporting import CLOSE_SECONDS, OnlyIds, Traced
from continuum.tracing.ids import Ids, ids_of
from continuum.tracing.journeys import JourneyTracing
from continuum.tracing.switch import open_tracing
from gateway import spans as spans_in_use
from gateway.app import create_app
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from gateway.spans import NO_SPANS, spans
from tests.conftest import House
from tests.integration.tools import ROOT, environment, process
from tests.tools.collector import Collector
from tests.tools.gateway_process import GatewayProcess
from tests.tracing import conftest
from tests.workflows.record_histories import FOLDER, load
from workflows import connection
from workflows.connection import STAGES, data_converter, workflow_runner

pytestmark = pytest.mark.xdist_group("tracing")

STARTED = """
import asyncio, json, sys
import worker
from continuum.patience import leave
from continuum.settings import settings_here
from continuum.tracing.switch import open_tracing
from records.database import Database
from workflows.connection import connect

async def main():
    settings = settings_here()
    tracing = open_tracing(settings.traces_endpoint, "worker")
    database = await Database.open(settings.database_url, password=settings.database_password(), size=2)
    client = await connect()
    async with worker.build(client, database, settings):
        print(json.dumps([name for name in sys.modules if "opentelemetry" in name]))
    await database.close()
    tracing.close()

asyncio.run(main())
leave(0)
"""


@contextmanager
def quiet_collector() -> Iterator[Collector]:
    """One that takes connections and never answers."""
    with Collector().running() as found, found.silent():
        yield found


@pytest.fixture
def kept() -> tuple[TracerProvider, InMemorySpanExporter]:
    """Spans stay here, as they would leave."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OnlyIds(exporter)))
    return provider, exporter


@pytest.mark.parametrize("on", [False, True])
async def test_off_imports_nothing_of_it(traced: conftest.Traced, on: bool) -> None:
    """A real worker, built and started."""
    env = environment(**worker_environment(traced.stack.stack, traced.stack.folder))
    if on:
        env["CONTINUUM_TRACES_ENDPOINT"] = traced.collector.endpoint
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", STARTED], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert bool(json.loads(ran.stdout.splitlines()[-1])) is on


def test_off_leaves_everything_as_it_is() -> None:
    for nothing in (None, ""):
        tracing = open_tracing(nothing, "worker")
        assert connection._INTERCEPTORS == []
        assert spans() is NO_SPANS
        tracing.close()


def test_up_hands_it_to_worker_and_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"CONTINUUM_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    started: list[supervisor.Options] = []

    async def up(options: supervisor.Options, *_: object) -> None:
        started.append(options)

    monkeypatch.setattr(supervisor, "up", up)
    monkeypatch.delenv("CONTINUUM_TRACES_ENDPOINT", raising=False)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    stack.up(folder=tmp_path)
    monkeypatch.setenv("CONTINUUM_TRACES_ENDPOINT", said["CONTINUUM_TRACES_ENDPOINT"])
    stack.up(folder=tmp_path)
    assert [(one.worker_env, one.gateway_env) for one in started] == [({}, {}), (said, said)]


async def test_a_message_and_the_request_that_brought_it_know_of_each_other(
    house: House, kept: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    provider, exporter = kept
    tracer = provider.get_tracer("test")
    spans_in_use.use(Doors(tracer, provider.sampler))
    try:
        with tracer.start_as_current_span("request"):
            player = house.player("brought")
            await player.refer(referrals.back_pain())
    finally:
        spans_in_use.use(NO_SPANS)
    of = {span.name: span for span in exporter.get_finished_spans()}
    taken = of["TakeIn:fhir"]
    assert taken.parent is None
    assert (taken.attributes or {})["continuum.message"] == player.journey
    assert (taken.context.trace_id, taken.context.span_id) == ids_of(player.journey)
    assert [link.context.trace_id for link in taken.links] == [of["request"].context.trace_id]


@pytest.mark.parametrize(("share", "left"), [(1.0, 1), (0.0, 0)])
def test_what_comes_later_is_sampled_as_what_came_first(share: float, left: int) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)), id_generator=Ids(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with Doors(provider.get_tracer("test"), provider.sampler).later("j1", "Begin"):
        pass
    assert len(exporter.get_finished_spans()) == left


def test_what_was_switched_on_is_off_when_it_is_closed() -> None:
    with Collector().running() as collector:
        tracing = open_tracing(collector.endpoint, "worker")
        assert len(connection._INTERCEPTORS) == 1
        assert spans() is not NO_SPANS
        tracing.close()
    assert connection._INTERCEPTORS == []
    assert spans() is NO_SPANS


@pytest.mark.parametrize("wrong", ["collector:4318", "ftp://collector/v1/traces", "http://", "http://x:99999/"])
def test_an_address_that_is_none_is_one_line(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTINUUM_TRACES_ENDPOINT", wrong)
    with pytest.raises(Exception, match=r"CONTINUUM_TRACES_ENDPOINT is set wrongly: .*4318/v1/traces") as told:
        settings_here()
    assert "\n" not in str(told.value)


def test_a_collector_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """More spans than there is room for; and the process ends."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with quiet_collector() as collector:
        tracing = Traced.to(collector.endpoint, "worker")
        tracer = tracing._provider.get_tracer("test")
        began = time.monotonic()
        for _ in range(10_000):
            tracer.start_span("work").end()
        assert time.monotonic() - began < 10, "each of twenty batches was waited for"
        began = time.monotonic()
        tracing.close()
        assert time.monotonic() - began < CLOSE_SECONDS + 2, "the batches that are left were waited for"
        # This process goes on, and its other tests want nobody to draw random numbers meanwhile.
        for thread in threading.enumerate():
            if thread.name.startswith("OtelBatch"):
                thread.join(30)
                assert not thread.is_alive()


async def test_a_gateway_whose_collector_is_silent_answers_and_ends(traced: conftest.Traced, tmp_path: Path) -> None:
    with quiet_collector() as collector:
        gateway = GatewayProcess(traced.stack, tmp_path, CONTINUUM_TRACES_ENDPOINT=collector.endpoint, **conftest.QUICK)
        try:
            await gateway.start()
            async with httpx.AsyncClient(base_url=gateway.url) as http:
                for _ in range(8):
                    began = time.monotonic()
                    assert (await http.get("/fhir/Task/none")).status_code == 401
                    assert time.monotonic() - began < conftest.A_COLLECTOR_WAITED_FOR
            began = time.monotonic()
            gateway.send(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.wait) == 0
            assert time.monotonic() - began < conftest.A_COLLECTOR_WAITED_FOR
        finally:
            gateway.kill()
    assert "gateway_stopped" in {line["event"] for line in gateway.lines()}


async def test_a_collector_that_is_not_there_is_told_once(traced: conftest.Traced, tmp_path: Path) -> None:
    gateway = GatewayProcess(
        traced.stack,
        tmp_path,
        CONTINUUM_TRACES_ENDPOINT="http://127.0.0.1:1/v1/traces",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        **conftest.QUICK,
    )
    try:
        await gateway.start()
        async with httpx.AsyncClient(base_url=gateway.url) as http:
            for _ in range(6):
                await http.get("/fhir/Task/none")
                await asyncio.sleep(0.5)
        gateway.send(signal.SIGTERM)
        assert await asyncio.to_thread(gateway.wait) == 0
    finally:
        gateway.kill()
    told = [line for line in gateway.lines() if line.get("logger") != "gateway.access_log"]
    assert [line["event"] for line in told].count("traces_lost") == 1
    assert not [line for line in told if line["logger"].startswith(("opentelemetry", "urllib3"))]


async def test_a_command_whose_collector_is_silent_ends(traced: conftest.Traced) -> None:
    player = traced.player("silent command")
    await player.refer(referrals.back_pain())
    with quiet_collector() as collector:
        began = time.monotonic()
        ran = await process(
            *("act", player.journey, "record_consent", "--data", '{"messages": true}', "--person", "p-coordinator"),
            *("--role", "coordinator", "--dir", traced.stack.folder.root),
            env={"CONTINUUM_TRACES_ENDPOINT": collector.endpoint},
        )
        assert ran.code == 0, ran
        assert time.monotonic() - began < conftest.A_COLLECTOR_WAITED_FOR + 2  # the command itself takes seconds


def test_the_words_of_an_exception_stay_here(kept: tuple[TracerProvider, InMemorySpanExporter]) -> None:
    provider, exporter = kept
    tracer = provider.get_tracer("test")
    told_more = SpanContext(1, 1, is_remote=True, trace_state=TraceState([("patient", "Fernsby")]))
    with (
        suppress(ValueError),
        tracer.start_as_current_span(
            "work",
            attributes={"db.query.text": "Fernsby", "continuum.ask": "ask-1"},
            links=[Link(told_more, {"who": "Fernsby"})],
        ) as span,
    ):
        span.add_event("Fernsby", {"name": "Fernsby"})
        raise ValueError("Ivo Fernsby, born 1967")
    [left] = exporter.get_finished_spans()
    assert "Fernsby" not in left.to_json()
    assert dict(left.attributes or {}) == {"continuum.ask": "ask-1", "error.type": "ValueError"}
    assert not left.status.is_ok


def test_two_processes_come_to_the_same_ids() -> None:
    assert ids_of("j1") == ids_of("j1")
    assert len({ids_of(f"j{number}") for number in range(1000)}) == 1000


def test_fastapi_tells_nothing_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    app = create_app(Gateway(house.database, LazyTemporal(), GatewaySettings(tenant="clinic", base_url="https://x")))
    assert not any(app._telemetry[of] for of in ("tracing", "metrics", "logs", "auto_configure"))


async def test_a_history_without_traces_replays_with(
    house: House, kept: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    player = house.player("untraced history")
    await player.refer(referrals.back_pain())
    await stories.intake(player, "low_back_pain")
    await player.until_stage(Stage.THERAPY)
    provider, exporter = kept
    replayer = Replayer(
        workflows=STAGES,
        data_converter=data_converter(),
        workflow_runner=workflow_runner(),
        interceptors=[JourneyTracing(provider.get_tracer("test"))],
    )
    for stored in FOLDER.glob("*.json.gz"):
        await replayer.replay_workflow(load(stored))
    found = 0
    async for run in house.client.list_workflows(f'WorkflowId = "{player.journey}"'):
        history = await house.client.get_workflow_handle(player.journey, run_id=run.run_id).fetch_history()
        assert "_tracer-data" not in history.to_json()
        await replayer.replay_workflow(history)
        found += 1
    assert found == 3
    assert exporter.get_finished_spans() == (), "what was done is not done again"
    assert trace.get_current_span() is trace.INVALID_SPAN
