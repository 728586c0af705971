"""The figures by their plain names, what they are measured against, and the table of them for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from continuum import output

LATEST = Path(__file__).with_name("latest.json")

Figures = dict[str, float]


@dataclass(frozen=True)
class Target:
    """What a figure has to be: at least or at most so much; `aim` is what it would better be."""

    what: str
    bound: Literal["least", "most"]
    limit: float
    aim: float | None = None

    def met(self, value: float) -> bool:
        """Whether it is."""
        return value >= self.limit if self.bound == "least" else value <= self.limit

    @property
    def words(self) -> str:
        """`at most 9 (aim 7)`."""
        return f"at {self.bound} {self.limit:g}{f' (aim {self.aim:g})' if self.aim is not None else ''}"


TARGETS: Mapping[str, Target] = {
    "throughput_ratio_floor": Target("Throughput, of the floor's", "least", 0.85, 0.95),
    "worker_cpu_ratio_floor": Target("Worker CPU, of the floor's", "most", 1.2, 1.05),
    "decision_to_row_p95_ratio_floor": Target("Decision to row, p95, of the floor's", "most", 1.5),
    "events_per_decision": Target("History events per decision", "most", 9, 7),
    "workflow_tasks_per_decision": Target("Workflow tasks per decision", "most", 1.3, 1.2),
    "events_per_journey": Target("History events per journey", "most", 450),
    "commits_per_decision": Target("Commits per decision", "most", 1),
    "worker_ready_s": Target("Worker ready, seconds", "most", 2),
    "journey_max_bytes": Target("A journey's state, bytes at most", "most", 64 * 1024),
    "fhir_throughput_ratio_bare": Target("FHIR referrals taken in, of a bare insert's", "least", 0.5, 0.8),
    "cpu_ratio_10000_to_100": Target("CPU per decision, 10,000 open to 100", "most", 1.3),
}

ALSO: Mapping[str, str] = {
    "decisions_per_second": "Decisions per second, 16 people at once",
    "worker_cpu_ms_per_decision": "Worker CPU per decision, ms",
    "temporal_cpu_ms_per_decision": "Temporal CPU per decision, ms",
    "postgres_cpu_ms_per_decision": "PostgreSQL CPU per decision, ms",
    "decision_to_row_p50_ms": "Decision to row, p50, 4 people at once, ms",
    "decision_to_row_p95_ms": "Decision to row, p95, 4 people at once, ms",
    "events_per_journey_neglected": "History events of a year in which a review and a report are owed for weeks",
    "decisions_per_journey": "Decisions per journey",
    "workflow_tasks_per_journey": "Workflow tasks per journey",
    "max_events_per_run": "History events in the longest run",
    "statements_per_decision": "SQL statements per decision, all activities",
    "history_bytes_per_journey": "History per journey, bytes",
    "database_bytes_per_journey": "PostgreSQL rows per journey, bytes",
    "worker_ready_cpu_s": "CPU until the worker is ready, seconds",
    "worker_memory_mb": "Worker's memory when ready, MB",
    "memory_per_open_journey_kb": "Memory per open journey in the worker's cache, KB",
    "idle_worker_cpu_ms_per_s": "Worker CPU while nothing happens, ms per second",
    "idle_commits_per_s": "Commits while nothing happens, per second",
    "fhir_cpu_ratio_bare": "Gateway CPU per FHIR referral, of the bare server's",
    "fhir_per_second": "FHIR referrals per second, 16 senders at once",
    "fhir_ms_p50": "FHIR referral to acknowledgement, p50, ms",
    "fhir_ms_p95": "FHIR referral to acknowledgement, p95, ms",
    "fhir_cpu_ms": "Gateway CPU per FHIR referral, ms",
    "fhir_postgres_cpu_ms": "PostgreSQL CPU per FHIR referral, ms",
    "bare_per_second": "Bare inserts per second",
    "bare_ms_p50": "Bare insert to acknowledgement, p50, ms",
    "bare_ms_p95": "Bare insert to acknowledgement, p95, ms",
    "bare_cpu_ms": "Bare server's CPU per insert, ms",
    "bare_postgres_cpu_ms": "PostgreSQL CPU per bare insert, ms",
    "hl7_per_second": "HL7 v2 referrals per second, 16 connections",
    "hl7_ms_p50": "HL7 v2 referral to AA, p50, ms",
    "hl7_ms_p95": "HL7 v2 referral to AA, p95, ms",
    "hl7_cpu_ms": "Gateway CPU per HL7 v2 referral, ms",
    "hl7_postgres_cpu_ms": "PostgreSQL CPU per HL7 v2 referral, ms",
    "hl7_parser_ms": "Reading an HL7 v2 referral, ms",
    "hl7_parser_share_of_cpu": "Reading, of the gateway's CPU per HL7 v2 referral",
    "seconds": "This measurement took, seconds",
}


def missed(figures: Figures) -> list[str]:
    """The names of targets that are not met."""
    return [name for name, target in TARGETS.items() if name in figures and not target.met(figures[name])]


def show(figures: Figures) -> None:
    """For people."""
    output.table(
        "Against what it has to be",
        ("Figure", "Name", "Measured", "Target", ""),
        (
            (t.what, name, f"{figures[name]:g}", t.words, "" if t.met(figures[name]) else "missed")
            for name, t in TARGETS.items()
            if name in figures
        ),
        empty="nothing was measured",
    )
    output.table(
        "And also",
        ("Figure", "Name", "Measured"),
        ((what, name, f"{figures[name]:g}") for name, what in ALSO.items() if name in figures),
        empty="nothing was measured",
    )


def keep(figures: Figures, details: dict[str, Any], path: Path = LATEST) -> None:
    """Write them down: the figures by name, and all that they were made from under `details`."""
    path.write_text(json.dumps({**figures, "missed": missed(figures), "details": details}, indent=2) + "\n", "utf-8")
