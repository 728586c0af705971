"""Several messages in one frame or file: batches (FHS, BHS ... BTS, FTS), and messages that simply follow each other.

Source: HL7 v2.5.1, 2.10.3 (batch protocol). Cut at the bytes, since each message names its own character set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.hl7.answering import US, control_id
from gateway.hl7.charsets import without_bom
from gateway.hl7.delimiters import STANDARD
from gateway.hl7.header import Header
from gateway.hl7.refusal import Hl7Error, Place
from gateway.hl7.times import written
from gateway.hl7.writing import Wire, Writer

MAX_MESSAGES = 1_000
_LIMITS = re.compile(rb"(?:\A|(?<=[\r\n]))(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\r\n])")


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of one frame; `head` is the batch's header, where there is one."""

    messages: tuple[bytes, ...]
    head: bytes | None = None


def messages_in(raw: bytes) -> Batch:
    """The messages of a frame: one, as a rule. Raises Hl7Error: too many."""
    bare = without_bom(raw)
    parts = [part for part in _LIMITS.split(bare) if part.strip()]
    if len(parts) <= 1 or not bare.lstrip().startswith((b"MSH", b"FHS", b"BHS")):
        return Batch((raw,))
    messages = tuple(part for part in parts if part.startswith(b"MSH"))
    if len(messages) > MAX_MESSAGES:
        raise Hl7Error("100", f"a batch has at most {MAX_MESSAGES} messages", Place("BHS"))
    heads = [part for part in parts if part.startswith((b"BHS", b"FHS"))]
    return Batch(messages, heads[-1] if heads else None)


def batch_answer(head: bytes, answers: Sequence[bytes], now: datetime) -> bytes:
    """The answers to a batch as a batch: BHS-12 names the batch that is answered."""
    line = re.split(rb"[\r\n]", head, maxsplit=1)[0].decode("latin-1")
    separator = line[3:4]
    theirs = Header(STANDARD, (line[:3], separator, *line.split(separator)[1:]))
    write = Writer(STANDARD)
    names = [Wire(theirs.raw(n)) if separator == STANDARD.field else None for n in (3, 4, 11)]
    begin = write.segment(
        "BHS", Wire(STANDARD.encoding), US, None, *names[:2], written(now), None, None, None, control_id(), names[2]
    )
    end = write.segment("BTS", str(len(answers)))
    return b"".join((f"{begin}\r".encode("latin-1"), *answers, f"{end}\r".encode("latin-1")))
