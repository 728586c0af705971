"""Segments, fields, repetitions, components, subcomponents: a message as HL7 v2 writes it, not what it means.

Linear in the size of the message: it is cut into segments and fields once, all caps are held against it there, and a
field is cut further only when somebody asks for it. Numbers are those of the standard: PID-3.4.2 of the first
repetition is `segment.text(3, 4, 2)`.

Source: HL7 v2.5.1, 2.5 to 2.7 and 2.8 (what a receiver does with what it does not expect: ignore it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from gateway.hl7.charsets import decode, refuse_wide, without_bom
from gateway.hl7.delimiters import Delimiters
from gateway.hl7.escapes import unescape
from gateway.hl7.refusal import MSH, Hl7Error, Place

MAX_MESSAGE = 1_000_000
"""Bytes."""
MAX_SEGMENTS = 2_000
MAX_FIELDS = 400
"""Of one segment; the longest of the standard has a hundred or so."""
MAX_FIELD = 64_000
"""Characters of one field. The longest data type of the standard, FT, has 65,536 with its escapes."""
MAX_REPETITIONS = 200

NULL = '""'
"""HL7 for "there is none": deletes a value, where an empty field says nothing of it."""

_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_LETTERS = re.compile(r"[A-Za-z0-9\s]")


@dataclass(frozen=True)
class Segment:
    """One segment. `fields[n]` is field n as it was sent, `fields[0]` the segment's name."""

    fields: tuple[str, ...]
    sequence: int
    """The how-many-eth of its name in the message, from 1."""
    by: Delimiters
    codec: str
    _cut: dict[int, list[str]] = field(default_factory=dict, repr=False, compare=False)
    """Fields that somebody asked for, cut into their repetitions."""

    @property
    def name(self) -> str:
        """`PID`."""
        return self.fields[0]

    def at(self, field: int | None = None, repetition: int | None = None, component: int | None = None) -> Place:
        """A place in this segment, for a refusal."""
        return Place(self.name, self.sequence, field, repetition, component)

    def raw(self, field: int) -> str:
        """A field as it was sent; empty where there is none."""
        return self.fields[field] if field < len(self.fields) else ""

    def count(self, field: int) -> int:
        """How many repetitions a field has. Raises Hl7Error: too many."""
        repetitions = self._repetitions(field)
        return 0 if repetitions in ([""], [NULL]) else len(repetitions)

    def text(self, field: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 0) -> str:
        """A value, unescaped and without blanks around it; empty where there is none. Raises Hl7Error."""
        repetitions = self._repetitions(field)
        if repetition >= len(repetitions):
            return ""
        raw = _part(repetitions[repetition], self.by.component, component - 1)
        raw = _part(raw, self.by.subcomponent, subcomponent - 1).strip()
        if not raw or raw == NULL:
            return ""
        if self.by.escape and self.by.escape in raw:
            return unescape(raw, self.by, self.codec, self.at(field)).strip()
        return raw

    def texts(self, field: int, component: int = 1) -> Iterator[str]:
        """The values of a component in every repetition, empty ones too."""
        return (self.text(field, component, repetition=n) for n in range(self.count(field)))

    def whole(self, field: int) -> str:
        """All of a field as one text: for texts (TX, FT, ST), which have no components however many ^ are in them."""
        raw = self.raw(field)
        if raw == NULL:
            return ""
        lines = raw.split(self.by.repetition) if self.by.repetition else [raw]
        return "\n".join(unescape(line, self.by, self.codec, self.at(field)).strip() for line in lines).strip()

    def _repetitions(self, field: int) -> list[str]:
        """Raises Hl7Error: too many."""
        cut = self._cut.get(field)
        if cut is None:
            raw = self.raw(field)
            cut = raw.split(self.by.repetition, MAX_REPETITIONS) if self.by.repetition else [raw]
            if len(cut) > MAX_REPETITIONS:
                raise Hl7Error("102", f"a field has more than {MAX_REPETITIONS} repetitions", self.at(field))
            self._cut[field] = cut
        return cut


def _part(raw: str, delimiter: str, index: int) -> str:
    """The part of that index. Splits no further than it has to."""
    if not delimiter or delimiter not in raw:
        return raw if index == 0 else ""
    parts = raw.split(delimiter, index + 1)
    return parts[index] if index < len(parts) else ""


