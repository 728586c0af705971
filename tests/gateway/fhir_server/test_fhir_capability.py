"""`/fhir/metadata` is R4, and true: what it names has a route, and every route that reads is named."""

from __future__ import annotations

from typing import Any, cast

import pytest
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from gateway.access.policy import policy_of
from gateway.fhir_server.capability import capability_statement
from gateway.fhir_server.registry import Declared, Interactions, Operation, declared
from gateway.fhir_server.routes import router
from tests.gateway.fhir_server.conftest import BASE, FHIR, Lived, Server
from tests.gateway.fhir_server.r4 import wrong

Resource = dict[str, Any]
READING = {
    "read": ("GET", "/fhir/{type}/{{id}}"),
    "vread": ("GET", "/fhir/{type}/{{id}}/_history/{{version}}"),
    "search-type": ("GET", "/fhir/{type}"),
}


@pytest.fixture
async def statement(server: Server) -> Resource:
    response = await server.http.get("/fhir/metadata")
    assert response.status_code == 200
    return cast(Resource, response.json())


def _routes(server: Server) -> set[tuple[str, str]]:
    return {
        (method, str(context.path))
        for context in iter_route_contexts(server.app.routes)
        if isinstance(context.original_route, APIRoute)
        for method in context.original_route.methods or ()
    }


async def test_it_is_r4(statement: Resource) -> None:
    assert wrong(statement) == []
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == FHIR
    (oauth,) = statement["rest"][0]["security"]["extension"]
    assert oauth["extension"][0] == {"url": "token", "valueUri": f"{BASE}/oauth/token"}


async def test_what_it_names_is_there(server: Server, statement: Resource) -> None:
    there = _routes(server)
    for resource in statement["rest"][0]["resource"]:
        codes = {one["code"] for one in resource["interaction"]}
        for code in codes & set(READING):
            method, path = READING[code]
            assert (method, path.format(type=resource["type"])) in there, (resource["type"], code)
        if "search-type" in codes and resource["type"] != "Subscription":
            assert ("POST", f"/fhir/{resource['type']}/_search") in there


async def test_what_is_there_it_names(server: Server, statement: Resource) -> None:
    named = {(r["type"], i["code"]) for r in statement["rest"][0]["resource"] for i in r["interaction"]}
    for context in iter_route_contexts(router.routes):
        parts = str(context.path).split("/")[2:]
        if parts[0] == "metadata" or parts[-1].startswith(("_search", "$")):
            continue
        code = {1: "search-type", 2: "read", 4: "vread"}[len(parts)]
        assert (parts[0], code) in named


async def test_every_search_parameter_that_it_names_is_taken(server: Server, lived: Lived, statement: Resource) -> None:
    reader = server.person("auditor")
    values = {"date": "2026", "token": "true", "reference": "x", "string": "x", "uri": "x"}
    for resource in statement["rest"][0]["resource"]:
        if resource["type"] == "Subscription":
            continue
        for param in resource.get("searchParam", ()):
            response = await reader.get(f"{resource['type']}?{param['name']}={values[param['type']]}&_summary=count")
            assert response.status_code == 200, (resource["type"], param["name"], response.text)
        includes = [("_include", one) for one in resource.get("searchInclude", ())]
        for name, value in [*includes, *(("_revinclude", one) for one in resource.get("searchRevInclude", ()))]:
            response = await reader.get(f"{resource['type']}?{name}={value}&_count=1")
            assert response.status_code == 200, (resource["type"], name, value, response.text)


async def test_a_search_parameter_that_it_does_not_name_is_not(server: Server, statement: Resource) -> None:
    reader = server.person("auditor")
    for resource in statement["rest"][0]["resource"]:
        if any(one["code"] == "search-type" for one in resource["interaction"]) and resource["type"] != "Subscription":
            assert (await reader.get(f"{resource['type']}?_text=x")).status_code == 400


async def test_every_route_has_a_policy_and_says_how_it_answers() -> None:
    documented = get_openapi(title="x", version="1", routes=router.routes)
    for context in iter_route_contexts(router.routes):
        route = context.original_route
        assert isinstance(route, APIRoute)
        policy = policy_of(route.endpoint)
        assert policy is not None
        assert policy.public == (route.path == "/fhir/metadata")
        if not policy.public:
            assert "patient" not in policy.roles
            assert (policy.scope is None) == ("AuditEvent" in route.path)
    for path, operations in documented["paths"].items():
        for operation in operations.values():
            statuses = set(operation["responses"])
            assert {"200", "401", "403", "406", "429", "503"} <= statuses, path
            if path.endswith("{id}"):
                assert {"304", "404"} <= statuses


def test_declarations_of_one_type_add_up() -> None:
    before = declared()
    assert set(before.types["Task"].interactions) >= {"read", "vread", "search-type"}
    assert any(operation.name == "available-actions" for operation in before.types["Task"].operations)
    made = Declared(
        {
            "Task": Interactions(
                "Task", interactions={"create", "update", "read"}, conditional_create=True, conditional_read=True
            )
        },
        {"batch", "transaction"},
        (Operation("process-message", "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"),),
    )
    statement = capability_statement(FHIR, f"{BASE}/oauth/token", made)
    assert wrong(statement) == []
    (task,) = statement["rest"][0]["resource"]
    assert (task["conditionalCreate"], task["conditionalRead"], task["updateCreate"]) == (True, "not-match", False)
    assert [one["code"] for one in statement["rest"][0]["interaction"]] == ["batch", "transaction"]
