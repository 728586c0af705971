"""Cutting a message into its parts: right by the standard and by another reader, capped, and one kind of exception."""

from __future__ import annotations

import csv
import re
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import hl7  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.hl7 import ANY_PROCESSING, read_hl7
from gateway.hl7.answering import Verdict, answer
from gateway.hl7.batches import messages_in
from gateway.hl7.delimiters import STANDARD, Delimiters
from gateway.hl7.escapes import escape, unescape
from gateway.hl7.reading import MAX_FIELD, MAX_REPETITIONS, MAX_SEGMENTS, read
from gateway.hl7.refusal import WORDS, Hl7Error, Place
from gateway.inbound.meaning import Refused
from tests.gateway.hl7.samples import FIXTURES, NOW, fixture

INPUTS = Path(__file__).parents[4] / "shared" / "inputs"
MSH = b"MSH|^~\\&|APP|HOUSE|||20261102||ORU^R01|7|P|2.5.1\r"


def inputs() -> Iterator[tuple[str, bytes]]:
    """Every HL7 v2 file of the shared inputs."""
    if not (INPUTS / "MANIFEST.tsv").is_file():
        pytest.skip("the shared inputs are not on this machine")
    with (INPUTS / "MANIFEST.tsv").open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            if row["kind"] == "hl7v2":
                yield row["file"], (INPUTS / row["file"]).read_bytes()


def refused(raw: bytes) -> Hl7Error:
    with pytest.raises(Hl7Error) as caught:
        read(raw)
    return caught.value


# --- parts


def test_a_value_by_the_numbers_of_the_standard() -> None:
    pid = read(MSH + b"PID|1||A^^^NS&2.999.1&ISO^MR~B^^^^SS||Test\\T\\ova^Maren").first("PID")
    assert pid is not None
    assert [pid.text(3, 4, part) for part in (1, 2, 3)] == ["NS", "2.999.1", "ISO"]
    assert list(pid.texts(3)) == ["A", "B"]
    assert (pid.text(5), pid.text(5, 2), pid.text(5, 3), pid.text(99)) == ("Test&ova", "Maren", "", "")


def test_the_header_counts_its_separator_as_the_first_field() -> None:
    msh = read(MSH).msh
    assert (msh.raw(1), msh.raw(2), msh.text(3), msh.text(9, 2), msh.text(12)) == (
        "|",
        "^~\\&",
        "APP",
        "R01",
        "2.5.1",
    )


def test_null_is_no_value() -> None:
    pid = read(MSH + b'PID|1||""||""').first("PID")
    assert pid is not None
    assert (pid.text(3), pid.count(3), pid.whole(5)) == ("", 0, "")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_line_ends(end: str) -> None:
    raw = end.join(["MSH|^~\\&|A|B||||||1|P|2.5", "PID|1||X", "", "PV1|1|O", ""]).encode()
    assert [s.name for s in read(raw).segments] == ["MSH", "PID", "PV1"]


def test_a_line_feed_in_a_message_of_carriage_returns_belongs_to_its_text() -> None:
    nte = read(MSH + b"NTE|1||one\ntwo\rPV1|1|O").first("NTE")
    assert nte is not None
    assert nte.whole(3) == "one\ntwo"


def test_the_same_segment_is_counted() -> None:
    message = read(MSH + b"OBX|1\rOBX|2\rNTE|1\rOBX|3")
    assert [str(s.at(5)) for s in message.all("OBX")] == ["OBX^1^5", "OBX^2^5", "OBX^3^5"]


def test_other_delimiters() -> None:
    assert read(fixture("ref_i12_delimiters")).by == Delimiters("#", "!", "%", "*", "$")
    assert read(b"MSH|^~|A|B").by == Delimiters("|", "^", "~", "", "")


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b"", "100", "MSH^1"),
        (b"PID|1", "100", "MSH^1"),
        (b"MSHa^~\\&", "102", "MSH^1^1"),
        (b"MSH|", "101", "MSH^1^2"),
        (b"MSH|^^\\&|A", "102", "MSH^1^2"),
        (b"MSH|blah|A", "102", "MSH^1^2"),
        (MSH + b"pid|1", "100", "MSH^1"),
        (MSH + b"PID|1\rfree text", "100", "PID^1"),
        (MSH + b"PID|1\r" + MSH, "100", "PID^1"),
        (MSH + b"PID|\0", "102", "MSH^1"),
        ("MSH|^~\\&|A".encode("utf-16"), "102", "MSH^1^18"),
        ("MSH|^~\\&|A".encode("utf-16-le"), "102", "MSH^1^18"),
        (MSH + b"PID|1||X||M\xfcller", "102", "MSH^1^18"),
        (b"MSH|^~\\&|A|B||||||1|P|2.5||||||UNICODE UTF-16\rPID|||\xc3\xbc", "103", "MSH^1^18"),
        (b"MSH|^~\\&|A|B||||||1|P|2.5||||||ISO IR87\rPID|||\x1b$B", "103", "MSH^1^18"),
        (b"MSH|^~\\&|A|B||||||1|P|2.5||||||8859/3\rPID|||\xa5", "102", "MSH^1^18"),
    ],
)
def test_what_is_no_message_is_refused_with_its_code_and_place(raw: bytes, code: str, place: str) -> None:
    error = refused(raw)
    assert (error.code, str(error.place)) == (code, place)


