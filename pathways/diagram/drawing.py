"""A picture, laid out, as SVG: text that can be read aloud, selected and searched."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from pathways.diagram.layout import GATE_INSET, Arrow, Box, Drawn, Line, Picture
from pathways.diagram.text import FONTS

INK = "#1b1f24"
LINES = "#57606a"
# Ground and border of each look. Black on each of the grounds has a contrast above 12:1 (WCAG asks for 4.5:1).
COLOURS = {
    "intake": ("#e8f1fd", "#2f6bb3"),
    "care": ("#e6f5ec", "#2b7a4b"),
    "gate": ("#fff4d6", "#9a6b00"),
    "surgery": ("#f1e9fb", "#6b3fa0"),
    "end": ("#eef0f2", "#57606a"),
    "danger": ("#fdeaea", "#b42323"),
    "note": ("#ffffff", "#8c959f"),
}


def svg(picture: Picture, title: str, description: str) -> str:
    """The picture as one SVG document."""
    wide, high = _n(picture.width), _n(picture.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}" '
            f'role="img" aria-labelledby="title description" font-family="{FONTS}" fill="{INK}">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{LINES}"/></marker></defs>',
            f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
            *(_arrow(arrow) for arrow in picture.arrows),
            *(_line(line) for line in picture.heading),
            *(piece for drawn in picture.drawn for piece in _drawn(drawn)),
            "</svg>\n",
        ]
    )


def _drawn(drawn: Drawn) -> Iterator[str]:
    yield "<g>"
    yield _box(drawn.box)
    for line in drawn.lines:
        yield _line(line)
    for box, line in drawn.chips:
        yield _box(box)
        yield _line(line)
    yield "</g>"


def _box(box: Box) -> str:
    ground, border = COLOURS[box.look]
    paint = f'fill="{"#ffffff" if box.chip else ground}" stroke="{border}" stroke-width="1.5"'
    if box.look == "gate":
        middle = box.y + box.height / 2
        points = (
            (box.x, middle),
            (box.x + GATE_INSET, box.y),
            (box.right - GATE_INSET, box.y),
            (box.right, middle),
            (box.right - GATE_INSET, box.bottom),
            (box.x + GATE_INSET, box.bottom),
        )
        return f'<polygon points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in points)}" {paint}/>'
    round_by = _n(box.height / 2) if box.chip else "6"
    place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}"'
    return f'<rect {place} rx="{round_by}" {paint}/>'


def _line(line: Line) -> str:
    weight = ' font-weight="bold"' if line.bold else ""
    return f'<text x="{_n(line.x)}" y="{_n(line.y)}" font-size="{_n(line.size)}"{weight}>{escape(line.text)}</text>'


def _arrow(arrow: Arrow) -> str:
    path = "L".join(f"{_n(x)} {_n(y)}" for x, y in arrow.points)
    dashes = ' stroke-dasharray="6 4"' if arrow.dashed else ""
    return f'<path d="M{path}" fill="none" stroke="{LINES}" stroke-width="1.5"{dashes} marker-end="url(#head)"/>'


def _n(value: float) -> str:
    """With one decimal at most: enough for the eye, and the same bytes everywhere."""
    return f"{round(value, 1):g}"
