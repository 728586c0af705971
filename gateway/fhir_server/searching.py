"""Searching: from parameters to a page of a searchset, of rows that the caller may see."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response

from gateway.access.keyring import SigningKey
from gateway.answers import Problem, operation_outcome
from gateway.context import gateway_of
from gateway.fhir_server import negotiation
from gateway.fhir_server.elements import Resource, Row, Setting
from gateway.fhir_server.reading import built, caller_of, policy_of, scope_of, setting_of
from gateway.fhir_server.resource_type import COMMON, ResourceType
from gateway.fhir_server.resources import SEARCHED, TYPES
from gateway.fhir_server.search.cursor import Cursor, Sealer
from gateway.fhir_server.search.query import PAGE, Pairs, Query, check_size, understand
from records import fhir
from records.fhir import Condition, Is, Page, Position

MOST_INCLUDED = 500
LONGEST_FORM = 64_000
FORM = "application/x-www-form-urlencoded"


async def pairs_of(request: Request) -> Pairs:
    """The parameters of the address, and of the form of a POST. Raises Problem 400, 413, 415."""
    pairs = _parsed(request.url.query)
    if request.method != "POST":
        return pairs
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise Problem(413, "too-costly", f"at most {LONGEST_FORM} bytes of parameters")
    if body and request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM:
        raise Problem(415, "not-supported", f"the parameters of a search are sent as {FORM}")
    return [*pairs, *_parsed(bytes(body).decode("latin-1"))]


def _parsed(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1_000)
    except ValueError:
        raise Problem(400, "value", "the parameters are not well-formed, too many, or not UTF-8") from None


async def search(request: Request, kind: ResourceType) -> Response:
    """`search-type`, by GET or POST: a page of a searchset."""
    negotiation.check_acceptable(request)
    pairs = await pairs_of(request)
    searching = _Searching(request, kind, await setting_of(request))
    bundle = await searching.bundle(pairs)
    return negotiation.answer(request, bundle, headers=negotiation.NEVER_KEPT)


def sealer_of(request: Request) -> Sealer:
    """Seals links with the gateway's own keys; where it has none, with a key of this process."""
    access = getattr(request.app.state, "access", None)
    if access is not None:
        signing: tuple[SigningKey, ...] = access.keyring.keys()
        return Sealer(tuple(key.secret("fhir paging") for key in signing))
    state = request.app.state
    if not hasattr(state, "fhir_paging"):
        state.fhir_paging = secrets.token_bytes(32)
    return Sealer((state.fhir_paging,))


def opened(sealer: Sealer, kind: str, pairs: Pairs) -> Cursor | None:
    """What a link to a page says; None where the search is not one. Raises Problem 400."""
    pages = [value for name, value in pairs if name == PAGE]
    if not pages:
        return None
    if len(pages) > 1 or any(name not in (PAGE, *negotiation.FORMAT) for name, _ in pairs):
        raise Problem(400, "value", "a link to a page is followed as it is, without further parameters")
    cursor = sealer.open(pages[0])
    if cursor.kind != kind:
        raise Problem(400, "value", "this link is to a page of another resource type")
    return cursor