# --- escapes


def test_escapes_become_what_was_meant() -> None:
    said = "a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f \\X48C3BC\\ \\.br\\\\H\\bold\\N\\ \\.sp2\\|"
    assert unescape(said, STANDARD, "utf-8", Place("NTE")) == "a|b^c~d\\e&f H\u00fc \nbold \n\n|"


def test_a_backslash_that_escapes_nothing_stays() -> None:
    assert unescape("C:\\scans\\knee 5\\10", STANDARD, "utf-8", Place("NTE")) == "C:\\scans\\knee 5\\10"


@pytest.mark.parametrize("said", ["\\X00\\", "\\XC328\\", "\\X41E0\\"])
def test_escaped_bytes_that_are_no_text_are_refused(said: str) -> None:
    with pytest.raises(Hl7Error):
        unescape(said, STANDARD, "utf-8", Place("NTE"))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))))
def test_what_is_escaped_comes_back(text: str) -> None:
    assert unescape(escape(text, STANDARD), STANDARD, "utf-8", Place("NTE")) == text


# --- limits


def bomb_of_segments() -> bytes:
    return MSH + b"OBX|1|NM|1^a^LN||1\r" * 20_000


def bomb_of_one_field() -> bytes:
    return MSH + b"OBX|1|TX|1^a^LN||" + b"A&^~" * 100_000


def bomb_of_fields() -> bytes:
    return MSH + b"OBX" + b"|" * 900_000


def bomb_of_repetitions() -> bytes:
    return MSH.replace(b"ORU^R01", b"ADT^A08") + b"PID|1||" + b"~" * 60_000


def bomb_of_codes() -> bytes:
    """Small parts, each of them within its limit."""
    referral = MSH.replace(b"ORU^R01", b"REF^I12") + b"RF1||||||1\rPID|||1\r"
    return referral + (b"DG1|1||" + b"A^^I10~" * 199 + b"\r") * 400


def bomb_of_escapes() -> bytes:
    return MSH + b"PID|1||A||" + b"\\" * 60_000


BOMBS = (bomb_of_segments, bomb_of_one_field, bomb_of_fields, bomb_of_repetitions, bomb_of_codes, bomb_of_escapes)


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_before_they_unfold(bomb: object) -> None:
    raw = bomb()  # type: ignore[operator]
    tracemalloc.start()
    meaning = read_hl7(raw).meaning
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if bomb is not bomb_of_escapes:
        assert isinstance(meaning, Refused)
    assert peak < 16_000_000


def test_the_longest_that_is_allowed_is_read() -> None:
    assert len(read(MSH + b"NTE|1||" + b"x" * MAX_FIELD).segments) == 2
    assert len(read(MSH + b"OBX|1\r" * (MAX_SEGMENTS - 1)).segments) == MAX_SEGMENTS
    assert refused(MSH + b"OBX|1\r" * MAX_SEGMENTS).code == "100"


def test_as_many_repetitions_as_allowed_are_read_and_no_more() -> None:
    pid = read(MSH + b"PID|1||" + b"~".join([b"A"] * MAX_REPETITIONS)).first("PID")
    assert pid is not None
    assert len(list(pid.texts(3))) == MAX_REPETITIONS
    pid = read(MSH + b"PID|1||" + b"~".join([b"A"] * (MAX_REPETITIONS + 1))).first("PID")
    assert pid is not None
    with pytest.raises(Hl7Error):
        pid.text(3)


def test_codes_are_counted_while_they_are_read() -> None:
    meaning = read_hl7(bomb_of_codes()).meaning
    assert isinstance(meaning, Refused)
    assert (meaning.code, meaning.path) == ("102", "DG1^1^3")


