"""Our own messages with one thing changed in them: whatever it is, it is answered, and nothing of it comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.fhir_writing.conftest import Door, order
from tests.gateway.fhir_writing.test_fhir_bundles import bundle, entry, package
from tests.gateway.fhir_writing.test_fhir_measuring import one, response, result
from tests.gateway.fhir_writing.test_fhir_tasks import named, task

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fhir"
CANARY = "Zyxwvut"
ABOUT = {"subject": {"identifier": {"system": "https://hospital.example.org/mrn", "value": "M-none"}}}
VISIT = {
    "resourceType": "Appointment",
    "status": "booked",
    "start": "2026-12-03T09:00:00+04:00",
    "minutesDuration": 30,
    "basedOn": [named("SR-none")],
    "participant": [{"actor": {"reference": "Practitioner/p-anna"}, "status": "accepted"}],
}
WHOLE: list[tuple[str, Any]] = [
    ("/ServiceRequest", order("SR-m")),
    ("/Task", task("abort", named("SR-none"))),
    ("/Task", task("fulfill", {"reference": "#o"}, contained=[{**order("SR-m2"), "id": "o", "contained": []}])),
    (
        "/QuestionnaireResponse",
        {**response(one("nprs", valueInteger=4), {"linkId": "odi", "item": [one("1", valueInteger=1)]}), **ABOUT},
    ),
    ("/Observation", {**result(effectiveDateTime="2026-12-01T09:00:00+04:00"), **ABOUT}),
    ("/Appointment", VISIT),
    ("", bundle("transaction", *package("SR-m3"))),
    ("", bundle("batch", entry("POST", "ServiceRequest", order("SR-m4")), entry("GET", "Task?_count=1"))),
    (
        "/$process-message",
        json.loads((FIXTURES / "bser" / "02-hypertension-with-coverage-and-consent.json").read_text("utf-8")),
    ),
]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1, 1e300, 10**390, "", CANARY, "\u202e\U0001f9b5"),
        *([], {}, [[]], [None], {"reference": CANARY}, {CANARY: 1}),
        *("9999-12-31T23:59:59-14:00", "0001-01-01", "2026-13-01"),
        *("#", "#p", f"Patient/{CANARY}", "https://x.example/fhir/Task/1"),
    ]
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a message."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [found for key, value in inner for found in ((*path, key), *places(value, (*path, key)))]


def changed(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A message with another value at one place."""
    copy = json.loads(json.dumps(node))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return copy


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
async def test_one_thing_changed(door: Door, data: st.DataObject) -> None:
    path, node = data.draw(st.sampled_from(WHOLE))
    for _ in range(data.draw(st.integers(1, 2))):
        node = changed(node, data.draw(st.sampled_from(places(node))), data.draw(ODD))
    sender = door.system()
    answer = await sender.post(path, node)
    assert answer.status_code < 500, answer.text
    assert answer.status_code in (200, 201, 202, 400, 413, 422), answer.status_code
    if answer.status_code >= 400:
        assert CANARY not in answer.text
    dead = await door.count(
        "select count(*) from continuum.ask where sender = $1 and reason like 'our own%'", sender.caller.sender
    )
    assert dead == 0, "nothing that our own code falls over"
