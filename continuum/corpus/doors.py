"""Which front door a file is for, by looking at it: a sender knows what it sends, a folder of samples does not say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

START, END = b"\x0b", b"\x1c\r"
_HL7 = re.compile(rb"[\x0b\s]*(?:\xef\xbb\xbf)?[\x0b\s]*(?:MSH|FHS|BHS)[^A-Za-z0-9\s]")
_JSON = re.compile(rb"\{|\[\s*(?:[\[\]{\"0-9]|$)")
_TYPE = re.compile(rb'"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_WIDE = ("utf-16-le", "utf-16-be")


@dataclass(frozen=True, slots=True)
class Door:
    """Where a file is brought to, and how it is called there."""

    protocol: Literal["fhir", "hl7v2"]
    path: str = ""
    media_type: str = ""


MLLP = Door("hl7v2")


def door_of(raw: bytes) -> Door:
    """FHIR by the type of its resource; HL7 v2, and whatever looks like nothing at all, by MLLP."""
    if _HL7.match(raw) or any(_HL7.match(_narrow(raw, wide)) for wide in _WIDE):
        return MLLP
    text = raw.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"<"):
        return Door("fhir", "/fhir", "application/fhir+xml")
    return Door("fhir", _path(raw), "application/fhir+json") if _JSON.match(text) else MLLP


def _path(raw: bytes) -> str:
    """As a client posts it: a resource to its type, a message to be processed, any other Bundle to the base."""
    try:
        node = json.loads(raw)
    except (ValueError, RecursionError):
        found = _TYPE.search(raw)
        return f"/fhir/{found[1].decode()}" if found else "/fhir"
    kind = node.get("resourceType") if isinstance(node, dict) else None
    if kind == "Bundle":
        return "/fhir/$process-message" if node.get("type") == "message" else "/fhir"
    return f"/fhir/{kind}" if isinstance(kind, str) and kind.isalpha() else "/fhir"


def _narrow(raw: bytes, encoding: str) -> bytes:
    """The first characters of what may be UTF-16, as ASCII."""
    if b"\x00" not in raw[:8]:
        return b""
    return raw[:64].decode(encoding, "ignore").lstrip("\ufeff").encode("ascii", "replace")