@dataclass
class _Searching:
    """One search of one caller."""

    request: Request
    kind: ResourceType
    setting: Setting

    def __post_init__(self) -> None:
        self.caller = caller_of(self.request)
        self.scope = scope_of(self.caller)
        self.database = gateway_of(self.request).database
        self.sealer = sealer_of(self.request)

    async def bundle(self, pairs: Pairs) -> Resource:
        """Raises Problem 400, 403."""
        cursor = opened(self.sealer, self.kind.name, pairs)
        given, after = (cursor.pairs, cursor.after) if cursor is not None else (pairs, None)
        if cursor is None:
            check_size(pairs)
        query = understand(
            self.kind, given, self.setting, SEARCHED, lenient=cursor is not None or negotiation.lenient(self.request)
        )
        self._may_include(query)
        if query.only_count:
            links = [("self", self._start(query, sealed=self._by_post))]
            return searchset(links, [], await self._count(query.where))
        page = await self._page(query, after)
        matches = await built(self.kind, page.rows, self.setting)
        entries = [self._entry(with_elements(one, self.kind, query.elements), "match") for one in matches]
        entries += await self._included(query, page.rows)
        if query.passed_over:
            words = f"{query.passed_over} parameters that are not known here were passed over"
            entries.append(_told(operation_outcome("not-supported", words, severity="warning")))
        total: int | None = None
        if query.total == "accurate":
            total = await self._count(query.where)
        elif after is None and not page.more:
            total = len(page.rows)
        return searchset(self._links(query, pairs, page, followed=cursor is not None), entries, total)

    @property
    def _by_post(self) -> bool:
        return self.request.method == "POST"

    async def _count(self, where: Condition) -> int:
        return await fhir.count(self.database, self.kind.view, self.scope, self.kind.seen, where)

    async def _page(self, query: Query, after: Position | None) -> Page:
        return await fhir.find(
            self.database,
            self.kind.view,
            self.scope,
            self.kind.seen,
            self._columns(query),
            query.where,
            limit=query.count,
            after=after,
            by=query.sort,
            descending=query.descending,
            computed=self.kind.heavy,
        )

    def _columns(self, query: Query) -> tuple[str, ...]:
        """Those of the resource, and those that further resources or the next page are found by."""
        more = [one.param.column for one in query.includes] + ([query.sort] if query.sort else [])
        return tuple(dict.fromkeys((*COMMON, *self.kind.columns, *more)))

    # --- further resources

    def _may_include(self, query: Query) -> None:
        """Raises Problem 403 for an included type that this caller may not read."""
        kinds = [TYPES[one.param.target] for one in query.includes] + [TYPES[one.source] for one in query.revincludes]
        for kind in kinds:
            if not policy_of(kind, "s").allows(self.caller):
                raise Problem(403, "forbidden", "a type that is to be included may not be read by this caller")

    async def _included(self, query: Query, rows: list[Row]) -> list[Resource]:
        found: dict[tuple[str, str], Resource] = {}
        cut = False
        for one in query.includes:
            keys = {row[one.param.column] for row in rows} - {None}
            cut |= await self._collect(found, TYPES[one.param.target], Is("key", tuple(keys)), keys)
        for one in query.revincludes:
            keys = {row["key"] for row in rows}
            cut |= await self._collect(found, TYPES[one.source], Is(one.param.column, tuple(keys)), keys)
        for row in rows:
            found.pop((self.kind.name, row["id"]), None)
        entries = [self._entry(resource, "include") for resource in found.values()]
        if cut:
            words = f"more than {MOST_INCLUDED} resources of one type were to be included: some are left out"
            entries.append(_told(operation_outcome("incomplete", words, severity="warning")))
        return entries

    async def _collect(
        self, found: dict[tuple[str, str], Resource], kind: ResourceType, where: Condition, keys: set[Any]
    ) -> bool:
        if not keys:
            return False
        columns = tuple(dict.fromkeys((*COMMON, *kind.columns)))
        page = await fhir.find(self.database, kind.view, self.scope, kind.seen, columns, where, limit=MOST_INCLUDED)
        for resource in await built(kind, page.rows, self.setting):
            found.setdefault((kind.name, resource["id"]), resource)
        return page.more

    def _entry(self, resource: Resource, mode: str) -> Resource:
        address = f"{self.setting.base}/{resource['resourceType']}/{resource['id']}"
        return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}

    # --- links

    def _links(self, query: Query, pairs: Pairs, page: Page, *, followed: bool) -> list[tuple[str, str]]:
        hidden = followed or self._by_post
        own = next((value for name, value in pairs if name == PAGE), None) if followed else None
        first = self._start(query, sealed=hidden)
        links = [("self", self._address(own) if own else first), ("first", first)]
        if page.more:
            last = page.rows[-1]
            after = Position(last["key"], last[query.sort] if query.sort else None)
            links.append(("next", self._sealed(query, after)))
        return links

    def _start(self, query: Query, *, sealed: bool) -> str:
        """The search from its beginning; sealed where it did not stand in an address before."""
        if sealed:
            return self._sealed(query, None)
        text = urlencode(query.pairs)
        return f"{self.setting.base}/{self.kind.name}{'?' if text else ''}{text}"

    def _sealed(self, query: Query, after: Position | None) -> str:
        return self._address(self.sealer.seal(Cursor(self.kind.name, query.pairs, after)))

    def _address(self, token: str) -> str:
        return f"{self.setting.base}/{self.kind.name}?{PAGE}={token}"


def searchset(links: Iterable[tuple[str, str]], entries: list[Resource], total: int | None) -> Resource:
    """A Bundle of what was found."""
    bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    bundle["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if entries:
        bundle["entry"] = entries
    return bundle


def with_elements(resource: Resource, kind: ResourceType, elements: frozenset[str] | None) -> Resource:
    """Only these elements and those without which it would be none; marked as a part."""
    if elements is None:
        return resource
    kept = elements | {"resourceType", "id", "meta", *kind.required}
    found = {name: value for name, value in resource.items() if name in kept}
    part = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
    found["meta"] = {**resource["meta"], "tag": [*resource["meta"].get("tag", ()), part]}
    return found


def _told(outcome: Resource) -> Resource:
    return {"resource": outcome, "search": {"mode": "outcome"}}
