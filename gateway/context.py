"""What the routes of the gateway need: the record, Temporal as far as it is there, settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from temporalio.client import Client

from gateway.access.settings import AccessSettings
from gateway.measures import UNMEASURED, Measures
from records.database import Database
from workflows.connection import connect

if TYPE_CHECKING:  # the worker uses the rest of this, and would wait half a second for a web framework
    from fastapi import Request

CONNECT_SECONDS = 2.0


class TemporalAway(Exception):  # noqa: N818
    """Temporal cannot be reached. What is stored already is taken up later."""


@dataclass(frozen=True)
class GatewaySettings:
    """What an installation may say of its gateway; `continuum/settings.py` reads it from the environment."""

    tenant: str
    base_url: str
    """Where callers reach us, without a slash at the end: `https://continuum.clinic.example`."""
    must_be_signed: bool = True
    unknown_senders: bool = False
    """Whether HL7 v2 messages of senders nobody registered are taken (the embedded stack, tests)."""
    access: AccessSettings = field(default_factory=AccessSettings)
    """Who gets in, and how often they may ask."""


class Temporal(Protocol):
    """Gives a client when Temporal is there."""

    async def client(self) -> Client:
        """Raises TemporalAway."""
        ...


@dataclass
class LazyTemporal:
    """Connects at the first use, so that the gateway starts and stores while Temporal is away."""

    address: str | None = None
    _client: Client | None = field(default=None, repr=False)

    async def client(self) -> Client:
        """See `Temporal`."""
        if self._client is None:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    self._client = await connect(self.address)
            except (RuntimeError, TimeoutError):
                raise TemporalAway("Temporal cannot be reached") from None
        return self._client


@dataclass(frozen=True)
class ConnectedTemporal:
    """A client that is there already: the worker's."""

    connected: Client

    async def client(self) -> Client:
        """See `Temporal`."""
        return self.connected


@dataclass
class Gateway:
    """One gateway's surroundings; `request.app.state.gateway` for whoever handles a request."""

    database: Database
    temporal: Temporal
    settings: GatewaySettings
    measures: Measures = UNMEASURED


def gateway_of(request: Request) -> Gateway:
    """The surroundings of the gateway that handles this request."""
    return cast(Gateway, request.app.state.gateway)
