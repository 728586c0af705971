"""Going out to an address that somebody else named, without being led into our own house.

An integrator gives us URLs: where to tell them, where their keys are. A URL may name this machine, the cloud's metadata
service or a neighbour's database, at once or only when it is looked up the second time. So: `https` only, a plain host,
one look-up, every address it answers must be a public one, and the connection goes to the address that was looked at,
under the name that was asked for. Redirects are never followed. OWASP ASVS 5.0, 1.3.6.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

import httpx

CONNECT_SECONDS = 5.0
"""For one address of a host; the next is tried after it, within the whole request's time."""
LONGEST_URL = 2048
"""Characters."""
LOOK_UPS_AT_ONCE = 16
"""Threads of their own: names whose servers are silent hold up nobody else's work."""

HostPort = tuple[str, int]
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host. Raises OSError."""

Trouble = Literal["look-up", "connect", "tls", "timeout", "protocol", "too large"]

_PLAIN = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]+")
"""What RFC 3986 lets stand in a URL: no space, no control character, no backslash for parsers to disagree on."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_OTHERS_PORTS = frozenset({1433, 1521, 2049, 2375, 2376, 3306, 3389, 5432, 5900, 6379, 7233, 8233, 9200, 11211, 27017})
"""Of databases and the like: nobody listens for a webhook there."""
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments; Python 3.11 takes some of them for public
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo and other special purposes
        "2001:db8::/32",
        "2002::/16",  # 6to4, whatever is inside: RFC 7526 ended it
        "3fff::/20",  # documentation, RFC 9637
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class EgressRefused(ValueError):  # noqa: N818 - what happened
    """We do not go there. Our own words, without the address that a name led to."""


class EgressFailed(Exception):  # noqa: N818
    """We went, and there was no answer. `why` is one word for a log and a row."""

    def __init__(self, why: Trouble) -> None:
        super().__init__(f"no answer ({why})")
        self.why: Trouble = why


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. A redirect is an answer like any other."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be tried, taken apart by the same parser that will ask for it."""

    url: httpx.URL
    host: str
    port: int
    trusted: bool
    """Named in the settings: neither its scheme nor its address is looked at."""


_threads = ThreadPoolExecutor(LOOK_UPS_AT_ONCE, thread_name_prefix="look-up")