# --- another reader, and everything that we have


def _written(fields: Iterable[str]) -> list[str]:
    """Without blanks around a field and empty fields at the end, which python-hl7 drops."""
    return "\n".join(field.strip() for field in fields).rstrip("\n").split("\n")


def test_an_independent_reader_sees_the_same_fields() -> None:
    """python-hl7, field by field, over the real messages that both of us read."""
    compared = 0
    for name, raw in inputs():
        try:
            ours = read(raw)
            text = raw.removeprefix(b"\xef\xbb\xbf").decode(ours.codec)
            theirs = hl7.parse("\r".join(line for line in re.split(r"\r\n|\r|\n", text) if line.strip()) + "\r")
        except (Hl7Error, hl7.HL7Exception, IndexError, AssertionError):
            continue
        if len(ours.msh.fields) < 5 or len(theirs) != len(ours.segments):
            # An MSH of MSH-2 alone is taken apart wrongly there, and a line break inside a text begins a segment.
            assert len(ours.msh.fields) < 5 or "\n" in text, name
            continue
        for mine, segment in zip(ours.segments, theirs, strict=True):
            # The headers of batches are counted there like MSH.
            assert mine.name in ("BHS", "FHS") or _written(map(str, segment)) == _written(mine.fields), name
        compared += 1
    assert compared > 480


def test_every_real_message_means_something_or_is_refused_with_a_code() -> None:
    outcomes: dict[str, int] = {}
    for name, raw in inputs():
        for one in messages_in(raw).messages:
            meaning = read_hl7(one, processing=ANY_PROCESSING).meaning
            outcomes[type(meaning).__name__] = outcomes.get(type(meaning).__name__, 0) + 1
            if isinstance(meaning, Refused):
                assert meaning.code in WORDS, name
                assert re.fullmatch(r"[A-Z][A-Z0-9]{2}(\^\d*){1,4}", meaning.path), name
            answer(one, Verdict("207", "said", "MSH^1"), NOW)
    assert set(outcomes) == {"NewReferral", "Asked", "Noted", "Refused"}
    assert outcomes["Asked"] > 100


# --- whatever comes

SOURCES = sorted(FIXTURES.glob("*.hl7"))
NOISE = st.sampled_from(
    [
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b"\0",
        b'""',
        b"\xff",
        b"\x1b",
        b"MSH|",
        b"\\X",
        b"9" * 30,
        b"2026",
        b"-",
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A message of ours, cut, doubled and spoilt."""
    raw = draw(st.sampled_from(SOURCES)).read_bytes()
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.integers(0, 40))
        raw = raw[:at] + draw(NOISE | st.binary(max_size=6)) + raw[at + cut :]
    return raw


@given(mutated())
@settings(max_examples=600, deadline=None)
@example(b"MSH|^~\\&|||||||SIU^S12|1|P|2.5\rSCH|1\rPID|||1\rAIS||||99991231235959-1400")
@example(b"MSH|^~\\&|||||||ADT^A01|1|P|2.5\rEVN||00010101000000+1400\rPID|||1")
@example(b"MSH|^~\\&|||||||ADT^A03|1|P|2.5\rEVN||20260101\rPID|||1\rPR1|||\\X01\\")
@example(b"MSH|^~\\&|||||||ORU^R01|1|P|2.5\rPID|||1\rOBX|1|NM|nprs^^99CONTINUUM||" + b"9" * 400)
@example(
    b"MSH|^~\\&|||||||REF^I12|1|P|2.5\rRF1||||||1\rPID|||1\rDG1|1||" + b"~".join(b"M%d^^I10" % n for n in range(99))
)
def test_no_bytes_make_reading_or_answering_fail(raw: bytes) -> None:
    """Whatever is raised but a refusal fails the test; the refusal names nothing of the message."""
    for one in messages_in(raw).messages:
        read_one = read_hl7(one, processing=ANY_PROCESSING)
        meaning = read_one.meaning
        if isinstance(meaning, Refused):
            assert meaning.code in WORDS
            assert "Testova" not in meaning.reason + meaning.path
            verdict = Verdict(meaning.code, meaning.reason, meaning.path)
        else:
            verdict = Verdict(journey="j1")
        said = answer(one, verdict, NOW)
        assert said is None or said.startswith(b"MSH")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_noise_makes_reading_or_answering_fail(raw: bytes) -> None:
    assert isinstance(read_hl7(raw).meaning, Refused)
    answer(raw, Verdict("100", "said"), NOW)
