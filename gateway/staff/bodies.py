"""A request's body and its conditions, read with bounds: what is not as it should be is said in our own words."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from gateway.answers import Problem

LARGEST = 64 * 1024
"""Bytes. The longest action with a long note is far below."""
_ACTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_VERSION = re.compile(r'(?:W/)?"(0|[1-9][0-9]{0,8})"')
_JSON = re.compile(r"application/(?:[a-z0-9.-]+\+)?json", re.IGNORECASE)


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises Problem: 400, 413, 415."""
    if _JSON.fullmatch(request.headers.get("content-type", "").partition(";")[0].strip()) is None:
        raise Problem(415, "not-supported", "the body is JSON: Content-Type: application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST:
            raise Problem(413, "too-costly", f"a body has at most {LARGEST} bytes")
    try:
        found = json.loads(raw.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise Problem(400, "invalid", "the body is not well-formed JSON (UTF-8, every name once)") from None
    if not isinstance(found, dict):
        raise Problem(400, "invalid", "the body is a JSON object")
    if not storable(found):
        raise Problem(400, "invalid", "a text holds what no record can: U+0000, or half of a surrogate pair")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("JSON has no NaN and no Infinity")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def storable(value: Any) -> bool:
    """Whether PostgreSQL can store every text in it."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if "\0" in one or any("\ud800" <= letter <= "\udfff" for letter in one):
                return False
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            left += one
    return True


def words(body: dict[str, Any], field: str) -> str:
    """A text that has to be there. Raises Problem."""
    found = body.get(field)
    if not isinstance(found, str) or not found.strip():
        raise Problem(400, "invalid", "words are wanted here", path=field)
    return found


def action_id(request: Request) -> str | None:
    """The Idempotency-Key, with or without the quotes of its draft (draft-ietf-httpapi-idempotency-key-header, 2.1)."""
    said = request.headers.get("idempotency-key")
    if said is None:
        return None
    key = said[1:-1] if len(said) > 1 and said[0] == said[-1] == '"' else said
    if _ACTION_ID.fullmatch(key) is None:
        raise Problem(400, "invalid", "an Idempotency-Key has letters, digits and _ . : -, at most 128", path="header")
    return key


def version(request: Request) -> int | None:
    """The row of the journal that If-Match names (RFC 9110, 13.1.1); None where any will do."""
    said = request.headers.get("if-match")
    if said is None or said.strip() == "*":
        return None
    found = _VERSION.fullmatch(said.strip())
    if found is None:
        raise Problem(400, "invalid", 'If-Match is the ETag of the journey, for example W/"12"', path="header")
    return int(found[1])


Body = TypeVar("Body", bound=BaseModel)


async def read(request: Request, kind: type[Body]) -> Body:
    """The body as that model. Raises Problem."""
    return as_model(await json_object(request), kind)


def as_model(said: dict[str, Any], kind: type[Body]) -> Body:
    """A JSON object as that model. Raises Problem, naming our own field and never what was sent in it."""
    try:
        return kind.model_validate(said, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        fields = [info.alias or name for name, info in kind.model_fields.items()]
        where = str(first["loc"][0]) if first["loc"] and first["loc"][0] in fields else None
        wanted = "is missing" if first["type"] == "missing" else "is not as it should be"
        words = f"{where} {wanted}" if where else "there is no field of that name"
        raise Problem(422, "BadData", f"{words} (fields: {', '.join(fields)})", path=where) from None


def described(*kinds: type[BaseModel]) -> dict[str, Any]:
    """A body of one of these models, for OpenAPI."""
    refs = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in kinds]
    schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
