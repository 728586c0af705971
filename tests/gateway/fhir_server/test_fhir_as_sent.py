"""An order as its sender sent it: nothing of it lost, and every reference leading somewhere, or nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.fhir import read_referral
from gateway.fhir.incoming import IncomingReferral
from gateway.fhir_server.carrying import MOST_CONTAINED, as_sent
from gateway.fhir_server.elements import AS_SENT
from tests.gateway.fhir_server.conftest import FIXTURES
from tests.gateway.fhir_server.r4 import wrong

Resource = dict[str, Any]
OURS = "00000000-0000-4000-8000-000000000001"


def carried(message: Resource, *, patient: str | None = OURS) -> Resource:
    raw = json.dumps(message).encode()
    read = read_referral(raw, default_source="test")
    assert isinstance(read, IncomingReferral), read
    found = as_sent(raw, read.path, kind="ServiceRequest", id="j1", patient=patient)
    assert found is not None
    return {**found, "id": "j1"}


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for inner in node for found in references(inner)]
    if not isinstance(node, dict):
        return []
    own = [node["reference"]] if isinstance(node.get("reference"), str) else []
    return own + [found for inner in node.values() for found in references(inner)]


def order(**more: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "#p"},
        "contained": [{"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:mrn", "value": "1"}]}],
        **more,
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.json")))
def test_messages_of_every_guide(name: str) -> None:
    found = carried(json.loads((FIXTURES / f"{name}.json").read_text("utf-8")))
    assert wrong(found) == []
    assert found["subject"]["reference"] == f"Patient/{OURS}"
    held = {f"#{one['id']}" for one in found.get("contained", ())}
    for reference in references(found):
        assert reference in held | {f"Patient/{OURS}", "ServiceRequest/j1"} or reference.startswith("http"), reference
    assert held <= set(references(found)), "what is contained is referred to"


def test_what_the_sender_said_is_all_there() -> None:
    sent = order(note=[{"text": "as before"}], extension=[{"url": "urn:x", "valueInteger": 3}], implicitRules="urn:r")
    found = carried(sent)
    for name in ("note", "extension", "implicitRules", "status", "intent"):
        assert found[name] == sent[name]


def test_the_patient_is_ours_wherever_the_message_means_them() -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "#p"}}
    sent = order(reasonReference=[{"reference": "#c"}])
    sent["contained"].append(condition)
    found = carried(sent)
    (contained,) = found["contained"]
    assert contained["subject"] == {"reference": f"Patient/{OURS}"}
    assert "urn:mrn" not in json.dumps(found), "the patient's own record is theirs to read"


def test_a_patient_nobody_has_matched_stays_in_the_order() -> None:
    found = carried(order(), patient=None)
    assert found["subject"] == {"reference": "#p"}
    assert found["contained"][0]["resourceType"] == "Patient"


def test_a_reference_to_the_senders_own_server_does_not_become_one_to_ours() -> None:
    found = carried(order(requester={"reference": "Practitioner/77", "display": "Dr Grey"}))
    assert found["requester"] == {"identifier": {"system": AS_SENT, "value": "Practitioner/77"}, "display": "Dr Grey"}


def test_it_becomes_absolute_where_the_message_says_whose_it_is() -> None:
    entry = {
        "fullUrl": "https://hospital.example/fhir/ServiceRequest/1",
        "resource": order(requester={"reference": "Practitioner/77"}),
    }
    found = carried({"resourceType": "Bundle", "type": "collection", "entry": [entry]})
    assert found["requester"] == {"reference": "https://hospital.example/fhir/Practitioner/77"}


def test_resources_that_refer_to_each_other_end() -> None:
    one, two = f"urn:uuid:{1:032x}", f"urn:uuid:{2:032x}"
    roles = [
        {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": two}},
        {
            "resourceType": "Practitioner",
            "id": "r2",
            "extension": [{"url": "urn:x", "valueReference": {"reference": one}}],
        },
    ]
    entries = [
        {"resource": order(requester={"reference": one})},
        *({"fullUrl": url, "resource": role} for url, role in zip((one, two), roles, strict=True)),
    ]
    found = carried({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert len(found["contained"]) == 2
    assert wrong(found) == []


def test_no_message_grows_without_end() -> None:
    notes = [{"resourceType": "Condition", "id": f"c{n}", "code": {"text": str(n)}} for n in range(MOST_CONTAINED + 20)]
    sent = order(reasonReference=[{"reference": f"#{note['id']}"} for note in notes])
    sent["contained"] += notes
    found = carried(sent)
    assert len(found["contained"]) == MOST_CONTAINED
    assert len(found["reasonReference"]) == len(notes)


@pytest.mark.parametrize("raw", [b"", b"MSH|^~\\&|", b"[]", b'{"resourceType": "Patient"}', b"\xff"])
def test_what_is_no_such_resource_is_none(raw: bytes) -> None:
    assert as_sent(raw, None, kind="ServiceRequest", id="j1", patient=None) is None
