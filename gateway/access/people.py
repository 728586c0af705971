"""The clinic's people sign in at their own identity provider; what they may do here is in the directory.

Any provider of OpenID Connect will do that signs JWTs: it is found by discovery
(https://openid.net/specs/openid-connect-discovery-1_0.html). Its token says who somebody is and nothing of what they
may: roles that a provider sends along are not looked at. Whoever is not in the directory does not get in.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt

from channels.egress import Egress, EgressFailed, EgressRefused, HostPort
from gateway.access.authentication import Expired, NotAdmitted, NotAuthenticated
from gateway.access.caller import Caller, CallerRole
from gateway.access.jwks import ASK_EVERY, FETCH_SECONDS, MOST_BYTES, RemoteKeys, the_key
from gateway.access.settings import ASYMMETRIC, OidcSettings
from records import people
from records.database import Database
from records.people import KnownPerson

DISCOVERY = "/.well-known/openid-configuration"
DISCOVERED_SECONDS = 3600.0
SKEW_SECONDS = 60
LONGEST_CLAIM = 254
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})

ROLES: dict[str, frozenset[CallerRole]] = {
    "coordinator": frozenset({"coordinator"}),
    "therapist": frozenset({"therapist"}),
    "clinical_lead": frozenset({"therapist", "coordinator"}),
    "on_call": frozenset({"therapist"}),
    "surgeon": frozenset({"physician"}),
    "physician": frozenset({"physician"}),
    "author": frozenset({"author"}),
    "auditor": frozenset({"auditor"}),
    "operator": frozenset({"operator"}),
}
"""What each role of the directory may act as at the gateway. A surgeon sees the referrals that name them, like any
other physician; one who also treats at the clinic has the role `therapist` besides."""


class ProviderAway(Exception):  # noqa: N818
    """The identity provider does not answer, so that nobody new can be let in."""


class People:
    """Reads the tokens of one identity provider."""

    def __init__(
        self,
        database: Database,
        tenant: str,
        settings: OidcSettings,
        keys: RemoteKeys,
        egress: Egress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = settings.issuer
        self._database = database
        self._tenant = tenant
        self._settings = settings
        self._algorithms = tuple(a for a in settings.algorithms if a in ASYMMETRIC)
        self._keys = keys
        self._egress = egress
        self._clock = clock
        self._keys_at: str | None = None
        self._fresh_until = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def caller(self, token: str) -> tuple[Caller, float]:
        """Who it is, and until when. Raises NotAuthenticated, NotAdmitted, ProviderAway, DatabaseAway."""
        claims = await self._claims(token)
        person = await self._person(claims)
        roles = frozenset(role for held in person.roles for role in ROLES.get(held, ())) if person else frozenset()
        if person is None or not roles:
            raise NotAdmitted
        caller = Caller(
            tenant=self._tenant, kind="person", id=person.id, roles=roles, email=_email(claims, person.email)
        )
        return caller, float(claims["exp"])

    async def _claims(self, token: str) -> dict[str, Any]:
        algorithm, kid = self._header(token)
        found = await self._keys.keys(await self._key_set_url(), kid)
        if not found:
            raise ProviderAway
        key = the_key(found, kid, algorithm)
        if key is None:
            raise NotAuthenticated
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.audience,
                issuer=self.issuer,
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub"]},
            )
        except jwt.ExpiredSignatureError:  # looked at after the signature
            raise Expired from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise NotAuthenticated from None
        return claims

    def _header(self, token: str) -> tuple[str, str]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise NotAuthenticated from None
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if algorithm not in self._algorithms or not isinstance(kid, str):
            raise NotAuthenticated
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise NotAuthenticated
        return algorithm, kid

    async def _person(self, claims: dict[str, Any]) -> KnownPerson | None:
        value = claims.get(self._settings.person_claim)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLAIM or not value.isprintable():
            return None
        if self._settings.person_claim != "email":
            return await people.by_id(self._database, self._tenant, value)
        if claims.get("email_verified") is not True:
            return None
        return await people.by_email(self._database, self._tenant, value)

    async def _key_set_url(self) -> str:
        if self._keys_at is not None and self._clock() < self._fresh_until:
            return self._keys_at
        async with self._lock:
            if self._clock() >= self._fresh_until and self._clock() - self._asked_at >= ASK_EVERY:
                self._asked_at = self._clock()
                self._keys_at = await self._discovered() or self._keys_at
                self._fresh_until = self._clock() + DISCOVERED_SECONDS if self._keys_at else float("-inf")
            if self._keys_at is None:
                raise ProviderAway
            return self._keys_at

    async def _discovered(self) -> str | None:
        try:
            answer = await self._egress.request(
                "GET", self.issuer.rstrip("/") + DISCOVERY, max_bytes=MOST_BYTES, timeout=FETCH_SECONDS
            )
            said = json.loads(answer.body) if answer.status == 200 else {}
        except (EgressRefused, EgressFailed, ValueError, RecursionError):
            return None
        # Another issuer's document is another's: OpenID Connect Discovery, 4.3.
        if not isinstance(said, dict) or said.get("issuer") != self.issuer:
            return None
        where = said.get("jwks_uri")
        return where if isinstance(where, str) else None


def _email(claims: dict[str, Any], in_directory: str | None) -> str | None:
    """As the provider verified it; where it says nothing of addresses, as the directory has it."""
    if "email" not in claims:
        return in_directory
    email = claims["email"]
    return email if isinstance(email, str) and claims.get("email_verified") is True else None


def trusted(issuer: str) -> frozenset[HostPort]:
    """The provider may be in the clinic's own network: whoever runs the gateway named it."""
    parts = urlsplit(issuer)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return frozenset({((parts.hostname or "").lower(), port)})
