"""What one request may cost: sizes, time, and how many at once. Real sockets, real server."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import psutil
import pytest
import structlog

from continuum import logs
from gateway import serving
from gateway.limits import Bounds
from tests.embedded.machine import eventually
from tests.gateway.serving.echo import Echo, echo

SMALL = Bounds(fhir_body=4000, other_body=1000, body_seconds=0.5, answer_seconds=0.5, at_once=3, held=6000)


@pytest.fixture
async def small() -> AsyncIterator[Echo]:
    async with echo(SMALL) as found:
        yield found
    assert (found.limits.busy, found.limits.held) == (0, 0), "everything was given back"


async def sent(port: int, *parts: bytes) -> bytes:
    """What is answered to these bytes, until the server closes or is silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            with suppress(ConnectionError):
                await writer.drain()
        got = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(4):
                while chunk := await reader.read(65536):
                    got += chunk
                    if b"\r\n\r\n" in got and b"}" in got:
                        break
        return got
    finally:
        writer.close()


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("path", "most"), [("/fhir/length", 4000), ("/length", 1000)])
async def test_a_body_is_taken_up_to_its_bound(small: Echo, path: str, most: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}") as client:
        assert (await client.post(path, content=bytes(most))).json() == {"length": most}
        refused = await client.post(path, content=bytes(most + 1))
    assert refused.status_code == 413
    assert f"the body has more than {most} bytes" in refused.text
    within = await sent(small.port, CHUNKED % path.encode(), chunk(bytes(most)), b"0\r\n\r\n")
    assert b'{"length":%d}' % most in within
    beyond = await sent(small.port, CHUNKED % path.encode(), chunk(bytes(most)), chunk(b"1"), b"0\r\n\r\n")
    assert beyond.startswith(b"HTTP/1.1 413 ")


async def test_a_refusal_speaks_the_protocol_of_its_path(small: Echo) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}") as client:
        fhir = await client.post("/fhir/length", content=bytes(4001))
        other = await client.post("/length", content=bytes(1001))
    assert fhir.headers["content-type"] == "application/fhir+json"
    assert fhir.json()["issue"][0]["code"] == "too-long"
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["status"] == 413


async def test_a_body_that_fastapi_reads_is_bounded_too(small: Echo) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}") as client:
        assert (await client.post("/said", json={"word": "a"})).json() == {"length": 1}
    beyond = await sent(small.port, CHUNKED % b"/said", chunk(bytes(2000)))
    assert beyond.startswith(b"HTTP/1.1 413 ")


async def test_whoever_sends_too_much_gets_to_see_why(small: Echo) -> None:
    """The answer arrives although the client is still sending: it is not cut by a reset."""
    for _ in range(5):
        body = [chunk(bytes(50_000))] * 40
        assert (await sent(small.port, CHUNKED % b"/length", *body)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_has_its_time_altogether(small: Echo) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
    writer.write(CHUNKED % b"/fhir/length")
    answer = asyncio.create_task(reader.read())
    sent_parts = 0
    while not answer.done() and sent_parts < 100:
        writer.write(chunk(b"a"))
        sent_parts += 1
        await asyncio.wait({answer}, timeout=0.1)
    assert (await answer).startswith(b"HTTP/1.1 408 ")
    assert sent_parts < 50
    writer.close()


async def test_slow_clients_use_up_nobody_elses_place(small: Echo) -> None:
    """More than may be at once wait for their own bodies; somebody else is answered all the while."""
    slow = [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(10)]
    for _, writer in slow:
        writer.write(CHUNKED % b"/fhir/length" + chunk(b"a"))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}") as client:
        assert (await client.post("/length", content=b"x")).status_code == 200
    for _, writer in slow:
        writer.close()


async def test_too_many_at_once_are_told_to_come_back(small: Echo) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}") as client:
        under_way = [asyncio.create_task(client.get("/wait")) for _ in range(SMALL.at_once)]

        async def full() -> bool | None:
            return small.waiting == SMALL.at_once or None

        await eventually(full)
        refused = await client.post("/length", content=b"x")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await client.get("/health")).status_code == 200, "it lives, and says so"
        small.gate.set()
        assert [answer.status_code for answer in await asyncio.gather(*under_way)] == [200] * SMALL.at_once
        assert (await client.post("/length", content=b"x")).status_code == 200


