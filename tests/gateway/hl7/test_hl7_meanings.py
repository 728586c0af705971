"""What our own messages mean: type by type, version by version, character set by character set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.fhir.incoming import Code, IncomingIdentifier, IncomingReferral
from gateway.hl7 import ANY_PROCESSING, patient_in, read_hl7
from gateway.hl7.batches import messages_in
from gateway.inbound.meaning import About, Ask, Asked, NewReferral, Noted, Refused
from tests.gateway.hl7.samples import FIXTURES, NOW, fixture

DUBAI = ZoneInfo("Asia/Dubai")
OID = "urn:oid:2.999.77.1"


def read(raw: bytes) -> NewReferral | Asked | Noted | Refused:
    return read_hl7(raw, zone=DUBAI, received_at=NOW).meaning


def referral(raw: bytes) -> IncomingReferral:
    meaning = read(raw)
    assert isinstance(meaning, NewReferral), meaning
    return meaning.referral


def ask(raw: bytes) -> Ask:
    meaning = read(raw)
    assert isinstance(meaning, Asked), meaning
    (one,) = meaning.asks
    return one


def numbers(n: int) -> tuple[IncomingIdentifier, ...]:
    return (
        IncomingIdentifier(system="urn:oid:2.999.77.2", value=f"NS-{n}"),
        IncomingIdentifier(system="urn:continuum:hl7v2:NORTHSIDE:EID", value=f"784-{n}"),
    )


# --- referrals


def test_a_referral_is_read_whole() -> None:
    found = referral(fixture("ref_i12_v2_5_1"))
    assert found.source == "EPICARE|NORTHSIDE"
    assert found.referral_id == f"{OID}|REF-1005"
    assert found.transport_key == "REF1005"
    assert (found.kind, found.path, found.status, found.intent) == ("hl7v2", "RF1^1", "active", "order")
    assert (found.priority, found.authored_on) == ("routine", "2026-11-01")
    assert found.reason_codes == (Code(system="http://hl7.org/fhir/sid/icd-10", code="M17.11"),)
    assert found.codes == (
        Code(system="http://snomed.info/sct", code="91251008"),
        Code(system="http://loinc.org", code="57133-1"),
    )
    assert "Right knee osteoarthritis" in found.texts
    assert "Pain on stairs for six months; exercise programme wanted." in found.texts
    patient = found.patient
    assert patient.identifiers == numbers(1005)
    assert (patient.family, patient.given, patient.birth_date) == ("Testova", "Maren A", "1967-04-12")
    assert (patient.gender, patient.phone, patient.languages) == ("female", "+971 50 55501005", ("en",))
    assert patient.matched_by_message
    asker = found.requester
    assert (asker.name, asker.phone) == ("Dr Ilse Brandvold", "+971 4 5550101")
    assert (asker.email, asker.organisation) == ("ilse.brandvold@northside.example", "NORTHSIDE")
    assert asker.identifier is not None
    assert asker.identifier.value == "88012"


@pytest.mark.parametrize("version", ["2_3", "2_3_1", "2_4", "2_5", "2_5_1", "2_6", "2_7", "2_7_1", "2_8"])
def test_every_version_names_referral_patient_and_diagnosis(version: str) -> None:
    found = referral(fixture(f"ref_i12_v{version}"))
    assert found.referral_id.rpartition("|")[2].startswith("REF-10")
    assert found.patient.family == "Testova"
    assert found.patient.identifiers
    assert found.reason_codes
    assert found.requester.name


def test_old_messages_name_the_coding_system_beside_the_code_and_numbers_within_the_house() -> None:
    found = referral(fixture("ref_i12_v2_3"))
    assert found.reason_codes == (Code(system="http://hl7.org/fhir/sid/icd-9-cm", code="715.16"),)
    assert found.patient.identifiers == (
        IncomingIdentifier(system="urn:continuum:hl7v2:NORTHSIDE:NORTHSIDE", value="NS-1001"),
    )
    assert found.referral_id == "NORTHSIDE|REF-1001"


def test_the_house_of_a_provider_is_its_own_field_since_2_7() -> None:
    asker = referral(fixture("ref_i12_v2_7")).requester
    assert asker.organisation == "NORTHSIDE CLINIC"
    assert asker.organisation_identifier is not None
    assert asker.organisation_identifier.system == "urn:oid:2.16.840.1.113883.4.6"
    assert asker.organisation_identifier.value == "1234567893"


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("ref_i12_8859_1", "Müßig"),
        ("ref_i12_8859_2", "Łukasiewiczová"),
        ("ref_i12_8859_6", "اختبار"),
        ("ref_i12_utf8", "测试"),
        ("ref_i12_utf8_unnamed", "Müßig"),
        ("ref_i12_big5", "測試"),
        ("ref_i12_bom", "Testova"),
    ],
)
def test_character_sets(name: str, family: str) -> None:
    found = referral(fixture(name))
    assert found.patient.family == family
    assert any(family in text for text in found.texts) or family == "Testova"


@pytest.mark.parametrize("name", ["ref_i12_lf", "ref_i12_crlf", "ref_i12_bom", "ref_i12_delimiters"])
def test_the_same_content_by_other_bytes(name: str) -> None:
    usual, found = referral(fixture("ref_i12_v2_5_1")), referral(fixture(name))
    same = {"texts", "codes", "reason_codes", "requester", "priority", "authored_on"}
    assert found.model_dump(include=same) == usual.model_dump(include=same)
    assert found.patient.family == "Testova"


def test_escapes_in_notes() -> None:
    words = referral(fixture("ref_i12_escapes")).texts[-1]
    assert words == ("Flexion & extension: 5^10 kg\nScale 0|10, path C:\\scans, Hello, bold\nsecond line")


def test_a_line_break_inside_a_note() -> None:
    assert "First line\nsecond line of the same note" in referral(fixture("ref_i12_lf_in_text")).texts


def test_the_least_that_is_a_referral() -> None:
    found = referral(fixture("ref_i12_stat_minimal"))
    assert (found.referral_id, found.priority, found.texts) == ("|REF-1021", "stat", ())


def test_a_modification_is_the_same_referral_with_other_content() -> None:
    before, after = referral(fixture("ref_i12_v2_5_1")), referral(fixture("ref_i13_modify"))
    assert after.referral_id == before.referral_id
    assert after.source == before.source
    assert (before.priority, after.priority) == ("routine", "asap")
    assert after.transport_key != before.transport_key


def test_a_cancellation_names_the_referral_and_the_patient() -> None:
    asked = ask(fixture("ref_i14_cancel"))
    assert (asked.name, asked.data) == ("request_cancellation", {})
    assert asked.about == About(referral_id=f"{OID}|REF-1005", patient=numbers(1005))


def test_a_request_for_status_changes_nothing() -> None:
    assert isinstance(read(fixture("ref_i15_status")), Noted)


def test_codes_of_referral_reasons_are_no_diagnoses() -> None:
    """RF1-10 is a code of table 0336 as a rule: a second opinion, the patient's preference."""
    assert {c.code for c in referral(fixture("ref_i12_v2_5_1")).reason_codes} == {"M17.11"}
    clinical = fixture("ref_i12_v2_5_1").replace(b"O^Provider ordered^HL70336", b"M54.5^Low back pain^I10")
    assert {c.code for c in referral(clinical).reason_codes} == {"M17.11", "M54.5"}


