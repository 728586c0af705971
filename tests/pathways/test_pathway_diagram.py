"""The picture of a pathway: all text in its box, nothing over anything, the same bytes every time."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import Any

import pytest
from playwright.async_api import async_playwright

from care.pathway import Pathway
from pathways import loader
from pathways.diagram import diagram
from pathways.diagram.journey import picture
from pathways.diagram.layout import BODY, Box, Line, Picture
from pathways.diagram.text import width, wrap

ALL = loader.load_all()
LABELS = sorted(p.label for p in ALL.values())
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pathway(label: str) -> Pathway:
    return next(p for p in ALL.values() if p.label == label)


def inside(line: Line, box: Box) -> bool:
    above, below = line.y - line.size * 0.8, line.y + line.size * 0.25
    return box.x <= line.x and line.x + line.width <= box.right and box.y <= above and below <= box.bottom


def apart(a: Box, b: Box) -> bool:
    return a.right <= b.x or b.right <= a.x or a.bottom <= b.y or b.bottom <= a.y


def faults(found: Picture) -> list[str]:
    """Text outside its box, boxes that touch, lines of text too close."""
    told = []
    for drawn in found.drawn:
        told += [f"outside: {line.text}" for line in drawn.lines if not inside(line, drawn.box)]
        told += [f"outside: {line.text}" for box, line in drawn.chips if not inside(line, box)]
        told += [f"chip outside: {line.text}" for box, line in drawn.chips if box.bottom > drawn.box.bottom]
        lines = sorted(drawn.lines, key=lambda line: line.y)
        told += [f"too close: {b.text}" for a, b in pairwise(lines) if b.y - a.y < b.size]
    told += ["boxes over each other" for a, b in combinations([d.box for d in found.drawn], 2) if not apart(a, b)]
    told += ["outside the picture" for d in found.drawn if d.box.right > found.width or d.box.bottom > found.height]
    return told


@pytest.mark.parametrize("label", LABELS)
def test_every_text_is_in_its_box_and_nothing_is_over_anything(label: str) -> None:
    assert faults(picture(pathway(label))) == []


@pytest.mark.parametrize("label", LABELS)
def test_it_can_be_read_aloud_and_is_the_same_every_time(label: str) -> None:
    text = diagram(pathway(label))
    assert text == diagram(Pathway.model_validate_json(pathway(label).model_dump_json()))
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert pathway(label).name in (root.findtext(f"{space}title") or "")
    assert "discharge" in (root.findtext(f"{space}desc") or "").lower()


def test_what_a_clinician_looks_for_is_there() -> None:
    words = " ".join(ET.fromstring(diagram(pathway("total_knee_replacement@1"))).itertext())
    for wanted in (
        "red-flag screen",
        "Emergency now",
        "Triage",
        "Evaluation",
        "Surgery",
        "Gate to phase 3",
        "Discharge",
    ):
        assert wanted in words
    for phase in pathway("total_knee_replacement@1").phases:
        assert f"Phase {phase.n}: {phase.name}" in words
    for occasion in pathway("total_knee_replacement@1").follow_up.occasions:
        assert occasion.label in words


def test_marks_and_endless_words_do_no_harm() -> None:
    long = "<b>&" + "Donaudampfschifffahrt" * 12
    before = pathway("low_back_pain@1")
    odd = before.model_copy(update={"name": long, "eligibility": (long, "ص" * 200), "checklist": (long,)})
    assert faults(picture(odd)) == []
    assert "<b>" not in diagram(odd)
    ET.fromstring(diagram(odd))


def test_a_text_too_wide_would_be_seen() -> None:
    drawn = picture(pathway("low_back_pain@1")).drawn[0]
    wide = Line(drawn.box.x + 14, drawn.lines[0].y, "x" * 200, BODY)
    assert not inside(wide, drawn.box)


def test_lines_break_where_the_room_ends() -> None:
    text = "Numeric Pain Rating Scale worse than at discharge by 2 or more"
    lines = wrap(text, 120, BODY)
    assert " ".join(lines) == text
    assert all(width(line, BODY) <= 120 for line in lines)


IN_THE_BROWSER = """() => {
  const told = [], near = 0.5
  for (const group of document.querySelectorAll('g')) {
    const box = group.firstElementChild.getBBox()
    for (const text of group.querySelectorAll('text')) {
      const own = text.getBBox()
      if (own.x < box.x - near || own.x + own.width > box.x + box.width + near ||
          own.y < box.y - near || own.y + own.height > box.y + box.height + near) told.push(text.textContent)
    }
  }
  return told
}"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
async def test_a_real_browser_agrees(tmp_path: Any) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        for label in LABELS:
            file = tmp_path / f"{label}.svg"
            file.write_text(diagram(pathway(label)), "utf-8")
            await page.goto(file.as_uri())
            assert await page.evaluate(IN_THE_BROWSER) == [], label
        await browser.close()
