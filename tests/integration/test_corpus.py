"""`continuum corpus`: what became of every file is told, and what must not happen ends it with 1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from continuum.corpus.counting import File, Report, must_be_taken
from continuum.corpus.doors import MLLP, Door, door_of
from continuum.corpus.sending import Answer, answered, of_batch, silent
from tests.integration.tools import FIXTURES, ROOT, command, one_line, process

SAMPLES = ROOT.parent / "shared" / "inputs"
HL7 = ROOT / "tests" / "fixtures" / "hl7"


async def test_our_own_messages_go_through_their_doors_and_come_to_what_they_say(tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    for name in ("service-request-low-back-pain", "bser-message", "cow-transaction"):
        shutil.copy(FIXTURES / f"{name}.json", folder)
    for file in sorted(HL7.rglob("*ref*i12*.hl7"))[:3]:
        shutil.copy(file, folder)
    (folder / "nonsense.json").write_text('{"resourceType": "Nonsense"}')
    (folder / "broken.json").write_text('{"resourceType": "ServiceRequest", ')
    (folder / "order.xml").write_text("<ServiceRequest/>")
    (folder / "nothing.hl7").write_text("this is no message")
    (folder / "README.md").write_text("not a sample")
    ran = await process("corpus", "--json", "--each", folder)
    counts = json.loads(ran.out)
    assert ran.code == 0, counts["problems"]
    assert counts["files"] == len(list(folder.iterdir())) - 1
    fate = {one["file"]: one["fate"] for one in counts["each"]}
    assert fate["service-request-low-back-pain.json"] == "accepted"
    assert fate["bser-message.json"] == "accepted"
    assert counts["accepted"] >= 3
    codes = {one["file"]: one["code"] for one in counts["each"] if one["fate"] == "refused"}
    assert codes["nonsense.json"] == "not-found"
    assert codes["broken.json"] in ("structure", "invalid")
    assert codes["order.xml"] == "not-supported"
    assert codes["nothing.hl7"] == "100"
    assert (counts["lost"], counts["doubled"], counts["not_begun"], counts["tracebacks"]) == (0, 0, 0, 0)


async def test_a_folder_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    one_line(await command("corpus", tmp_path / "none"), "a folder of samples is wanted")
    (tmp_path / "empty").mkdir()
    one_line(await command("corpus", tmp_path / "empty"), "there is no file in it")


BROKEN = Answer("broken", "HTTP 500")
TAKEN = Answer("acknowledged", "201")


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (Report([File("a.json", b"", Door("fhir", "/fhir"), BROKEN, "broken")]), "a.json: broken (HTTP 500 )"),
        (Report([File("a.json", b"", Door("fhir", "/fhir"), TAKEN, "lost")]), "a.json: lost (201 )"),
        (Report([], doubled=["a.json"]), "a.json: sent again, it did something again"),
        (Report([], not_begun=["j1"]), "j1: accepted, and did not begin"),
        (Report([], tracebacks=["gateway.log"]), "gateway.log: a traceback"),
        (
            Report([File("a.hl7", b"", MLLP, Answer("refused", "101"), "refused")], must=("a.hl7", "elsewhere.hl7")),
            "a.hl7: must be taken, and was not",
        ),
    ],
)
def test_what_must_not_happen_is_told(report: Report, problem: str) -> None:
    assert report.bad
    assert report.problems() == [problem]


def test_refusals_alone_are_nothing_bad() -> None:
    assert not Report([File("a.hl7", b"", MLLP, Answer("refused", "200"), "refused")], must=("other",)).bad


@pytest.mark.parametrize(
    ("raw", "door"),
    [
        (b"MSH|^~\\&|A|B", MLLP),
        (b"\x0b\xef\xbb\xbfMSH|^~\\&|A|B", MLLP),
        ("MSH|^~\\&|A|B".encode("utf-16"), MLLP),
        (b"[SOM]MSH|^~\\&|A", MLLP),
        (b"FHS|^~\\&|A", MLLP),
        (b'{"resourceType": "Task"}', Door("fhir", "/fhir/Task", "application/fhir+json")),
        (b'\xef\xbb\xbf{"resourceType": "Task"', Door("fhir", "/fhir/Task", "application/fhir+json")),
        (b'{"resourceType": "Bundle", "type": "batch"}', Door("fhir", "/fhir", "application/fhir+json")),
        (
            b'{"resourceType": "Bundle", "type": "message"}',
            Door("fhir", "/fhir/$process-message", "application/fhir+json"),
        ),
        (b'{"resourceType": "../etc"}', Door("fhir", "/fhir", "application/fhir+json")),
        (b"<Patient/>", Door("fhir", "/fhir", "application/fhir+xml")),
    ],
)
def test_a_file_finds_its_door(raw: bytes, door: Door) -> None:
    assert door_of(raw) == door


def test_answers_are_read_as_their_protocols_mean_them() -> None:
    ack = "\x0bMSH|^~\\&|A\rMSA|{}|1\r{}\x1c\r"
    assert answered(ack.format("AA", "").encode()).verdict == "acknowledged"
    assert answered(ack.format("AE", "ERR||PID^1^3|101|E\r").encode()) == Answer("refused", "101", "AE")
    assert answered(ack.format("AR", "").encode()).verdict == "broken", "a refusal has a code"
    assert silent(b"MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5|||NE|NE").code == "silent"
    assert silent(b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.5").code == "silent"
    assert silent(b"MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5|||AL|NE").verdict == "broken"
    assert silent(b"MSH|^~\\&|A|B|C|D|||ADT^A08|1|P|2.5").verdict == "broken"
    responses = [{"response": {"status": "201 Created"}}, {"response": {"status": "422"}}]
    assert of_batch({"entry": responses}).verdict == "acknowledged"
    assert of_batch({"entry": [*responses, {"response": {"status": "500"}}]}).verdict == "broken"
    assert of_batch({"entry": [{"response": {"status": "404"}}]}).verdict == "broken", "no coded outcome"


def test_the_list_of_those_that_must_be_taken_names_samples() -> None:
    if not SAMPLES.is_dir():
        pytest.skip("the public samples are not beside the repository")
    missing = [name for name in must_be_taken() if not (SAMPLES / name).is_file()]
    assert missing == []
    assert len(must_be_taken()) > 100
