"""What a run asked of Temporal, as a list of words that is the same each time the same script is played.

Kept: the order of activities, local activities, timers, search attributes, updates, and how the run ended. Left out:
times, ids, payloads, results, retries, and everything that time skipping adds. A timer's summary loses its dates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from tests.workflows.cast import Played, stage_of

FILE = Path(__file__).with_name("fingerprints.json")

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DATE = re.compile(rf"\d{{1,2}} (?:{MONTHS})(?: \d{{4}})?")


def summary(event: HistoryEvent) -> str:
    """What Temporal's UI shows beside an event; empty where there is nothing."""
    data = event.user_metadata.summary.data
    return str(json.loads(data)) if data else ""


def commands(history: WorkflowHistory) -> list[str]:
    """The fingerprint of one run."""
    timers: dict[str, str] = {}
    found: list[str] = []
    for event in history.events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                found.append(f"activity {event.activity_task_scheduled_event_attributes.activity_type.name}")
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                found.append(_marker(event))
            case EventType.EVENT_TYPE_TIMER_STARTED:
                timer = event.timer_started_event_attributes.timer_id
                timers[timer] = DATE.sub("(date)", summary(event))
                found.append(f"timer: {timers[timer]}")
            case EventType.EVENT_TYPE_TIMER_CANCELED:
                found.append(f"cancel timer: {timers[event.timer_canceled_event_attributes.timer_id]}")
            case EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
                attributes = event.upsert_workflow_search_attributes_event_attributes.search_attributes
                found.append(f"search attributes: {', '.join(sorted(attributes.indexed_fields))}")
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                accepted = event.workflow_execution_update_accepted_event_attributes
                found.append(f"update {accepted.accepted_request.input.name}")
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                following = event.workflow_execution_continued_as_new_event_attributes.workflow_type.name
                found.append(f"continue as {following}")
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                found.append("end")
            case _:
                pass
    return found


def _marker(event: HistoryEvent) -> str:
    marker = event.marker_recorded_event_attributes
    if marker.marker_name != "core_local_activity":
        return f"marker {marker.marker_name}"
    (data,) = marker.details["data"].payloads
    return f"local activity {json.loads(data.data)['activity_type']}{' (failed)' if marker.HasField('failure') else ''}"


Fingerprints = dict[str, list[dict[str, list[str]]]]
"""Script to its runs, each a stage with its commands."""


def read() -> Fingerprints:
    """Those on record."""
    found: Fingerprints = json.loads(FILE.read_text("utf-8"))
    return found


def write(fingerprints: Fingerprints) -> None:
    """Put on record."""
    FILE.write_text(json.dumps(fingerprints, indent=1) + "\n", "utf-8")


def of(played: Mapping[str, Played]) -> Fingerprints:
    """The fingerprints of scripts that were played."""
    return {name: [{stage_of(run): commands(run)} for run in one.runs] for name, one in played.items()}


def changes(recorded: list[dict[str, list[str]]], now: list[dict[str, list[str]]]) -> str:
    """What changed, run by run, as a diff; empty where nothing did."""

    def lines(runs: list[dict[str, list[str]]]) -> list[str]:
        return [f"{stage}: {command}" for run in runs for stage, commands_ in run.items() for command in commands_]

    return "\n".join(unified_diff(lines(recorded), lines(now), "on record", "now", lineterm="", n=3))
