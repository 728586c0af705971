"""What a sender is told when a message is not fit: a code of HL7 table 0357, the place, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Code = Literal["100", "101", "102", "103", "200", "201", "202", "203", "204", "205", "206", "207"]

WORDS: dict[str, str] = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""HL7 table 0357, message error condition codes."""

REJECTS = frozenset({"200", "201", "202", "203"})
"""Reasons for a reject (AR, CR) rather than an error (AE, CE): what MSH says is not for us (HL7 v2.5.1, 2.9.2)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message, as ERR-2 (ERL) writes it: segment, its how-many-eth, field, repetition, component."""

    segment: str
    sequence: int = 1
    field: int | None = None
    repetition: int | None = None
    component: int | None = None

    def __str__(self) -> str:
        parts = (self.segment, self.sequence, self.field, self.repetition, self.component)
        return "^".join("" if part is None else str(part) for part in parts).rstrip("^")


MSH = Place("MSH")


class Hl7Error(Exception):
    """A message that we cannot take. The only exception that reading one raises.

    Code, reason and place are our own words and the standard's names; nothing of the message is in them.
    """

    def __init__(self, code: Code, reason: str, place: Place = MSH) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.place = place
