"""The routes of the read side: for every resource type the same, each with its own policy and its own description.

No route catches all types: who may use which is said at each, and a path that is not here is nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.access import oauth
from gateway.access.policy import PUBLIC, Policy, marked
from gateway.answers import FHIR_JSON
from gateway.context import gateway_of
from gateway.fhir_server import actions, capability, content, negotiation, reading, searching
from gateway.fhir_server.registry import Interactions, Operation, SearchParam, declare, declared
from gateway.fhir_server.resource_type import READERS, ResourceType
from gateway.fhir_server.resources import SEARCHED
from gateway.fhir_server.resources.document import BINARY, PDF
from gateway.fhir_server.resources.task import TASK
from gateway.fhir_server.search.query import RESULT, includes_of, revincludes_of

router = APIRouter(prefix="/fhir", tags=["FHIR: reading"], default_response_class=Response)

Endpoint = Callable[..., Awaitable[Response]]
_JSON: dict[str, Any] = {FHIR_JSON: {"schema": {"type": "object", "required": ["resourceType"]}}}
_OUTCOME: dict[str, Any] = {"content": _JSON}
_WRONG = {
    400: "A parameter is not known or has no such value",
    401: "Not signed in",
    403: "This caller may not do this",
    404: "Not there, or not for this caller to see",
    406: "Only JSON of FHIR R4 is spoken",
    429: "Too many requests: see Retry-After",
    503: "The record cannot be reached: see Retry-After",
}


def _answers(ok: str, *, without: Iterable[int] = (), more: dict[int, str] | None = None) -> dict[int | str, Any]:
    """Every answer that a route gives, for its description."""
    wrong = {status: words for status, words in {**_WRONG, **(more or {})}.items() if status not in without}
    return {
        200: {"description": ok, **_OUTCOME},
        **{status: {"description": words, **({} if status == 304 else _OUTCOME)} for status, words in wrong.items()},
    }


READ = _answers("The resource", more={304: "The caller has this version already"})
SEARCH = _answers("A searchset", without=(404,))
SEARCH_BY_POST = _answers("A searchset", without=(404,), more={413: "Too many parameters", 415: "No form was sent"})


def _query(name: str, type_: str = "string", description: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": {"type": "string"}} if type_ == "list" else {"type": type_}
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_FORMAT = [_query("_format", description="json"), _query("_pretty", "boolean")]
_TAGS = [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]


def _search_parameters(params: Iterable[SearchParam], results: Iterable[str]) -> list[dict[str, Any]]:
    told = [_query(param.name, "list", f"{param.type}. {param.documentation or ''}".strip()) for param in params]
    told += [_query(name, "integer" if name == "_count" else "string") for name in results]
    return [*told, _query("_page", description="In a link to a page; never made by hand"), *_FORMAT]


def _form(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    properties = {one["name"]: one["schema"] for one in parameters}
    schema = {"type": "object", "properties": properties}
    return {"required": False, "content": {searching.FORM: {"schema": schema}}}


def _add(
    path: str,
    endpoint: Endpoint,
    policy: Policy,
    summary: str,
    responses: dict[int | str, Any],
    *,
    method: str = "GET",
    extra: dict[str, Any] | None = None,
) -> None:
    router.add_api_route(
        path,
        marked(policy)(endpoint),
        methods=[method],
        summary=summary,
        name=f"{method} {path}",
        responses=responses,
        openapi_extra=extra,
        response_class=Response,
    )


# --- types made from the record


def _serve(kind: ResourceType) -> None:
    async def read(request: Request, id: str) -> Response:  # noqa: A002 - FHIR's own word
        return await reading.read(request, kind, id)

    async def vread(request: Request, id: str, version: str) -> Response:  # noqa: A002
        return await reading.vread(request, kind, id, version)

    async def search(request: Request) -> Response:
        return await searching.search(request, kind)

    async def search_by_post(request: Request) -> Response:
        return await searching.search(request, kind)

    params = tuple(SearchParam(p.name, p.type, _modifiers(p.modifiers)) for p in kind.search.values())
    _routes(
        kind.name,
        {"r": reading.policy_of(kind, "r"), "s": reading.policy_of(kind, "s")},
        read=read,
        vread=vread,
        search=search,
        search_by_post=search_by_post,
        params=params,
        results=RESULT,
    )
    types = {one.name: one for one in SEARCHED}
    declare(
        Interactions(
            kind.name,
            interactions={"read", "vread", "search-type"},
            conditional_read=True,
            search=params,
            includes=includes_of(kind, types),
            revincludes=revincludes_of(kind, types),
            documentation=kind.doc,
        )
    )


def _modifiers(modifiers: tuple[str, ...]) -> str | None:
    return f"Modifiers: {', '.join(f':{one}' for one in modifiers)}" if modifiers else None


def _routes(
    name: str,
    policies: dict[str, Policy],
    *,
    read: Endpoint,
    vread: Endpoint,
    search: Endpoint,
    search_by_post: Endpoint,
    params: Iterable[SearchParam],
    results: Iterable[str],
) -> None:
    parameters = _search_parameters(params, results)
    _add(f"/{name}", search, policies["s"], f"Search {name}", SEARCH, extra={"parameters": parameters})
    _add(
        f"/{name}/_search",
        search_by_post,
        policies["s"],
        f"Search {name}, with the parameters in the body",
        SEARCH_BY_POST,
        method="POST",
        extra={"requestBody": _form(parameters)},
    )
    _add(f"/{name}/{{id}}", read, policies["r"], f"Read {name}", READ, extra={"parameters": [*_FORMAT, *_TAGS]})
    _add(
        f"/{name}/{{id}}/_history/{{version}}",
        vread,
        policies["r"],
        f"Read the current version of {name}",
        READ,
        extra={"parameters": [*_FORMAT, *_TAGS]},
    )


# --- types made from our content


def _serve_content(name: str) -> None:
    async def read(request: Request, id: str) -> Response:  # noqa: A002
        return await content.read(request, name, id)

    async def vread(request: Request, id: str, version: str) -> Response:  # noqa: A002
        return await content.read(request, name, id, version)

    async def search(request: Request) -> Response:
        return await content.search(request, name)

    async def search_by_post(request: Request) -> Response:
        return await content.search(request, name)

    roles = frozenset({*READERS, "author"})
    _routes(
        name,
        {"r": Policy(roles=roles, scope=f"{name}.r"), "s": Policy(roles=roles, scope=f"{name}.s")},
        read=read,
        vread=vread,
        search=search,
        search_by_post=search_by_post,
        params=content.PARAMS,
        results=("_count", "_summary"),
    )
    declare(
        Interactions(
            name,
            interactions={"read", "vread", "search-type"},
            conditional_read=True,
            search=content.PARAMS,
            documentation="The clinical content of this installation, every version of it.",
        )
    )


# --- what there is beside


async def binary(request: Request, id: str) -> Response:  # noqa: A002
    """The PDF of a document; as a resource where only FHIR JSON is accepted."""
    negotiation.check_acceptable(request, PDF)
    row = await reading.row_of(request, BINARY, id)
    if "_format" in request.query_params or _only_fhir(request.headers.get("accept")):
        return await reading.shown(request, BINARY, row)
    headers = {**negotiation.versioned(row), "X-Content-Type-Options": "nosniff"}
    if negotiation.not_modified(request, row):
        return Response(status_code=304, headers=headers)
    return Response(row["pdf"], headers=headers, media_type=PDF)


def _only_fhir(accept: str | None) -> bool:
    """Whether FHIR JSON is asked for, and the document itself is not (https://hl7.org/fhir/R4/binary.html#rest)."""
    kinds = {part.split(";")[0].strip().lower() for part in (accept or "*/*").split(",")}
    return FHIR_JSON in kinds and not kinds & {PDF, "application/*", "*/*"}


async def metadata(request: Request) -> Response:
    """What this server can do: the CapabilityStatement."""
    negotiation.check_acceptable(request)
    gateway = gateway_of(request)
    base = f"{gateway.settings.base_url}/fhir"
    statement = capability.capability_statement(base, oauth.token_url(gateway), declared())
    return negotiation.answer(request, statement)


async def available_actions(request: Request, id: str) -> Response:  # noqa: A002
    """Which actions may this caller take now, on this version of the Task?"""
    return await actions.available_actions(request, id)


_add("/metadata", metadata, PUBLIC, "What this server can do", _answers("The CapabilityStatement", without=(400, 404)))
for _kind in SEARCHED:
    _serve(_kind)
for _name in content.NAMES:
    _serve_content(_name)

_BINARY_ANSWERS = {**READ, 200: {"description": "The document", "content": {PDF: {}, **_JSON}}}
_add(
    "/Binary/{id}",
    binary,
    reading.policy_of(BINARY, "r"),
    "Read the PDF of a document",
    _BINARY_ANSWERS,
    extra={"parameters": [*_FORMAT, *_TAGS]},
)
declare(Interactions("Binary", interactions={"read"}, conditional_read=True, documentation=BINARY.doc))

_ACTIONS = Operation(
    actions.NAME,
    actions.DEFINITION,
    "GET, with the version of the Task as `expected`: the actions that this caller may take on it now, as Parameters.",
)
_add(
    f"/Task/{{id}}/${actions.NAME}",
    available_actions,
    Policy(roles=frozenset(TASK.roles) - {"auditor"}, scope="Task.r"),
    "Which actions may I take now?",
    _answers("Parameters: task, version, stage, and an `action` for each", more={409: "Not at this version any more"}),
    extra={"parameters": [_query("expected", description="The version of the Task that the caller has"), *_FORMAT]},
)
declare(Interactions("Task", operations=(_ACTIONS,)))
