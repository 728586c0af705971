"""The way out to addresses that others name: nobody is led into our own house, and what comes back is bounded."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from channels.egress import Egress, EgressFailed, EgressRefused, guarded_get, look_up, public, read_host_ports
from tests.channels.authority import Authority
from tests.channels.hostile_urls import AFTER_LOOKING_UP, WITHOUT_LOOKING_UP

_watching: list[list[Any]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _watching:
        _watching[-1].append(arguments[1])
        if arguments[1][0] != "127.0.0.1":
            raise OSError("a test connects to nobody else")


sys.addaudithook(_hook)


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """Every address that this process tries to connect to, says the interpreter. Only our own is reached."""
    seen: list[Any] = []
    _watching.append(seen)
    yield seen
    _watching.remove(seen)


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Listener:
    """Answers everything that connects with the same bytes, and keeps what it was asked."""

    def __init__(self, answer: bytes, *, tls: ssl.SSLContext | None = None, hold: bool = False) -> None:
        self.answer = answer
        self.hold = hold
        self.tls = tls
        self.asked: list[bytes] = []
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            if self.hold:
                await reader.read()
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    @property
    def at(self) -> frozenset[tuple[str, int]]:
        return frozenset({("127.0.0.1", self.port)})


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener(ANSWER) as listening:
        yield listening


def answering(*answers: Sequence[str]) -> tuple[Any, list[str]]:
    """A resolver that answers these, one after the other, the last for ever; and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def test_the_list_is_long_enough() -> None:
    assert len(set(WITHOUT_LOOKING_UP)) + len(AFTER_LOOKING_UP) >= 100


@pytest.mark.parametrize("url", WITHOUT_LOOKING_UP, ids=range(len(WITHOUT_LOOKING_UP)))
async def test_such_a_url_is_refused_before_anybody_is_asked(url: str, listener: Listener, connects: list[Any]) -> None:
    resolve, asked = answering(["93.184.216.34"])
    with pytest.raises(EgressRefused):
        await guarded_get(url.format(port=listener.port), max_bytes=10, timeout=5, egress=Egress(resolve=resolve))
    assert (connects, asked, listener.asked) == ([], [], [])


@pytest.mark.parametrize("addresses", AFTER_LOOKING_UP, ids=",".join)
async def test_a_name_that_leads_into_the_house_is_refused(
    addresses: list[str], listener: Listener, connects: list[Any]
) -> None:
    """Also where only one of its addresses does."""
    resolve, _ = answering(addresses)
    url = f"https://hooks.example.org:{listener.port}/"
    with pytest.raises(EgressRefused) as refused:
        await guarded_get(url, max_bytes=10, timeout=5, egress=Egress(resolve=resolve))
    assert connects == []
    assert not any(address in str(refused.value) for address in addresses), "who asks does not learn what is where"


async def test_the_address_that_was_looked_at_is_the_one_that_is_tried(listener: Listener, connects: list[Any]) -> None:
    """A second look-up would answer with our own address: there is none."""
    resolve, asked = answering(["203.0.114.1"], ["127.0.0.1"])
    url = f"https://hooks.example.org:{listener.port}/"
    with pytest.raises(EgressFailed):
        await guarded_get(url, max_bytes=10, timeout=5, egress=Egress(resolve=resolve))
    assert asked == ["hooks.example.org"]
    assert {address[0] for address in connects} == {"203.0.114.1"}
    assert listener.asked == []


