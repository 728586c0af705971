"""Bytes to a JSON object, strictly and with bounds.

Python's `json` takes NaN, 1e400, duplicate keys, NUL and lone surrogates, and PostgreSQL later refuses some
of them with the data in its log. They are refused here instead, by name and place, without a word of data.

Sources: RFC 8259 (UTF-8, 8.1; unique names, 4; numbers, 6), FHIR R4 JSON (https://hl7.org/fhir/R4/json.html:
no duplicate properties) and R4 `string` (https://hl7.org/fhir/R4/datatypes.html#string: no U+0000).
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, NoReturn

from gateway.fhir.refusal import RefusedError

MAX_BYTES = 5_000_000
"""Ten times the largest real message seen; a document belongs in a Binary, not in the order."""

MAX_DEPTH = 64
"""Real messages nest about 20 deep."""

MAX_VALUES = 250_000
"""Bounds memory: five million bytes of `{},` would cost over a hundred million."""

_QUOTES_PER_VALUE = 4
_MAX_NUMBER = 400
_UTF8_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_DEEPER = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[],"))

# Possessive, and the closing quote optional, so that an unterminated string costs one pass and no memory.
_STRINGS = re.compile(rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"?[^"\[\]{},]*+)++', re.DOTALL)
_STRING_OR_END = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(})', re.DOTALL)
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))|.)",
    re.DOTALL,
)


def decode_object(raw: bytes, *, times: int = 1) -> dict[str, Any]:
    """The JSON object in these bytes, or `RefusedError`. `times`: so many times as large as a message may be.

    A leading UTF-8 byte order mark is skipped: RFC 8259 8.1 forbids sending one and allows ignoring it, and
    .NET senders do send it.
    """
    if len(raw) > times * MAX_BYTES:
        raise RefusedError("too-long", f"the message is larger than {times * MAX_BYTES} bytes")
    if raw.startswith(_UTF8_BOM):
        raw = b" " * len(_UTF8_BOM) + raw[len(_UTF8_BOM) :]  # places in the text stay what they are
    text = _text(raw)
    if not text.strip():
        raise RefusedError("invalid", "the message is empty; send a FHIR R4 resource as JSON", "byte 0")
    _bounded(raw, times * MAX_VALUES)
    _storable(text)
    node = _parsed(text)
    if not isinstance(node, dict):
        raise RefusedError("structure", "the message is not a JSON object; a FHIR resource is one")
    return node


def _text(raw: bytes) -> str:
    if raw.startswith(_OTHER_BOMS):
        raise RefusedError("invalid", "the message is UTF-16 or UTF-32; JSON is sent as UTF-8", "byte 0")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
    raise RefusedError("invalid", "the message is not valid UTF-8", place)


def _bounded(raw: bytes, most: int) -> None:
    """Depth and number of values, counted before anything is built from them."""
    if len(raw) <= most and raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return  # too few bytes and brackets, wherever they stand
    too_many = RefusedError("too-costly", f"the message holds more than {most} values")
    if raw.count(b'"') - raw.count(b'\\"') > _QUOTES_PER_VALUE * most:
        raise too_many
    structure = _STRINGS.sub(b"", raw).translate(_DEEPER).translate(None, _NOT_STRUCTURE)
    if structure.count(b",") + structure.count(b"[") > most:
        raise too_many
    brackets = structure.replace(b",", b"")
    for _ in range(MAX_DEPTH):
        if b"[]" not in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH:
        raise RefusedError("too-costly", f"the message is nested deeper than {MAX_DEPTH} levels")


def _storable(text: str) -> None:
    """Escapes that spell text no database can store: U+0000 and half of a surrogate pair."""
    if _SUSPECT_ESCAPE.search(text) is None:
        return
    for escape in _ESCAPE.finditer(text):
        if escape.group(1) is not None:
            what = "U+0000" if escape.group(1) == "u0000" else "a lone surrogate"
            raise RefusedError("value", f"a string holds {what}, which is not text", _at(text, escape.start()))


class _Twice(Exception):  # noqa: N818
    """An object has a name twice."""


def _parsed(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        place = _at(text, error.pos)
    except _Twice:
        reason = "an object has the same name twice; which value is meant cannot be told"
        raise RefusedError("structure", reason, _end_of_object(text, _object_with_a_name_twice(text))) from None
    why = "it ends before it is complete" if end else "see RFC 8259"
    raise RefusedError("invalid", f"the message is not well-formed JSON: {why}", place)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    node = dict(pairs)
    if len(node) != len(pairs):
        raise _Twice
    return node


def _object_with_a_name_twice(text: str) -> int:
    """Which one it is, in the order in which they are closed: of all messages but these nobody has to count."""
    closed: list[None] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        closed.append(None)
        return _unique(pairs)

    with suppress(_Twice):
        json.loads(text, object_pairs_hook=unique)
    return len(closed)


def _not_a_number(_name: str) -> NoReturn:
    raise RefusedError("value", "NaN and Infinity are not JSON numbers")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise RefusedError("value", "a number is too large to be stored")
    return number


def _whole(literal: str) -> int:
    if len(literal) > _MAX_NUMBER:
        raise RefusedError("value", "a number is too large to be stored")
    return int(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_not_a_number, parse_float=_finite, parse_int=_whole
)


def _end_of_object(text: str, nth: int) -> str:
    """Objects are closed in the order of their closing braces, so the nth one built ends at the nth brace."""
    ends = (token.start() for token in _STRING_OR_END.finditer(text) if token.group(1))
    return _at(text, next(start for seen, start in enumerate(ends, 1) if seen == nth))


def _at(text: str, position: int) -> str:
    return f"byte {len(text[:position].encode())}"
