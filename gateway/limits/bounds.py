"""The bounds of one request, and what its head alone says against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.answers import Problem

KIB, MIB = 1024, 1024 * 1024
Headers = Iterable[tuple[bytes, bytes]]
_ABOUT_BODY = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})


@dataclass(frozen=True)
class Bounds:
    """Sizes in bytes, times in seconds."""

    fhir_body: int = 5 * MIB
    """Of a request below `/fhir`, Bundles included."""
    other_body: int = MIB
    header_count: int = 100
    headers: int = 16 * KIB
    target: int = 8 * KIB
    """Path and query."""
    body_seconds: float = 10.0
    """So long, altogether, we wait for a client to send its body: a byte now and then does not help it."""
    answer_seconds: float = 15.0
    """So long, altogether, we wait for a client to take its answer."""
    at_once: int = 128
    """Requests under way, without those that wait for their client: slow clients never use up what others need."""
    held: int = 64 * MIB
    """Bodies of all requests under way together."""

    def body(self, path: str) -> int:
        """The most that a body for this path may have."""
        return self.fhir_body if path == "/fhir" or path.startswith("/fhir/") else self.other_body


def too_large(limit: int) -> Problem:
    """The answer to a body above its bound."""
    return Problem(413, "too-long", f"the body has more than {limit} bytes")


def refusal(target: bytes, path: str, headers: Headers, bounds: Bounds) -> Problem | None:
    """What is wrong with a request by its head alone; None: nothing.

    `target` is the path and the query as they were sent.
    """
    if len(target) > bounds.target:
        return Problem(414, "too-long", f"the address has more than {bounds.target} bytes")
    count = size = 0
    about_body: dict[bytes, bytes] = {}
    for name, value in headers:
        count += 1
        size += len(name) + len(value)
        if name in _ABOUT_BODY:
            about_body[name] = value
    if count > bounds.header_count or size > bounds.headers:
        return Problem(
            431, "too-long", f"at most {bounds.header_count} headers of {bounds.headers} bytes together are taken"
        )
    return _refused_body(about_body, bounds.body(path)) if about_body else None


def _refused_body(said: Mapping[bytes, bytes], most: int) -> Problem | None:
    if said.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        return Problem(415, "not-supported", "a compressed body is not taken: send it as it is")
    length = said.get(b"content-length")
    if length is None:
        return None
    if b"transfer-encoding" in said:  # two lengths: what a proxy reads and what we read may differ (RFC 9112, 6.1)
        return Problem(400, "structure", "Content-Length and Transfer-Encoding exclude each other")
    if not length.isdigit():
        return Problem(400, "structure", "Content-Length is no number")
    # Ten digits are enough for any; a number of a million digits takes a while to read.
    return too_large(most) if len(length) > 10 or int(length) > most else None


def may_have_body(method: str, http_version: str, headers: Headers) -> bool:
    """Whether bytes may follow the head. HTTP/2 says it in frames that we do not see: there the method decides."""
    for name, value in headers:
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return value != b"0"
    return http_version not in ("1.0", "1.1") and method not in ("GET", "HEAD", "OPTIONS", "DELETE")