@pytest.mark.parametrize("address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert public(ip_address(address))


async def test_a_port_that_is_not_the_trusted_one_is_refused(listener: Listener, connects: list[Any]) -> None:
    egress = Egress(allowed_private=frozenset({("127.0.0.1", listener.port + 1)}))
    with pytest.raises(EgressRefused):
        await guarded_get(f"http://127.0.0.1:{listener.port}/", max_bytes=10, timeout=5, egress=egress)
    assert connects == []


async def test_a_trusted_host_is_reached_as_it_is(listener: Listener) -> None:
    answer = await guarded_get(
        f"http://127.0.0.1:{listener.port}/keys?a=1",
        max_bytes=10,
        timeout=5,
        headers={"Accept": "application/json", "Host": "elsewhere.example"},
        egress=Egress(allowed_private=listener.at),
    )
    assert (answer.status, answer.body) == (200, b"ok")
    (asked,) = listener.asked
    lines = asked.decode().lower().split("\r\n")
    assert lines[0] == "get /keys?a=1 http/1.1"
    assert [line for line in lines if line.startswith("host:")] == [f"host: 127.0.0.1:{listener.port}"]
    assert "accept: application/json" in lines


async def test_a_proxy_of_the_environment_is_not_used(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Listener(ANSWER) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        url = f"http://127.0.0.1:{listener.port}/"
        await guarded_get(url, max_bytes=10, timeout=5, egress=Egress(allowed_private=listener.at))
        assert proxy.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    async with Listener(ANSWER) as target:
        moved = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{target.port}/\r\nContent-Length: 0\r\n\r\n"
        async with Listener(moved.encode()) as first:
            egress = Egress(allowed_private=first.at | target.at)
            answer = await guarded_get(f"http://127.0.0.1:{first.port}/", max_bytes=10, timeout=5, egress=egress)
        assert answer.status == status
        assert target.asked == []


ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


async def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    async with Listener(ENDLESS, hold=True) as listening:
        egress = Egress(allowed_private=listening.at)
        url = f"http://127.0.0.1:{listening.port}/"
        with pytest.raises(EgressFailed) as failed:
            await guarded_get(url, max_bytes=1000, timeout=5, egress=egress)
        assert failed.value.why == "too large"
        answer = await egress.request("POST", url, content=b"x", max_bytes=1000, timeout=5, cut=True)
        assert (answer.status, len(answer.body)) == (200, 1000)


async def test_what_is_packed_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with Listener(packed) as listening:
        url = f"http://127.0.0.1:{listening.port}/"
        with pytest.raises(EgressFailed, match="protocol"):
            await guarded_get(url, max_bytes=100, timeout=5, egress=Egress(allowed_private=listening.at))


@pytest.mark.parametrize(
    ("answer", "hold", "why"),
    [
        (b"", True, "timeout"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", True, "timeout"),
        (b"", False, "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", False, "protocol"),
        (b"220 mail.example ESMTP\r\n", False, "protocol"),
    ],
    ids=["hangs", "hangs in the body", "cuts", "cuts in the body", "speaks something else"],
)
async def test_a_receiver_that_gives_no_answer(answer: bytes, hold: bool, why: str) -> None:
    async with Listener(answer, hold=hold) as listening:
        url = f"http://127.0.0.1:{listening.port}/"
        with pytest.raises(EgressFailed) as failed:
            await guarded_get(url, max_bytes=100, timeout=0.5, egress=Egress(allowed_private=listening.at))
        assert failed.value.why == why


async def test_a_look_up_that_hangs_ends_in_time() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(3600)
        return []

    with pytest.raises(EgressFailed, match="timeout"):
        await guarded_get("https://hooks.example.org/", max_bytes=1, timeout=0.1, egress=Egress(resolve=never))


async def test_a_name_that_is_nowhere() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("Name or service not known")

    with pytest.raises(EgressFailed, match="look-up"):
        await guarded_get("https://hooks.example.org/", max_bytes=1, timeout=5, egress=Egress(resolve=unknown))


async def test_the_machine_resolves_names() -> None:
    assert "127.0.0.1" in await look_up("localhost", 443)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_tls_is_checked_against_the_name_that_was_asked_for(authority: Authority) -> None:
    """The connection goes to an address; server name, certificate and Host header are the host's."""
    seen: list[str | None] = []
    context = authority.server("hooks.example.org")
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    async with Listener(ANSWER, tls=context) as listening:
        resolve, _ = answering(["127.0.0.1"])
        trusted = frozenset({("hooks.example.org", listening.port)})
        egress = Egress(allowed_private=trusted, resolve=resolve, tls=authority.trusting())
        url = f"https://hooks.example.org:{listening.port}/"
        assert (await guarded_get(url, max_bytes=10, timeout=5, egress=egress)).status == 200
        assert seen == ["hooks.example.org"]
        assert f"host: hooks.example.org:{listening.port}\r\n".encode() in listening.asked[0].lower()


@pytest.mark.parametrize("fault", ["expired", "another name", "unknown authority"])
async def test_tls_that_is_not_right_is_no_connection(authority: Authority, tmp_path: Path, fault: str) -> None:
    name = "other.example.org" if fault == "another name" else "hooks.example.org"
    async with Listener(ANSWER, tls=authority.server(name, expired=fault == "expired")) as listening:
        resolve, _ = answering(["127.0.0.1"])
        trusted = frozenset({("hooks.example.org", listening.port)})
        known = Authority(tmp_path) if fault == "unknown authority" else authority
        egress = Egress(allowed_private=trusted, resolve=resolve, tls=known.trusting())
        url = f"https://hooks.example.org:{listening.port}/"
        with pytest.raises(EgressFailed) as failed:
            await egress.request("POST", url, content=b"secret", max_bytes=10, timeout=5)
        assert failed.value.why == "tls"
        assert listening.asked == []


def test_the_setting_names_hosts_and_ports() -> None:
    assert read_host_ports("127.0.0.1:8080, [::1]:9000 Receiver:81") == {
        ("127.0.0.1", 8080),
        ("::1", 9000),
        ("receiver", 81),
    }


@pytest.mark.parametrize("text", ["127.0.0.1", "host:", "host:x", "host:0", "host:70000"])
def test_a_setting_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        read_host_ports(text)
