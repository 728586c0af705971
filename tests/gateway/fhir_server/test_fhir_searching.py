"""Searching: parameter by parameter, includes, pages, and whatever a caller may think of sending."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.replies import BSER_STATUS, TASK_CODE
from gateway.fhir_server import searching
from gateway.fhir_server.resources import SEARCHED
from tests.gateway.fhir_server.conftest import FHIR, Lived, Reader, Server, referral
from tests.gateway.fhir_server.r4 import wrong

Resource = dict[str, Any]


@pytest.fixture
def theirs(server: Server, lived: Lived) -> Reader:
    """The system that sent the referral."""
    return server.system(lived.sender.removeprefix("client:"))


FOUND = [
    # type, a search that finds something of the journey, and one alike that does not
    ("Task", "_id={journey}", "_id={journey}x"),
    ("Task", "_id=x,{journey}", "_id=x,y"),
    ("Task", "status=completed", "status=requested"),
    ("Task", "status=http://hl7.org/fhir/task-status|completed", "status=http://elsewhere|completed"),
    ("Task", "status:not=requested,rejected", "status:not=completed,rejected"),
    ("Task", f"business-status={BSER_STATUS}|7.0", "business-status=http://elsewhere|7.0"),
    ("Task", "business-status=7.0", "business-status=6.0"),
    ("Task", f"code={TASK_CODE}|fulfill", "code=urn:continuum:task-kind|fulfill"),
    ("Task", "code=fulfill", "code=abort&_id={journey}"),
    ("Task", "priority=routine", "priority=stat"),
    ("Task", "focus=ServiceRequest/{journey}", "focus=ServiceRequest/j1"),
    ("Task", "focus={fhir}/ServiceRequest/{journey}", "focus=https://elsewhere.example/fhir/ServiceRequest/{journey}"),
    ("Task", "based-on={journey}", "based-on=Task/{journey}"),
    ("Task", "part-of:missing=true", "part-of:missing=true&_id=x"),
    ("Task", "identifier=urn:continuum:task|{journey}", "identifier=urn:other|{journey}"),
    ("Task", "identifier={order}", "identifier=|{journey}"),
    ("Task", "patient=Patient/{patient}", "patient=Patient/j1"),
    ("Task", "patient={patient}", "patient=00000000-0000-4000-8000-000000000000"),
    ("Task", "subject=Patient/{patient}", "subject=Group/{patient}"),
    ("Task", "patient:Patient={patient}", "patient:Patient=x"),
    ("Task", "patient:identifier={mrn}", "patient:identifier=urn:other|{number}"),
    ("Task", "patient.identifier={mrn}", "patient.identifier=M-9"),
    ("Task", "patient:Patient.identifier={mrn}", "patient:Patient.identifier=M-9"),
    ("Task", "patient.family=okaf", "patient.family=kafor"),
    ("Task", "patient.birthdate=1987", "patient.birthdate=1988"),
    ("Task", "owner:missing=false", "owner:missing=true"),
    ("Task", "owner:identifier=urn:continuum:clinic|main", "owner:identifier=urn:continuum:clinic|other"),
    ("Task", "requester=%23doctor", "requester=Practitioner/1"),
    ("Task", "requester:missing=false", "requester:missing=true"),
    ("Task", "authored-on=ge2026&authored-on=le2100", "authored-on=lt2026"),
    ("Task", "modified=gt2020", "modified=lt2020"),
    ("Task", "_lastUpdated=gt2020-01-01T00:00:00Z", "_lastUpdated=gt2100"),
    ("ServiceRequest", "identifier={order}", "identifier=urn:x|{journey}"),
    ("ServiceRequest", "status=active", "status=draft"),
    ("ServiceRequest", "intent=order", "intent=plan"),
    ("ServiceRequest", "priority=routine", "priority=urgent"),
    ("ServiceRequest", "category:missing=true", "category=http://snomed.info/sct|1"),
    ("ServiceRequest", "code=http://snomed.info/sct|91251008", "code=|91251008"),
    ("ServiceRequest", "code=91251008", "code=9125100"),
    ("ServiceRequest", "patient={patient}", "patient=x"),
    ("ServiceRequest", "subject:identifier={mrn}", "subject:identifier=urn:other|1"),
    ("ServiceRequest", "requester=%23doctor", "requester=%23nurse"),
    ("ServiceRequest", "performer:missing=true", "performer:missing=false"),
    ("ServiceRequest", "requisition:missing=true", "requisition=x"),
    ("ServiceRequest", "authored=gt2020", "authored=lt2020"),
    ("Patient", "_id={patient}", "_id={journey}"),
    ("Patient", "identifier={mrn}", "identifier=urn:other|{number}"),
    ("Patient", "identifier={number}", "identifier={small}"),
    ("Patient", "family=OKA", "family=ok_for"),
    ("Patient", "family:exact=Okafor", "family:exact=okafor"),
    ("Patient", "name:contains=FOR", "name:contains=%25"),
    ("Patient", "given=daniel", "given=aniel"),
    ("Patient", "name=daniel", "name=nobody"),
    ("Patient", "birthdate=1987-04-02", "birthdate=1987-04-03"),
    ("Patient", "birthdate=ge1987-04&birthdate=lt1987-05", "birthdate=gt1987"),
    ("Patient", "birthdate=ne1986", "birthdate=ne1987"),
    ("Patient", "gender=male", "gender=female"),
    ("Patient", "active=true", "active=false&family=okafor"),
    ("Appointment", "status=noshow", "status=booked"),
    ("Appointment", "status=noshow,fulfilled", "status=cancelled,booked"),
    ("Appointment", "date=gt2020", "date=lt2020"),
    ("Appointment", "patient={patient}", "patient=x"),
    ("Appointment", "practitioner=Practitioner/p-therapist", "practitioner=p-nobody"),
    ("Appointment", "actor=p-therapist", "actor=Patient/{patient}"),
    ("Appointment", "based-on=ServiceRequest/{journey}", "based-on=j1"),
    ("Appointment", "identifier:missing=true", "identifier=1"),
    ("Observation", "code=http://loinc.org|72514-3", "code=urn:continuum:measure|72514-3"),
    ("Observation", "code=urn:continuum:measure|nprs", "code=http://loinc.org|nprs"),
    ("Observation", "status=final", "status=entered-in-error"),
    ("Observation", "date=ge2026", "date=lt2026"),
    ("Observation", "subject={patient}&code=odi,nprs", "subject={patient}&code=tug"),
    ("Observation", "based-on={journey}", "based-on=x"),
    ("QuestionnaireResponse", "status=completed", "status=in-progress"),
    ("QuestionnaireResponse", "identifier=https://hospital.example.org/answers|A-1", "identifier=A-2"),
    (
        "QuestionnaireResponse",
        "questionnaire=urn:continuum:Questionnaire:measure:nprs",
        "questionnaire=urn:continuum:Questionnaire",
    ),
    ("QuestionnaireResponse", "authored=2026-11-20", "authored=2026-11-21"),
    ("QuestionnaireResponse", "based-on={journey}", "based-on=x"),
    ("CarePlan", "status=completed", "status=active"),
    ("CarePlan", "date=gt2020&patient={patient}", "date=lt2020"),
    ("CarePlan", "performer=p-therapist", "performer=p-nobody"),
    ("Goal", "lifecycle-status=completed", "lifecycle-status=proposed"),
    ("Goal", "achievement-status=achieved", "achievement-status=http://elsewhere|achieved"),
    ("Goal", "_id={journey}.plan.1.ownUactivities", "_id={journey}.plan.1.own"),
    ("EpisodeOfCare", "status=active", "status=finished"),
    ("EpisodeOfCare", "incoming-referral={journey}", "incoming-referral=x"),
    ("EpisodeOfCare", "date=gt2026-12-01", "date=lt2026"),
    ("Practitioner", "name=p", "name=nobody-of-that-name"),
    ("Practitioner", "active=true", "active:not=true"),
    ("Communication", "status=completed", "status=on-hold"),
    ("Communication", "topic=urn:continuum:notice|referral_answer", "topic=task_due"),
    ("Communication", "sent=gt2020", "sent=lt2020"),
    ("DocumentReference", "type=http://loinc.org|18842-5", "type=11488-4"),
    ("DocumentReference", "related=ServiceRequest/{journey}", "related=x"),
    ("Provenance", "target=EpisodeOfCare/{journey}&_id={journey}.journal.1", "target=x"),
    ("Provenance", "agent=Practitioner/p-therapist", "agent=p-nobody"),
    ("Provenance", "activity=urn:continuum:journal|entered", "activity=http://x|entered"),
    ("Provenance", "recorded=gt2020&when=gt2020", "recorded=lt2020"),
]


def _filled(lived: Lived, query: str) -> str:
    return query.format(
        journey=lived.journey,
        patient=lived.patient,
        fhir=FHIR,
        order=lived.order,
        mrn=f"{lived.mrn_system}|{lived.mrn}",
        number=lived.mrn,
        small=lived.mrn.lower(),
    )


@pytest.mark.parametrize(("kind", "finds", "finds_not"), FOUND)
async def test_what_is_found(lived: Lived, theirs: Reader, kind: str, finds: str, finds_not: str) -> None:
    found = await theirs.matches(kind, _filled(lived, finds))
    assert found
    if kind != "Practitioner":
        assert lived.journey in json.dumps(found) or lived.patient in json.dumps(found)
    others = await theirs.matches(kind, _filled(lived, finds_not))
    assert not [one for one in others if lived.journey in json.dumps(one) or lived.patient in json.dumps(one)]


def test_every_parameter_was_tried() -> None:
    tried = {(kind, part.split("=")[0].split(":")[0]) for kind, one, _ in FOUND for part in one.split("&")}
    missing = {f"{kind.name}?{param.name}" for kind in SEARCHED if kind.for_systems for param in kind.params} - {
        f"{kind}?{name}" for kind, name in tried
    }
    # Two names of one column: the other of them was.
    assert missing <= {
        *("Observation?patient", "CarePlan?subject", "QuestionnaireResponse?patient", "QuestionnaireResponse?subject"),
        *("Goal?patient", "Goal?subject", "Goal?start-date", "EpisodeOfCare?patient", "EpisodeOfCare?care-manager"),
        *("Communication?patient", "Communication?based-on", "DocumentReference?status", "DocumentReference?date"),
        *("DocumentReference?patient", "DocumentReference?subject", "Provenance?patient"),
    }


async def test_auditors_search_what_was_looked_at(server: Server, lived: Lived) -> None:
    auditor = server.person("auditor")
    await server.system("c-curious").get(f"Task/{lived.journey}")
    (event,) = await auditor.matches("AuditEvent", "agent-identifier=urn:continuum:caller|client:c-curious&action=R")
    assert event["outcome"] == "4"
    assert lived.journey in json.dumps(event["entity"])
    assert wrong(event) == []
    assert (await auditor.read(f"AuditEvent/{event['id']}")) == event
    for query in ("outcome=4", "date=gt2020", "entity-name=GET /fhir/Task/{id}"):
        assert await auditor.ids("AuditEvent", f"agent-identifier=client:c-curious&{query}")
    for other in ("99999999999999999999", "0x1", "-1", "x"):
        assert (await auditor.get(f"AuditEvent/{other}")).status_code == 404


async def test_more_than_one_parameter_holds_together(theirs: Reader, lived: Lived) -> None:
    assert await theirs.ids("Task", f"_id={lived.journey}&status=completed") == [lived.journey]
    assert await theirs.ids("Task", f"_id={lived.journey}&status=completed&status=requested") == []


# --- includes


async def test_includes(theirs: Reader, lived: Lived) -> None:
    bundle = await theirs.read(
        f"Task?_id={lived.journey}&_include=Task:focus&_include=Task:patient&_revinclude=Task:part-of"
    )
    got = {(e["search"]["mode"], e["resource"]["resourceType"], e["resource"]["id"]) for e in bundle["entry"]}
    assert got == {
        ("match", "Task", lived.journey),
        ("include", "ServiceRequest", lived.journey),
        ("include", "Patient", lived.patient),
        ("include", "Task", lived.cancellation),
    }
    assert all(e["fullUrl"] == f"{FHIR}/{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"])


async def test_includes_the_other_way(theirs: Reader, lived: Lived) -> None:
    query = "&".join(
        f"_revinclude={one}"
        for one in ("Task:focus", "Appointment:based-on", "Observation:based-on", "DocumentReference:related")
    )
    bundle = await theirs.read(f"ServiceRequest?_id={lived.journey}&{query}")
    kinds = [e["resource"]["resourceType"] for e in bundle["entry"] if e["search"]["mode"] == "include"]
    assert set(kinds) == {"Task", "Appointment", "Observation", "DocumentReference"}
    of_patient = await theirs.read(f"Patient?_id={lived.patient}&_revinclude=ServiceRequest:patient")
    assert of_patient["entry"][1]["resource"]["id"] == lived.journey


async def test_an_include_shows_staff_alone_what_staff_owe(server: Server, theirs: Reader, lived: Lived) -> None:
    query = f"ServiceRequest?_id={lived.journey}&_revinclude=Task:focus"
    for reader, owed in ((theirs, False), (server.person("therapist"), True)):
        entries = (await reader.read(query))["entry"]
        assert any(e["resource"]["id"].startswith(f"{lived.journey}.task") for e in entries) == owed


async def test_too_many_to_include_is_said(theirs: Reader, lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_INCLUDED", 2)
    bundle = await theirs.read(f"ServiceRequest?_id={lived.journey}&_revinclude=Observation:based-on")
    assert [e["search"]["mode"] for e in bundle["entry"]] == ["match", "include", "include", "outcome"]
    assert bundle["entry"][-1]["resource"]["issue"][0]["code"] == "incomplete"


# --- results


async def test_totals(theirs: Reader, lived: Lived) -> None:
    everything = await theirs.read("Observation?_count=100")
    total = len(everything["entry"])
    assert everything["total"] == total
    assert (await theirs.read("Observation?_summary=count"))["total"] == total
    nothing_else = await theirs.read("Observation?_count=0")
    assert (nothing_else["total"], "entry" in nothing_else) == (total, False)
    some = await theirs.read("Observation?_count=2")
    assert "total" not in some, "a total nobody asked for is not counted"
    assert (await theirs.read("Observation?_count=2&_total=accurate"))["total"] == total


async def test_orders(theirs: Reader, lived: Lived) -> None:
    dates = [one["start"] for one in await theirs.matches("Appointment", "_sort=date&_count=1")]
    assert dates == sorted(dates)
    assert len(dates) == 3
    assert [one["start"] for one in await theirs.matches("Appointment", "_sort=-date&_count=1")] == dates[::-1]
    updated = [
        one["meta"]["lastUpdated"] for one in await theirs.matches("Observation", "_sort=-_lastUpdated&_count=2")
    ]
    assert updated == sorted(updated, reverse=True)


async def test_elements(theirs: Reader, lived: Lived) -> None:
    (task,) = await theirs.matches("Task", f"_id={lived.journey}&_elements=focus,for")
    assert set(task) == {"resourceType", "id", "meta", "status", "intent", "focus", "for"}
    assert task["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert wrong(task) == []


async def test_what_is_not_known_is_refused_or_passed_over(theirs: Reader, lived: Lived) -> None:
    response = await theirs.get("Task?stauts=requested")
    assert response.status_code == 400
    assert "business-status" in response.json()["issue"][0]["details"]["text"]
    assert "stauts" not in response.text
    for prefer in ("handling=lenient", "respond-async, handling=lenient", "return=minimal; handling=lenient"):
        lenient = await theirs.get(f"Task?stauts=x&_id={lived.journey}", headers={"Prefer": prefer})
        assert [e["search"]["mode"] for e in lenient.json()["entry"]] == ["match", "outcome"]
        assert "stauts" not in lenient.text
    assert (await theirs.get("Task?stauts=x", headers={"Prefer": "handling=strict"})).status_code == 400


# --- pages


async def test_a_walk_through_the_pages_sees_each_once_while_others_come(server: Server) -> None:
    reader = server.system("c-pages")
    first = {
        str((await server.refer("client:c-pages", referral("service-request-low-back-pain"))).journey) for _ in range(7)
    }
    seen: list[str] = []
    address: str | None = "ServiceRequest?_count=2"
    while address is not None:
        bundle = await reader.read(address)
        seen += [e["resource"]["id"] for e in bundle.get("entry", ())]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert links["self"].startswith(f"{FHIR}/ServiceRequest")
        again = (await reader.read(links["self"]))["entry"][0]["resource"]["id"]
        assert again == bundle["entry"][0]["resource"]["id"]
        await server.refer("client:c-pages", referral("service-request-low-back-pain"))
        address = links.get("next")
    assert len(seen) == len(set(seen))
    assert first <= set(seen)


async def test_a_link_to_a_page_carries_no_rights(server: Server, lived: Lived, theirs: Reader) -> None:
    bundle = await theirs.read("Observation?_count=1")
    link = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    assert (await theirs.read(link))["entry"]
    for stranger in (server.system("c-other"), server.person("coordinator", tenant="elsewhere")):
        assert "entry" not in await stranger.read(link)
    for wrong_link in (
        link.replace("Observation", "Task"),
        f"{link}&status=final",
        f"{link[:-4]}AAAA",
        f"{FHIR}/Task?_page=",
    ):
        assert (await theirs.get(wrong_link)).status_code == 400
    assert (await theirs.get(f"{link}&_format=json")).status_code == 200


async def test_a_search_by_post_leaves_nothing_of_a_patient_in_an_address(
    server: Server, lived: Lived, theirs: Reader
) -> None:
    response = await theirs.post_search(
        "Observation", **{"patient.identifier": f"{lived.mrn_system}|{lived.mrn}", "_count": "2"}
    )
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    bundle = response.json()
    assert len(bundle["entry"]) == 2
    links = json.dumps(bundle["link"])
    for word in (lived.mrn, "mrn", "identifier"):
        assert word not in links
    by_get = await theirs.ids("Observation", f"patient.identifier={lived.mrn_system}|{lived.mrn}&_count=2")
    address, walked = next(link["url"] for link in bundle["link"] if link["relation"] == "first"), []
    while address:
        page = await theirs.read(address)
        walked += [e["resource"]["id"] for e in page["entry"]]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert walked == by_get


async def test_forms(theirs: Reader, lived: Lived) -> None:
    url, token = "/fhir/Task/_search", {"Authorization": f"Bearer {theirs.token}"}
    form = {**token, "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    both = await theirs.http.post(f"{url}?status=completed", content=f"_id={lived.journey}", headers=form)
    assert both.json()["total"] == 1
    assert (await theirs.http.post(url, headers=token)).status_code == 200
    jsoned = await theirs.http.post(url, json={"status": "completed"}, headers=token)
    assert jsoned.status_code == 415
    for content, status in ((b"a=" + b"x" * 70_000, 413), (b"_id=%ff%fe", 400), (b"&".join([b"_id=1"] * 2_000), 400)):
        assert (await theirs.http.post(url, content=content, headers=form)).status_code == status


# --- whatever somebody sends

ATTACKS = (
    *("' or '1'='1", "1; drop table continuum.task; --", "x' union select raw from continuum.inbound --", "$1", "{}"),
    *("%27%20or%201=1", "\\", "\\,", ",,,", "|", "||", "Patient/../Task", "../../etc/passwd", "a" * 3000, "\x7f", "💉"),
    *(
        "gt",
        "ge9999-12-31",
        "lt0001-01-01T00:00:00+14:00",
        "ne2026-02-30",
        "1e400",
        "NaN",
        "-0",
        "null",
        "[]",
        "true,false",
    ),
    *("00000000-0000-0000-0000-000000000000", "Task?status=x", "urn:uuid:1", "%", "_", "%%%"),
)


@pytest.mark.parametrize("kind", [kind.name for kind in SEARCHED])
async def test_nothing_that_is_sent_breaks_the_server(server: Server, lived: Lived, kind: str) -> None:
    """Every parameter, with modifiers, with what attackers send: an answer as promised, and nobody else's rows."""
    reader = server.person("auditor", tenant="elsewhere")
    type_ = next(one for one in SEARCHED if one.name == kind)
    for number, name in enumerate(type_.search):
        for offset in range(4):
            attack = ATTACKS[(number * 7 + offset * 9) % len(ATTACKS)]
            modifier = ("", ":missing", ":not", ":identifier")[offset]
            response = await reader.get(f"{kind}?{name}{modifier}={quote(attack)}")
            assert response.status_code in (200, 400), (name, attack, response.text)
            if response.status_code == 200 and kind not in ("Practitioner", "AuditEvent"):
                assert response.json().get("total", 0) == 0


