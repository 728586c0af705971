"""`continuum pathways export | import | diagram`: files, exit codes, and one line for a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pathways import loader
from tests.integration.tools import command, is_calm, one_line

FIXTURES = Path(__file__).parents[1] / "fixtures"
COURSE = FIXTURES / "plan_definitions" / "course-of-therapy.json"


def there(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_out_and_in_again(tmp_path: Path) -> None:
    out, back = tmp_path / "fhir", tmp_path / "yaml"
    told = await command("pathways", "export", "stroke", "low_back_pain", "--out", out)
    assert (told.code, told.err) == (0, "")
    assert [p.name for p in there(out)] == ["low_back_pain-v1.bundle.json", "stroke-v1.bundle.json"]
    read = await command("pathways", "import", *there(out), "--out", back)
    assert (read.code, read.err) == (0, "")
    assert "stroke@1: unchanged" in read.out
    assert loader.load("stroke", directory=back) == loader.load("stroke")


async def test_each_resource_in_a_file_of_its_own(tmp_path: Path) -> None:
    told = await command("pathways", "export", "stroke", "--files", "--json", "--out", tmp_path)
    assert len(told.json["files"]) == len(there(tmp_path))
    assert (await command("pathways", "import", *there(tmp_path))).code == 0


async def test_printed_it_is_one_bundle_of_all() -> None:
    told = await command("pathways", "export", "--all")
    kinds = [entry["resource"]["resourceType"] for entry in told.json["entry"]]
    assert kinds.count("PlanDefinition") == len(loader.latest())


async def test_an_edit_is_refused_with_its_place(tmp_path: Path) -> None:
    await command("pathways", "export", "stroke", "--out", tmp_path)
    (file,) = there(tmp_path)
    file.write_text(file.read_text("utf-8").replace('"10-metre walk', '"20-metre walk', 1), "utf-8")
    told = await command("pathways", "import", file)
    assert told.code == 2
    assert told.out == ""
    assert "edited after the export" in told.err
    is_calm(told)


async def test_somebody_elses_is_a_sketch_and_says_what_is_missing(tmp_path: Path) -> None:
    told = await command("pathways", "import", COURSE)
    assert told.code == 0
    assert "neck_course@2: a sketch" in told.out
    assert "Nothing was written" in told.out
    as_data = (await command("pathways", "import", COURSE, "--json", "--out", tmp_path / "in")).json
    assert as_data["imported"][0]["status"] == "sketch"
    assert [Path(f).name for f in as_data["files"]] == ["neck_course_v2.yaml"]


async def test_one_taken_and_one_refused_is_exit_code_1(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(json.loads(COURSE.read_text("utf-8")) | {"status": "retired"}), "utf-8")
    told = await command("pathways", "import", COURSE, bad, "--json")
    assert told.code == 1
    (refused,) = told.json["refused"]
    assert refused["reasons"][0]["where"] == "PlanDefinition.status"


async def test_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "stroke.svg"
    assert (await command("pathways", "diagram", "stroke", "--out", out)).code == 0
    printed = await command("pathways", "diagram", "stroke@1")
    assert printed.out == out.read_text("utf-8")
    assert (await command("pathways", "diagram", "stroke", "--json")).json["svg"] == printed.out


async def test_every_mistake_is_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.json"
    text.write_text("no JSON", "utf-8")
    other = tmp_path / "patient.json"
    other.write_text('{"resourceType": "Patient"}', "utf-8")
    full = tmp_path / "full"
    full.write_text("a file", "utf-8")
    one_line(await command("pathways", "export"), "--all")
    one_line(await command("pathways", "export", "stroke", "--all"), "not both")
    one_line(await command("pathways", "export", "stroke", "--files"), "--out")
    one_line(await command("pathways", "export", "nothing"), "there is no such pathway")
    one_line(await command("pathways", "export", "stroke@x"), "whole number")
    one_line(await command("pathways", "export", "stroke@99"), "there is no version 99")
    one_line(await command("pathways", "export", "stroke", "--out", full / "x"), "no folder")
    one_line(await command("pathways", "import", text), "well-formed JSON")
    one_line(await command("pathways", "import", tmp_path / "away.json"), "cannot be read")
    one_line(await command("pathways", "import", other), "no PlanDefinition")
    one_line(await command("pathways", "diagram", "nothing"), "there is no such pathway")
    one_line(await command("pathways", "diagram", "stroke", "--out", full / "x"), "cannot be written")


@pytest.mark.parametrize("name", ["export", "import", "diagram"])
async def test_help_says_what_it_is_for(name: str) -> None:
    told = await command("pathways", name, "--help")
    assert told.code == 0
