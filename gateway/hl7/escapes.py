r"""Escape sequences of HL7 text: `\F\` and its like for the delimiters, `\Xhh..\` for bytes, `\.br\` for a new line.

Source: HL7 v2.5.1, 2.7. A sequence that nobody knows is left as it stands: in practice it is a backslash that the
sender did not escape (a path, a ratio), and dropping it would drop words.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.hl7.delimiters import Delimiters
from gateway.hl7.refusal import Hl7Error, Place

LONGEST = 80
"""Characters between the two escapes; real ones have a few."""
_HEX = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
_SPACES = re.compile(r"\.(?:sp|sk)\+?(\d{0,2})")
_LAYOUT = re.compile(r"[HN]|\.(?:in|ti|fi|nf|ce)[+-]?\d*")


@lru_cache(maxsize=64)
def _sequences(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(f"{e}([^{e}\r\n]{{1,{LONGEST}}}){e}")


def unescape(text: str, by: Delimiters, codec: str, place: Place) -> str:
    """The text that was meant. Raises Hl7Error for bytes that are no text."""
    if not by.escape or by.escape not in text:
        return text
    known = {"F": by.field, "S": by.component, "R": by.repetition, "E": by.escape, "T": by.subcomponent or "&"}

    def meant(match: re.Match[str]) -> str:
        said = match[1]
        if said in known:
            return known[said]
        if _HEX.fullmatch(said):
            return _text(bytes.fromhex(said[1:]), codec, place)
        if said == ".br":
            return "\n"
        spaces = _SPACES.fullmatch(said)
        if spaces is not None:
            return ("\n" if said[2] == "p" else " ") * int(spaces[1] or 1)
        return "" if _LAYOUT.fullmatch(said) else match[0]

    return _sequences(by.escape).sub(meant, text)


def _text(said: bytes, codec: str, place: Place) -> str:
    try:
        text = said.decode(codec)
    except UnicodeDecodeError:
        raise Hl7Error("102", "an escape sequence holds bytes that the character set does not have", place) from None
    if "\0" in text:
        raise Hl7Error("102", "an escape sequence holds the byte 0x00, which no text may", place)
    return text


def escape(text: str, by: Delimiters) -> str:
    """Text as it stands in a field; a delimiter in it is a blank for whoever has no escapes."""
    named = {by.escape: "E", by.field: "F", by.component: "S", by.repetition: "R", by.subcomponent: "T"}
    if not by.escape:
        return "".join(" " if c in named or not c.isprintable() else c for c in text)
    written = "".join(f"{by.escape}{named[c]}{by.escape}" if c in named else c for c in text)
    return f"{by.escape}.br{by.escape}".join(written.splitlines())