@dataclass(frozen=True)
class Message:
    """A message, cut into segments."""

    segments: tuple[Segment, ...]
    by: Delimiters
    codec: str

    @cached_property
    def msh(self) -> Segment:
        """The header."""
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """The first segment of that name."""
        return next(self.all(name), None)

    def all(self, *names: str) -> Iterator[Segment]:
        """Every segment of these names, in order."""
        return (segment for segment in self.segments if segment.name in names)

    def groups(self, name: str) -> list[Message]:
        """The message in parts, each from one segment of that name to before the next."""
        starts = [n for n, segment in enumerate(self.segments) if segment.name == name]
        ends = [*starts[1:], len(self.segments)]
        return [Message(self.segments[a:b], self.by, self.codec) for a, b in zip(starts, ends, strict=False)]


def read(raw: bytes) -> Message:
    """Cut a message into its segments. Raises Hl7Error, and nothing else."""
    if len(raw) > MAX_MESSAGE:
        raise Hl7Error("102", f"a message has at most {MAX_MESSAGE} bytes")
    refuse_wide(raw)
    bare = without_bom(raw)
    by = delimiters_of(bare)
    text, codec = decode(raw, charset_named(bare, by))
    lines = _lines(text.strip("\r\n"), by)
    if len(lines) > MAX_SEGMENTS:
        raise Hl7Error("100", f"a message has at most {MAX_SEGMENTS} segments")
    seen: dict[str, int] = {}
    segments: list[Segment] = []
    for line in lines:
        segments.append(_segment(line, by, codec, seen, after=segments[-1].at() if segments else MSH))
    return Message(tuple(segments), by, codec)


def delimiters_of(raw: bytes) -> Delimiters:
    """MSH-1 and MSH-2 of a message without its BOM. Raises Hl7Error."""
    if not raw.startswith(b"MSH"):
        raise Hl7Error("100", "a message begins with the segment MSH")
    head = raw[3:20].decode("latin-1")
    field = head[:1]
    if not _may_delimit(field):
        raise Hl7Error("102", "MSH-1 is one character that separates fields, | as a rule", Place("MSH", 1, 1))
    encoding = re.split(r"[\r\n]", head[1:], maxsplit=1)[0].partition(field)[0]
    place = Place("MSH", 1, 2)
    if not encoding:
        raise Hl7Error("101", r"MSH-2 names the encoding characters, ^~\& as a rule", place)
    # A fifth character is that of truncation (v2.7); we never truncate, and never see that somebody did.
    if len(encoding) > 5 or len(set(encoding)) < len(encoding) or not all(map(_may_delimit, encoding)):
        raise Hl7Error("102", r"MSH-2 holds up to five different signs, ^~\& as a rule", place)
    return Delimiters(field, *(encoding[n : n + 1] for n in range(4)))


def charset_named(raw: bytes, by: Delimiters) -> str:
    """The first repetition of MSH-18, as far as it can be read before it is known."""
    header = re.split(rb"[\r\n]", raw[:8_192], maxsplit=1)[0].decode("latin-1").split(by.field, 18)
    named = header[17] if len(header) > 17 else ""
    return named.split(by.repetition, 1)[0] if by.repetition else named


def _may_delimit(sign: str) -> bool:
    return len(sign) == 1 and sign.isascii() and sign.isprintable() and not _LETTERS.match(sign) and sign != '"'


def _lines(text: str, by: Delimiters) -> list[str]:
    """One line each segment: CR as the standard has it, LF or CRLF as files do.

    In a message of CRs, an LF that begins no segment is a line break that belongs to the text before it.
    """
    text = text.replace("\r\n", "\r")
    if "\r" in text and "\n" in text:
        in_text = f"{by.escape}.br{by.escape}" if by.escape else " "
        text = re.sub(rf"\n(?![A-Z][A-Z0-9]{{2}}{re.escape(by.field)})", lambda _: in_text, text)
    return [line for line in text.replace("\n", "\r").split("\r") if line.strip()]


def _segment(line: str, by: Delimiters, codec: str, seen: dict[str, int], *, after: Place) -> Segment:
    name, separator, rest = line.lstrip().partition(by.field)
    name = name.strip()
    if not _NAME.fullmatch(name):
        reason = "the line after this segment begins with no segment's name (three capital letters or digits)"
        raise Hl7Error("100", reason, after)
    if name == "MSH" and seen:
        raise Hl7Error("100", "a second message begins after this segment; send one a frame, or a batch", after)
    sequence = seen[name] = seen.get(name, 0) + 1
    place = Place(name, sequence)
    if rest.count(by.field) >= MAX_FIELDS:
        raise Hl7Error("102", f"a segment has at most {MAX_FIELDS} fields", place)
    fields = rest.split(by.field) if separator else []
    if max(map(len, fields), default=0) > MAX_FIELD:
        raise Hl7Error("102", f"a field has at most {MAX_FIELD} characters", place)
    head = (name, by.field) if name == "MSH" else (name,)
    return Segment((*head, *fields), sequence, by, codec)
