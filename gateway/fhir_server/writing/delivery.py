"""One request that wants to change something: who sent it, its bytes and what its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from fastapi import Request

from gateway.access.caller import Caller
from gateway.answers import Problem
from gateway.context import Gateway, gateway_of
from gateway.fhir.decode import MAX_BYTES
from gateway.fhir_server.writing import headers
from gateway.inbound import Envelope
from gateway.inbound.meaning import source_of

CLAIMED = "fhir"
"""What a delivery by this door claims of its source, unless it says something itself."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request. `request` is there for whatever has to ask the server itself."""

    caller: Caller
    gateway: Gateway
    raw: bytes = field(repr=False)
    sha256: str
    """The digest by which these bytes are known again."""
    media_type: str
    received_at: datetime
    prefer: headers.Prefer
    idempotency_key: str | None
    request: Request = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """As they came; `headers.sent`."""

    @property
    def base(self) -> str:
        """Where our resources are, without a slash at the end."""
        return f"{self.gateway.settings.base_url}/fhir"

    def header(self, name: str) -> str | None:
        """A header as it came, by its name in small letters."""
        return self.headers.get(name)

    def envelope(
        self, kind: str, *, claimed: str = CLAIMED, key: str | None = None, source: str | None = None
    ) -> Envelope:
        """How the record keeps it. `key`: the transport key; else the caller's own, else that of the bytes."""
        return Envelope(
            tenant=self.caller.tenant,
            protocol="fhir",
            sender=self.caller.sender,
            source=source or source_of(self.caller.sender, claimed),
            transport_key=key or self.idempotency_key or f"sha256:{self.sha256}",
            raw=self.raw,
            media_type=self.media_type,
            kind=kind,
            received_at=self.received_at,
        )


async def receive(request: Request) -> Delivery:
    """Take the request in, as far as it may be as long as it is. Raises Problem (400, 413, 415)."""
    said = headers.sent(request)
    kind = headers.media_type(said.get("content-type"))
    raw = await _body(request, said.get("content-length", ""))
    return Delivery(
        caller=request.state.caller,
        gateway=gateway_of(request),
        raw=raw,
        sha256=sha256(raw).hexdigest(),
        media_type=kind,
        received_at=datetime.now(UTC),
        prefer=headers.prefer(said.get("prefer")),
        idempotency_key=headers.idempotency_key(said.get("idempotency-key")),
        request=request,
        headers=said,
    )


async def _body(request: Request, declared: str) -> bytes:
    """The bytes, and no more of them than a message may have: what is said of their number is not believed."""
    if declared.isascii() and declared.isdigit() and int(declared[:12]) > MAX_BYTES:
        raise too_large()
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise too_large()
        parts.append(part)
    return b"".join(parts)


def too_large() -> Problem:
    """The answer to a body that is not read to its end; its connection is of no further use."""
    return Problem(413, "too-long", f"a message may have {MAX_BYTES} bytes", headers={"Connection": "close"})