def test_a_deleted_diagnosis_is_none() -> None:
    raw = fixture("ref_i12_v2_5_1").replace(b"|20261020|W\r", b"|20261020|W" + b"|" * 15 + b"D\r")
    assert referral(raw).reason_codes == ()


# --- orders


def test_an_order_is_a_referral() -> None:
    found = referral(fixture("omg_o19_new"))
    assert found.referral_id == "urn:oid:2.999.77.3|ORD-3001"
    assert (found.priority, found.authored_on, found.path) == ("asap", "2026-11-02", "ORC^1")
    assert found.reason_codes == (Code(system="http://hl7.org/fhir/sid/icd-10-cm", code="M75.101"),)
    assert "Fell on the shoulder in May" in found.texts
    assert "Lives on the third floor" in found.texts
    assert found.requester.name == "Dr Ilse Brandvold"
    assert found.requester.phone == "+971 4 5550101"
    assert found.requester.organisation == "NORTHSIDE CLINIC"


def test_a_changed_order_is_the_same_referral() -> None:
    assert referral(fixture("omg_o19_change")).referral_id == referral(fixture("omg_o19_new")).referral_id


@pytest.mark.parametrize("name", ["omg_o19_cancel", "osu_o51_cancel"])
def test_an_order_taken_back(name: str) -> None:
    asked = ask(fixture(name))
    assert (asked.name, asked.about.referral_id) == ("request_cancellation", "urn:oid:2.999.77.3|ORD-3001")


def test_a_status_of_an_order_asks_for_nothing() -> None:
    assert isinstance(read(fixture("osu_o51_status")), Noted)


# --- hospital, book, results


