"""Answers: ACK, RRI and ORG, in original and enhanced mode, in the words of each version; and what is told later."""

from __future__ import annotations

from datetime import timedelta

import hl7  # type: ignore[import-untyped]
import pytest

from gateway.hl7 import ReplyRow, VisitTold, outgoing
from gateway.hl7.answering import Verdict, answer
from gateway.hl7.batches import batch_answer, messages_in
from tests.gateway.hl7.samples import NOW, fields, fixture, names

TAKEN = Verdict(journey="j1")
WRONG = Verdict("101", "PID-3, the patient's number, is missing", "PID^1^3")


def with_modes(accept: str, application: str) -> bytes:
    return fixture("ref_i12_enhanced_commit").replace(b"|AL|NE", f"|{accept}|{application}".encode())


# --- the plain acknowledgement


def test_an_acknowledgement_names_the_message_and_turns_the_names_round() -> None:
    said = answer(fixture("siu_s12"), TAKEN, NOW)
    msh = fields(said, "MSH")
    assert msh[3:7] == ["CONTINUUM", "REHAB", "CADENCE", "NORTHSIDE"]
    assert (msh[7], msh[9], msh[11], msh[12]) == ("20261102060000+0000", "ACK^S12^ACK", "P", "2.5.1")
    assert msh[10] not in ("", "SIU5001")
    assert len(msh[10]) == 20
    assert fields(said, "MSA")[1:] == ["AA", "SIU5001"]
    assert names(said) == ["MSH", "MSA"]


def test_every_answer_has_an_id_of_its_own() -> None:
    ids = {fields(answer(fixture("siu_s12"), TAKEN, NOW), "MSH")[10] for _ in range(50)}
    assert len(ids) == 50


def test_an_error_says_where_what_and_how_it_would_be_right() -> None:
    said = answer(fixture("siu_s12"), WRONG, NOW)
    assert fields(said, "MSA")[1:3] == ["AE", "SIU5001"]
    err = fields(said, "ERR")
    assert err[2:5] == ["PID^1^3", "101^Required field missing^HL70357", "E"]
    assert err[8] == "PID-3, the patient's number, is missing"


def test_before_version_2_5_an_error_is_one_field_and_the_words_are_in_msa() -> None:
    said = answer(fixture("ref_i12_v2_3"), WRONG, NOW)
    assert fields(said, "MSH")[9] == "ACK^I12"
    assert fields(said, "MSA")[1:] == ["AE", "REF1001", "PID-3, the patient's number, is missing"]
    assert fields(said, "ERR")[1:] == ["PID^1^3^101&Required field missing&HL70357"]


@pytest.mark.parametrize(
    ("code", "said"), [("200", "AR"), ("201", "AR"), ("202", "AR"), ("203", "AR"), ("205", "AE"), ("207", "AE")]
)
def test_reject_is_for_what_is_not_for_us(code: str, said: str) -> None:
    assert fields(answer(fixture("siu_s12"), Verdict(code, "words"), NOW), "MSA")[1] == said


def test_delimiters_and_ids_go_back_as_they_came() -> None:
    raw = fixture("ref_i12_delimiters").replace(b"#REF1019#", b"#RE|F@10^19#")
    said = answer(raw, Verdict("102", "a | b # c ! d", "NTE^1^3"), NOW)
    assert said is not None
    assert said.startswith(b"MSH#!%*$#")
    assert fields(said, "MSA", "#")[2] == "RE|F@10^19"
    assert fields(said, "ERR", "#")[8] == "a | b *F* c *S* d"


def test_names_in_another_character_set_go_back_byte_for_byte() -> None:
    raw = fixture("ref_i12_8859_1").replace(b"NORTHSIDE|CONTINUUM", "KLINIK SÜD|CONTINUUM".encode("latin-1"))
    said = answer(raw, TAKEN, NOW)
    assert said is not None
    assert "KLINIK SÜD".encode("latin-1") in said.split(b"\r")[0]
    assert b"M\xfc\xdfig" in said
    assert fields(said, "MSH")[18] == "8859/1"


def test_what_is_no_message_is_answered_all_the_same() -> None:
    said = answer(b"\x00\xff garbage", Verdict("100", "a message begins with the segment MSH"), NOW)
    assert fields(said, "MSA")[1:2] == ["AE"]
    assert fields(said, "ERR")[3].startswith("100^")


def test_another_reader_reads_our_answers() -> None:
    for name in ("ref_i12_v2_5_1", "omg_o19_new", "siu_s12", "ref_i12_v2_3"):
        said = answer(fixture(name), TAKEN, NOW)
        assert said is not None
        assert str(hl7.parse(said.decode("latin-1")).segment("MSA")[1]) == "AA"


