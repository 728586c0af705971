"""The FHIR reader: what is taken, what is refused and with what words, and that nothing makes it fall over."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.fhir import Code, IncomingIdentifier, IncomingReferral, Refusal, read_referral
from gateway.fhir.decode import MAX_BYTES
from tests.thorough import times

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "fhir"
INPUTS = ROOT.parent / "shared" / "inputs"
GOOD = sorted(FIXTURES.glob("*.json"))
BAD = sorted((FIXTURES / "refused").glob("*.json"))
SNOMED = "http://snomed.info/sct"
CANARY = "Zyxwvut-Canary"
ORDER = {
    "resourceType": "ServiceRequest",
    "id": "order-1",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p"},
}

needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="the public samples are not beside the repository")


def load(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text("utf-8"))


def read(node: Any, **options: str) -> IncomingReferral | Refusal:
    return read_referral(json.dumps(node).encode(), **options)


def accepted(node: Any, **options: str) -> IncomingReferral:
    got = read_referral(node, **options) if isinstance(node, bytes) else read(node, **options)
    assert isinstance(got, IncomingReferral), got
    return got


def refused(node: Any) -> Refusal:
    got = read_referral(node) if isinstance(node, bytes) else read(node)
    assert isinstance(got, Refusal), got
    assert got.reason
    return got


def order(**changes: Any) -> dict[str, Any]:
    return {**ORDER, **changes}


def bundle(*resources: dict[str, Any], kind: str = "collection", **more: Any) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries, **more}


class TestAcceptedMessages:
    def test_a_clinical_order_workflow_transaction(self) -> None:
        got = accepted(load("cow-transaction.json"))
        assert (got.kind, got.status, got.intent, got.priority) == (
            "bundle-transaction",
            "active",
            "order",
            "urgent",
        )
        assert got.path == "Bundle.entry[1].resource"
        assert got.source == "https://placer.example.org/fhir"
        assert got.referral_id == "https://placer.example.org/orders|SR-1001"
        assert got.transport_key == "Bundle/cow-transaction-1"
        assert got.replaces == ("ServiceRequest/earlier-order",)
        assert got.authored_on == "2026-11-02T09:10:00+00:00"
        assert got.codes == (Code(system=SNOMED, code="91251008"),)
        assert got.reason_codes == (Code(system=SNOMED, code="279039007"),)
        assert "low back pain for nine weeks" in got.texts
        assert "Works at a desk; prefers mornings." in got.texts
        assert len(got.texts) == len(set(got.texts))

    def test_its_patient_by_urn_uuid(self) -> None:
        patient = accepted(load("cow-transaction.json")).patient
        assert patient.matched_by_message
        assert (patient.family, patient.given) == ("Quillfeather", "Ottoline Mae")
        assert (patient.birth_date, patient.gender) == ("1971-03-09", "female")
        assert patient.identifiers == (IncomingIdentifier(system="https://placer.example.org/mrn", value="MRN-40017"),)
        assert patient.phone == "+44 20 7946 0012", "the highest ranked number"
        assert patient.email == "ottoline@example.org"
        assert patient.languages == ("cy", "en"), "the preferred one first"
        assert not patient.deceased

    def test_its_requester_through_role_practitioner_and_organisation(self) -> None:
        requester = accepted(load("cow-transaction.json")).requester
        assert requester.name == "Dr Ines Abernethy"
        assert requester.email == "referrals@surgery.example.org"
        assert requester.identifier == IncomingIdentifier(system="https://register.example.org/gp", value="GP-3312")
        assert requester.organisation == "Example Street Surgery"
        assert requester.organisation_identifier is not None

    def test_a_bser_message_whose_header_focuses_on_the_task(self) -> None:
        got = accepted(load("bser-message.json"))
        assert got.kind == "bundle-message"
        assert got.source == "https://ehr.example.org/fhir/$process-message"
        assert got.transport_key == "MessageHeader/msg-7001"
        assert got.referral_id == "ServiceRequest/arthritis-referral", "the identifier has no system"
        assert got.reason_codes == (Code(system=SNOMED, code="239873007"),), "from the Condition"
        assert (got.patient.display, got.patient.birth_date) == ("Mabel Tanqueray", "1958-07")
        assert got.patient.matched_by_message
        assert got.requester.email == "desk@hospital.example.org", "asked by the Task, answered by the house"
        assert got.in_reply_to is None

    def test_a_bare_order_with_everything_contained(self) -> None:
        got = accepted(load("service-request-low-back-pain.json"), default_source="clinic-door")
        assert (got.kind, got.source) == ("service-request", "clinic-door")
        assert got.referral_id == "ServiceRequest/lbp-1"
        assert got.transport_key == f"sha256:{got.sha256}"
        assert got.patient.family == "Ravenscroft"
        assert got.patient.matched_by_message
        assert got.requester.name == "Dr Philippa Ng"
        assert [code.code for code in got.reason_codes] == ["279039007", "M54.5"]
        assert "Please bring your walking stick." in got.texts

    def test_a_collection_with_the_patient_named_by_identifier(self) -> None:
        got = accepted(load("collection-knee-replacement.json"))
        assert got.status == "draft"
        assert got.patient.family == "Kestrel"
        assert got.source == "https://hospital.example.org/fhir", "the server the order comes from"
        assert got.transport_key == "https://hospital.example.org/bundles|TKR-77"
        assert got.requester.organisation == "Orthopaedics, Example Hospital"
        assert got.requester.phone == "+44-20-7946-0099"
        assert got.reason_codes == (Code(system=SNOMED, code="609588000"),)

    def test_a_patient_by_reference_alone_is_left_to_a_person(self) -> None:
        patient = accepted(load("service-request-patient-by-reference.json")).patient
        assert not patient.matched_by_message
        assert (patient.reference, patient.display) == ("Patient/known-to-us", "Cordelia Penhaligon")
        assert patient.identifiers == ()

    def test_a_booking_and_referral_message_may_say_plan(self) -> None:
        assert accepted(load("bars-message.json")).intent == "plan"

    def test_a_plan_in_any_other_message_may_not(self) -> None:
        message = load("bars-message.json")
        message["entry"][0]["resource"]["eventCoding"]["system"] = "https://example.org/events"
        assert refused(message).path == "Bundle.entry[1].resource.intent"

    def test_a_reply_says_so_and_names_the_same_order(self) -> None:
        message = load("bars-message.json")
        reply = copy.deepcopy(message)
        reply["entry"][0]["resource"]["response"] = {"identifier": "first-message", "code": "ok"}
        reply["entry"][1]["resource"]["id"] = reply["entry"][1]["fullUrl"].removeprefix("urn:uuid:")
        first, second = accepted(message), accepted(reply)
        assert (first.in_reply_to, second.in_reply_to) == (None, "first-message")
        assert first.referral_id == second.referral_id

    @pytest.mark.parametrize("intent", ["original-order", "reflex-order", "filler-order", "instance-order"])
    def test_every_kind_of_order_is_one(self, intent: str) -> None:
        assert accepted(order(intent=intent)).intent == intent

    def test_unknown_elements_are_nobodys_business(self) -> None:
        accepted(order(basedOn={"not": "a list"}, extension=7, PatientInstruction=["x"], performer=None))

    def test_a_byte_order_mark_is_skipped_and_stays_in_the_hash(self) -> None:
        plain = json.dumps(ORDER).encode()
        assert accepted(b"\xef\xbb\xbf" + plain).sha256 != accepted(plain).sha256

    def test_emoji_and_right_to_left_text_arrive_as_sent(self) -> None:
        said = "knee \U0001f9b5 \u202eabc\u202c é"
        for ascii_only in (True, False):
            raw = json.dumps(order(note=[{"text": said}]), ensure_ascii=ascii_only).encode()
            assert accepted(raw).texts == (said,)


REFUSED = {
    "abort-task.json": ("business-rule", "Bundle.entry[0].resource.code"),
    "deep.json": ("too-costly", "$"),
    "do-not-perform.json": ("business-rule", "ServiceRequest.doNotPerform"),
    "duplicate-name.json": ("structure", "byte 153"),
    "intent-plan.json": ("business-rule", "ServiceRequest.intent"),
    "lone-surrogate.json": ("value", "byte 62"),
    "no-subject.json": ("required", "ServiceRequest.subject"),
    "not-a-number.json": ("value", "$"),
    "not-utf-8.json": ("invalid", "byte 45"),
    "nul.json": ("value", "byte 43"),
    "searchset.json": ("not-supported", "Bundle.type"),
    "status-revoked.json": ("business-rule", "ServiceRequest.status"),
    "stu3-referral-request.json": ("not-supported", "$.resourceType"),
    "subject-is-a-group.json": ("value", "ServiceRequest.subject.reference"),
    "subject-wrong-type.json": ("structure", "ServiceRequest.subject"),
    "too-large-number.json": ("value", "$"),
    "truncated.json": ("invalid", "byte 732"),
    "two-orders.json": ("multiple-matches", "Bundle.entry"),
}


class TestRefusedMessages:
    def test_every_bad_fixture_is_expected(self) -> None:
        assert {file.name for file in BAD} == set(REFUSED)

    @pytest.mark.parametrize("name", sorted(REFUSED))
    def test_with_a_code_and_a_place(self, name: str) -> None:
        got = refused((FIXTURES / "refused" / name).read_bytes())
        assert (got.code, got.path) == REFUSED[name]
        assert "\n" not in got.reason

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            ("on-hold", "business-rule"),
            ("revoked", "business-rule"),
            ("completed", "business-rule"),
            ("entered-in-error", "business-rule"),
            ("unknown", "business-rule"),
            ("inactive", "value"),
            (None, "required"),
        ],
    )
    def test_by_status(self, status: str | None, code: str) -> None:
        got = refused(order(status=status))
        assert (got.code, got.path) == (code, "ServiceRequest.status")

    @pytest.mark.parametrize(
        ("intent", "code"),
        [
            ("proposal", "business-rule"),
            ("plan", "business-rule"),
            ("directive", "business-rule"),
            ("option", "business-rule"),
            ("wish", "value"),
            (None, "required"),
        ],
    )
    def test_by_intent(self, intent: str | None, code: str) -> None:
        got = refused(order(intent=intent))
        assert (got.code, got.path) == (code, "ServiceRequest.intent")

    @pytest.mark.parametrize(
        ("change", "path", "code"),
        [
            ({"priority": "soon"}, "priority", "value"),
            ({"authoredOn": "2026-02-30"}, "authoredOn", "value"),
            ({"authoredOn": "2026-02-03T10:00Z"}, "authoredOn", "value"),
            ({"authoredOn": 20260203}, "authoredOn", "structure"),
            ({"identifier": {"value": "x"}}, "identifier", "structure"),
            ({"identifier": [{"value": 7}]}, "identifier[0].value", "structure"),
            ({"identifier": [{"value": "x" * 300}]}, "identifier[0].value", "too-long"),
            ({"code": {"coding": [{"code": 7}]}}, "code.coding[0].code", "structure"),
            ({"doNotPerform": "true"}, "doNotPerform", "structure"),
            ({"subject": {"display": "Somebody"}}, "subject", "required"),
            ({"id": "x" * 2000}, "id", "too-long"),
            ({"contained": {}, "subject": {"reference": "#p"}}, "subject", None),
        ],
    )
    def test_by_what_we_use(self, change: dict[str, Any], path: str, code: str | None) -> None:
        got = read(order(**change))
        if code is None:
            assert isinstance(got, IncomingReferral), "an unresolved reference is for a person"
        else:
            assert isinstance(got, Refusal)
            assert (got.code, got.path) == (code, f"ServiceRequest.{path}")

    @pytest.mark.parametrize("entries", [7, True, "x", {}, [7], [None], [[]]])
    def test_entries_of_another_shape(self, entries: Any) -> None:
        assert refused({"resourceType": "Bundle", "type": "collection", "entry": entries}).path.startswith(
            "Bundle.entry"
        )

    @pytest.mark.parametrize("raw", [b"", b"  \n", b"[]", b'"text"', b"7", b"{}", b'{"resourceType": 7}'])
    def test_what_is_no_resource(self, raw: bytes) -> None:
        refused(raw)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
    def test_other_encodings(self, encoding: str) -> None:
        raw = json.dumps(order(note=[{"text": "café"}]), ensure_ascii=False).encode(encoding)
        assert refused(raw).code == "invalid"

    @pytest.mark.parametrize(
        "raw",
        [
            b" " * (MAX_BYTES + 1),
            b"[" * 1_000_000,
            b"[" * 100 + b"]" * 100,
            b"[0" + b",0" * 2_000_000 + b"]",
            b'"' * 4_000_000,
            b'{"resourceType":"Bundle","type":"collection","entry":[{}' + b",{}" * 6000 + b"]}",
        ],
        ids=["large", "open", "deep", "many", "quotes", "entries"],
    )
    def test_bombs(self, raw: bytes) -> None:
        assert refused(raw).code in ("too-long", "too-costly")

    def test_places_count_a_byte_order_mark(self) -> None:
        assert refused(b'\xef\xbb\xbf{"a": x}').path == "byte 9"

    def test_a_number_of_five_thousand_digits(self) -> None:
        assert refused(b'{"resourceType": "ServiceRequest", "n": ' + b"9" * 5000 + b"}").code == "value"

    def test_a_document_of_its_own_kind(self) -> None:
        assert refused({"resourceType": CANARY, "id": CANARY}).path == "$.resourceType"

    def test_as_an_operation_outcome(self) -> None:
        outcome = refused(order(status="revoked")).operation_outcome()
        assert outcome["resourceType"] == "OperationOutcome"
        (issue,) = outcome["issue"]
        assert (issue["severity"], issue["code"]) == ("error", "business-rule")
        assert issue["expression"] == ["ServiceRequest.status"]
        (issue,) = refused(b"{").operation_outcome()["issue"]
        assert issue["diagnostics"] == "at byte 1"
        assert "expression" not in issue


class TestWhichOrder:
    def test_the_one_still_open(self) -> None:
        got = accepted(bundle(order(id="old", status="completed"), order(id="new")))
        assert got.referral_id == "ServiceRequest/new"

    def test_the_one_the_task_carries(self) -> None:
        task = {"resourceType": "Task", "status": "requested", "focus": {"reference": "ServiceRequest/b"}}
        got = accepted(bundle(order(id="a"), order(id="b"), task))
        assert got.referral_id == "ServiceRequest/b"

    def test_tasks_for_two_orders_choose_neither(self) -> None:
        tasks = [{"resourceType": "Task", "focus": {"reference": f"ServiceRequest/{name}"}} for name in ("a", "b")]
        assert refused(bundle(order(id="a"), order(id="b"), *tasks)).code == "multiple-matches"

    @pytest.mark.parametrize("status", ["cancelled", "rejected", "completed", "failed", "entered-in-error"])
    def test_not_one_whose_task_is_over(self, status: str) -> None:
        task = {"resourceType": "Task", "status": status, "focus": {"reference": "ServiceRequest/order-1"}}
        assert refused(bundle(order(), task)).path == "Bundle.entry[1].resource.status"

    def test_a_message_without_header(self) -> None:
        assert refused(bundle(order(), kind="message")).code == "required"

    def test_an_stu3_order_in_a_bundle(self) -> None:
        assert refused(bundle({"resourceType": "ReferralRequest"})).code == "not-supported"


class TestWhichPatient:
    def test_two_of_the_same_name_are_nobody(self) -> None:
        patients = [{"resourceType": "Patient", "id": "p", "birthDate": year} for year in ("1950", "1960")]
        assert not accepted(bundle(order(), *patients)).patient.matched_by_message

    def test_the_only_patient_in_a_bundle_is_not_taken_for_another(self) -> None:
        other = {"resourceType": "Patient", "id": "other", "identifier": [{"system": "urn:x", "value": "1"}]}
        got = accepted(bundle(order(), other))
        assert not got.patient.matched_by_message
        assert got.patient.identifiers == ()

    def test_the_same_id_on_another_server_is_another_patient(self) -> None:
        message = load("collection-knee-replacement.json")
        message["entry"][0]["resource"]["subject"] = {"reference": "Patient/p9"}
        assert accepted(message).patient.family == "Kestrel"
        message["entry"][1]["fullUrl"] = "https://elsewhere.example.org/fhir/Patient/p9"
        assert not accepted(message).patient.matched_by_message

    def test_a_conditional_reference(self) -> None:
        reference = {"reference": "Patient?identifier=urn:mrn|77"}
        alone = accepted(order(subject=reference)).patient
        assert alone.identifiers == (IncomingIdentifier(system="urn:mrn", value="77"),)
        assert not alone.matched_by_message
        known = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "77"}]}
        assert accepted(bundle(order(subject=reference), known)).patient.matched_by_message

    def test_a_version_in_the_reference(self) -> None:
        patient = {"resourceType": "Patient", "id": "p", "name": [{"family": "V"}], "birthDate": "1950"}
        got = accepted(bundle(order(subject={"reference": "Patient/p/_history/3"}), patient))
        assert got.patient.matched_by_message

    def test_death_and_bad_contacts_are_told(self) -> None:
        patient = {
            "resourceType": "Patient",
            "id": "p",
            "deceasedDateTime": "2026-01-02",
            "telecom": [
                {"system": "email", "value": "a@b.example.org\r\nBcc: c@d.example.org"},
                {"system": "email", "value": "real@example.org"},
                {"system": "phone", "value": "1234567", "use": "old"},
            ],
        }
        got = accepted(bundle(order(), patient)).patient
        assert (got.deceased, got.email, got.phone) == (True, "real@example.org", None)
        assert not got.matched_by_message

    def test_nobody_in_a_repr(self) -> None:
        for file in GOOD:
            shown = repr(accepted(file.read_bytes()))
            assert "Quillfeather" not in shown
            assert "example.org/mrn" not in shown
            assert "walking stick" not in shown


class TestIdentity:
    def test_orders_without_a_name_are_told_apart_by_their_bytes(self) -> None:
        nameless = {key: value for key, value in ORDER.items() if key != "id"}
        first, second = accepted(nameless), accepted({**nameless, "priority": "stat"})
        assert first.referral_id != second.referral_id

    def test_a_systemless_identifier_is_the_last_resort(self) -> None:
        nameless = {key: value for key, value in ORDER.items() if key != "id"}
        got = accepted({**nameless, "identifier": [{"value": "45678"}]})
        assert got.referral_id == "|45678"

    def test_the_same_id_at_two_doors_is_two_referrals(self) -> None:
        first, second = accepted(ORDER, default_source="a"), accepted(ORDER, default_source="b")
        assert (first.source, first.referral_id) != (second.source, second.referral_id)

    def test_the_source_survives_a_new_request_id(self) -> None:
        sources = {
            accepted(order(meta={"source": f"https://ehr.example.org{fragment}"})).source
            for fragment in ("", "#1", "#2")
        }
        assert sources == {"https://ehr.example.org"}


def places(node: Any, trail: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in steps:
        yield (*trail, step)
        yield from places(value, (*trail, step))


def harmless(got: object) -> None:
    assert isinstance(got, IncomingReferral | Refusal)
    if isinstance(got, Refusal):
        said = got.reason + got.path + json.dumps(got.operation_outcome())
        for secret in (CANARY, "Quillfeather", "Tanqueray", "Ravenscroft", "Kestrel", "MRN-", "example.org"):
            assert secret not in said


MESSAGES = [(json.loads(file.read_bytes()), list(places(json.loads(file.read_bytes())))) for file in GOOD]
STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1.5, 10**30, "", CANARY, f"#{CANARY}", f"Patient/{CANARY}", "Task/referral-task"),
        *([], {}, [None], [CANARY], [[]], [{}], {CANARY: CANARY}, {"reference": CANARY}, {"reference": "#"}),
    ]
)


@settings(max_examples=times(200, 1500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_change_of_structure_brings_it_down(data: st.DataObject) -> None:
    original, trails = data.draw(st.sampled_from(MESSAGES))
    node = copy.deepcopy(original)
    for trail in data.draw(st.lists(st.sampled_from(trails), min_size=1, max_size=3)):
        *way, last = trail
        parent: Any = node
        try:
            for step in way:
                parent = parent[step]
            if data.draw(st.booleans()):
                del parent[last]
            else:
                parent[last] = copy.deepcopy(data.draw(STRANGE))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    harmless(read(node))


@settings(max_examples=times(200, 1500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_change_of_bytes_brings_it_down(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([*GOOD, *BAD])).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        length = data.draw(st.integers(0, 12))
        inserted = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b'"', b"\\", b"{", b"]", b"\\u0000", b"\\ud800"]))
        )
        raw[at : at + length] = inserted
    harmless(read_referral(bytes(raw)))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(raw: bytes) -> None:
    harmless(read_referral(raw))


def qualifies(raw: bytes) -> bool:
    """The promise, told without the reader: bare orders, and Bundles with an order and a patient."""
    try:
        node = json.loads(raw.decode("utf-8-sig"))
    except ValueError:
        return False
    if not isinstance(node, dict):
        return False
    if node.get("resourceType") == "ServiceRequest":
        return str(node.get("intent")).endswith("order") and node.get("status") in ("active", "draft")
    if node.get("type") not in ("message", "transaction", "collection"):
        return False
    types = {entry.get("resource", {}).get("resourceType") for entry in node.get("entry", [])}
    return types >= {"ServiceRequest", "Patient"}


@needs_inputs
def test_every_public_order_is_accepted_and_every_refusal_has_a_reason() -> None:
    files = sorted(INPUTS.rglob("*.json"))
    assert len(files) > 1000
    promised = 0
    for file in files:
        raw = file.read_bytes()
        got = read_referral(raw)
        if qualifies(raw):
            promised += 1
            assert isinstance(got, IncomingReferral), (file.name, got)
        if isinstance(got, Refusal):
            assert got.reason
            assert got.path
    assert promised >= 30


@needs_inputs
def test_the_committed_survey_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("survey_inputs", ROOT / "tests/tools/survey_inputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    committed = (ROOT / "docs/integrators/inputs-survey.md").read_text("utf-8")
    assert module.survey(INPUTS) == committed, "run tests/tools/survey_inputs.py and commit its page"