def test_a_discharge_tells_the_stay_and_what_was_done() -> None:
    asked = ask(fixture("adt_a03_discharge"))
    assert asked.name == "hospital_event"
    assert asked.about.patient == numbers(1005)
    assert asked.data["event"] == "discharged"
    assert asked.data["at"] == "2026-11-12T06:00:00Z"
    assert asked.data["admitted_at"] == "2026-11-09T04:00:00Z"
    assert [(p["code"], p["at"]) for p in asked.data["procedures"]] == [("0SRD0JZ", "2026-11-09T05:30:00Z")]


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("adt_a01_admit", "admitted"),
        ("adt_a11_cancel_admit", "admission_cancelled"),
        ("adt_a13_cancel_discharge", "discharge_cancelled"),
    ],
)
def test_stays_and_their_being_taken_back(name: str, event: str) -> None:
    assert ask(fixture(name)).data["event"] == event


def test_a_time_without_an_offset_is_on_the_clinics_clock() -> None:
    raw = fixture("adt_a11_cancel_admit").replace(b"20261110113000+0400", b"20261110113000")
    assert ask(raw).data["at"] == "2026-11-10T07:30:00Z"


def test_new_details_of_a_patient_stay_in_the_message() -> None:
    asked = ask(fixture("adt_a08_update"))
    assert (asked.name, asked.data) == ("note_demographics", {"deceased": False})
    assert patient_in(fixture("adt_a08_update")).family == "Testova"
    assert ask(fixture("adt_a08_died")).data == {"deceased": True}


def test_a_merge_names_who_stays_and_who_was_merged() -> None:
    asked = ask(fixture("adt_a40_merge"))
    assert (asked.name, asked.data) == ("merge_patients", {"surviving": 2})
    assert asked.about.patient == (*numbers(1005), IncomingIdentifier(system="urn:oid:2.999.77.2", value="NS-0999"))


def test_a_record_is_not_merged_into_itself() -> None:
    itself = fixture("adt_a40_merge").replace(b"MRG|NS-0999", b"MRG|NS-1005")
    meaning = read(itself)
    assert isinstance(meaning, Refused)
    assert (meaning.code, meaning.path) == ("101", "MRG^1^1")


def test_the_legal_name_goes_before_others() -> None:
    raw = fixture("ref_i12_v2_5_1").replace(b"Testova^Maren^A^^^^L", b"Star^Stella^^^^^D~Testova^Maren^A^^^^L")
    assert referral(raw).patient.family == "Testova"
    unnamed = fixture("ref_i12_v2_5_1").replace(b"Testova^Maren^A^^^^L", b"Star^Stella^^^^^A~Testova^Maren")
    assert referral(unnamed).patient.family == "Testova"


def test_the_time_of_the_service_goes_before_that_of_people_and_of_the_schedule() -> None:
    raw = fixture("siu_s12")
    said = b"20261118093000+0400"
    before_ais, ais, after_ais = raw.partition(b"AIS|")
    service, aip, people = after_ais.partition(b"AIP")
    elsewhere = b"20261201080000+0400"
    other = before_ais.replace(said, elsewhere) + ais + service + aip + people.replace(said, elsewhere)
    assert ask(other).data["starts_at"] == "2026-11-18T05:30:00Z"
    only_schedule = before_ais
    assert ask(only_schedule).data["starts_at"] == "2026-11-18T05:30:00Z"
    assert ask(only_schedule).data["clinician"] is None
    of_people = before_ais.replace(said, elsewhere) + aip + people
    assert ask(of_people).data["starts_at"] == "2026-11-18T05:30:00Z"


def test_an_appointment_without_an_authority_is_named_by_its_number_alone() -> None:
    asked = ask(fixture("siu_s15").replace(b"AP-77^CADENCE", b"AP-77"))
    assert asked.about.appointment == asked.data["number"] == "AP-77"
    asked = ask(fixture("siu_s15").replace(b"AP-77^CADENCE", b""))
    assert asked.about.appointment == "CADENCE|PL-77"


def test_an_appointment() -> None:
    asked = ask(fixture("siu_s12"))
    assert asked.name == "book_appointment"
    assert asked.about.appointment == "CADENCE|AP-77"
    assert asked.about.patient == numbers(1005)
    assert asked.data == {
        "number": "CADENCE|AP-77",
        "clinician": "t.nowak",
        "starts_at": "2026-11-18T05:30:00Z",
        "minutes": 45,
    }


