"""Reading: every type valid R4, versions, forms, and nothing of anybody else's."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode
from typing import Any

import pytest

from activities.replies import BSER_STATUS
from gateway.access.caller import CallerRole
from gateway.fhir import read_referral
from gateway.fhir.incoming import IncomingReferral
from gateway.fhir_server import content
from gateway.fhir_server.elements import PERSON
from gateway.fhir_server.resources import SEARCHED
from gateway.inbound import About, Ask, Asked
from gateway.referring import meaning_of
from tests.gateway.fhir_server.conftest import Lived, Reader, Server, referral, settle
from tests.gateway.fhir_server.r4 import wrong

FOR_REFERRERS = [kind.name for kind in SEARCHED if kind.for_systems]
Resource = dict[str, Any]


@pytest.fixture
def theirs(server: Server, lived: Lived) -> Reader:
    """The system that sent the referral."""
    return server.system(lived.sender.removeprefix("client:"))


@pytest.mark.parametrize("name", [kind.name for kind in SEARCHED])
async def test_every_type_is_there_and_valid(server: Server, lived: Lived, name: str) -> None:
    bundle = await server.person("auditor").read(f"{name}?_count=100")
    resources = [entry["resource"] for entry in bundle["entry"]]
    assert {one["resourceType"] for one in resources} == {name}
    for resource in resources:
        assert wrong(resource) == [], resource["id"]
    assert wrong({**bundle, "entry": [{k: v for k, v in e.items() if k != "resource"} for e in bundle["entry"]]}) == []


@pytest.mark.parametrize("name", FOR_REFERRERS)
async def test_what_is_found_can_be_read_in_its_version(
    server: Server, lived: Lived, theirs: Reader, name: str
) -> None:
    (found, *_) = await theirs.matches(name)
    response = await theirs.get(f"{name}/{found['id']}")
    assert response.json() == found
    version = found["meta"]["versionId"]
    assert response.headers["etag"] == f'W/"{version}"'
    assert response.headers["content-type"] == "application/fhir+json"
    assert "no-cache" in response.headers["cache-control"]
    if "lastUpdated" in found["meta"]:
        assert response.headers["last-modified"].endswith("GMT")
    same = await theirs.get(f"{name}/{found['id']}/_history/{version}")
    assert same.json() == found
    other = await theirs.get(f"{name}/{found['id']}/_history/{int(version) + 1}")
    assert other.status_code == 404
    assert "no history" in other.json()["issue"][0]["details"]["text"]


async def test_a_version_that_the_caller_has_is_not_sent_again(theirs: Reader, lived: Lived) -> None:
    path = f"Task/{lived.journey}"
    tag = (await theirs.get(path)).headers["etag"]
    for given in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
        response = await theirs.get(path, headers={"If-None-Match": given})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
    assert (await theirs.get(path, headers={"If-None-Match": 'W/"0"'})).status_code == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/fhir+json; version=1.0.0", 200),
        ("application/fhir+xml;q=1, application/fhir+json;q=0.5", 200),
        ("application/fhir+json; fhirVersion=3.0", 406),
        ("application/fhir+xml", 406),
        ("text/html", 406),
        ("application/fhir+json;q=0", 406),
    ],
)
async def test_only_json_of_r4_is_spoken(theirs: Reader, lived: Lived, accept: str, status: int) -> None:
    for path in (f"Task/{lived.journey}", "Task", "Questionnaire", "metadata"):
        response = await theirs.get(path, headers={"Accept": accept})
        assert response.status_code == status
        if status == 406:
            assert response.json()["resourceType"] == "OperationOutcome"


async def test_format_and_pretty(theirs: Reader, lived: Lived) -> None:
    path = f"Task/{lived.journey}"
    xml = {"Accept": "application/fhir+xml"}
    assert (await theirs.get(f"{path}?_format=json", headers=xml)).status_code == 200
    assert (await theirs.get(f"{path}?_format=application/fhir%2Bjson")).status_code == 200
    assert (await theirs.get(f"{path}?_format=application/fhir+json")).status_code == 200
    assert (await theirs.get(f"{path}?_format=xml")).status_code == 406
    assert "\n  " in (await theirs.get(f"{path}?_pretty=true")).text


# --- whose it is


@pytest.mark.parametrize("name", [name for name in FOR_REFERRERS if name != "Practitioner"])
async def test_what_is_anothers_is_as_if_it_were_not_there(
    server: Server, lived: Lived, theirs: Reader, name: str
) -> None:
    (found, *_) = await theirs.matches(name)
    path = f"{name}/{found['id']}"
    nothing = await theirs.get(f"{name}/{'j0' if name != 'Patient' else '00000000-0000-4000-8000-000000000000'}")
    assert nothing.status_code == 404
    strangers = {
        "another client": server.system("c-other"),
        "another tenant's client": server.system("c-lived", tenant="elsewhere"),
        "another tenant's staff": server.person("coordinator", tenant="elsewhere"),
        "a physician whom nothing names": server.person("physician", email="nobody@surgery.example"),
        "a physician without an address": server.person("physician"),
    }
    for who, reader in strangers.items():
        for address in (path, f"{path}/_history/{found['meta']['versionId']}"):
            response = await reader.get(address)
            assert (response.status_code, response.json()) == (404, nothing.json()), who
        assert found["id"] not in await reader.ids(name), who
        assert (await reader.read(f"{name}?_id={found['id']}"))["total"] == 0, who
        assert (await reader.read(f"{name}?_summary=count"))["total"] == len(await reader.ids(name)), who


async def test_a_physician_sees_the_referrals_that_name_them(server: Server, lived: Lived) -> None:
    order = await server.person("coordinator").read(f"ServiceRequest/{lived.journey}")
    (doctor,) = [one for one in order["contained"] if one["resourceType"] == "Practitioner"]
    address = doctor["telecom"][0]["value"]
    physician = server.person("physician", email=address.upper())
    assert lived.journey in await physician.ids("Task")
    assert lived.patient in await physician.ids("Patient")


async def test_an_include_shows_no_more_than_a_read(server: Server, lived: Lived) -> None:
    only_tasks = server.system("c-lived", scopes="system/Task.rs")
    assert (await only_tasks.get("Task?_include=Task:patient")).status_code == 403
    assert (await only_tasks.get("Patient")).status_code == 403
    assert (await only_tasks.get("Task")).status_code == 200
    search_alone = server.system("c-lived", scopes="system/Task.s")
    assert (await search_alone.get(f"Task/{lived.journey}")).status_code == 403


async def test_referrers_see_nothing_of_what_staff_are_told_and_owe(
    server: Server, theirs: Reader, lived: Lived
) -> None:
    staff = server.person("therapist")
    kinds = {one["code"]["coding"][0]["code"] for one in await staff.matches("Task")}
    assert "sign_summary" in kinds
    assert {one["code"]["coding"][0]["code"] for one in await theirs.matches("Task")} == {"fulfill", "abort"}
    topics = {one["topic"]["coding"][0]["code"] for one in await theirs.matches("Communication")}
    assert "task_due" not in topics


async def test_an_unsigned_summary_is_not_the_referrers_yet(server: Server, lived: Lived, theirs: Reader) -> None:
    document = f"{lived.journey}:document:9"
    await server.house.database.execute(
        "insert into continuum.document (id, journey, tenant, kind, body, pdf)"
        " values ($1, $2, 'clinic', 'discharge_summary', 'draft', 'draft'::bytea)",
        document,
        lived.journey,
    )
    path = f"DocumentReference/{document.replace(':', '.')}"
    assert (await server.person("therapist").read(path))["docStatus"] == "preliminary"
    assert (await theirs.get(path)).status_code == 404
    assert (await theirs.get(path.replace("DocumentReference", "Binary"))).status_code == 404


@pytest.mark.parametrize("path", ["Task", "Task/j1", "Questionnaire", "Binary/x", "Task/j1/$available-actions"])
async def test_patients_and_authors_have_no_business_here(server: Server, path: str) -> None:
    outsiders: tuple[CallerRole, ...] = ("patient", "operator")
    for role in outsiders:
        assert (await server.person(role).get(path)).status_code == 403
    assert (await server.http.get(f"/fhir/{path}")).status_code == 401


# --- what resources say


async def test_the_coordination_task(theirs: Reader, lived: Lived) -> None:
    task = await theirs.read(f"Task/{lived.journey}")
    assert task["status"] == "completed"
    assert task["businessStatus"]["coding"][0] == {
        "system": BSER_STATUS,
        "code": "7.0",
        "display": "Service Request Completed",
    }
    assert task["focus"] == {"reference": f"ServiceRequest/{lived.journey}"}
    assert task["for"] == {"reference": f"Patient/{lived.patient}"}
    ratio = task["output"][0]["valueRatio"]
    assert ratio["numerator"]["value"] == 2
    assert ratio["denominator"]["code"] == "{session}"
    (note,) = [out for out in task["output"] if "valueReference" in out]
    document = await theirs.read(note["valueReference"]["reference"])
    assert document["resourceType"] == "DocumentReference", "the consult note, and it is theirs to read"
    assert task["statusReason"]["text"] == "goals"


async def test_a_request_to_cancel_is_a_task_of_its_own(server: Server, theirs: Reader, lived: Lived) -> None:
    path = f"Task/{lived.cancellation}"
    task = await theirs.read(path)
    assert task["code"]["coding"][0]["code"] == "abort"
    assert task["focus"] == {"reference": f"Task/{lived.journey}"}
    assert task["status"] == "rejected"
    versions = {task["meta"]["versionId"]}
    for status, told in (("waiting", "requested"), ("done", "accepted")):
        await settle(server.house.database, lived.cancellation, lived.journey, status)
        task = await theirs.read(path)
        assert task["status"] == told
        versions.add(task["meta"]["versionId"])
    assert len(versions) > 1
    await settle(server.house.database, lived.cancellation, lived.journey, "refused")


@pytest.mark.parametrize(
    ("client", "statuses"),
    [("c-lived", {"requested", "received"}), ("c-bser", {"received"}), ("c-sdohcc", {"requested"})],
)
async def test_a_new_referral_in_the_words_of_each_guide(
    server: Server, lived: Lived, client: str, statuses: set[str]
) -> None:
    reader = server.system(client)
    taken = await server.refer(f"client:{client}", referral("service-request-low-back-pain"))
    task = await reader.read(f"Task/{taken.journey}")
    assert task["status"] in statuses
    assert task["businessStatus"]["coding"][0]["code"] == "2.0"
    assert (client == "c-bser") == ("statusReason" in task)
    assert wrong(task) == []
    assert taken.journey in await reader.ids("Task", f"status={','.join(statuses)}")
    assert taken.journey not in await reader.ids("Task", "status=completed,draft")
    assert taken.journey in await reader.ids("Task", f"business-status={BSER_STATUS}|2.0")


async def test_the_order_is_what_its_sender_sent_last(server: Server, lived: Lived) -> None:
    message = json.loads(referral("service-request-low-back-pain"))
    taken = await server.refer("client:c-lived", json.dumps(message).encode())
    reader = server.system("c-lived")
    first = await reader.read(f"ServiceRequest/{taken.journey}")
    changed = {**message, "note": [{"text": "the other knee"}]}
    again = await server.refer("client:c-lived", json.dumps(changed).encode())
    assert (again.outcome, again.journey) == ("amendment", taken.journey)
    second = await reader.read(f"ServiceRequest/{taken.journey}")
    assert second["note"] == [{"text": "the other knee"}]
    assert (first["meta"]["versionId"], second["meta"]["versionId"]) == ("1", "2")
    assert second["meta"]["lastUpdated"] >= first["meta"]["lastUpdated"]
    revoked = {**changed, "status": "revoked"}
    asked = Asked(asks=(Ask(name="request_cancellation", about=About(journey=taken.journey)),))
    told = await server.send("client:c-lived", json.dumps(revoked).encode(), "ServiceRequest", asked)
    await settle(server.house.database, told.asks[0], str(taken.journey), "done")
    last = await reader.read(f"ServiceRequest/{taken.journey}")
    assert (last["status"], last["meta"]["versionId"]) == ("revoked", "3")


async def test_an_order_that_came_by_hl7_v2(server: Server, lived: Lived) -> None:
    read = read_referral(referral("service-request-low-back-pain"), default_source="x")
    assert isinstance(read, IncomingReferral)
    number = secrets.token_hex(6)
    meaning = meaning_of(read.model_copy(update={"referral_id": f"urn:orders|{number}"}))
    raw = b"MSH|^~\\&|LAB|HOSPITAL|||20261129||REF^I12|1|P|2.5\r"
    taken = await server.send("client:c-hl7", raw, "REF^I12", meaning, protocol="hl7v2")
    reader = server.system("c-hl7")
    order = await reader.read(f"ServiceRequest/{taken.journey}")
    assert wrong(order) == []
    assert (order["identifier"][0]["system"], order["identifier"][0]["value"]) == ("urn:orders", number)
    assert (order["status"], order["intent"]) == ("active", "order")
    assert order["reasonCode"]
    assert await reader.ids("ServiceRequest", f"identifier=urn:orders|{number}&status=active") == [taken.journey]
    assert await reader.ids("Task", f"identifier=urn:orders|{number}") == [taken.journey]
    assert await reader.ids("ServiceRequest", "status=revoked") == []


async def test_an_appointment_and_who_takes_part(theirs: Reader, lived: Lived) -> None:
    visits = await theirs.matches("Appointment", "_sort=date")
    assert [one["status"] for one in visits] == ["fulfilled", "fulfilled", "noshow"]
    actors = [one["actor"].get("reference") for one in visits[0]["participant"]]
    assert actors[:2] == [f"Patient/{lived.patient}", "Practitioner/p-therapist"]
    assert (await theirs.read("Practitioner/p-therapist"))["identifier"] == [{"system": PERSON, "value": "p-therapist"}]


async def test_the_document_and_its_bytes(theirs: Reader, lived: Lived) -> None:
    (document,) = await theirs.matches("DocumentReference")
    attachment = document["content"][0]["attachment"]
    response = await theirs.get(attachment["url"], headers={"Accept": "application/pdf"})
    assert response.headers["content-type"] == "application/pdf"
    assert response.content.startswith(b"%PDF")
    assert len(response.content) == attachment["size"]
    whole = await theirs.get(attachment["url"], headers={"Accept": "application/fhir+json"})
    assert wrong(whole.json()) == []
    assert b64decode(whole.json()["data"]) == response.content
    unchanged = await theirs.get(attachment["url"], headers={"If-None-Match": response.headers["etag"]})
    assert unchanged.status_code == 304


async def test_the_answers_are_as_they_were_sent(theirs: Reader, lived: Lived) -> None:
    response = await theirs.read(f"QuestionnaireResponse/{lived.answers}")
    assert response["item"] == [{"linkId": "score", "answer": [{"valueDecimal": 4}]}]
    assert response["subject"] == {"reference": f"Patient/{lived.patient}"}


async def test_a_score_that_was_wrong_says_so_in_a_new_version(server: Server, theirs: Reader, lived: Lived) -> None:
    (score,) = await theirs.matches("Observation", "code=psfs")
    database = server.house.database
    key = score["id"].replace(".", ":")
    await database.execute("update continuum.score set in_error = true where id = $1", key)
    corrected = await theirs.read(f"Observation/{score['id']}")
    await database.execute("update continuum.score set in_error = false where id = $1", key)
    assert corrected["status"] == "entered-in-error"
    assert int(corrected["meta"]["versionId"]) > int(score["meta"]["versionId"])
    assert corrected["valueQuantity"] == score["valueQuantity"]


async def test_two_records_of_one_patient_lead_to_each_other(server: Server, lived: Lived) -> None:
    database = server.house.database
    taken = await server.refer("client:c-merged", referral("service-request-low-back-pain"))
    reader = server.system("c-merged")
    (before,) = await reader.ids("Patient")
    await database.execute(
        "update continuum.patient set merged_into = $2::uuid where id = $1::uuid", before, lived.patient
    )
    await database.execute(
        "update continuum.referral set patient = $2::uuid where journey = $1", taken.journey, lived.patient
    )
    old = await reader.read(f"Patient/{before}")
    assert old["active"] is False
    assert old["link"] == [{"other": {"reference": f"Patient/{lived.patient}"}, "type": "replaced-by"}]
    assert not set(old) & {"name", "identifier", "birthDate"}
    assert wrong(old) == []
    assert (await reader.read(f"Task/{taken.journey}"))["for"] == {"reference": f"Patient/{lived.patient}"}


# --- our content


@pytest.mark.parametrize("name", content.NAMES)
async def test_pathways_are_there_for_everybody(server: Server, name: str) -> None:
    for reader in (server.person("author"), server.system("c-any"), server.person("therapist", tenant="elsewhere")):
        bundle = await reader.read(f"{name}?_count=2")
        (first, _) = [entry["resource"] for entry in bundle["entry"]]
        assert wrong(first) == []
        response = await reader.get(f"{name}/{first['id']}")
        assert response.json() == first
        again = await reader.get(f"{name}/{first['id']}", headers={"If-None-Match": response.headers["etag"]})
        assert again.status_code == 304
        (same,) = await reader.matches(name, f"url={first['url']}&version={first['version']}")
        assert same == first
    assert (await server.person("author").get(f"{name}/none")).status_code == 404
    assert (await server.person("author").get(f"{name}/{first['id']}/_history/2")).status_code == 404


async def test_pages_of_content_have_each_once(server: Server) -> None:
    reader = server.person("author")
    ids = await reader.ids("Questionnaire", "_count=25")
    assert ids == list(content.all_of("Questionnaire"))
    assert (await reader.read("Questionnaire?_summary=count"))["total"] == len(ids)
    assert (await reader.get("Questionnaire?shoe=1")).status_code == 400
    lenient = await reader.get("Questionnaire?shoe=1&_count=1", headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 200


# --- what may I do now?


async def test_which_actions_may_be_taken_now(server: Server, theirs: Reader, lived: Lived) -> None:
    path = f"Task/{lived.journey}/$available-actions"
    response = await theirs.get(path)
    assert wrong(response.json()) == []
    said = response.json()["parameter"]
    version = next(one["valueString"] for one in said if one["name"] == "version")
    referrers = {one["valueCode"] for one in said if one["name"] == "action"}
    therapist = await server.person("therapist").get(path, expected=version)
    staff = {one["valueCode"] for one in therapist.json()["parameter"] if one["name"] == "action"}
    assert referrers == {"confirm_receipt", "withdraw"}
    assert referrers < staff
    assert "record_call" in staff
    assert not {name for name in staff if name.startswith("note_")}
    assert response.headers["cache-control"] == "no-store"
    stale = await theirs.get(path, expected="1")
    assert (stale.status_code, stale.json()["issue"][0]["code"]) == (409, "conflict")
    assert (await theirs.get(path, expected=f'W/"{version}"')).status_code == 200
    assert (await theirs.get(path, shoe="1")).status_code == 400
    assert (await theirs.get(f"Task/{lived.cancellation}/$available-actions")).status_code == 404
    assert (await server.system("c-other").get(path)).status_code == 404
