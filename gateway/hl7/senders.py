"""Who sends: a registered system, by its TLS certificate or by the names in MSH-3 and MSH-4.

A certificate wins, and the names have to agree with it: the names alone are what anybody may write. A system that is
registered with a certificate is never taken by its names alone.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from gateway.context import Gateway
from records import hl7
from records.hl7 import Hl7Client

KEPT_SECONDS = 5.0
"""How long the list of systems is believed: a change takes effect after that, and no message costs a look-up."""
_UNFIT = re.compile(r"[^A-Za-z0-9._|/ :-]")
LONGEST = 200


class UnknownSender(Exception):  # noqa: N818
    """Nobody registered this system, or it is not who it says it is. The reason is ours and names nobody."""


@dataclass
class Senders:
    """The registered systems, looked up now and then."""

    gateway: Gateway
    _known: tuple[Hl7Client, ...] = ()
    _read_at: float | None = field(default=None, repr=False)

    async def who(self, claimed: str, certificate: str | None) -> str:
        """`client:ID`, or `hl7:NAMES` where systems need not be registered. Raises UnknownSender, DatabaseAway."""
        return sender_of(
            await self._clients(), claimed, certificate, unknown_allowed=self.gateway.settings.unknown_senders
        )

    async def _clients(self) -> tuple[Hl7Client, ...]:
        now = time.monotonic()
        if self._read_at is None or now - self._read_at > KEPT_SECONDS:
            self._known = await hl7.clients(self.gateway.database, self.gateway.settings.tenant)
            self._read_at = now
        return self._known


def sender_of(
    clients: tuple[Hl7Client, ...], claimed: str, certificate: str | None, *, unknown_allowed: bool = False
) -> str:
    """The decision. Raises UnknownSender."""
    if certificate is not None:
        shown = [c for c in clients if c.certificate is not None and _hex(c.certificate) == _hex(certificate)]
        if len(shown) != 1:
            raise UnknownSender("this certificate is not registered")
        (client,) = shown
        if client.senders and claimed not in client.senders:
            raise UnknownSender("MSH-3 and MSH-4 are not those registered with this certificate")
        return f"client:{client.id}"
    named = [c for c in clients if claimed in c.senders]
    if len(named) == 1 and named[0].certificate is None:
        return f"client:{named[0].id}"
    if named:
        raise UnknownSender("the system of this name has to show its TLS certificate")
    if not unknown_allowed:
        raise UnknownSender("this system is not registered (MSH-3 and MSH-4)")
    return f"hl7:{_UNFIT.sub('_', claimed)[:LONGEST]}"


def _hex(fingerprint: str) -> str:
    """As tools print fingerprints: with colons or without, in either case."""
    return fingerprint.replace(":", "").lower()
