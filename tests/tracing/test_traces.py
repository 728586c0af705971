"""What a real worker and gateway tell a collector, and what they never do."""

from __future__ import annotations

import time

import pytest
from temporalio.worker import Replayer

from care.journey import Stage
from continuum.demo import referrals, stories
from continuum.demo.player import Player
from tests.integration.tools import process, until
from tests.tools.collector import Span
from tests.tracing.conftest import A_COLLECTOR_WAITED_FOR, QUICK, Traced
from workflows.connection import STAGES, data_converter, workflow_runner

pytestmark = pytest.mark.xdist_group("tracing")

SECRETS = (b"Fernsby", b"Testova", b"Maren", b"1967", b"Quay Street", b"Ziegenpeter", b"stairs")
"""Of patients, of queries, of paths, of notes; all of them were sent somewhere."""
KNOWN = {
    *("temporalWorkflowID", "temporalRunID", "temporalActivityID"),
    *("http.request.method", "http.route", "http.response.status_code"),
    *("continuum.action", "continuum.ask", "continuum.journey", "continuum.message"),
    *("continuum.outcome", "continuum.protocol", "continuum.request_id", "continuum.stage"),
    "error.type",
}
OF_A_PROCESS = {"service.name", "service.instance.id", "telemetry.sdk.language", "telemetry.sdk.name"}


def one(trace: list[Span], name: str) -> Span:
    """The span of this name."""
    found = [span for span in trace if span.name == name]
    assert len(found) == 1, sorted(span.name for span in trace)
    return found[0]


def above(trace: list[Span], span: Span) -> list[str]:
    """The names on the way up, to the root."""
    ids = {one.id: one for one in trace}
    names = []
    while span.parent:
        span = ids[span.parent]
        names.append(span.name)
    return names


async def begun(traced: Traced, name: str) -> Player:
    player = traced.player(name)
    await player.refer(referrals.back_pain())
    return player


async def test_an_action_is_one_trace_from_the_request_to_the_record(traced: Traced) -> None:
    player = await begun(traced, "traced action")
    request = await traced.act(player.journey, "record_consent", messages=True, note="Ziegenpeter said so")
    trace = await traced.trace(
        lambda span: span.attributes.get("continuum.request_id") == request, "RunActivity:persist"
    )
    root = one(trace, "POST /api/journeys/{journey}/actions/record_consent")
    assert not root.parent
    assert root.service == "continuum-gateway"
    assert root.attributes["http.response.status_code"] == 200
    update = one(trace, "StartWorkflowUpdate:record_consent")
    assert update.parent == root.id
    assert update.attributes["temporalWorkflowID"] == player.journey
    for name in ("ValidateUpdate:record_consent", "HandleUpdate:record_consent", "StartActivity:persist"):
        span = one(trace, name)
        assert span.parent == update.id
        assert span.service == "continuum-worker"
    assert one(trace, "HandleUpdate:record_consent").attributes["continuum.stage"] == "Intake"
    assert above(trace, one(trace, "RunActivity:persist"))[0] == "StartActivity:persist"
    known = {row["action_id"] for row in await player.journal() if row["action_id"]}
    assert {span.attributes["continuum.action"] for span in trace if "continuum.action" in span.attributes} == known


async def test_an_alarm_belongs_to_what_raised_it(traced: Traced) -> None:
    player = await begun(traced, "traced alarm")
    await traced.act(player.journey, "record_consent", messages=True)
    answers = stories.nothing_found("low_back_pain")
    answers[next(iter(answers))] = True
    request = await traced.act(player.journey, "screen", answers=answers)
    trace = await traced.trace(lambda span: span.attributes.get("continuum.request_id") == request, "RunActivity:alarm")
    assert "StartWorkflowUpdate:screen" in above(trace, one(trace, "RunActivity:alarm"))


async def test_the_next_stage_belongs_to_what_led_to_it_and_no_stage_to_the_one_before(traced: Traced) -> None:
    player = await begun(traced, "traced stages")
    first = await traced.act(player.journey, "record_consent", messages=True)
    second = await traced.act(player.journey, "screen", answers=stories.nothing_found("low_back_pain"))
    await player.until_stage(Stage.REFERRAL)
    trace = await traced.trace(
        lambda span: span.attributes.get("continuum.request_id") == second, "RunWorkflow:Referral"
    )
    assert above(trace, one(trace, "RunWorkflow:Referral"))[0] == "StartWorkflowUpdate:screen"
    assert [span for span in trace if span.attributes.get("continuum.request_id") == first] == []


async def test_what_a_clock_does_is_a_trace_of_its_own(traced: Traced) -> None:
    player = await begun(traced, "traced clock")
    before = len(await player.journal())
    await player.wait(days=3)
    assert len(await player.journal()) > before
    # Its referral was stored by this process, which tells nobody.
    ids = {span.trace for span in traced.collector.spans if span.attributes.get("continuum.journey") == player.journey}
    assert len(ids) == 1
    late = await traced.trace(
        lambda span: (
            span.name == "StartActivity:persist"
            and span.attributes["temporalWorkflowID"] == player.journey
            and span.trace not in ids
            and span.links != ()
        ),
        "RunActivity:persist",
    )
    assert {link for span in late for link in span.links} == ids
    assert len([span for span in traced.collector.spans if span.trace in ids]) < 30


