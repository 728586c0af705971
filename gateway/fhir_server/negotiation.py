"""What form an answer has: FHIR JSON, and the caller's conditions on it.

Source: https://hl7.org/fhir/R4/http.html, content types, `_format`, ETag and conditional read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any

from fastapi import Request, Response

from gateway.answers import FHIR_JSON, Problem
from gateway.fhir_server.elements import Resource, Row

JSON_FORMATS = ("json", "application/json", "application/fhir+json", "text/json")
ACCEPTED = ("application/fhir+json", "application/json", "text/json", "application/*", "*/*")
VERSIONS = ("4.0", "4.0.1", "4.0.0")
FORMAT = ("_format", "_pretty")
PRIVATE = {"Cache-Control": "private, no-cache"}
NEVER_KEPT = {"Cache-Control": "no-store"}


def check_acceptable(request: Request, *more: str) -> None:
    """Raises Problem 406 where the caller wants anything but JSON of FHIR R4 (or one of the other types)."""
    wanted = request.query_params.get("_format") if request.scope["query_string"] else None
    if wanted is not None:
        # A plus that nobody escaped arrives as a space.
        if wanted.split(";")[0].strip().replace(" ", "+").lower() not in JSON_FORMATS:
            raise _not_acceptable()
        return
    accept = request.headers.get("accept")
    if accept is not None and not any(_is_ours(part, (*ACCEPTED, *more)) for part in accept.split(",")):
        raise _not_acceptable()


def _is_ours(media_range: str, known: tuple[str, ...]) -> bool:
    kind, *parameters = (part.strip().lower() for part in media_range.split(";"))
    said = dict(part.split("=", 1) for part in parameters if "=" in part)
    if said.get("q", "1").strip("0.") == "":
        return False
    version = said.get("fhirversion", "4.0").strip('"')
    return kind in known and version in VERSIONS


def _not_acceptable() -> Problem:
    return Problem(406, "not-supported", "the server speaks JSON of FHIR R4: application/fhir+json")


def lenient(request: Request) -> bool:
    """Whether the caller prefers that unknown search parameters are passed over."""
    return any(
        part.strip().lower().replace(" ", "") == "handling=lenient"
        for header in request.headers.getlist("prefer")
        for part in header.replace(";", ",").split(",")
    )


def answer(
    request: Request, resource: Resource, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A resource as FHIR JSON; with `_pretty=true` for people."""
    pretty = request.query_params.get("_pretty") == "true"
    layout: dict[str, Any] = {"indent": 2} if pretty else {"separators": (",", ":")}
    body = json.dumps(resource, ensure_ascii=False, **layout).encode()
    return Response(body, status, dict(headers or {}), FHIR_JSON)


def etag(row: Row) -> str:
    """The version of a resource as weak entity tag."""
    return f'W/"{row["version"]}"'


def versioned(row: Row) -> dict[str, str]:
    """The headers of a resource that was read."""
    found = {"ETag": etag(row), **PRIVATE}
    if row["updated_at"] is not None:
        found["Last-Modified"] = format_datetime(row["updated_at"], usegmt=True)
    return found


def not_modified(request: Request, row: Row) -> bool:
    """Whether the caller has this version already: weak comparison (RFC 9110, 13.1.2)."""
    tags = [tag.strip() for header in request.headers.getlist("if-none-match") for tag in header.split(",")]
    ours = etag(row).removeprefix("W/")
    return any(tag == "*" or tag.removeprefix("W/") == ours for tag in tags)
