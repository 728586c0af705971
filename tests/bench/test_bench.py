"""The bench measures what it says, on sizes that a test can afford; no figure of time is judged here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench import crowd, figures, rounds, starting, year
from bench.__main__ import BUSY, CALM, named
from bench.rounds import Window
from bench.stack import bench
from bench.therapy import NAME, course
from care.journey import Stage
from tests.thorough import long

PROMISED = {
    "throughput_ratio_floor",
    "worker_cpu_ratio_floor",
    "decision_to_row_p95_ratio_floor",
    "events_per_decision",
    "workflow_tasks_per_decision",
    "events_per_journey",
    "max_events_per_run",
    "commits_per_decision",
    "statements_per_decision",
    "worker_ready_s",
    "worker_memory_mb",
    "memory_per_open_journey_kb",
    "history_bytes_per_journey",
    "database_bytes_per_journey",
    "journey_max_bytes",
    "cpu_ratio_10000_to_100",
}
"""Names by which others read `bench/latest.json`."""

EVENTS_NOW = 450
"""What a year of back pain may cost. It costs a little less; more is a step back that somebody has to want."""
TASKS_NOW = 60


def test_floor_and_continuum_are_asked_for_the_same() -> None:
    """Both get the same actions; what the floor writes is what the rules made of them, row by row."""
    work = course(datetime.now(UTC), 2)
    journey = work.begun("j1")
    assert (journey.id, journey.stage, NAME in journey.model_dump_json()) == ("j1", Stage.THERAPY, False)
    steps = json.loads(work.floor())
    assert [deed.name for deed in work.deeds] == ["book_visit", "record_scores", "cancel_visit"] * 2
    rows = [step["document"]["entries"] for step in steps]
    assert [r[0]["seq"] for r in rows] == [journey.seq + 1 + sum(len(x) for x in rows[:n]) for n in range(len(rows))]
    for deed, step in zip(work.deeds, steps, strict=True):
        action = deed.for_journey("j1")
        assert action.action_id == step["document"]["entries"][0]["action_id"]
        assert "j1" in action.model_dump_json() or deed.name == "record_scores"


def _window(decisions: int, cpu: float) -> Window:
    return Window(decisions, 2.0, {"worker": cpu, "temporal": 1.0, "postgres": 1.0}, [1.0, 2.0, 3.0, 100.0])


def test_ratios_are_of_the_pairs_of_one_round() -> None:
    """A machine that becomes slower half-way hits both sides of a pair: the ratio stays."""
    ours, floor = [_window(100, 2.0), _window(10, 0.2)], [_window(200, 2.0), _window(20, 0.2)]
    throughput = rounds.ratios(ours, floor, lambda w: w.throughput)
    assert throughput == {"median": 0.5, "least": 0.5, "most": 0.5}
    assert rounds.ratios(ours, floor, lambda w: w.cpu_ms("worker"))["median"] == 2.0
    assert (ours[0].percentile(0.5), ours[0].percentile(0.95)) == (3.0, 100.0)


def test_a_missed_target_is_named_and_written_down(tmp_path: Path) -> None:
    """On either side of its bound, and only what was measured."""
    found = {"throughput_ratio_floor": 0.84, "commits_per_decision": 1, "worker_ready_s": 2.01}
    assert figures.missed(found) == ["throughput_ratio_floor", "worker_ready_s"]
    figures.keep(found, {"why": 1}, tmp_path / "latest.json")
    kept = json.loads((tmp_path / "latest.json").read_text())
    assert kept == {**found, "missed": ["throughput_ratio_floor", "worker_ready_s"], "details": {"why": 1}}


@long
@pytest.mark.timeout(300)
async def test_rounds_a_crowd_and_a_start_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real servers, real workers, seconds of each: everything asked for is done, and every promised figure is there."""
    monkeypatch.setattr(crowd, "FEW", 4)
    monkeypatch.setattr(rounds, "VISITS", 40)
    details: dict[str, Any] = {}
    async with bench() as stack:
        details["start"] = await starting.measure(stack, times=1)
        details["rounds"] = await rounds.measure(stack, rounds=1, people=(BUSY, CALM), seconds=0.5)
    async with bench() as stack:
        details["crowd"] = await crowd.measure(stack, many=12, seconds=0.5, windows=1, patience=60.0)
    found = named(details)
    assert {n.replace("_12_to_4", "_10000_to_100") for n in found} >= PROMISED - set(_of_a_year())
    for side in ("continuum", "floor"):
        measured = details["rounds"][f"at_{BUSY}"]["sides"][side]
        assert measured["decisions_per_second"] > 0
        assert measured["decision_to_row_p95_ms"] >= measured["decision_to_row_p50_ms"] > 0


def _of_a_year() -> tuple[str, ...]:
    return (
        "events_per_decision",
        "workflow_tasks_per_decision",
        "events_per_journey",
        "max_events_per_run",
        "commits_per_decision",
        "statements_per_decision",
        "history_bytes_per_journey",
        "database_bytes_per_journey",
        "journey_max_bytes",
    )


@long
@pytest.mark.timeout(300)
async def test_a_year_of_back_pain_costs_no_more_than_it_did() -> None:
    """Counts do not depend on the machine, so these are judged: one commit for each decision, and no more events."""
    found = await year.measure()
    assert set(_of_a_year()) <= set(found)
    assert found["visits_per_journey"] == year.VISITS
    assert found["commits_per_decision"] == 1
    assert found["journey_max_bytes"] < 64 * 1024
    assert found["events_per_journey"] <= EVENTS_NOW < found["events_per_journey_neglected"]
    assert found["workflow_tasks_per_journey"] <= TASKS_NOW