# --- original and enhanced mode


@pytest.mark.parametrize(
    ("accept", "application", "taken", "code"),
    [
        ("AL", "NE", True, "CA"),
        ("AL", "NE", False, "CE"),
        ("NE", "AL", True, "AA"),
        ("NE", "AL", False, "AE"),
        ("NE", "NE", True, None),
        ("NE", "NE", False, None),
        ("ER", "NE", True, None),
        ("ER", "NE", False, "CE"),
        ("SU", "NE", True, "CA"),
        ("SU", "NE", False, None),
        ("NE", "ER", True, None),
        ("NE", "ER", False, "AE"),
        ("NE", "SU", True, "AA"),
        ("AL", "AL", True, "CA"),
        ("AL", "", True, "CA"),
        ("", "AL", True, "AA"),
        ("", "", True, "AA"),
        ("", "", False, "AE"),
    ],
)
def test_who_is_answered_how(accept: str, application: str, taken: bool, code: str | None) -> None:
    said = answer(with_modes(accept, application), TAKEN if taken else WRONG, NOW)
    assert (fields(said, "MSA")[1] if said else None) == code


def test_a_commit_that_is_rejected() -> None:
    assert fields(answer(with_modes("AL", "NE"), Verdict("203", "words"), NOW), "MSA")[1] == "CR"


def test_answers_are_not_answered_unless_they_ask_for_a_commit() -> None:
    assert answer(fixture("rri_i12_accepted"), TAKEN, NOW) is None
    assert fields(answer(fixture("rri_i12_rejected"), TAKEN, NOW), "MSA")[1:] == ["CA", "RRI2002"]
    ack = fixture("rri_i12_rejected").replace(b"RRI^I12^RRI_I12", b"ACK")
    assert answer(ack, TAKEN, NOW) is None


# --- referrals and orders


def test_a_referral_is_answered_with_its_status_and_both_ids() -> None:
    said = answer(fixture("ref_i12_v2_5_1"), TAKEN, NOW)
    assert names(said) == ["MSH", "MSA", "RF1", "PRD", "PRD", "PID"]
    assert fields(said, "MSH")[9] == "RRI^I12^RRI_I12"
    assert fields(said, "MSA")[1:] == ["AA", "REF1005"]
    rf1, theirs = fields(said, "RF1"), fields(fixture("ref_i12_v2_5_1"), "RF1")
    assert rf1[1] == "P^Pending^HL70283"
    assert rf1[6] == theirs[6]
    assert rf1[11] == "j1^CONTINUUM"
    assert fields(said, "PID") == fields(fixture("ref_i12_v2_5_1"), "PID")


def test_a_status_request_is_answered_with_where_it_stands() -> None:
    said = answer(fixture("ref_i15_status"), Verdict(journey="j1", referral_status="A"), NOW)
    assert fields(said, "MSH")[9] == "RRI^I15^RRI_I15"
    assert fields(said, "RF1")[1] == "A^Accepted^HL70283"


def test_an_order_is_answered_with_the_placers_number_and_ours() -> None:
    said = answer(fixture("omg_o19_new"), TAKEN, NOW)
    assert names(said) == ["MSH", "MSA", "PID", "ORC"]
    assert fields(said, "MSH")[9] == "ORG^O20^ORG_O20"
    assert fields(said, "ORC")[1:] == ["OK", "ORD-3001^NORTHSIDE^2.999.77.3^ISO", "j1^CONTINUUM"]


# --- batches


def test_a_batch_is_cut_into_its_messages_and_answered_as_one() -> None:
    batch = messages_in(fixture("batch"))
    assert [fields(m, "MSH")[10] for m in batch.messages] == ["REF1004", "ADT4005", "REF1031"]
    assert batch.head is not None
    answers = [a for m in batch.messages if (a := answer(m, TAKEN, NOW)) is not None]
    said = batch_answer(batch.head, answers, NOW)
    assert names(said)[0] == "BHS"
    assert names(said)[-1] == "BTS"
    assert fields(said, "BTS")[1] == "3"
    assert fields(said, "BHS")[11] == "BATCH7"
    assert names(said).count("MSA") == 3


def test_messages_that_follow_each_other_without_a_batch() -> None:
    both = fixture("siu_s12") + fixture("siu_s13")
    assert messages_in(both).messages == (fixture("siu_s12"), fixture("siu_s13"))
    assert messages_in(both).head is None


def test_a_word_in_a_text_begins_no_message() -> None:
    raw = fixture("siu_s12") + b"NTE|1||a\rMSHX|not one\r"
    assert len(messages_in(raw).messages) == 1


# --- what is told later


