"""The provider's key, and the tokens that it signs. The command line signs with the same key, in the name of the stack
whose folder it may read (`continuum token --as PERSON`)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

from care.directory import Person
from continuum.embedded.folder import Folder, StackError, write_private

AUDIENCE = "continuum"
"""The one application that people sign in to here."""
ALGORITHM = "ES256"
KID = "sign-in"
TOKEN_SECONDS = 900


@dataclass(frozen=True)
class Issuer:
    """Who signs, and as whom."""

    url: str
    key: EllipticCurvePrivateKey

    def token(self, person: Person, *, nonce: str | None = None, now: float | None = None) -> str:
        """A token that says who somebody is: ID token and access token alike."""
        issued = int(time.time() if now is None else now)
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + TOKEN_SECONDS,
            **claims_of(person),
            **({"nonce": nonce} if nonce is not None else {}),
        }
        return jwt.encode(said, self.key, algorithm=ALGORITHM, headers={"kid": KID})

    def read(self, token: str) -> dict[str, Any] | None:
        """What one of its own tokens says; None where it is none."""
        try:
            said: dict[str, Any] = jwt.decode(
                token, self.key.public_key(), algorithms=[ALGORITHM], audience=AUDIENCE, issuer=self.url
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            return None
        return said

    def key_set(self) -> dict[str, Any]:
        """The public half, for whoever checks."""
        public: dict[str, Any] = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": KID, "use": "sig", "alg": ALGORITHM}]}


def claims_of(person: Person) -> dict[str, Any]:
    """Who it is. No roles: what somebody may do is in the directory."""
    email = {"email": person.email, "email_verified": True} if person.email else {}
    return {"sub": person.id, "name": person.name, "locale": person.language, **email}


def open_issuer(folder: Folder, url: str) -> Issuer:
    """The issuer of a folder under this address; its key is made the first time."""
    file = _file(folder)
    key = _kept(file)[1] if file.exists() else generate_private_key(SECP256R1())
    kept = {"issuer": url, "key": ECAlgorithm.to_jwk(key, as_dict=True)}
    write_private(file, json.dumps(kept).encode() + b"\n")
    return Issuer(url, key)


def issuer_of(folder: Folder) -> Issuer:
    """The issuer of a running stack. Raises StackError."""
    file = _file(folder)
    if not file.exists():
        raise StackError(f"nobody can sign in at {folder.root}: its stack was started without a gateway")
    return Issuer(*_kept(file))


def _file(folder: Folder) -> Path:
    return folder.secrets / "sign-in.json"


def _kept(file: Path) -> tuple[str, EllipticCurvePrivateKey]:
    try:
        kept = json.loads(file.read_bytes())
        key = ECAlgorithm(ECAlgorithm.SHA256).from_jwk(kept["key"])
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ValueError("the public half alone")
        return str(kept["issuer"]), key
    except OSError as error:
        raise StackError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
        raise StackError(f"{file} is damaged; delete it, a new key is then made at the next start") from error
