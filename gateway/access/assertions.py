"""A client shows who it is by a signed assertion that counts once: SMART Backend Services, RFC 7523.

Source: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html. What is looked at here needs nothing
but the assertion and the client's keys; that it was not used before is for `records/clients.py` to say.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

import jwt

from gateway.access.jwks import Jwk, the_key

ALGORITHMS = ("RS384", "ES384")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION = 8_192
"""Characters, before anything is read in it: a signature of RSA with 8192 bits has 1366."""
LONGEST_JTI = 255
LIFE_SECONDS = 300
SKEW_SECONDS = 60
"""By how much the clock of a client may go before ours, where it says when it signed."""
_HEADERS = frozenset({"alg", "kid", "typ", "jku"})
"""All that an assertion's header may hold. `jwk`, `x5c`, `x5u` would bring keys along, `crit` and `b64` other rules,
`cty` another token inside."""


class AssertionRefused(Exception):  # noqa: N818
    """The assertion does not show who the client is. The words are for our tests; nobody outside hears them."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What an assertion says of itself: enough to find the client whose keys it has to be held against."""

    raw: str
    client: str
    algorithm: str
    kid: str
    jku: str | None


@dataclass(frozen=True, slots=True)
class Assertion:
    """A checked one."""

    client: str
    jti: str
    expires_at: float
    """Seconds since 1970."""


def look_at(assertion: str) -> Unchecked:
    """What it says of itself, checked by nothing but its form. Raises AssertionRefused."""
    if len(assertion) > LONGEST_ASSERTION or not assertion.isascii():
        raise AssertionRefused("too long, or not ASCII")
    parts = assertion.split(".")
    if len(parts) != 3:
        raise AssertionRefused("not three parts")
    header, claims = _object(parts[0]), _object(parts[1])
    if set(header) - _HEADERS:
        raise AssertionRefused("a header that we do not take")
    algorithm, kid, kind, jku = header.get("alg"), header.get("kid"), header.get("typ", "JWT"), header.get("jku")
    if algorithm not in ALGORITHMS:
        raise AssertionRefused("algorithm")
    if not isinstance(kid, str) or not isinstance(kind, str) or kind.upper() != "JWT":
        raise AssertionRefused("kid or typ")
    if jku is not None and not isinstance(jku, str):
        raise AssertionRefused("jku")
    client = claims.get("iss")
    if not isinstance(client, str) or client != claims.get("sub") or not client.isprintable():
        raise AssertionRefused("iss and sub")
    return Unchecked(assertion, client, algorithm, kid, jku)


def check(seen: Unchecked, keys: tuple[Jwk, ...], token_url: str, *, now: float | None = None) -> Assertion:
    """Hold an assertion against its client's keys. Raises AssertionRefused."""
    key = the_key(keys, seen.kid, seen.algorithm)
    if key is None:
        raise AssertionRefused("not exactly one key of that name for that algorithm")
    try:
        claims = jwt.decode(
            seen.raw,
            key,
            algorithms=[seen.algorithm],
            options={
                "require": ["iss", "sub", "aud", "exp", "jti"],
                "verify_aud": False,  # these are looked at below, more strictly
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise AssertionRefused("signature or claims") from None
    if claims["aud"] not in (token_url, [token_url]):
        raise AssertionRefused("aud")
    moment = time.time() if now is None else now
    expires_at = _times(claims, moment)
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
        raise AssertionRefused("jti")
    return Assertion(seen.client, jti, expires_at)


def _times(claims: dict[str, Any], now: float) -> float:
    exp = _number(claims, "exp")
    if exp is None or not now < exp <= now + LIFE_SECONDS:
        raise AssertionRefused("exp")
    if (nbf := _number(claims, "nbf")) is not None and nbf > now + SKEW_SECONDS:
        raise AssertionRefused("nbf")
    iat = _number(claims, "iat")
    if iat is not None and not exp - LIFE_SECONDS - SKEW_SECONDS <= iat <= now + SKEW_SECONDS:
        raise AssertionRefused("iat")
    return exp


def _number(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise AssertionRefused(name)
    return float(value)


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise AssertionRefused("not an object in base64url") from None
    if not isinstance(found, dict):
        raise AssertionRefused("not an object")
    return found
