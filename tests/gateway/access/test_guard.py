"""The guard: who gets in, what is on record of it, and what leaves where nothing can be put on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from starlette.routing import Mount, Route, WebSocketRoute

from gateway import answers
from gateway.access import guard
from gateway.access.links import mint_link
from gateway.access.policy import PUBLIC, marked, policy
from gateway.access.settings import AccessSettings
from gateway.context import Gateway, GatewaySettings, LazyTemporal
from records import audit, clients
from records.clients import RegisteredClient
from records.database import Database, DatabaseAway
from tests.conftest import House

BASE = "https://continuum.example"
SCOPES = "system/Task.rs"

router = APIRouter(prefix="/fhir")


@router.get("/open")
@marked(PUBLIC)
async def open_to_all() -> dict[str, str]:
    return {"open": "to all"}


@router.get("/Task/{id}")
@policy(roles={"coordinator", "therapist"}, scope="Task.r")
async def read_task(id: str, request: Request) -> dict[str, str]:  # noqa: A002
    return {"tenant": guard.caller_of(request).tenant}


@router.post("/Task")
@policy(roles={"coordinator"}, scope="Task.c")
async def create_task(body: dict[str, Any]) -> dict[str, str]:
    return {}


@router.get("/broken")
@policy(scope="Task.r")
async def broken() -> None:
    raise ValueError("Jane Doe, 1970-01-01")


@router.get("/refused")
@policy(scope="Task.r")
async def refused(request: Request) -> None:
    guard.about(request, "ServiceRequest/j1")
    raise answers.Problem(409, "conflict", "somebody was faster")


@router.get("/answer")
@policy(roles={"patient"})
async def answer(request: Request) -> dict[str, str | None]:
    return {"journey": guard.caller_of(request).journey}


def built(database: Database, access: AccessSettings | None = None) -> FastAPI:
    settings = GatewaySettings(tenant="clinic", base_url=BASE, access=access or AccessSettings())
    gateway = Gateway(database, LazyTemporal(), settings)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.gateway = gateway
    answers.install(app)
    app.include_router(router)
    guard.install(app, gateway)
    return app


def browser(app: FastAPI, address: str = "192.0.2.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=BASE)


@pytest.fixture
async def app(quiet_house: House) -> FastAPI:
    return built(quiet_house.database)


@pytest.fixture
async def client(quiet_house: House) -> str:
    id = f"c-{uuid4().hex[:8]}"  # noqa: A001
    await clients.add(quiet_house.database, RegisteredClient(tenant="clinic", id=id, name="Example", scopes=SCOPES))
    return id


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app) as opened:
        yield opened


def bearer(app: FastAPI, client: str, scopes: str = SCOPES, tenant: str = "clinic") -> dict[str, str]:
    access = cast(guard.Access, app.state.access)
    return {"Authorization": f"Bearer {access.tokens.mint(tenant, client, frozenset(scopes.split()))}"}


async def rows(house: House, request_id: str, tenant: str = "clinic") -> list[dict[str, Any]]:
    return [r for r in await audit.events(house.database, tenant) if r["request_id"] == request_id]


async def test_a_public_route_needs_nothing_and_leaves_no_row(http: httpx.AsyncClient, quiet_house: House) -> None:
    answer = await http.get("/fhir/open", headers={"Authorization": "Bearer rubbish"})
    assert answer.status_code == 200
    assert await rows(quiet_house, answer.headers["X-Request-Id"]) == []


async def test_whoever_may_gets_in_and_is_on_record(
    http: httpx.AsyncClient, app: FastAPI, client: str, quiet_house: House
) -> None:
    request_id = str(uuid4())
    answer = await http.get("/fhir/Task/j1", headers={**bearer(app, client), "X-Request-Id": request_id})
    assert (answer.status_code, answer.json()) == (200, {"tenant": "clinic"})
    assert answer.headers["X-Request-Id"] == request_id
    (row,) = await rows(quiet_house, request_id)
    assert (row["caller"], row["roles"], row["operation"]) == (f"client:{client}", "system", "GET /fhir/Task/{id}")
    assert (row["subject"], row["outcome"]) == ("j1", 200)


async def test_nobody_gets_a_challenge_and_a_row(http: httpx.AsyncClient, quiet_house: House) -> None:
    answer = await http.get("/fhir/Task/j1")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="continuum"'
    assert answer.json()["issue"][0]["code"] == "login"
    (row,) = await rows(quiet_house, answer.headers["X-Request-Id"])
    assert (row["caller"], row["outcome"]) == ("nobody", 401)


async def test_a_known_caller_without_permission_is_told_so_before_its_body_is_read(
    http: httpx.AsyncClient, app: FastAPI, client: str, quiet_house: House
) -> None:
    answer = await http.post("/fhir/Task", headers=bearer(app, client), content=b"{not json")
    assert answer.status_code == 403
    (row,) = await rows(quiet_house, answer.headers["X-Request-Id"])
    assert (row["caller"], row["outcome"]) == (f"client:{client}", 403)


async def test_what_the_handler_answered_is_what_is_on_record(
    http: httpx.AsyncClient, app: FastAPI, client: str, quiet_house: House
) -> None:
    answer = await http.get("/fhir/refused", headers=bearer(app, client))
    assert answer.status_code == 409
    (row,) = await rows(quiet_house, answer.headers["X-Request-Id"])
    assert (row["outcome"], row["subject"]) == (409, "ServiceRequest/j1")


async def test_a_handler_that_fails_is_on_record_and_says_nothing_of_why(
    http: httpx.AsyncClient, app: FastAPI, client: str, quiet_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await http.get("/fhir/broken", headers=bearer(app, client))
    assert answer.status_code == 500
    assert "Doe" not in answer.text + capfd.readouterr().out + capfd.readouterr().err
    assert answer.json()["resourceType"] == "OperationOutcome"
    for _ in range(100):
        if found := await rows(quiet_house, answer.headers["X-Request-Id"]):
            break
        await asyncio.sleep(0.02)
    (row,) = found
    assert row["outcome"] == 500


async def test_without_an_audit_nothing_leaves(
    app: FastAPI, client: str, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(app, client)
    assert (await http.get("/fhir/Task/j1", headers=headers)).status_code == 200

    async def away(*_: Any) -> None:
        raise DatabaseAway("gone")

    monkeypatch.setattr(Database, "execute", away)
    for path, some in (("/fhir/Task/j1", headers), ("/fhir/refused", headers), ("/fhir/Task/j1", {})):
        answer = await http.get(path, headers=some)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "tenant" not in answer.text


async def test_a_wrong_method_is_a_wrong_method(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/fhir/Task/j1")).status_code == 405


async def test_every_answer_forbids_to_keep_and_to_guess(http: httpx.AsyncClient, app: FastAPI, client: str) -> None:
    for path in ("/fhir/open", "/fhir/Task/j1", "/nowhere", "/fhir/broken"):
        headers = (await http.get(path, headers=bearer(app, client))).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"]


async def test_two_authorization_headers_are_none(http: httpx.AsyncClient, app: FastAPI, client: str) -> None:
    value = bearer(app, client)["Authorization"]
    answer = await http.get("/fhir/Task/j1", headers=[("Authorization", value), ("Authorization", value)])
    assert answer.status_code == 401


async def test_a_disabled_client_is_out(app: FastAPI, client: str, quiet_house: House) -> None:
    headers = bearer(app, client)
    await clients.set_active(quiet_house.database, "clinic", client, False)
    async with browser(app) as http:
        assert (await http.get("/fhir/Task/j1", headers=headers)).status_code == 401


async def test_a_token_of_another_tenant_than_its_client_is_none(
    http: httpx.AsyncClient, app: FastAPI, client: str
) -> None:
    headers = bearer(app, client, tenant="elsewhere")
    assert (await http.get("/fhir/Task/j1", headers=headers)).status_code == 401


async def test_a_link_opens_its_journey_and_nothing_else(http: httpx.AsyncClient, app: FastAPI) -> None:
    keyring = cast(guard.Access, app.state.access).keyring
    soon, before = (datetime.now(UTC) + timedelta(hours=h) for h in (1, -1))
    headers = {"Authorization": f"Bearer {mint_link(keyring, 'clinic', 'j7', soon)}"}
    answer = await http.get("/fhir/answer", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"journey": "j7"})
    assert (await http.get("/fhir/Task/j7", headers=headers)).status_code == 403
    over = {"Authorization": f"Bearer {mint_link(keyring, 'clinic', 'j7', before)}"}
    assert (await http.get("/fhir/answer", headers=over)).status_code == 401


async def test_rows_that_come_at_once_are_all_there(app: FastAPI, client: str, quiet_house: House) -> None:
    headers, ids = bearer(app, client), [str(uuid4()) for _ in range(200)]
    async with browser(app) as http:
        answers_ = await asyncio.gather(
            *(http.get("/fhir/Task/j1", headers={**headers, "X-Request-Id": id_}) for id_ in ids)
        )
    assert {answer.status_code for answer in answers_} == {200}
    found = [r["request_id"] for r in await audit.events(quiet_house.database, "clinic", limit=1000)]
    assert sorted(r for r in found if r in set(ids)) == sorted(ids)


async def test_nobody_can_change_what_is_on_record(quiet_house: House) -> None:
    from records.database import DatabaseRefused

    for sql in ("update continuum.audit set caller = 'x'", "delete from continuum.audit", "truncate continuum.audit"):
        with pytest.raises(DatabaseRefused, match="42501"):
            await quiet_house.database.execute(sql)


# --- building


async def plain(request: Request) -> None:
    """An endpoint to which nobody gave a policy."""


@policy(scope="Task.r")
async def closed(request: Request) -> None:
    """An endpoint that is not for everybody."""


async def socket(ws: WebSocket) -> None:
    """Another."""


def with_route(*routes: Any) -> FastAPI:
    return FastAPI(routes=list(routes), openapi_url=None)


@pytest.mark.parametrize(
    ("app", "named"),
    [
        (with_route(Route("/a", plain, methods=["GET"])), "GET,HEAD /a has no policy"),
        (with_route(Route("/a", closed)), "GET,HEAD /a cannot be guarded"),
        (with_route(WebSocketRoute("/ws", socket)), "WebSocket /ws has no policy"),
        (with_route(Mount("/m", FastAPI())), "Mount /m has no policy"),
    ],
)
def test_a_route_that_cannot_be_guarded_fails_the_build(app: FastAPI, named: str) -> None:
    with pytest.raises(RuntimeError, match=named):
        guard.every_route_has_a_policy(app)


def test_included_routes_are_looked_at_too() -> None:
    inner, outer, app = APIRouter(prefix="/x"), APIRouter(), FastAPI(openapi_url=None)

    @inner.put("/bare")
    async def bare() -> None: ...

    outer.include_router(inner)
    app.include_router(outer, prefix="/api")
    with pytest.raises(RuntimeError, match="PUT /api/x/bare has no policy"):
        guard.every_route_has_a_policy(app)


async def test_a_route_added_after_the_guard_answers_nothing(app: FastAPI) -> None:
    @app.get("/late")
    @marked(PUBLIC)
    async def late() -> dict[str, str]:
        return {"secret": "Jane Doe"}

    async with browser(app) as http:
        answer = await http.get("/late")
    assert answer.status_code == 500
    assert "Doe" not in answer.text