@pytest.mark.parametrize(
    ("name", "deed", "more"),
    [
        ("siu_s13", "move_appointment", {"starts_at": "2026-11-19T10:00:00Z"}),
        ("siu_s14", "move_appointment", {"starts_at": "2026-11-18T05:30:00Z"}),
        ("siu_s15", "cancel_appointment", {"reason": "clinician"}),
        ("siu_s17", "cancel_appointment", {"reason": "patient"}),
        ("siu_s26", "miss_appointment", {}),
    ],
)
def test_what_becomes_of_an_appointment(name: str, deed: str, more: dict[str, str]) -> None:
    asked = ask(fixture(name))
    assert asked.name == deed
    assert asked.about.appointment == asked.data["number"] == "CADENCE|AP-77"
    assert {key: asked.data[key] for key in more} == more


def test_scores_by_loinc_and_by_our_own_ids() -> None:
    """A laboratory value is not ours, and a preliminary result is none yet."""
    asked = ask(fixture("oru_r01_scores"))
    assert asked.name == "record_results"
    assert asked.data == {"scores": {"tug": 14.2, "nprs": 6.0}, "at": "2026-11-03T06:15:00Z"}


def test_results_that_are_not_ours() -> None:
    assert isinstance(read(fixture("oru_r01_not_ours")), Noted)


def test_a_measure_of_another_house_is_not_ours_by_its_name_alone() -> None:
    local = fixture("oru_r01_range").replace(b"99CONTINUUM", b"L")
    assert isinstance(read(local), Noted)


@pytest.mark.parametrize(
    "name", ["rri_i12_accepted", "rri_i12_rejected", "rri_i14_cancelled", "adt_a02_transfer", "siu_s23_blocked"]
)
def test_what_nothing_follows_from(name: str) -> None:
    assert isinstance(read(fixture(name)), Noted)


# --- refusals

REFUSALS = {
    "refused_no_referral_id": ("101", "RF1^1^6"),
    "refused_no_patient": ("101", "PID^1^3"),
    "refused_expired": ("103", "RF1^1^1"),
    "refused_training": ("202", "MSH^1^11"),
    "refused_version": ("203", "MSH^1^12"),
    "refused_event": ("201", "MSH^1^9^^2"),
    "refused_type": ("200", "MSH^1^9"),
    "refused_bytes": ("102", "MSH^1^18"),
    "refused_birth_date_v2_3": ("102", "PID^1^7"),
    "refused_escaped_nul": ("102", "NTE^1^3"),
    "refused_two_orders": ("100", "ORC^2"),
    "adt_a40_no_mrg": ("100", "PID^1"),
    "oru_r01_unit": ("103", "OBX^1^6"),
    "oru_r01_range": ("103", "OBX^1^5"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_say_what_and_where(name: str) -> None:
    meaning = read(fixture(name))
    assert isinstance(meaning, Refused)
    assert (meaning.code, meaning.path) == REFUSALS[name]
    assert meaning.reason


def test_every_message_of_ours_is_taken_unless_it_is_here_to_be_refused() -> None:
    for path in sorted(FIXTURES.glob("*.hl7")):
        for raw in messages_in(path.read_bytes()).messages:
            taken = not isinstance(read(raw), Refused)
            assert taken == (path.stem not in REFUSALS) or path.stem == "batch", path.stem


def test_a_message_for_training_is_taken_where_everything_is_for_trying_out() -> None:
    meaning = read_hl7(fixture("refused_training"), processing=ANY_PROCESSING).meaning
    assert isinstance(meaning, NewReferral)


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("20261110", datetime(2026, 11, 9, 20, 0, tzinfo=UTC)),
        ("202611101130", datetime(2026, 11, 10, 7, 30, tzinfo=UTC)),
        ("20261110113000.1234-0330", datetime(2026, 11, 10, 15, 0, tzinfo=UTC)),
        ("20261110113060+0000", datetime(2026, 11, 10, 11, 30, 59, tzinfo=UTC)),
    ],
)
def test_moments(said: str, moment: datetime) -> None:
    raw = fixture("adt_a11_cancel_admit").replace(b"20261110113000+0400", said.encode())
    assert datetime.fromisoformat(ask(raw).data["at"]) == moment


@pytest.mark.parametrize("said", ["20261310", "20260230", "2026111025", "2026-11-10", "20261110113000+1500"])
def test_no_moments(said: str) -> None:
    raw = fixture("adt_a11_cancel_admit").replace(b"20261110113000+0400", said.encode())
    meaning = read(raw)
    assert isinstance(meaning, Refused)
    assert (meaning.code, meaning.path) == ("102", "EVN^1^6")