@given(
    st.sampled_from([kind.name for kind in SEARCHED]),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=4),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nor_does_anything_at_all(server: Server, kind: str, pairs: list[tuple[str, str]]) -> None:
    text = "&".join(
        f"{quote(name, errors='surrogatepass')}={quote(value, errors='surrogatepass')}" for name, value in pairs
    )
    reader = Reader(server.http, _token(server))
    response = await reader.get(f"{kind}?{text}")
    assert response.status_code in (200, 400, 406), response.text
    assert response.json()["resourceType"] in ("Bundle", "OperationOutcome")


def _token(server: Server) -> str:
    known = next((token for token, caller in server.known.callers.items() if caller.id == "p-auditor"), None)
    return known or server.person("auditor").token


@pytest.mark.parametrize("id_", ["..%2F..", "%00", "a b", "x" * 65, "%ff", "';--", "💉", "j1:visit:1", "J1"])
@pytest.mark.parametrize("kind", ["Task", "Patient", "AuditEvent", "Questionnaire", "Binary", "Practitioner"])
async def test_ids_that_are_none_are_not_there(server: Server, kind: str, id_: str) -> None:
    response = await server.person("auditor").get(f"{kind}/{id_}")
    assert response.status_code == 404
    assert response.json()["resourceType"] == "OperationOutcome"


async def test_when_the_record_is_away(server: Server, lived: Lived, monkeypatch: pytest.MonkeyPatch) -> None:
    from records.database import Database, DatabaseAway

    async def away(self: Database, *_: Any) -> Any:
        raise DatabaseAway("gone")

    reader = server.person("therapist")
    monkeypatch.setattr(Database, "fetch", away)
    monkeypatch.setattr(Database, "row", away)
    for path in (f"Task/{lived.journey}", "Task"):
        response: httpx.Response = await reader.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["issue"][0]["code"] == "transient"