async def test_a_message_is_one_trace_over_what_is_stored_and_what_comes_of_it(traced: Traced) -> None:
    other = {"REF-1005": "REF-9005", "NS-1005": "NS-9005", "784-1005": "784-9005"}
    answer = await traced.hl7("ref_i12_v2_5_1", REF1005="REF9005", **other)
    assert b"MSA|AA" in answer, answer
    journey = await until(
        lambda: traced.database.value(
            "select journey from continuum.referral where referral_id like '%REF-9005%' and started_at is not null"
        )
    )
    trace = await traced.trace(
        lambda span: span.attributes.get("continuum.message") == journey, "RunActivity:persist", "RunWorkflow:Intake"
    )
    root = one(trace, "TakeIn:hl7v2")
    assert (root.service, root.parent) == ("continuum-gateway", "")
    assert above(trace, one(trace, "RunWorkflow:Intake")) == ["StartWorkflow:Intake", "Begin", "TakeIn:hl7v2"]
    assert "RunWorkflow:Intake" not in above(trace, one(trace, "RunActivity:prepare"))

    await traced.hl7("ref_i14_cancel", REF1027="REF9027", **other)
    trace = await traced.trace(
        lambda span: span.name == "TakeIn:hl7v2" and span.attributes["continuum.outcome"] == "asked",
        "RunActivity:persist",
    )
    carried = next(span for span in trace if span.name.startswith("CarryOut:"))
    assert carried.service == "continuum-worker"
    assert carried.attributes["continuum.ask"].startswith("ask-")
    assert carried.name in above(trace, one(trace, "RunActivity:persist"))


async def test_a_command_is_traced_too(traced: Traced) -> None:
    player = await begun(traced, "traced command")
    ran = await process(
        *("act", player.journey, "record_consent", "--data", '{"messages": true}', "--person", "p-coordinator"),
        *("--role", "coordinator", "--dir", traced.stack.folder.root),
        env={"CONTINUUM_TRACES_ENDPOINT": traced.collector.endpoint, **QUICK},
    )
    assert ran.code == 0, ran
    trace = await traced.trace(
        lambda span: (
            span.name == "StartWorkflowUpdate:record_consent"
            and span.attributes["temporalWorkflowID"] == player.journey
        ),
        "RunActivity:persist",
    )
    assert one(trace, "StartWorkflowUpdate:record_consent").service == "continuum-cli"


async def test_nobody_is_in_any_span(traced: Traced) -> None:
    coordinator = await traced.token("p-coordinator")
    for path in (
        "/no-such-door/Ivo%20Fernsby",
        "/fhir/Patient?family=Fernsby&birthdate=1967-04-12",
        "/api/journeys?patient=Fernsby",
        "/fhir/Task/Fernsby",
    ):
        # Its words would leave with ours, if a caller's trace were taken over.
        await traced.http.get(
            path, headers={**coordinator, "baggage": "patient=Fernsby", "tracestate": "patient=Fernsby"}
        )
    await traced.http.post("/fhir/Task", content=b'{"note": "Fernsby"}', headers=coordinator)
    player = await begun(traced, "nobody")
    await traced.act(player.journey, "record_consent", messages=True, note="Ziegenpeter said so")
    refused = await traced.http.post(
        f"/api/journeys/{player.journey}/actions/resume", json={"note": "Ziegenpeter"}, headers=coordinator
    )
    assert refused.status_code == 422, refused.text
    trace = await traced.trace(lambda span: span.name == "StartWorkflowUpdate:resume", "ValidateUpdate:resume")
    assert "HandleUpdate:resume" not in {span.name for span in trace}
    await traced.hl7("refused_type")
    await traced.trace(lambda span: span.name.startswith("GET /fhir/Task"))
    await traced.trace(
        lambda span: span.attributes.get("temporalWorkflowID") == player.journey, "HandleUpdate:record_consent"
    )
    assert {path for path, _ in traced.collector.bodies} == {"/v1/traces"}, "something sends what is not ours"
    for secret in SECRETS:
        assert not [path for path, body in traced.collector.bodies if secret in body], secret
    assert {name for span in traced.collector.spans for name in span.attributes} <= KNOWN
    assert {span.events for span in traced.collector.spans} == {0}
    assert {span.words for span in traced.collector.spans} == {""}
    assert traced.collector.resources <= {*OF_A_PROCESS, "telemetry.sdk.version"}
    routes = {span.attributes["http.route"] for span in traced.collector.spans if "http.route" in span.attributes}
    assert {"none", "/fhir/Task/{id}"} <= routes
    assert not routes & {"/health", "/ready"}


async def test_a_history_with_traces_replays_without(traced: Traced) -> None:
    player = await begun(traced, "traced history")
    await traced.act(player.journey, "record_consent", messages=True)
    await traced.act(player.journey, "screen", answers=stories.nothing_found("low_back_pain"))
    await player.until_stage(Stage.REFERRAL)
    runs = [run async for run in traced.client.list_workflows(f'WorkflowId = "{player.journey}"')]
    histories = [
        await traced.client.get_workflow_handle(player.journey, run_id=run.run_id).fetch_history() for run in runs
    ]
    assert len(histories) == 2
    assert all("_tracer-data" in history.to_json() for history in histories)
    replayer = Replayer(workflows=STAGES, data_converter=data_converter(), workflow_runner=workflow_runner())
    for history in histories:
        await replayer.replay_workflow(history)


async def test_a_collector_that_is_silent_delays_no_action(traced: Traced) -> None:
    player = await begun(traced, "silent collector")
    headers = await traced.token("p-coordinator")
    path = f"/api/journeys/{player.journey}/actions/record_consent"
    await traced.http.post(path, json={"messages": True}, headers=headers)
    with traced.collector.silent():
        for number in range(3):
            began = time.monotonic()
            answer = await traced.http.post(path, json={"messages": bool(number % 2)}, headers=headers)
            assert answer.status_code == 200, answer.text
            assert time.monotonic() - began < A_COLLECTOR_WAITED_FOR
