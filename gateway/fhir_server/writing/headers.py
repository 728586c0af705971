"""What the headers of a write say.

Sources: FHIR R4 http.html (https://hl7.org/fhir/R4/http.html: concurrency, conditional create, Prefer, content
types), RFC 9110 8.8.3 (entity tags), RFC 7240 (Prefer), and the httpapi working group's Idempotency-Key draft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import parse_qsl

from fastapi import Request

from gateway.answers import Problem

Prefer = Literal["minimal", "representation", "OperationOutcome"]

FHIR_JSON = "application/fhir+json"
TAKEN = frozenset({FHIR_JSON, "application/json", "application/json+fhir"})
LONGEST_KEY = 255
LONGEST_CRITERIA = 4_000

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_VERSION = re.compile(r'(?:W/)?"(\d{1,9})"')
_TRACE = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def sent(request: Request) -> Mapping[str, str]:
    """The headers of a request by their names, of several of one name the first. To look for one among them takes
    Starlette as long as to go through them all, and a write asks for seven."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(request.scope["headers"])}


def media_type(header: str | None) -> str:
    """The media type of the body. Raises Problem (415): JSON in UTF-8 is what we read."""
    name, _, parameters = (header or "").partition(";")
    name = name.strip().lower()
    charsets = [p.partition("=")[2].strip(' "').lower() for p in parameters.split(";") if "charset" in p.lower()]
    if name in TAKEN and all(charset in ("utf-8", "utf8") for charset in charsets):
        return name
    raise Problem(415, "not-supported", f"the body has to be {FHIR_JSON} in UTF-8", headers={"Accept": FHIR_JSON})


def idempotency_key(header: str | None) -> str | None:
    """The key of this delivery; a structured string's quotes are not part of it."""
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if _KEY.fullmatch(key) is None:
        raise Problem(400, "value", f"Idempotency-Key takes 1 to {LONGEST_KEY} printable ASCII characters, no spaces")
    return key


def if_none_exist(header: str | None) -> str | None:
    """The identifier of a conditional create, `system|value`."""
    if header is None:
        return None
    match parse_qsl(header[:LONGEST_CRITERIA].strip().lstrip("?"), keep_blank_values=True):
        case [("identifier", wanted)] if len(header) <= LONGEST_CRITERIA:
            system, bar, value = wanted.strip().partition("|")
            if bar and system and value:
                return f"{system}|{value}"
    raise Problem(400, "not-supported", "If-None-Exist takes one criterion here: identifier=SYSTEM|VALUE")


def if_match(header: str | None) -> int:
    """The version that the caller had in front of them. Raises Problem (428, 412)."""
    if header is None:
        raise Problem(428, "required", 'an update needs If-Match: W/"VERSION", the ETag of what was read')
    found = _VERSION.fullmatch(header.strip())
    if found is None:
        raise Problem(412, "conflict", 'If-Match takes one version as ETag gave it: W/"1"')
    return int(found[1])


def prefer(header: str | None) -> Prefer:
    """What is to be in the answer: the resource, unless the caller wants less."""
    for preference in (header or "").replace(";", ",").split(","):
        name, _, value = preference.partition("=")
        for known in get_args(Prefer):
            if name.strip().lower() == "return" and value.strip(' "').lower() == known.lower():
                wanted: Prefer = known
                return wanted
    return "representation"


def mirrored(header: str | None) -> str | None:
    """An id that the caller follows its requests by, as far as it looks like one."""
    return header if header is not None and _TRACE.fullmatch(header) else None


def etag(version: int) -> str:
    """A version as an entity tag; weak, as FHIR wants it."""
    return f'W/"{version}"'