async def test_all_bodies_together_are_bounded() -> None:
    """Each is small enough, but not all of them."""
    bounds = Bounds(fhir_body=4000, held=6000, body_seconds=3)
    async with echo(bounds) as found:
        first = await asyncio.open_connection("127.0.0.1", found.port)
        first[1].write(CHUNKED % b"/fhir/length" + chunk(bytes(3900)))

        async def holds() -> bool | None:
            return found.limits.held == 3900 or None

        await eventually(holds)
        refused = await sent(found.port, CHUNKED % b"/fhir/length", chunk(bytes(3900)))
        assert refused.startswith(b"HTTP/1.1 503 ")
        first[1].write(b"0\r\n\r\n")
        assert b'{"length":3900}' in await first[0].readuntil(b"}")
        first[1].close()


HEAD_BOMBS = [
    (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(150)) + b"\r\n", 431),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000, 431),
    (b"GET /health?" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n\r\na", 415),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"GET / HTTP/1.1\r\nNo colon\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n", 400),
]


@pytest.mark.parametrize(("head", "status"), HEAD_BOMBS, ids=range(len(HEAD_BOMBS)))
async def test_a_head_that_cannot_be_right_is_refused(small: Echo, head: bytes, status: int) -> None:
    assert (await sent(small.port, head)).startswith(b"HTTP/1.1 %d" % status)
    assert b" 200" in await sent(small.port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_noise_brings_nothing_down(small: Echo) -> None:
    dice = random.Random(5)
    good = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    for _ in range(60):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
        writer.write(bytes(bad))
        with suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(reader.read(), 0.1)
        writer.transport.abort()
    assert b'{"length":5}' in await sent(small.port, good)


async def test_websockets_are_closed(small: Echo) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: YQ==\r\nSec-WebSocket-Version: 13\r\n"
    answer = await sent(small.port, b"GET /health HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 4")


async def test_a_client_that_leaves_in_the_middle_costs_nothing(
    small: Echo, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", small.port)
        writer.write(CHUNKED % b"/fhir/length" + chunk(b"a"))
        await writer.drain()
        writer.transport.abort()

    async def given_back() -> bool | None:
        return small.limits.held == 0 or None

    await eventually(given_back)
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_an_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps neither a place nor a connection."""
    monkeypatch.setattr(serving, "UNTAKEN_MS", 500)
    async with echo(SMALL) as found:
        _, writer = await asyncio.open_connection("127.0.0.1", found.port, limit=1)
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")

        async def begun() -> bool | None:
            return connections(found.port) or None

        async def cut() -> bool | None:
            return not connections(found.port) or None

        await eventually(begun)
        await eventually(cut)
        assert found.limits.busy == 0
        writer.transport.abort()


def connections(port: int) -> bool:
    """Whether the server has a connection."""
    return any(
        one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process().net_connections("tcp")
    )


async def test_http2_has_the_same_bounds(small: Echo) -> None:
    command = ["curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]

    async def curl(*arguments: str, body: bytes = b"") -> str:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(body), 20)
        return out.decode()

    url = f"http://127.0.0.1:{small.port}"
    try:
        assert await curl(f"{url}/health") == "2 200"
    except FileNotFoundError:
        pytest.skip("no curl on this machine")
    assert await curl("--data-binary", "@-", f"{url}/length", body=bytes(1000)) == "2 200"
    assert await curl("--data-binary", "@-", f"{url}/length", body=bytes(1001)) == "2 413"
    assert await curl("-X", "POST", "-T", "-", f"{url}/length", body=bytes(300_000)) == "2 413"
    assert await curl("-H", f"X: {'a' * 17_000}", f"{url}/health") == "2 431"


def test_the_log_has_templates_and_ids_only(capsys: pytest.CaptureFixture[str]) -> None:
    async def ask() -> None:
        async with echo(Bounds()) as found, httpx.AsyncClient(base_url=f"http://127.0.0.1:{found.port}") as client:
            await client.get("/named/Ada%20Example?family=Example", headers={"X-Request-Id": "Ada"})
            await client.get("/nowhere/Ada")

    root, level = logging.getLogger(), logging.getLogger().level
    before = root.handlers[:]
    logs.configure()
    try:
        asyncio.run(ask())
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    seen = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert seen == [("GET", "/named/{name}", 200), ("GET", "none", 404)]
    assert "Ada" not in json.dumps(lines)
