"""From bytes to text, by what MSH-18 says. Nothing is guessed: a name read wrongly is another name.

Source: HL7 table 0211 (alternate character sets); HL7 v2.5.1, 2.15.9.18: without MSH-18 a message is ASCII. Many
systems leave MSH-18 empty and send UTF-8. Text of another set is valid UTF-8 only by a rare accident, so that is taken
as what it is.
"""

from __future__ import annotations

from gateway.hl7.refusal import Hl7Error, Place

CHARSET = Place("MSH", 1, 18)

_CODECS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "BIG-5": "big5",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    **{f"8859/{n}": f"iso8859-{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
}
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_ESC = 0x1B


def without_bom(raw: bytes) -> bytes:
    """The message without the mark that some editors and exports put before UTF-8."""
    return raw.removeprefix(_BOM)


def refuse_wide(raw: bytes) -> None:
    """UTF-16 and UTF-32 have the bytes that frame a message inside their letters. Raises Hl7Error."""
    if raw.startswith(_WIDE_BOMS) or raw[:1] == b"\0" or raw[1:2] == b"\0":
        raise Hl7Error("102", "UTF-16 and UTF-32 cannot be framed by MLLP; UNICODE UTF-8 is wanted", CHARSET)


def decode(raw: bytes, named: str) -> tuple[str, str]:
    """The text, and the codec it was read with. Raises Hl7Error.

    A set that we do not know is no obstacle to a message of ASCII alone, which all of them share, unless it switches
    sets by escape sequences (ISO 2022).
    """
    if b"\0" in raw:
        raise Hl7Error("102", "the message holds the byte 0x00, which no text may")
    codec = _CODECS.get(named.strip().upper())
    if raw.startswith(_BOM):
        raw, codec = raw[len(_BOM) :], "utf-8"
    if codec is None:
        if raw.isascii() and _ESC not in raw:
            return raw.decode("ascii"), "ascii"
        raise Hl7Error("103", "this character set is not supported; UNICODE UTF-8 or 8859/n is wanted", CHARSET)
    try:
        return raw.decode(codec), codec
    except UnicodeDecodeError:
        reason = (
            "the message holds bytes that its character set does not have"
            if named.strip()
            else "MSH-18 names no character set, and the bytes are no UTF-8: name the set"
        )
        raise Hl7Error("102", reason, CHARSET) from None
