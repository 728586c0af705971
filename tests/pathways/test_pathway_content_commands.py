"""`continuum pathways list | show | lint | digest`: what an author types, on our content and on theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathways import loader
from tests.integration.tools import command, is_calm, one_line

OURS = Path(loader.__file__).with_name("content")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with one pathway of ours."""
    text = (OURS / "physical_therapy" / "muscle_spasm.yaml").read_text("utf-8")
    (tmp_path / "muscle_spasm.yaml").write_text(text, "utf-8")
    return tmp_path


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "muscle_spasm.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


async def test_the_list_says_that_nobody_signed() -> None:
    told = await command("pathways", "list", "--json")
    assert {row["id"] for row in told.json} == set(loader.latest())
    said = await command("pathways", "list")
    assert "stroke@1" in said.out
    assert "nobody" in said.out


async def test_a_folder_of_ones_own_is_listed_shown_and_signed(own: Path) -> None:
    assert [row["id"] for row in (await command("pathways", "list", "--dir", own, "--json")).json] == ["muscle_spasm"]
    assert "# Muscle spasm: self-care first" in (await command("pathways", "show", "muscle_spasm", "--dir", own)).out
    digest = (await command("pathways", "digest", "muscle_spasm", "--dir", own)).out.strip()
    edit(own, "status: draft", f"status: signed_off\nsigned_off: {{by: Dr Example, on: 2026-11-23, digest: {digest}}}")
    assert "Dr Example" in (await command("pathways", "list", "--dir", own)).out
    edit(own, "after_days: 14", "after_days: 15")
    told = await command("pathways", "lint", own)
    assert told.code == 2
    assert "muscle_spasm.yaml:8: signed_off.digest: Dr Example signed other content than this" in told.out


async def test_lint_says_file_line_and_what_would_be_right(own: Path) -> None:
    assert (await command("pathways", "lint", own)).out.startswith("1 pathway, no problem found.")
    edit(own, "- {fact: nprs, op: '>', value: 2}", "- {fact: nrps, op: '>', value: 2}")
    told = await command("pathways", "lint", own, "--json")
    assert told.code == 2
    (finding,) = told.json
    assert finding["rule"] == "unknown_fact"
    assert "did you mean 'nprs'?" in finding["what"]


async def test_an_empty_folder_is_not_without_a_problem(tmp_path: Path) -> None:
    told = await command("pathways", "lint", tmp_path)
    assert told.code == 2
    assert "there are no pathways in this folder" in told.out


async def test_mistakes_are_one_line(own: Path) -> None:
    one_line(await command("pathways", "show", "strok"), "did you mean 'stroke'?")
    one_line(await command("pathways", "show", "stroke@x"), "the version, a whole number")
    one_line(await command("pathways", "digest", "stroke@9"), "there is no version 9")
    edit(own, "version: 1", "version: one")
    told = await command("pathways", "list", "--dir", own)
    one_line(told, "continuum pathways lint says all that is wrong")
    is_calm(told)
