"""How wide a text is, and where its lines break.

Widths are those of DejaVu Sans, the widest of the usual sans-serif fonts, in hundredths of the font size: a text that
fits there fits in Arial, Helvetica, Liberation Sans, Noto Sans and Segoe UI too.
"""

from __future__ import annotations

FONTS = "'Liberation Sans', Arial, Helvetica, 'Noto Sans', 'Segoe UI', 'DejaVu Sans', sans-serif"

_REGULAR = (
    *(32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34),
    *(84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99),
    *(69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52),
    *(39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84),
)
_BOLD = (
    *(35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40),
    *(84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100, 84, 85, 73, 85, 77, 72, 68, 81, 77),
    *(110, 77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69, 72, 72, 49),
    *(60, 48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84),
)
_FIRST = ord(" ")
_OTHER = 100
"""A letter that is not in the table is taken as wide as the font is high; Latin, Greek and Arabic letters are less."""


def width(text: str, size: float, *, bold: bool = False) -> float:
    """The most that this text takes up, in the units of `size`."""
    table = _BOLD if bold else _REGULAR
    places = (ord(letter) - _FIRST for letter in text)
    return sum(table[n] if 0 <= n < len(table) else _OTHER for n in places) * size / 100


def wrap(text: str, room: float, size: float, *, bold: bool = False) -> list[str]:
    """The text in lines that fit the room; a word that is too long for a line is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold=bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        *full, line = _cut(word, room, size, bold=bold)
        lines += full
    return [*lines, line] if line else lines


def _cut(word: str, room: float, size: float, *, bold: bool) -> list[str]:
    pieces, piece = [], ""
    for letter in word:
        if piece and width(piece + letter, size, bold=bold) > room:
            pieces.append(piece)
            piece = ""
        piece += letter
    return [*pieces, piece]
