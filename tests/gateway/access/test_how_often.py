"""How often somebody may ask (RELIABILITY case 51), over two gateways that share one record."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from gateway.access import oauth
from gateway.access.limits import Limits
from gateway.access.settings import AccessSettings
from records import clients, throttle
from records.clients import RegisteredClient
from records.database import Database
from tests.conftest import House
from tests.gateway.access.assertion import System, form
from tests.gateway.access.test_backend_services import built as with_oauth
from tests.gateway.access.test_guard import SCOPES, bearer, built


class Clock:
    """A clock in our hand; PostgreSQL has its own."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def address() -> str:
    """One that no other test used."""
    return f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"


async def client(house: House) -> str:
    id_ = f"c-{uuid4().hex[:8]}"
    await clients.add(house.database, RegisteredClient(tenant="clinic", id=id_, name="Example", scopes=SCOPES))
    return id_


async def ask(app: FastAPI, source: str, headers: dict[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(source, 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://continuum.example") as http:
        return await http.get("/fhir/Task/j1", headers=headers)


async def test_a_thousand_bad_tokens_have_to_wait_and_nobody_else_does(quiet_house: House) -> None:
    one, two = built(quiet_house.database), built(quiet_house.database)
    source, good = address(), bearer(one, await client(quiet_house))
    bad = [{"Authorization": f"Bearer {uuid4().hex}", "X-Forwarded-For": f"10.0.{n % 256}.1"} for n in range(1000)]
    answers = [await ask((one, two)[n % 2], source, headers) for n, headers in enumerate(bad)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [401] * 10
    assert set(statuses[10:]) == {429}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers[10:])
    # The right one from the same address, and the wrong one from another, are answered as ever.
    assert (await ask(one, source, good)).status_code == 200
    assert (await ask(two, address(), bad[0])).status_code == 401


async def test_a_client_has_its_own_limit_over_all_gateways(quiet_house: House) -> None:
    access = AccessSettings(requests_per_minute=30)
    one, two = (built(quiet_house.database, access) for _ in range(2))
    busy, calm = await client(quiet_house), await client(quiet_house)
    # Tokens of one gateway are good at the other where both have the key; here each has its own.
    headers = [bearer(app, busy) for app in (one, two)]
    answers = [
        await ask((one, two)[n % 2], address(), {**headers[n % 2], "X-Forwarded-For": address()}) for n in range(60)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:30] == [200] * 30
    assert 429 in statuses[30:]
    assert (await ask(one, address(), bearer(one, calm))).status_code == 200


async def test_the_token_endpoint_tells_a_client_that_fails_to_wait_and_lets_it_in_when_it_is_right(
    quiet_house: House,
) -> None:
    system = System(f"h-{uuid4().hex[:8]}", f"https://continuum.example{oauth.TOKEN_PATH}")
    await clients.add(
        quiet_house.database,
        RegisteredClient(tenant="clinic", id=system.id, name="H", scopes=SCOPES, jwks=system.jwks()),
    )
    app = with_oauth(quiet_house.database, AccessSettings())
    transport = httpx.ASGITransport(app, client=(address(), 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://continuum.example") as http:
        answers = [await http.post(oauth.TOKEN_PATH, data=form(system.good(aud="x"))) for _ in range(20)]
        assert [answer.status_code for answer in answers] == [400] * 10 + [429] * 10
        assert len({answer.content for answer in answers}) == 1
        assert (await http.post(oauth.TOKEN_PATH, data=form(system.good()))).status_code == 200


async def test_a_flood_costs_no_look_ups(quiet_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    real = throttle.pour

    async def counted(*args: Any, **more: Any) -> float:
        nonlocal asked
        asked += 1
        return await real(*args, **more)

    monkeypatch.setattr(throttle, "pour", counted)
    clock = Clock()
    limits = Limits(quiet_house.database, requests_per_minute=10_000, failures_per_minute=10, clock=clock)
    key = uuid4().hex
    await asyncio.gather(*(limits.wait_after_failure(key) for _ in range(1000)))
    assert asked <= 3
    asked = 0
    assert set(await asyncio.gather(*(limits.wait_for_request(key) for _ in range(1000)))) == {0}
    assert asked == 10


async def test_a_bucket_leaks(quiet_house: House) -> None:
    database: Database = quiet_house.database
    key = uuid4().hex
    assert await throttle.pour(database, key, 5, per_second=0.001, at_most=8) == 5
    assert 7.9 < await throttle.pour(database, key, 5, per_second=0.001, at_most=8) <= 8
    await database.execute("update continuum.throttle set at = at - interval '4 seconds' where key = $1", key)
    assert 4 < await throttle.pour(database, key, 1, per_second=1, at_most=8) <= 5.1
    await database.execute("update continuum.throttle set at = at + interval '1 hour' where key = $1", key)
    assert 5 < await throttle.pour(database, key, 1, per_second=1, at_most=8) <= 6.1  # a clock that went back
    await database.execute("update continuum.throttle set at = at - interval '2 days' where key = $1", key)
    await throttle.prune(database)
    assert await throttle.pour(database, key, 1, per_second=1, at_most=8) == 1
