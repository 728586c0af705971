"""Key sets of others (RELIABILITY case 55): a real server that answers badly in every way, and a clock in our hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from channels.egress import Egress
from gateway.access import jwks
from gateway.access.jwks import KeySetWrong, RemoteKeys, lifetime, read_key_set, the_key
from tests.gateway.access.assertion import public_jwk

KEY = ec.generate_private_key(ec.SECP384R1())


def key_set(*kids: str) -> bytes:
    return json.dumps({"keys": [public_jwk(KEY, kid) for kid in kids]}).encode()


@dataclass
class Server:
    """Answers each request with what it was told to."""

    port: int = 0
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    asked: int = 0
    now: float = 1000.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks"

    def keys(self) -> RemoteKeys:
        return RemoteKeys(Egress(frozenset({("127.0.0.1", self.port)})), clock=lambda: self.now)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        if not self.silent:
            headers = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"HTTP/1.1 {self.status} X\r\n{head}\r\n".encode() + self.body)
            with_what_is_left = asyncio.create_task(writer.drain())
            await asyncio.gather(with_what_is_left, return_exceptions=True)
        else:
            await reader.read()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    told = Server(body=key_set("a"))
    listening = await asyncio.start_server(told.answer, "127.0.0.1", 0)
    told.port = listening.sockets[0].getsockname()[1]
    yield told
    listening.close()


def kids(keys: tuple[dict[str, Any], ...]) -> list[str]:
    return [key["kid"] for key in keys]


async def test_a_set_is_fetched_once_for_all_that_ask(server: Server) -> None:
    remote = server.keys()
    got = await asyncio.gather(*(remote.keys(server.url, "a") for _ in range(50)))
    assert {tuple(kids(keys)) for keys in got} == {("a",)}
    assert server.asked == 1


async def test_an_unknown_key_is_looked_for_once_a_minute(server: Server) -> None:
    remote = server.keys()
    for _ in range(200):
        await remote.keys(server.url, "rubbish")
    assert server.asked == 1
    server.now += 61
    for _ in range(200):
        await remote.keys(server.url, "rubbish")
    assert server.asked == 2


async def test_a_new_key_is_there_within_a_minute_and_the_old_one_gone(server: Server) -> None:
    remote = server.keys()
    await remote.keys(server.url, "a")
    server.body = key_set("b")
    assert kids(await remote.keys(server.url, "b")) == ["a"]
    server.now += 60
    assert kids(await remote.keys(server.url, "b")) == ["b"]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("max-age=120", 120),
        ("public, max-age=120", 120),
        ("no-store", 60),
        ("max-age=5", 60),
        ("max-age=999999", 3600),
        ("s-maxage=900", 300),
        ("", 300),
        ("max-age=x", 300),
    ],
)
async def test_an_old_key_counts_as_long_as_was_said(server: Server, said: str, seconds: float) -> None:
    assert lifetime(said) == seconds
    server.headers["Cache-Control"] = said
    remote = server.keys()
    await remote.keys(server.url, "a")
    server.body = key_set("b")
    server.now += seconds - 1
    assert kids(await remote.keys(server.url, "a")) == ["a"]
    server.now += 1
    assert kids(await remote.keys(server.url, "a")) == ["b"]


async def test_while_the_url_does_not_answer_what_we_have_counts_until_its_time_is_over(server: Server) -> None:
    server.headers["Cache-Control"] = "max-age=600"
    remote = server.keys()
    await remote.keys(server.url, "a")
    server.status = 503
    server.now += 599
    assert kids(await remote.keys(server.url, "new")) == ["a"]
    server.now += 1
    assert await remote.keys(server.url, "a") == ()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {}, b"<html>sign in</html>"),
        (200, {}, b"[]"),
        (200, {}, b'{"keys": {}}'),
        (200, {}, b'{"keys": [1]}'),
        (200, {}, b"[" * 50_000),
        (200, {}, json.dumps({"keys": [{}] * 101}).encode()),
        (200, {}, key_set("a") + b" " * 10_000_000),
        (302, {"Location": "http://169.254.169.254/"}, b""),
        (204, {}, b""),
        (500, {}, key_set("a")),
    ],
    ids=["html", "list", "no list", "no objects", "deep", "too many", "10 MB", "redirect", "empty", "failed"],
)
async def test_what_is_no_key_set_is_none_and_not_asked_for_again(
    server: Server, status: int, headers: dict[str, str], body: bytes
) -> None:
    server.status, server.headers, server.body = status, headers, body
    remote = server.keys()
    for _ in range(20):
        assert await remote.keys(server.url, "a") == ()
    assert server.asked == 1


async def test_a_server_that_says_nothing_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS", 0.2)
    server.silent = True
    assert await server.keys().keys(server.url, "a") == ()


async def test_a_key_set_in_our_own_house_is_not_fetched(server: Server) -> None:
    assert await RemoteKeys(Egress()).keys(server.url, "a") == ()
    assert server.asked == 0


def test_a_key_set_is_read_with_care() -> None:
    assert len(read_key_set(key_set("a", "b"))) == 2
    for raw in (b"", b"{}", b"null", b"\xff", b'{"keys": null}'):
        with pytest.raises(KeySetWrong):
            read_key_set(raw)


def test_only_the_one_key_of_a_name_counts() -> None:
    one, two = public_jwk(KEY, "a"), public_jwk(ec.generate_private_key(ec.SECP384R1()), "a")
    assert the_key((one,), "a", "ES384") is not None
    assert the_key((one, two), "a", "ES384") is None
    assert the_key((one,), "b", "ES384") is None
    assert the_key((one,), "a", "RS384") is None
    assert the_key(({**one, "d": "AA"},), "a", "ES384") is None
