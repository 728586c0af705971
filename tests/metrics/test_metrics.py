"""What a running worker and gateway say, and that dashboards and alert rules ask for nothing else."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio import activity
from temporalio.common import MetricMeter
from temporalio.worker import Worker

from continuum.embedded.folder import Stack
from continuum.embedded.supervisor import worker_environment
from continuum.metrics import names
from continuum.metrics.polling import Polling
from tests.integration.tools import ROOT, environment, until
from tests.metrics.conftest import Watched
from workflows.connection import STAGES, TASK_QUEUE, connect, workflow_runner

RULES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text("utf-8"))
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
MONITORING = ROOT / "docs/monitoring.md"

NOT_SEEN_YET = {
    "temporal_workflow_task_execution_failed_total": "the SDK's: the first workflow task that fails makes it",
    "temporal_activity_execution_failed_total": "the SDK's: the first activity that fails makes it",
    "temporal_local_activity_execution_failed_total": "the same of a local activity",
    "node_filesystem_avail_bytes": "node_exporter's",
    "node_filesystem_size_bytes": "node_exporter's",
}
"""Names that are right although no scrape of ours has them, and why."""

WORDS_OF_PROMQL = {
    *("sum", "max", "min", "by", "on", "or", "and", "unless", "offset", "rate", "increase", "time", "vector"),
    *("histogram_quantile", "without", "avg", "count", "delta", "ignoring", "absent"),
}


def named(query: str) -> set[str]:
    """The metrics of a query: every word that is no label, no string, no duration and no word of PromQL."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", query)
    bare = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\boffset\s+\w+", " ", bare)
    return {word for word in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*", bare) if word not in WORDS_OF_PROMQL}


def selectors(query: str) -> Iterator[tuple[str, str, str, str]]:
    """Each condition on a label: metric, label, operator, value."""
    for metric, inside in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", query):
        for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', inside):
            yield metric, label, operator, value


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and the query."""
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]


ALL_QUERIES = list(queries())


async def test_every_name_in_dashboards_and_rules_exists(watched: Watched) -> None:
    there = {name for name, _, _ in await watched.all()}
    asked = {name: where for where, query in ALL_QUERIES for name in named(query)}
    assert len(asked) > 25
    assert {name: where for name, where in asked.items() if name not in there | set(NOT_SEEN_YET)} == {}
    assert set(NOT_SEEN_YET) <= set(asked), "a name is excused that nobody asks for"


async def test_every_label_and_value_that_a_query_asks_for_exists(watched: Watched) -> None:
    said: dict[str, dict[str, set[str]]] = {}
    for name, labels, _ in await watched.all():
        for label, value in labels.items():
            said.setdefault(name, {}).setdefault(label, set()).add(value)
    seldom = {
        ("continuum_http_request_duration_seconds_count", "5.."),
        ("continuum_hl7_messages_total", "failed"),
        ("temporal_activity_execution_latency_seconds_bucket", "persist"),  # where it is no local activity
    }
    for where, query in ALL_QUERIES:
        for metric, label, operator, value in selectors(query):
            if metric in NOT_SEEN_YET:
                continue
            values = said[metric].get(label)
            assert values, f"{where}: {metric} has no label {label}"
            if operator in ("=", "=~") and (metric, value) not in seldom:
                for one in value.split("|"):
                    assert one in values, f"{where}: {metric} has no {label} {one}"


async def test_all_that_is_promised_is_said_and_explained(watched: Watched) -> None:
    there = {name for name, _, _ in await watched.all() if name.startswith(names.PREFIX)}
    histogram = {f"{names.HTTP_REQUESTS}_{part}" for part in ("bucket", "sum", "count")}
    ours = {
        *names.OF_THE_SITE,
        *names.OF_THE_PROCESS,
        *(names.SITE_READ, names.NEWEST_BACKUP, names.WORKER_POLLING, names.LAST_PERSIST),
        *histogram,
        f"{names.HL7_MESSAGES}_total",
    }
    assert there == {f"{names.PREFIX}{name}" for name in ours}
    page = MONITORING.read_text("utf-8")
    for name in ours - histogram | {names.HTTP_REQUESTS}:
        assert f"`{names.PREFIX}{name}`" in page, name
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in page, rule["alert"]


async def test_the_numbers_are_those_of_the_site(watched: Watched) -> None:
    now = {(name, *sorted(labels.items())): value for name, labels, value in await watched.scrape(watched.worker)}
    journeys = {k[1:]: v for k, v in now.items() if k[0] == "continuum_journeys"}
    assert journeys[("stage", "Therapy"), ("status", "open")] == 1
    open_tasks = await watched.database.fetch(
        "select queue, count(*) as n from continuum.task where settled_at is null group by 1"
    )
    assert open_tasks
    for row in open_tasks:
        assert now["continuum_tasks_open", ("queue", row["queue"])] == row["n"]
    assert now[("continuum_newest_backup_time_seconds",)] > 1_700_000_000
    assert (
        now[("continuum_last_persist_time_seconds",)] > 1_700_000_000
        if (("continuum_last_persist_time_seconds",) in now)
        else any(name == "continuum_last_persist_time_seconds" for name, _, _ in watched.before)
    )


async def test_requests_and_messages_are_counted_by_words_of_our_own(watched: Watched) -> None:
    said = await watched.scrape(watched.gateway)
    requests = {
        (labels["route"], labels["status"])
        for name, labels, _ in said
        if name == "continuum_http_request_duration_seconds_count"
    }
    assert {("/fhir/Task/{id}", "401"), ("/health", "200"), ("none", "404")} <= requests
    messages = {
        (labels["kind"], labels["outcome"]): value
        for name, labels, value in said
        if name == "continuum_hl7_messages_total"
    }
    assert messages["REF^I12", "accepted"] == 1
    assert messages["other", "refused"] == 1


async def test_no_label_names_a_journey_or_a_person(watched: Watched) -> None:
    said = await watched.all()
    text = json.dumps([labels for _, labels, _ in said])
    assert watched.journey not in text
    assert "Fernsby" not in text
    known = {
        *("stage", "status", "queue", "state", "route", "method", "kind", "outcome", "le"),
        *("namespace", "task_queue", "workflow_type", "activity_type", "operation", "poller_type", "worker_type"),
        *("status_code", "service_name", "failure_reason", "eager", "workflow_task_type", "schedule_to_start"),
    }
    assert {label for _, labels, _ in said for label in labels} <= known


async def test_who_does_not_take_work_is_not_ready(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is what a container's health check looks for. This process asks for no work; Temporal sees that."""
    assert (watched.stack.folder.run / "worker.ready").exists()
    assert ("continuum_worker_polling", {}, 1.0) in await watched.scrape(watched.worker)
    ready = tmp_path / "ready"
    monkeypatch.setenv("CONTINUUM_READY_FILE", str(ready))
    for client in (watched.client, await connect("127.0.0.1:1", lazy=True)):
        ready.touch()
        assert not await Polling(client, TASK_QUEUE, MetricMeter.noop).once()
        assert not ready.exists()


async def test_who_takes_work_again_is_ready_again(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = tmp_path / "ready"
    monkeypatch.setenv("CONTINUUM_READY_FILE", str(ready))
    polling = Polling(watched.client, "a queue of this test", MetricMeter.noop)
    assert not await polling.once()
    async with Worker(
        watched.client,
        task_queue="a queue of this test",
        workflows=STAGES,
        activities=[_nothing],
        workflow_runner=workflow_runner(),
    ):
        await until(polling.once)
        assert ready.exists()


@activity.defn(name="nothing")
async def _nothing() -> None:
    """Makes its worker ask for activities."""


@pytest.mark.parametrize("program", ["worker", "gateway"])
async def test_an_address_that_is_taken_is_one_line(watched: Watched, program: str) -> None:
    stack: Stack = watched.stack.stack
    env = {
        **environment(**worker_environment(stack, watched.stack.folder)),
        "CONTINUUM_METRICS_ADDRESS": watched.worker,
    }
    command = [sys.executable, "-m", program]
    ran = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 2
    (line,) = ran.stderr.splitlines()
    assert "CONTINUUM_METRICS_ADDRESS" in line
    assert "in use" in line


def test_rules_say_what_to_do() -> None:
    alerts = [rule for group in RULES["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 15
    for rule in alerts:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))


def test_prometheus_scrapes_where_the_page_says() -> None:
    assert PROMETHEUS["rule_files"] == ["rules.yml"]
    page = MONITORING.read_text("utf-8")
    for job in PROMETHEUS["scrape_configs"]:
        if job["job_name"].startswith("continuum"):
            assert all(target in page for target in job["static_configs"][0]["targets"])


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_imported(file: Path) -> None:
    made = json.loads(file.read_text("utf-8"))
    assert made["uid"] == file.stem
    assert [panel["id"] for panel in made["panels"]] == list(range(1, len(made["panels"]) + 1))
    for panel in made["panels"]:
        assert panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@pytest.mark.parametrize(
    ("query", "metrics"),
    [
        ("max by (queue) (a_b)", {"a_b"}),
        ('sum(rate(x_total{y="z"}[5m])) or vector(0) > 3', {"x_total"}),
        ("time() - max(t offset 1h) > 26 * 3600", {"t"}),
        ("a / on (instance) b", {"a", "b"}),
    ],
)
def test_the_names_of_a_query_are_found(query: str, metrics: set[str]) -> None:
    assert named(query) == metrics
