"""Segments as they go over the wire, in the delimiters of whoever is answered.

Fields come in two kinds: what we say is text and is escaped; what repeats a message is wire and stays as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.hl7.delimiters import Delimiters
from gateway.hl7.escapes import escape


@dataclass(frozen=True, slots=True)
class Wire:
    """A field that is in its delimiters already."""

    text: str


Value = str | Wire | None


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes segments with these delimiters."""

    by: Delimiters

    def segment(self, name: str, *fields: Value) -> str:
        """One segment; empty fields at its end are left out."""
        written = [self._field(field) for field in fields]
        while written and not written[-1]:
            written.pop()
        return self.by.field.join((name, *written))

    def header(self, *fields: Value) -> str:
        """MSH from MSH-3 on."""
        return self.segment("MSH", Wire(self.by.encoding), *fields)

    def components(self, *values: Value) -> Wire:
        """Components of one field; empty ones at the end are left out."""
        written = [self._field(value) for value in values]
        while written and not written[-1]:
            written.pop()
        return Wire(self.by.component.join(written))

    def _field(self, value: Value) -> str:
        return value.text if isinstance(value, Wire) else escape(value or "", self.by)


def message(segments: Iterable[str]) -> bytes:
    """A whole message: each segment ends with CR. What was repeated goes out byte for byte as it came in."""
    return "".join(f"{segment}\r" for segment in segments).encode("latin-1", "replace")
