"""Our own access tokens (RFC 9068): short-lived, signed, and understood by every process without a look-up."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from gateway.access.keyring import Keyring

TOKEN_SECONDS = 300
"""SMART App Launch recommends at most five minutes: what is taken away from a client is gone then."""
ALGORITHM = "EdDSA"
TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What one of our tokens says."""

    tenant: str
    client: str
    scopes: frozenset[str]
    expires_at: float
    """Seconds since 1970."""


class TokenRefused(Exception):  # noqa: N818
    """This is no good token of ours. Says nothing more: whoever tries learns nothing."""


class TokenExpired(TokenRefused):
    """It was one of ours, and is over."""


class Tokens:
    """Makes and reads them."""

    def __init__(self, keyring: Keyring, issuer: str) -> None:
        self.issuer = issuer
        self._keyring = keyring

    def mint(self, tenant: str, client: str, scopes: frozenset[str], *, now: float | None = None) -> str:
        """A token for a client that has shown who it is."""
        issued = int(time.time() if now is None else now)
        key = self._keyring.signing()
        claims = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": client,
            "client_id": client,
            "tenant": tenant,
            "scope": " ".join(sorted(scopes)),
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid, "typ": TYPE})

    def read(self, token: str) -> AccessToken:
        """What a token says, if we signed it and it still counts. Raises TokenRefused, TokenExpired."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._keyring.key(header.get("kid"))
            if key is None or header.get("typ") != TYPE:
                raise TokenRefused
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[ALGORITHM],
                audience=self.issuer,
                issuer=self.issuer,
                options={"require": ["exp", "iat", "sub", "tenant", "scope"]},
            )
        except jwt.ExpiredSignatureError:  # looked at after the signature
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise TokenRefused from None
        return AccessToken(
            tenant=str(claims["tenant"]),
            client=str(claims["sub"]),
            scopes=frozenset(str(claims["scope"]).split()),
            expires_at=float(claims["exp"]),
        )
