"""A patient's link: lets whoever holds it answer questions about one journey, for a while, and do nothing else.

The token is encrypted and authenticated (Fernet), so that a link which is passed on or logged says nothing of whose it
is. It belongs behind the `#` of a URL, or in a body: what stands before that is in every log on the way.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.access.caller import Caller
from gateway.access.keyring import Keyring, SigningKey

PREFIX = "pl_"
PURPOSE = "answer"
_DERIVED_FOR = "continuum patient link"
LONGEST_TOKEN = 1024


class LinkRefused(Exception):  # noqa: N818
    """The link is not ours, was changed, or is over."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for."""

    tenant: str
    journey: str
    expires_at: float
    """Seconds since 1970."""

    def caller(self) -> Caller:
        """Whoever holds it."""
        return Caller(
            tenant=self.tenant, kind="patient", id=self.journey, roles=frozenset({"patient"}), journey=self.journey
        )


def mint_link(keyring: Keyring, tenant: str, journey: str, expires_at: datetime) -> str:
    """A link's token for one journey. `expires_at` is aware."""
    said = {"p": PURPOSE, "t": tenant, "j": journey, "e": int(expires_at.timestamp())}
    return PREFIX + _fernet(keyring.keys()).encrypt(json.dumps(said).encode()).decode("ascii")


def verify_link(keyring: Keyring, token: str, *, now: float | None = None) -> Link:
    """What a token is for. Raises LinkRefused."""
    if not token.startswith(PREFIX) or len(token) > LONGEST_TOKEN or not token.isascii():
        raise LinkRefused
    try:
        said = json.loads(_fernet(keyring.keys()).decrypt(token.removeprefix(PREFIX)))
    except (InvalidToken, ValueError):
        raise LinkRefused from None
    if said["p"] != PURPOSE or said["e"] <= (time.time() if now is None else now):
        raise LinkRefused
    return Link(tenant=said["t"], journey=said["j"], expires_at=float(said["e"]))


def _fernet(keys: tuple[SigningKey, ...]) -> MultiFernet:
    return MultiFernet([_of(key) for key in keys])


def _of(key: SigningKey) -> Fernet:
    return Fernet(urlsafe_b64encode(key.secret(_DERIVED_FOR)))