def reply(status: str, business: str | None = None, reason: str | None = None) -> ReplyRow:
    return ReplyRow(id="j1:reply:2", journey="j1", task_status=status, business_status=business, reason=reason, at=NOW)


@pytest.mark.parametrize(
    ("status", "reason", "rf1"),
    [
        ("received", None, "P"),
        ("received", "awaiting_information", "P"),
        ("accepted", None, "A"),
        ("in-progress", None, "A"),
        ("rejected", "no_capacity", "R"),
        ("cancelled", "referrer_cancelled", "R"),
        ("cancelled", "expired", "E"),
        ("completed", "goals", "A"),
    ],
)
def test_a_referral_is_told_of_by_rri(status: str, reason: str | None, rf1: str) -> None:
    made = outgoing(fixture("ref_i12_v2_5_1"), reply(status, reason=reason), NOW)
    assert made is not None
    assert made.kind == "RRI^I12"
    msh = fields(made.payload, "MSH")
    assert (msh[9], msh[10], msh[15], msh[16]) == ("RRI^I12^RRI_I12", made.control_id, "AL", "NE")
    assert fields(made.payload, "MSA")[1:] == ["AA", "REF1005"]
    assert fields(made.payload, "RF1")[1].startswith(f"{rf1}^")
    assert fields(made.payload, "RF1")[6] == fields(fixture("ref_i12_v2_5_1"), "RF1")[6]
    if reason:
        assert fields(made.payload, "NTE")[3] == reason.replace("_", " ")


@pytest.mark.parametrize(
    ("status", "business", "reason", "orc"),
    [
        ("accepted", "3.0", None, ("OK", "IP")),
        ("rejected", "4.0", "no_capacity", ("UA", "")),
        ("in-progress", "5.1.1", None, ("SC", "SC")),
        ("on-hold", None, "patient_ill", ("SC", "HD")),
        ("cancelled", "6.0", "referrer_cancelled", ("CR", "CA")),
        ("cancelled", "6.0", "died", ("OC", "CA")),
        ("in-progress", None, "cancellation_declined", ("UC", "IP")),
        ("completed", "7.0", "goals", ("SC", "CM")),
    ],
)
def test_an_order_is_told_of_by_osu(
    status: str, business: str | None, reason: str | None, orc: tuple[str, str]
) -> None:
    made = outgoing(fixture("omg_o19_new"), reply(status, business, reason), NOW)
    assert made is not None
    assert made.kind == "OSU^O51"
    found = fields(made.payload, "ORC")
    assert (found[1], found[5]) == orc
    assert found[2:4] == ["ORD-3001^NORTHSIDE^2.999.77.3^ISO", "j1^CONTINUUM"]
    assert found[9] == "20261102060000+0000"
    if reason:
        assert found[16].startswith(reason)


@pytest.mark.parametrize(
    ("business", "kind", "status"),
    [("5.1.1", "SIU^S12", "Booked"), ("5.1.2", "SIU^S26", "Noshow"), ("5.1.3", "SIU^S15", "Cancelled")],
)
def test_a_visit_is_told_of_by_siu(business: str, kind: str, status: str) -> None:
    visit = VisitTold(id="j1:visit:1", clinician="t.nowak", starts_at=NOW + timedelta(days=2), minutes=45)
    made = outgoing(fixture("ref_i12_v2_5_1"), reply("in-progress", business), NOW, visit)
    assert made is not None
    assert made.kind == kind
    assert fields(made.payload, "MSH")[9] == f"{kind}^SIU_S12"
    sch = fields(made.payload, "SCH")
    assert sch[2] == "j1:visit:1^CONTINUUM"
    assert sch[11] == "^^45^20261104060000+0000"
    assert sch[25].startswith(status)
    assert sch[26:28] == ["REF-1005^NORTHSIDE^2.999.77.1^ISO", "j1^CONTINUUM"]
    assert fields(made.payload, "AIP")[3] == "t.nowak"


def test_a_repeat_has_the_same_id_and_another_reply_another() -> None:
    first = outgoing(fixture("ref_i12_v2_5_1"), reply("accepted"), NOW)
    again = outgoing(fixture("ref_i12_v2_5_1"), reply("accepted"), NOW + timedelta(hours=1))
    other = outgoing(fixture("ref_i12_v2_5_1"), reply("accepted").model_copy(update={"id": "j1:reply:3"}), NOW)
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.control_id == again.control_id != other.control_id


def test_who_did_not_come_by_hl7_is_not_told_by_hl7() -> None:
    assert outgoing(b'{"resourceType": "ServiceRequest"}', reply("accepted"), NOW) is None
    assert outgoing(fixture("siu_s12"), reply("accepted"), NOW) is None
