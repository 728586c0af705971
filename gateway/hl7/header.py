"""MSH as far as it can be read, also of a message that cannot: whoever is refused has to know which message it was.

The values are as they were sent, byte for byte, in latin-1; an answer repeats them that way, whatever set they are in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.hl7.charsets import without_bom
from gateway.hl7.delimiters import STANDARD, Delimiters
from gateway.hl7.reading import delimiters_of
from gateway.hl7.refusal import Hl7Error

LONGEST = 8_192
"""Bytes of an MSH that are looked at."""
LONGEST_NAME = 227
"""Characters of an application's or a facility's name (HD, HL7 v2.5.1)."""
LONGEST_KEY = 199
"""Characters of MSH-10 (HL7 v2.7; 20 before)."""
_LINE = re.compile(rb"[\r\n]")
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")
_VERSION = re.compile(r"2\.(\d)(?:\.\d)?")


@dataclass(frozen=True, slots=True)
class Header:
    """MSH by the numbers of its fields; `fields[10]` is MSH-10. Empty where there is none."""

    by: Delimiters = STANDARD
    fields: tuple[str, ...] = ()

    def raw(self, field: int) -> str:
        """A field as it was sent, without control characters."""
        return _UNFIT.sub("", self.fields[field]) if field < len(self.fields) else ""

    def part(self, field: int, component: int = 1) -> str:
        """One component of a field's first repetition, still escaped."""
        first = self.raw(field).split(self.by.repetition, 1)[0] if self.by.repetition else self.raw(field)
        parts = first.split(self.by.component)
        return parts[component - 1].strip() if component <= len(parts) else ""

    @property
    def kind(self) -> str:
        """`REF`."""
        return self.part(9, 1).upper()

    @property
    def event(self) -> str:
        """`I12`."""
        return self.part(9, 2).upper()

    @property
    def name(self) -> str:
        """`REF^I12`, for the record; only what looks like a message type, since it is shown to people."""
        parts = [p for p in (self.kind, self.event) if re.fullmatch(r"[A-Z0-9]{2,7}", p)]
        return "^".join(parts) or "unknown"

    @property
    def control_id(self) -> str:
        """MSH-10: what the answer's MSA-2 repeats."""
        return self.raw(10)[:LONGEST_KEY]

    @property
    def minor(self) -> int | None:
        """5 of version 2.5.1; None where MSH-12 names no version 2 that exists."""
        match = _VERSION.fullmatch(self.part(12))
        return int(match[1]) if match and match[1] != "0" else None

    @property
    def sender(self) -> str:
        """`application|facility`: the namespace of MSH-3 and MSH-4, else their universal id."""
        return "|".join((self.part(n) or self.part(n, 2))[:LONGEST_NAME].replace("|", "") for n in (3, 4))

    @property
    def enhanced(self) -> bool:
        """Whether the sender says which acknowledgements it wants (HL7 v2.5.1, 2.9.3)."""
        return bool(self.part(15) or self.part(16))


def header_of(raw: bytes) -> Header:
    """The header of whatever came; an empty one of what is no message."""
    bare = without_bom(raw[: LONGEST + 3])
    try:
        by = delimiters_of(bare)
    except Hl7Error:
        if bare[:3] != b"MSH" or bare[3:4] != b"|":
            return Header()
        by = STANDARD
    line = _LINE.split(bare, maxsplit=1)[0][:LONGEST].decode("latin-1")
    name, *rest = line.split(by.field, 30)
    return Header(by, (name, by.field, *rest))
