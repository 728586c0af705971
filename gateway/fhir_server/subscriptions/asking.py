"""What a request asks, by its address or by a Parameters resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from gateway.answers import Problem
from gateway.fhir.decode import decode_object
from gateway.fhir.refusal import RefusedError
from gateway.fhir_server.negotiation import FORMAT, check_acceptable, lenient
from gateway.fhir_server.searching import pairs_of
from gateway.fhir_server.writing.delivery import receive
from gateway.fhir_server.writing.refusing import problem_of

Asked = Mapping[str, tuple[str, ...]]
"""Values by their parameter."""
IGNORED = frozenset({*FORMAT, "_count", "_total"})
WHOLE = frozenset({"url"})
"""Commas are part of a URL."""
LONGEST_NUMBER = 18
"""Digits."""


def decoded(raw: bytes) -> dict[str, Any]:
    """The body. Raises Problem."""
    try:
        return decode_object(raw)
    except RefusedError as error:
        raise problem_of(error.refusal) from None


async def query(request: Request, known: set[str]) -> Asked:
    """What the address asks, and the form of a search by POST. Raises Problem for a parameter that we have not."""
    check_acceptable(request)
    asked: dict[str, tuple[str, ...]] = {}
    for name, value in await pairs_of(request):
        if name in known:
            asked[name] = (*asked.get(name, ()), *_values(name, value))
        elif name not in IGNORED and not lenient(request):
            raise Problem(400, "not-supported", f"the parameters here are: {', '.join(sorted(known))}")
    return asked


def _values(name: str, value: str) -> list[str]:
    if "\x00" in value:
        raise Problem(400, "value", "a parameter has a character that no FHIR string has", path=name)
    return [value] if name in WHOLE else [v for v in value.split(",") if v]


async def parameters(request: Request, known: set[str]) -> Asked:
    """What a Parameters resource asks; an empty body asks nothing."""
    check_acceptable(request)
    delivery = await receive(request)
    said = decoded(delivery.raw) if delivery.raw.strip() else {"resourceType": "Parameters"}
    listed: Any = said.get("parameter", [])
    if said.get("resourceType") != "Parameters" or not isinstance(listed, list):
        raise Problem(400, "structure", "the body must be Parameters", path="Parameters")
    asked: dict[str, tuple[str, ...]] = {}
    for part in listed:
        name = part.get("name") if isinstance(part, dict) else None
        values = [v for k, v in part.items() if k.startswith("value")] if isinstance(part, dict) else []
        if name not in known or len(values) != 1 or not isinstance(values[0], str | int):
            text = f"the parameters here are: {', '.join(sorted(known))}, each with one value"
            raise Problem(400, "not-supported", text, path="Parameters.parameter")
        asked[name] = (*asked.get(name, ()), str(values[0]))
    return asked


def one(asked: Asked, name: str) -> str | None:
    """The value, where there may be only one. Raises Problem."""
    values = asked.get(name, ())
    if len(values) > 1:
        raise Problem(400, "value", f"{name} takes one value", path=name)
    return values[0] if values else None


def number(asked: Asked, name: str) -> int | None:
    """A whole number. Raises Problem."""
    value = one(asked, name)
    if value is None:
        return None
    if not value.isascii() or not value.isdecimal() or len(value) > LONGEST_NUMBER:
        raise Problem(400, "value", f"{name} is a whole number", path=name)
    return int(value)
