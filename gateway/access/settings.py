"""What an installation may say of who gets in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from channels.egress import HostPort

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True)
class OidcSettings:
    """The identity provider of the clinic's people: any that speaks OpenID Connect and signs JWTs."""

    issuer: str
    """As it stands in its tokens, `https://login.clinic.example/realms/main`; discovery is below it."""
    audience: str
    """Our client id there, or the name of our API; it has to stand in `aud`."""
    person_claim: str = "email"
    """Which claim says who it is: `email` (verified, and that of one person in the directory), or the name of a claim
    that holds the person's id in the directory."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")


@dataclass(frozen=True)
class AccessSettings:
    """Who gets in, and how often they may ask."""

    key_file: Path | None = None
    """Our signing keys, shared by all processes of one gateway; None: a key of this process, for tests."""
    oidc: OidcSettings | None = None
    """None: people cannot sign in."""
    requests_per_minute: int = 30_000
    """For each client, over all processes; as many may come at once."""
    failures_per_minute: int = 10
    """Failed authentications of one source that are answered as such; more are told to wait."""
    allowed_private: frozenset[HostPort] = field(default_factory=frozenset)
    """Hosts and ports of integrators (their keys, their webhooks) that may be at private addresses."""
