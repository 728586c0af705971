"""A client's side of SMART Backend Services, for tests: keys, and assertions that are right until something is
changed."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.access.assertions import ASSERTION_TYPE

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def public_jwk(key: PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    """The public half as a client registers it."""
    if isinstance(key, rsa.RSAPrivateKey):
        jwk: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, **more}


def b64(data: bytes | dict[str, Any]) -> str:
    """base64url as JWS has it."""
    raw = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class System:
    """A system with two keys."""

    id: str
    token_url: str
    rsa: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    ec: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def jwks(self) -> dict[str, Any]:
        """What it registers."""
        return {"keys": [public_jwk(self.rsa, "rsa-1", alg="RS384"), public_jwk(self.ec, "ec-1", use="sig")]}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Right ones, with some of them changed; None takes one away."""
        now = int(time.time())
        right = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.token_url,
            "iat": now,
            "exp": now + 240,
            "jti": uuid4().hex,
        }
        return {name: value for name, value in {**right, **changed}.items() if value is not None}

    def sign(
        self, claims: dict[str, Any], *, key: Any = None, alg: str = "ES384", kid: str | None = "ec-1", **headers: Any
    ) -> str:
        """An assertion with these claims."""
        key = key if key is not None else (self.rsa if alg.startswith(("RS", "PS")) else self.ec)
        return jwt.encode(claims, key, algorithm=alg, headers={**({"kid": kid} if kid else {}), **headers})

    def good(self, **changed: Any) -> str:
        """An assertion."""
        return self.sign(self.claims(**changed))


def form(assertion: str, scope: str = "system/*.rs", **more: str) -> dict[str, str]:
    """What is sent with it."""
    return {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **more,
    }
