"""What an answer repeats of the message it answers: segments as they were sent, found without reading them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gateway.hl7.charsets import without_bom
from gateway.hl7.header import Header, header_of
from gateway.hl7.writing import Value, Wire

MAX_REPEATED = 100
"""Segments of one kind that an answer repeats."""
_LINES = re.compile(r"[\r\n]+")


@dataclass(frozen=True)
class Original:
    """A message by its wire. Text is latin-1, so that every byte survives."""

    raw: bytes

    @cached_property
    def header(self) -> Header:
        """Its MSH."""
        return header_of(self.raw)

    @cached_property
    def _segments(self) -> list[list[str]]:
        lines = _LINES.split(without_bom(self.raw).decode("latin-1"))
        return [line.split(self.header.by.field) for line in lines if line]

    def all(self, *names: str) -> Iterator[str]:
        """Segments of these names, unchanged."""
        found = (fields for fields in self._segments if fields[0] in names)
        return (self.header.by.field.join(fields) for fields, _ in zip(found, range(MAX_REPEATED), strict=False))

    def first(self, name: str) -> list[Value]:
        """The fields of the first segment of that name, from field 1 on; none where there is no such segment."""
        found = next((fields for fields in self._segments if fields[0] == name), [name])
        return [Wire(field) for field in found[1:]]


def put(fields: list[Value], number: int, value: Value) -> list[Value]:
    """The fields with one of them replaced, as long as that takes."""
    longer = [*fields, *([None] * (number - len(fields)))]
    longer[number - 1] = value
    return longer
