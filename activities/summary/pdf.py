"""The discharge summary as a PDF: A4, one family of type, the same bytes for the same summary.

FiraGO (SIL Open Font License, from the wheel `pymupdf-fonts`) has Latin, Greek, Cyrillic, Arabic, Hebrew, Georgian,
Thai and Devanagari; HarfBuzz joins and orders the letters. Where the optional wheel `noto-cjk-sans-otc` is installed,
Noto Sans CJK has Chinese, Japanese and Korean. A character that no font has is shown by its number (`[U+5F20 U+4F1F]`)
and the page says so: a reader sees that something stands there, and the text version has it as it is.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import re
import tempfile
from bisect import bisect_left
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace, TTFFont

from activities.summary.model import Section, Summary, Table
from activities.summary.text import fitted

FAMILY = "FiraGO"
WIDE = "NotoSansCJK"
WIDE_PACKAGE = "noto_cjk_sans_otc"
WIDE_FILE = "NotoSansCJK-Regular.ttc"

MARGIN = 20.0
LABEL = 30.0
RTL_JOINER = re.compile("(?<=[\u0590-\u08ff])[\u200c\u200d]")
"""fpdf2 2.8.9 takes a joiner for left-to-right text and so swaps the parts of a Persian name round it. Without the
joiner the name stands in one run, spelled as it also often is; the text version keeps it."""
BODY, SMALL, HEADING, TITLE = 9.5, 8.0, 11.5, 20.0
LINE = 5.0
SHORT = 6
INK, PALE, RULE, ZEBRA, ALERT = (32, 38, 46), (104, 112, 122), (190, 197, 205), (244, 246, 248), (168, 32, 32)


def as_pdf(summary: Summary, *, compress: bool = True) -> bytes:
    """The summary as a PDF file. CPU work of some tenths of a second: call it in a thread."""
    with tempfile.TemporaryDirectory(prefix="continuum-pdf-") as folder:
        # Set twice: the foot of a page names the number of pages, which only the end tells.
        with closing(_Pages(summary, Path(folder))) as draft:
            draft.write_all()
        with closing(_Pages(summary, Path(folder), of=draft.pages_count)) as final:
            final.set_compression(compress)
            final.write_all()
            return bytes(final.output())


class _Pages(FPDF):
    """A4 with the clinic at the head of each page and the patient at its foot."""

    def __init__(self, summary: Summary, folder: Path, *, of: int = 1) -> None:
        super().__init__(format="A4", unit="mm")
        self.summary = summary
        self.of = of
        self.set_margins(MARGIN, 30, MARGIN)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=24)
        self.set_creation_date(summary.written_at)
        # The file leaves the house, and titles show in lists and previews: nothing of the patient in them.
        self.set_title(summary.title)
        self.set_author(summary.clinic)
        self.set_lang("en")
        self._add_fonts(folder)
        # Everything around the names is English: a line that begins with an Arabic name still runs left to right.
        self.set_text_shaping(use_shaping_engine=True, direction="ltr")
        self.numbered = False

    def _add_fonts(self, folder: Path) -> None:
        for style, module in (("", "FiraGO_Regular"), ("B", "FiraGO_Bold")):
            file = folder / f"{module}.ttf"
            file.write_bytes(_font(module))
            self.add_font(FAMILY, style, file)
        self.known = self._characters()
        # The wide font is large, and most summaries need nothing of it.
        lacking = any(ord(c) not in self.known for text in _texts(self.summary) for c in text)
        if lacking and (wide := _wide_font()) is not None:
            self.add_font(WIDE, "", wide)
            self.set_fallback_fonts([WIDE], exact_match=False)
            self.known = self._characters()

    def _characters(self) -> set[int]:
        return {code for font in self.fonts.values() if isinstance(font, TTFFont) for code in font.cmap}

    # --- parts of a page

    def header(self) -> None:
        """The clinic, what this is, and whether it counts."""
        self.set_xy(MARGIN, 13)
        self._set(SMALL, "B")
        width = self.epw * 0.6
        self._line(self._fitting(self.summary.clinic, width), width)
        self._set(SMALL, colour=PALE)
        right = self.summary.title
        if not self.summary.signed:
            self._set(SMALL, "B", ALERT)
            right = f"{right} · draft, not signed"
        self.set_xy(MARGIN + width, 13)
        self._line(right, self.epw - width, align="R")
        self._rule(19.5)
        self.set_xy(MARGIN, 30)

    def footer(self) -> None:
        """The patient, and which page this is."""
        top = self.h - 18
        self._rule(top)
        self._set(SMALL, colour=PALE)
        self.set_xy(MARGIN, top + 2)
        self._line(self._fitting(self.summary.patient, self.epw * 0.75), self.epw * 0.75)
        self.set_xy(MARGIN + self.epw * 0.75, top + 2)
        self._line(f"page {self.page_no()} of {self.of}", self.epw * 0.25, align="R")

    def write_all(self) -> None:
        """Every part, from the head of the first page to the signature."""
        self.add_page()
        self._head()
        for section in self.summary.sections:
            self._section(section)
        self._sign()

    def close(self) -> None:
        """Let go of the font files."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def _head(self) -> None:
        self._set(TITLE, "B")
        self._text(self.summary.title, 9)
        self.ln(3)
        for label, value in self.summary.about:
            self._set(BODY, colour=PALE)
            self.set_x(MARGIN)
            self.cell(LABEL, LINE + 0.6, self._shown(label))
            self._set(BODY, "B" if label == "Patient" else "")
            self._text(value, LINE + 0.6, x=MARGIN + LABEL)

    def _section(self, section: Section) -> None:
        # A heading never stands alone at the foot of a page, and a short table is not parted.
        rows = len(section.table.rows) if section.table else 0
        if self.will_page_break(24 + 7 * rows if rows <= SHORT else 40):
            self.add_page()
        else:
            self.ln(5)
        self._set(HEADING, "B")
        self._text(section.heading, 6)
        self._rule(self.get_y() + 0.6)
        self.ln(2.6)
        self._set(BODY)
        for paragraph in section.paragraphs:
            self._text(paragraph, LINE)
            self.ln(1)
        if section.table:
            self._table(section.table)
        for item in section.items:
            self.set_x(MARGIN)
            self.cell(4, LINE, "•")
            self._text(item, LINE, x=MARGIN + 4)
            self.ln(0.4)

    def _table(self, table: Table) -> None:
        self.ln(0.6)
        self._set(SMALL + 0.5)
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        with self.table(
            [[self._shown(cell) for cell in row] for row in (table.columns, *table.rows)],
            borders_layout="NONE",
            cell_fill_color=ZEBRA,
            cell_fill_mode="ROWS",
            col_widths=self._widths(table),
            headings_style=FontFace(emphasis="BOLD", color=PALE),
            line_height=4.4,
            padding=(1.1, 1.6, 1.1, 1.6),
            text_align="LEFT",
            v_align="TOP",
            width=self.epw,
        ):
            pass
        self._set(BODY)
        self.ln(1.8)

    def _widths(self, table: Table) -> tuple[float, ...]:
        """Columns as wide as their text, the widest giving way; none below its longest word."""
        columns = [[self._shown(cell) for cell in column] for column in zip(table.columns, *table.rows, strict=True)]
        room = self.epw
        with self.local_context():
            self.set_font(FAMILY, "B", SMALL + 0.5)
            wanted = [max(self.get_string_width(cell) for cell in column) + 4.2 for column in columns]
            least = [
                # Headings and dates stay in one line, and no word of usual length is broken.
                min(
                    room / 2, max(min(most, 24.0), *map(self.get_string_width, [head, *" ".join(column).split()])) + 4.2
                )
                for (head, *column), most in zip(columns, wanted, strict=True)
            ]
        widths = fitted(wanted, least, room)
        spare = max(0.0, room - sum(widths)) / len(widths)
        return tuple(width + spare for width in widths)

    def _sign(self) -> None:
        if self.will_page_break(24):
            self.add_page()
        else:
            self.ln(8)
        self._rule(self.get_y())
        self.ln(2.5)
        self._set(BODY, "B", INK if self.summary.signed else ALERT)
        self._text(self.summary.signature, LINE)
        if self.numbered:
            self._set(SMALL, colour=PALE)
            self._text(
                "[U+…] stands for characters that the fonts of this file do not have, by their Unicode numbers. "
                "The text version of this summary has them as they are written.",
                4.2,
            )

    # --- text

    def _set(self, size: float, style: str = "", colour: tuple[int, int, int] = INK) -> None:
        self.set_font(FAMILY, style, size)
        self.set_text_color(*colour)

    def _text(self, text: str, height: float, *, x: float = MARGIN) -> None:
        """A paragraph from `x` to the right margin; the next one begins below it."""
        self.set_x(x)
        self.multi_cell(self.w - MARGIN - x, height, self._shown(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _line(self, text: str, width: float, *, align: str = "L") -> None:
        self.cell(width, 4, self._shown(text), align=align)

    def _fitting(self, text: str, width: float) -> str:
        """So much of a text as one line holds."""

        def wide(letters: int) -> bool:
            return self.get_string_width(self._shown(text[:letters] + "…")) > width - 3

        if self.get_string_width(self._shown(text)) <= width - 3:
            return text
        return text[: max(0, bisect_left(range(len(text)), True, key=wide) - 1)].rstrip() + "…"

    def _rule(self, y: float) -> None:
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        self.line(MARGIN, y, self.w - MARGIN, y)

    def _shown(self, text: str) -> str:
        """The text with characters that no font has given by their numbers, and without joiners in Arabic letters."""
        text = RTL_JOINER.sub("", text)
        unknown = re.escape("".join(sorted({c for c in text if ord(c) not in self.known and not c.isspace()})))
        if not unknown:
            return text
        self.numbered = True
        return re.sub(f"[{unknown}]+", lambda m: f"[{' '.join(f'U+{ord(c):04X}' for c in m.group())}]", text)


@cache
def _font(module: str) -> bytes:
    """A font as the wheel has it: packed in a Python module."""
    buffer: Any = import_module(f"pymupdf_fonts.{module}").fontbuffer
    return bytes(buffer)


def _wide_font() -> Path | None:
    if importlib.util.find_spec(WIDE_PACKAGE) is None:
        return None
    file = importlib.resources.files(WIDE_PACKAGE) / WIDE_FILE
    return file if isinstance(file, Path) and file.is_file() else None


def _texts(summary: Summary) -> Iterable[str]:
    """Every text of the summary that may come from outside."""
    yield summary.clinic
    yield summary.signature
    for pair in summary.about:
        yield from pair
    for section in summary.sections:
        yield from (*section.paragraphs, *section.items)
        for row in section.table.rows if section.table else ():
            yield from row
