"""Questionnaire and PlanDefinition: our pathways as they are exported. The same for every tenant, and no row anywhere.

They say of themselves what they are (`url`, `version`); an id is that of one version for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from fastapi import Request, Response

from gateway.answers import Problem
from gateway.fhir_server import negotiation
from gateway.fhir_server.elements import Resource
from gateway.fhir_server.reading import setting_of
from gateway.fhir_server.registry import SearchParam
from gateway.fhir_server.search.cursor import Cursor
from gateway.fhir_server.search.query import DEFAULT_COUNT, MOST_COUNT, Pairs, check_size
from gateway.fhir_server.search.values import alternatives, plain
from gateway.fhir_server.searching import opened, pairs_of, sealer_of, searchset
from pathways import loader
from pathways.exchange.export import bundle
from records.fhir import Position

NAMES = ("Questionnaire", "PlanDefinition")
VERSION = 1
"""Of the resource: content of another version has another id."""


def _starts(resource: Resource, element: str, value: str) -> bool:
    return str(resource.get(element, "")).lower().startswith(value.lower())


def _is(resource: Resource, element: str, value: str) -> bool:
    return bool(resource.get(element) == value)


@dataclass(frozen=True)
class _Param:
    told: SearchParam
    element: str
    holds: Callable[[Resource, str, str], bool]


_PARAMS = {
    param.told.name: param
    for param in (
        _Param(SearchParam("_id", "token"), "id", _is),
        _Param(SearchParam("url", "uri"), "url", _is),
        _Param(SearchParam("version", "token"), "version", _is),
        _Param(SearchParam("status", "token"), "status", _is),
        _Param(SearchParam("name", "string"), "name", _starts),
        _Param(SearchParam("title", "string"), "title", _starts),
    )
}
PARAMS: tuple[SearchParam, ...] = tuple(param.told for param in _PARAMS.values())
_RESULT = ("_count", "_summary")


@cache
def all_of(name: str) -> dict[str, Resource]:
    """Every resource of a type, by id."""
    entries = (entry["resource"] for entry in bundle(loader.load_all().values())["entry"])
    found = {one["id"]: one for one in entries if one["resourceType"] == name}
    return {key: {**one, "meta": {"versionId": str(VERSION)}} for key, one in sorted(found.items())}


async def read(request: Request, name: str, id: str, version: str | None = None) -> Response:  # noqa: A002
    """`read` and `vread`."""
    negotiation.check_acceptable(request)
    resource = (await asyncio.to_thread(all_of, name)).get(id)
    if resource is None or version not in (None, str(VERSION)):
        raise Problem(404, "not-found", "there is nothing of that id")
    row = {"version": VERSION, "updated_at": None}
    headers = negotiation.versioned(row)
    if negotiation.not_modified(request, row):
        return Response(status_code=304, headers=headers)
    return negotiation.answer(request, resource, headers=headers)


async def search(request: Request, name: str) -> Response:
    """`search-type`, in the order of their ids."""
    negotiation.check_acceptable(request)
    pairs = await pairs_of(request)
    sealer, base = sealer_of(request), (await setting_of(request)).base
    cursor = opened(sealer, name, pairs)
    if cursor is None:
        check_size(pairs)
    lenient = negotiation.lenient(request)
    used = cursor.pairs if cursor is not None else tuple(pair for pair in pairs if _known(name, *pair, lenient))
    everything = await asyncio.to_thread(all_of, name)  # read from files the first time
    found = [one for one in everything.values() if _fits(one, used)]
    count, only_count = _count(used)
    after = cursor.after.key if cursor is not None and cursor.after is not None else ""
    page = [one for one in found if one["id"] > after][: count + 1]

    def link(place: Position | None) -> str:
        return f"{base}/{name}?_page={sealer.seal(Cursor(name, used, place))}"

    links = [("self", link(Position(after) if after else None)), ("first", link(None))]
    if only_count:
        return negotiation.answer(request, searchset(links[:1], [], len(found)))
    if len(page) > count:
        links.append(("next", link(Position(page[count - 1]["id"]))))
    entries = [
        {"fullUrl": f"{base}/{name}/{one['id']}", "resource": one, "search": {"mode": "match"}} for one in page[:count]
    ]
    return negotiation.answer(request, searchset(links, entries, len(found)))


def _known(name: str, parameter: str, value: str, lenient: bool) -> bool:
    if parameter in negotiation.FORMAT:
        return False
    known = parameter in (*_PARAMS, *_RESULT)
    if known and value:
        return True
    if not lenient:
        there = ", ".join((*_PARAMS, *_RESULT))
        raise Problem(400, "not-supported", f"{name} is searched by one of these, with a value: {there}")
    return False


def _fits(resource: Resource, pairs: Iterable[tuple[str, str]]) -> bool:
    return all(
        any(param.holds(resource, param.element, plain(one)) for one in alternatives(value))
        for name, value in pairs
        if (param := _PARAMS.get(name)) is not None
    )


def _count(pairs: Pairs) -> tuple[int, bool]:
    said = dict(pairs)
    if len({value for name, value in pairs if name == "_count"}) > 1:
        raise Problem(400, "value", "_count is given twice, and differently")
    count, summary = said.get("_count", str(DEFAULT_COUNT)), said.get("_summary", "false")
    if not (count.isascii() and count.isdigit() and len(count) <= 9):
        raise Problem(400, "value", "_count: a number is wanted")
    if summary not in ("count", "false"):
        raise Problem(400, "not-supported", "_summary is one of: count, false")
    return max(1, min(int(count), MOST_COUNT)), summary == "count" or int(count) == 0
