"""Where everything in the picture stands: one column of steps, branches to the right, lines between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pathways.diagram.text import width, wrap

Look = Literal["intake", "care", "gate", "surgery", "end", "danger", "note"]

MARGIN = 24
MAIN_X, MAIN_WIDTH = 56, 590
SIDE_X, SIDE_WIDTH = 706, 340
PICTURE_WIDTH = SIDE_X + SIDE_WIDTH + MARGIN
BACK_X = 28
"""Where the way back runs, left of everything."""
BETWEEN_ROWS = 34
BETWEEN_SIDES = 14
PADDING = 14
GATE_INSET = 16
"""A gate is pointed at both ends; its text keeps away from the points."""
HEADING, TITLE, BODY = 22, 15, 13
LEADING = 1.42
BULLET = "• "
INDENT = 9
"""Of a bullet's second line: about the width of the bullet in the usual fonts."""
CHIP_PADDING, CHIP_GAP = 10, 8


@dataclass(frozen=True)
class Block:
    """What one box says."""

    title: str
    lines: tuple[str, ...]
    look: Look
    chips: tuple[str, ...] = ()
    """Short texts in a row: the follow-ups."""


@dataclass(frozen=True)
class Row:
    """One step of the journey and what branches off it."""

    main: Block
    sides: tuple[Block, ...] = ()
    back_to: bool = False
    """The way back into care ends here."""
    back_from: bool = False
    """The way back into care begins here."""


@dataclass(frozen=True)
class Box:
    """A rectangle (a gate is pointed) in the picture."""

    x: float
    y: float
    width: float
    height: float
    look: Look
    chip: bool = False

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width


@dataclass(frozen=True)
class Line:
    """One line of text; `y` is its base line."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False

    @property
    def width(self) -> float:
        """The most that it takes up."""
        return width(self.text, self.size, bold=self.bold)


@dataclass(frozen=True)
class Arrow:
    """A line with a head, through these points."""

    points: tuple[tuple[float, float], ...]
    dashed: bool = False


@dataclass(frozen=True)
class Drawn:
    """A box with its texts, and its chips with theirs."""

    box: Box
    lines: tuple[Line, ...]
    chips: tuple[tuple[Box, Line], ...] = ()


@dataclass(frozen=True)
class Picture:
    """The whole, laid out."""

    width: float
    height: float
    heading: tuple[Line, ...]
    drawn: tuple[Drawn, ...]
    arrows: tuple[Arrow, ...]


def lay_out(heading: str, under: Sequence[str], rows: Sequence[Row]) -> Picture:
    """All rows below each other, as high as their texts need."""
    head, y = _heading(heading, under)
    drawn: list[Drawn] = []
    arrows: list[Arrow] = []
    before: Box | None = None
    back_to: Box | None = None
    for row in rows:
        main = _drawn(row.main, MAIN_X, y, MAIN_WIDTH)
        sides = list(_stacked(row.sides, y))
        if sides:  # as high as what branches off it, so that every branch is a straight line
            lowest = max(main.box.bottom, sides[-1].box.bottom)
            main = replace(main, box=replace(main.box, height=lowest - y))
        if before is not None:
            middle = MAIN_X + MAIN_WIDTH / 2
            arrows.append(Arrow(((middle, before.bottom), (middle, main.box.y))))
        arrows += [_branch(main.box, side.box) for side in sides]
        if row.back_to:
            back_to = main.box
        if row.back_from and back_to is not None:
            arrows.append(_way_back(main.box, back_to))
        drawn += [main, *sides]
        before = main.box
        y = main.box.bottom + BETWEEN_ROWS
    return Picture(PICTURE_WIDTH, y - BETWEEN_ROWS + MARGIN, head, tuple(drawn), tuple(arrows))


def _heading(heading: str, under: Sequence[str]) -> tuple[tuple[Line, ...], float]:
    room = PICTURE_WIDTH - MAIN_X - MARGIN
    lines, y = [], float(MARGIN)
    for text, size, bold in ((heading, HEADING, True), *((words, BODY, False) for words in under)):
        for words in wrap(text, room, size, bold=bold):
            y += size * LEADING
            lines.append(Line(MAIN_X, y, words, size, bold))
    return tuple(lines), y + MARGIN


def _stacked(blocks: Sequence[Block], y: float) -> Iterator[Drawn]:
    for block in blocks:
        found = _drawn(block, SIDE_X, y, SIDE_WIDTH)
        yield found
        y = found.box.bottom + BETWEEN_SIDES


def _drawn(block: Block, x: float, y: float, wide: float) -> Drawn:
    inset = PADDING + (GATE_INSET if block.look == "gate" else 0)
    room, base = wide - 2 * inset, y + PADDING - TITLE * (LEADING - 1)
    lines = []
    for words in wrap(block.title, room, TITLE, bold=True):
        base += TITLE * LEADING
        lines.append(Line(x + inset, base, words, TITLE, bold=True))
    indent = width(BULLET, BODY)
    for text in block.lines:
        bulleted = text.startswith(BULLET)
        for n, words in enumerate(wrap(text.removeprefix(BULLET), room - indent * bulleted, BODY)):
            base += BODY * LEADING
            start = BULLET if bulleted and not n else ""
            lines.append(Line(x + inset + (INDENT if bulleted and n else 0), base, start + words, BODY))
    chips, base = _chips(block, x + inset, base, room)
    return Drawn(Box(x, y, wide, base + PADDING - y, block.look), tuple(lines), chips)


def _chips(block: Block, left: float, base: float, room: float) -> tuple[tuple[tuple[Box, Line], ...], float]:
    chips: list[tuple[Box, Line]] = []
    high = BODY * 2
    x, y = left, base + CHIP_GAP
    for text in block.chips:
        (words, *_) = wrap(text, room - 2 * CHIP_PADDING, BODY) or [""]
        wide = width(words, BODY) + 2 * CHIP_PADDING
        if x > left and x + wide > left + room:
            x, y = left, y + high + CHIP_GAP
        box = Box(x, y, wide, high, block.look, chip=True)
        chips.append((box, Line(x + CHIP_PADDING, y + BODY * LEADING, words, BODY)))
        x += wide + CHIP_GAP
    return tuple(chips), (y + high if chips else base)


def _branch(main: Box, side: Box) -> Arrow:
    middle = side.y + side.height / 2
    return Arrow(((main.right, middle), (side.x, middle)))


def _way_back(start: Box, end: Box) -> Arrow:
    low, high = start.y + start.height / 2, end.y + end.height / 2
    return Arrow(((start.x, low), (BACK_X, low), (BACK_X, high), (end.x, high)), dashed=True)