async def look_up(host: str, port: int) -> Sequence[str]:
    """As the machine resolves names."""
    found = await asyncio.get_running_loop().run_in_executor(
        _threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def public(address: Address) -> bool:
    """Whether an address belongs to the internet at large. What hides an IPv4 address is judged by what it hides."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return public(address.ipv4_mapped)
        if address in _NAT64:
            return public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.scope_id is not None or address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def read_host_ports(text: str) -> frozenset[HostPort]:
    """A setting's `host:port host:port`. Raises ValueError."""
    found = set()
    for part in text.replace(",", " ").split():
        host, colon, port = part.rpartition(":")
        if not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ValueError(f"{part}: write host:port")
        found.add((host.strip("[]").lower(), int(port)))
    return frozenset(found)


def target_of(url: str, allowed_private: frozenset[HostPort] = frozenset()) -> Target:
    """What can be said of a URL without asking anybody. Raises EgressRefused."""
    parsed = _parsed(url)
    host = parsed.raw_host.decode("ascii").lower()
    port = (443 if parsed.scheme == "https" else 80) if parsed.port is None else parsed.port
    trusted = (host, port) in allowed_private
    if not trusted:
        if parsed.scheme != "https":
            raise EgressRefused("the URL must begin with https://")
        if port != 443 and (not 1024 <= port <= 65_535 or port in _OTHERS_PORTS):
            raise EgressRefused("the URL's port is not one for web servers")
        literal = _literal(host)
        if literal is None and not _is_name(host):
            raise EgressRefused("the URL's host must be a full domain name")
        if literal is not None and not public(literal):
            raise EgressRefused("the URL's address is not a public one")
    return Target(parsed, host, port, trusted)


@dataclass(frozen=True)
class Egress:
    """The one way out to addresses that others name."""

    allowed_private: frozenset[HostPort] = frozenset()
    """Hosts and ports that the installation itself trusts, at any address and without TLS."""
    resolve: Resolve = look_up
    tls: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)

    async def addresses(self, target: Target) -> list[Address]:
        """Where a target is, by one look-up. Raises EgressRefused if any of it is not public, EgressFailed."""
        literal = _literal(target.host)
        try:
            texts = [str(literal)] if literal else await self.resolve(target.host, target.port)
            found = [ip_address(text) for text in texts]
        except (OSError, UnicodeError, ValueError):
            raise EgressFailed("look-up") from None
        if not found:
            raise EgressFailed("look-up")
        if not target.trusted and not all(public(address) for address in found):
            raise EgressRefused("the URL's host has an address that is not a public one")
        return found

    async def request(
        self,
        method: Literal["GET", "POST"],
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        max_bytes: int,
        timeout: float,
        cut: bool = False,
    ) -> Answer:
        """One request, one answer, within `timeout` seconds in all, look-up included.

        A body of more than `max_bytes` is too large, or with `cut` read no further. Raises EgressRefused, EgressFailed.
        """
        target = target_of(url, self.allowed_private)
        try:
            async with asyncio.timeout(timeout):
                trouble: Trouble = "connect"
                for address in await self.addresses(target):
                    request = _request(method, target, address, headers or {}, content, timeout)
                    try:
                        return await self._ask(request, max_bytes, cut)
                    except httpx.ConnectTimeout:
                        trouble = "timeout"
                    except httpx.ConnectError as error:
                        trouble = "tls" if _is_tls(error) else "connect"
                raise EgressFailed(trouble)
        except (TimeoutError, httpx.TimeoutException):
            raise EgressFailed("timeout") from None
        except (httpx.HTTPError, httpx.StreamError, OSError):
            raise EgressFailed("protocol") from None

    async def _ask(self, request: httpx.Request, max_bytes: int, cut: bool) -> Answer:
        # The transport alone: it follows nothing, keeps no cookie, reads no proxy from the environment, logs no URL.
        # A connection for each request: one kept open under an address would serve another name there.
        async with httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                body = await _body(response, max_bytes, cut)
            finally:
                await response.aclose()
            return Answer(response.status_code, dict(response.headers), body)


async def guarded_get(
    url: str,
    *,
    max_bytes: int,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    egress: Egress | None = None,
) -> Answer:
    """Fetch what somebody else's URL holds, of any status. Raises EgressRefused, EgressFailed."""
    return await (egress or Egress()).request("GET", url, headers=headers, max_bytes=max_bytes, timeout=timeout)


async def _body(response: httpx.Response, max_bytes: int, cut: bool) -> bytes:
    """As it came: nothing is unpacked, so that nothing can unfold."""
    if response.headers.get("content-encoding", "identity") != "identity" and not cut:
        raise EgressFailed("protocol")
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk[: max_bytes + 1 - len(body)]
        if len(body) > max_bytes:
            if not cut:
                raise EgressFailed("too large")
            return body[:max_bytes]
    return body


def _parsed(url: str) -> httpx.URL:
    if len(url) > LONGEST_URL:
        raise EgressRefused(f"the URL is longer than {LONGEST_URL} characters")
    if not _PLAIN.fullmatch(url):
        raise EgressRefused("the URL has a character that no URL may have")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise EgressRefused("this is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.raw_host or not parsed.raw_host.isascii():
        raise EgressRefused("the URL must begin with https:// and a host")
    if parsed.userinfo or "@" in re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise EgressRefused("the URL must have no user name or password in it")
    return parsed


def _request(
    method: str, target: Target, address: Address, headers: Mapping[str, str], content: bytes, timeout: float
) -> httpx.Request:
    """To the address itself, in the name of the host."""
    seconds = {"connect": CONNECT_SECONDS, "read": timeout, "write": timeout, "pool": timeout}
    return httpx.Request(
        method,
        target.url.copy_with(host=str(address), fragment=None),
        headers={
            "user-agent": "continuum",
            "accept-encoding": "identity",
            **{name.lower(): value for name, value in headers.items()},
            "host": target.url.netloc.decode("ascii"),
            "connection": "close",
        },
        content=content if method == "POST" else None,
        extensions={"timeout": seconds, "sni_hostname": target.host},
    )


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """A domain name with a dot in it. A last label of digits is a number in disguise: `127.1`, `0x7f.1`."""
    labels = host.split(".")
    if len(host) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    return not re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1])


def _is_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
