"""Six messages about one order, in any order: the same end, and nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.fhir_writing.conftest import PLACER, Door, Resource, new_number, order
from tests.gateway.fhir_writing.test_fhir_tasks import named, outcome, task

SCRIPT = ("create", "amend v2", "amend v3", "cancel", "answers", "receipt")
SETTLED_WITHIN = 60.0


def said(event: str, number: str) -> tuple[str, Resource]:
    """Where an event of the script is sent, and what."""
    about = {"basedOn": [{"type": "ServiceRequest", "identifier": {"system": PLACER, "value": number}}]}
    match event:
        case "create":
            return "/ServiceRequest", order(number)
        case "amend v2" | "amend v3":
            return "/ServiceRequest", order(number, note=[{"text": event}])
        case "cancel":
            return "/Task", task("abort", named(number))
        case "answers":
            item = [{"linkId": "nprs", "answer": [{"valueInteger": 5}]}]
            return "/QuestionnaireResponse", {
                "resourceType": "QuestionnaireResponse", "status": "completed", "item": item, **about,
            }  # fmt: skip
    read = {"resourceType": "Task", "status": "completed", "intent": "order", "focus": {"type": "DocumentReference"}}
    return "/Task", {**read, **about}


async def told(door: Door, script: Sequence[str]) -> None:
    """Send a script, and look how it ends."""
    sender, number = door.system(), new_number()
    for event in script:
        path, body = said(event, number)
        answer = await sender.post(path, body)
        assert answer.status_code in (200, 201, 202, 422), (event, answer.text)
    name = sender.caller.sender
    waiting = "select count(*) from continuum.ask where sender = $1 and status = 'waiting'"
    async with asyncio.timeout(SETTLED_WITHIN):
        while await door.count(waiting, name):  # noqa: ASYNC110 - another process's work
            await asyncio.sleep(0.2)
    kept = await door.house.database.fetch(
        "select outcome, count(*) from continuum.inbound where sender = $1 group by 1", name
    )
    assert {r["outcome"]: r["count"] for r in kept} == {"accepted": 1, "amendment": 2, "asked": 3}, script
    asks = await door.house.database.fetch("select name, status, journey from continuum.ask where sender = $1", name)
    journey = await door.house.database.value("select journey from continuum.referral where sender = $1", name)
    became = {r["name"]: r["status"] for r in asks}
    assert {r["journey"] for r in asks} == {journey}, script
    assert became.pop("request_cancellation") == "done", script
    assert became.pop("confirm_receipt") == "refused", "there is no report"
    assert became.pop("record_scores") in ("done", "refused"), "before or after the journey ended"
    assert not became
    assert await outcome(door, journey) == ("closed", "withdrawn"), script


@given(scripts=st.lists(st.permutations(SCRIPT), min_size=8, max_size=8))
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
async def test_in_any_order(door: Door, scripts: list[Sequence[str]]) -> None:
    await asyncio.gather(*(told(door, script) for script in scripts))


async def test_backwards(door: Door) -> None:
    await told(door, SCRIPT[::-1])
