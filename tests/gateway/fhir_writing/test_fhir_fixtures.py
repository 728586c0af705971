"""Twenty messages each after Clinical Order Workflows and BSeR: taken or refused as their expectation files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway.fhir_writing.conftest import Door

FIXTURES = Path(__file__).parents[2] / "fixtures" / "fhir"
EXPECTED = {
    (guide, name): wanted
    for guide in ("cow", "bser")
    for name, wanted in json.loads((FIXTURES / guide / "expected.json").read_text("utf-8")).items()
}


@pytest.mark.parametrize("guide", ["cow", "bser"])
def test_there_are_twenty_of_each(guide: str) -> None:
    files = {path.name for path in (FIXTURES / guide).glob("*.json")} - {"expected.json"}
    assert files == {name for one, name in EXPECTED if one == guide}
    assert len(files) == 20


@pytest.mark.parametrize(("guide", "name"), EXPECTED, ids=[f"{guide}-{name[:2]}" for guide, name in EXPECTED])
async def test_each_becomes_what_is_expected(door: Door, guide: str, name: str) -> None:
    wanted = EXPECTED[guide, name]
    sender, raw = door.system(), (FIXTURES / guide / name).read_bytes()
    answer = await sender.post(wanted["to"].removeprefix("/fhir"), raw)
    assert answer.status_code == wanted["status"], answer.text
    body = answer.json()
    codes = [one["code"] for one in _outcome(body).get("issue", [])]
    assert codes == ([wanted["code"]] if "code" in wanted else codes)
    refused = await door.count(
        "select count(*) from continuum.inbound where sender = $1 and outcome = 'refused'", sender.caller.sender
    )
    assert refused == ("code" in wanted), "what is refused is kept"
    if "code" in wanted:
        for said in ("Quillfeather", "Tanqueray", "Ravenscroft", "Kestrel", "Penhaligon", "MRN-", "-ORD-", "-TASK-"):
            assert said not in answer.text
    again = await sender.post(wanted["to"].removeprefix("/fhir"), raw)
    assert again.status_code == {201: 200}.get(wanted["status"], wanted["status"])
    journeys = await door.count("select count(*) from continuum.referral where sender = $1", sender.caller.sender)
    assert journeys <= 1


def _outcome(body: dict[str, object]) -> dict[str, list[dict[str, str]]]:
    """The OperationOutcome of an answer, in a message or alone."""
    entries = body.get("entry")
    for entry in entries if isinstance(entries, list) else [{"resource": body}]:
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "OperationOutcome":
            return dict(resource)
    return {}
