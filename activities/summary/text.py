"""The summary for reading at 80 columns."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator

from activities.summary.model import Summary, Table

WIDTH = 80


def as_text(summary: Summary) -> str:
    """The summary for reading at 80 columns."""
    lines = [summary.clinic, summary.title.upper(), "=" * WIDTH]
    if not summary.signed:
        lines += ["DRAFT - NOT SIGNED", ""]
    label = max(_width(name) for name, _ in summary.about) + 2
    for name, value in summary.about:
        first, *more = _wrap(value, WIDTH - label)
        lines += [_pad(name, label) + first, *(" " * label + line for line in more)]
    for section in summary.sections:
        lines += ["", section.heading, "-" * _width(section.heading)]
        for n, paragraph in enumerate(section.paragraphs):
            lines += [*([""] if n else []), *_wrap(paragraph, WIDTH)]
        if section.table:
            lines += [*([""] if section.paragraphs else []), *_set_table(section.table)]
        if section.items:
            lines += [""] if section.paragraphs or section.table else []
            for item in section.items:
                first, *more = _wrap(item, WIDTH - 2)
                lines += [f"- {first}", *(f"  {line}" for line in more)]
    lines += ["", "=" * WIDTH, *_wrap(summary.signature, WIDTH)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _set_table(table: Table) -> Iterator[str]:
    gap = 2
    columns = [list(column) for column in zip(table.columns, *table.rows, strict=True)]
    wanted: list[float] = [max(_width(cell) for cell in column) for column in columns]
    least: list[float] = [
        # Headings and dates stay in one line, and no word is broken.
        max(_width(head), min(most, 12), *(_width(word) for cell in column for word in cell.split()))
        for (head, *column), most in zip(columns, wanted, strict=True)
    ]
    widths = [int(width) for width in fitted(wanted, least, WIDTH - gap * (len(columns) - 1))]
    yield from _set_row(table.columns, widths, gap)
    yield "  ".join("-" * w for w in widths)
    tall = any(len(_wrap(cell, w)) > 1 for row in table.rows for cell, w in zip(row, widths, strict=True))
    for n, row in enumerate(table.rows):
        if n and tall:
            yield ""
        yield from _set_row(row, widths, gap)


def fitted(wanted: list[float], least: list[float], room: float) -> list[float]:
    """Column widths that fit a page: long texts break into about as many lines in each column.

    Where even the longest words do not fit, every column gives way alike.
    """
    widths = list(wanted)
    while sum(widths) > room:
        loose = [n for n in range(len(widths)) if widths[n] > least[n]] or list(range(len(widths)))
        widths[min(loose, key=lambda n: (wanted[n] / widths[n], -widths[n]))] -= 1
    return widths


def _set_row(cells: Iterable[str], widths: list[int], gap: int) -> Iterator[str]:
    wrapped = [_wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for n in range(max(len(lines) for lines in wrapped)):
        parts = (lines[n] if n < len(lines) else "" for lines in wrapped)
        yield (" " * gap).join(_pad(part, width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_on_hyphens=False) or [""]


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


def _width(text: str) -> int:
    """Columns of a terminal: East Asian characters take two, combining marks none."""
    marks = sum(1 for c in text if unicodedata.category(c) in ("Mn", "Me", "Cf"))
    return len(text) - marks + sum(1 for c in text if unicodedata.east_asian_width(c) in "WF")
