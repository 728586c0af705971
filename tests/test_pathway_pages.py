"""The pages of docs/pathways/ say what the content says, and a clinician finds everything on them."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from care.pathway import Pathway, SignOff
from pathways import loader
from pathways.page import page
from pathways.page.evidence import entries
from pathways.page.markdown import one_line

DOCS = Path(__file__).parents[1] / "docs"
PAGES: Callable[[], dict[str, str]] = runpy.run_path(str(DOCS / "make_pathways.py"))["pages"]
LATEST = loader.latest()


def test_the_pages_are_current() -> None:
    current = PAGES()
    there = {path.name: path.read_text("utf-8") for path in (DOCS / "pathways").iterdir()}
    wrong = sorted(name for name in {*current, *there} if current.get(name) != there.get(name))
    assert wrong == [], f"run: make pages ({len(wrong)} files of docs/pathways differ from the content)"


@pytest.mark.parametrize("id", LATEST)  # the field's own word
def test_a_clinician_finds_everything_on_the_page(id: str) -> None:  # noqa: A002
    pathway = LATEST[id]
    text = page(pathway, "")
    for flag in pathway.red_flags:
        for sign in flag.signs:
            assert one_line(sign.text) in text
    for measure in pathway.measures:
        assert f"`{measure.id}`" in text
    for rule in pathway.dosing:
        assert one_line(rule.label) in text
    for phase in pathway.phases:
        assert f"Phase {phase.n}: {one_line(phase.name)}" in text
    for said in (*pathway.gaps, *pathway.eligibility, *pathway.home_programme, *pathway.checklist):
        assert one_line(said) in text
    for _, entry in entries(pathway):
        assert one_line(entry.source) in text
    assert pathway.digest in text
    assert "No clinician has signed this" in text


@pytest.mark.parametrize("id", LATEST)
def test_what_is_not_verified_is_listed(id: str) -> None:  # noqa: A002
    pathway = LATEST[id]
    table = page(pathway, "").split("## What is not verified")[1].split("## Sources")[0]
    open_ = [entry for _, entry in entries(pathway) if entry.basis != "verified"]
    assert len(re.findall(r"^\| [^|]+ \| (?:proposed|unverified|mixed) \|", table, re.MULTILINE)) == len(open_)


def test_every_entry_of_a_pathway_is_looked_at() -> None:
    pathway = LATEST["total_knee_replacement"]
    sources = re.findall(r'"source":', pathway.model_dump_json())
    assert len(list(entries(pathway))) == len(sources)


def test_a_page_survives_marks_of_markdown() -> None:
    pathway = LATEST["low_back_pain"].model_copy(update={"gaps": ("a | b\n# c <b>", "*x*")})
    assert "- a \\| b # c \\<b>" in page(pathway, "")


def test_a_signature_that_no_longer_holds_is_said() -> None:
    signed = SignOff(by="Dr Ada Example", on=date(2026, 1, 2), digest="0" * 64)
    pathway = LATEST["low_back_pain"].model_copy(update={"status": "signed_off", "signed_off": signed})
    assert "It does not hold" in page(pathway, "")
    true = signed.model_copy(update={"digest": pathway.digest})
    assert "It holds." in page(pathway.model_copy(update={"signed_off": true}), "")


def test_a_field_newer_than_the_page_is_shown_as_it_is() -> None:
    class Later(Pathway):
        chaperone: str = ""

    later = Later(**{**LATEST["low_back_pain"].__dict__, "chaperone": "offered"})
    assert "chaperone: offered" in page(later, "")
