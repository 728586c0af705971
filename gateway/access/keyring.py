"""The keys by which we know our own tokens: the first signs, all of them verify.

They are in one file that every process of the gateway reads, and reads again when it has changed. To rotate, a new key
is put in front (`continuum signing-key FILE`); the old one stays for as long as anything that it signed may live.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEYS_KEPT = 3


class KeyFileWrong(Exception):  # noqa: N818
    """The file of signing keys cannot be used: one line for whoever runs the gateway, without a key in it."""


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key pair (RFC 8037) under its name."""

    kid: str
    private: Ed25519PrivateKey

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh one."""
        return cls(secrets.token_hex(8), Ed25519PrivateKey.generate())

    @property
    def public(self) -> Ed25519PublicKey:
        """Its public half."""
        return self.private.public_key()

    def secret(self, purpose: str) -> bytes:
        """32 bytes derived from it (HKDF, RFC 5869), for one purpose alone."""
        return HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self.private.private_bytes_raw())

    def as_jwk(self) -> dict[str, str]:
        """As the file holds it."""
        public, private = self.public.public_bytes_raw(), self.private.private_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": _b64(public), "d": _b64(private)}


class Keyring:
    """The signing keys of one gateway."""

    def __init__(self, keys: tuple[SigningKey, ...], file: Path | None = None) -> None:
        self._keys = keys
        self._file = file
        self._read_at = _stamp(file)

    @classmethod
    def open(cls, file: Path | None) -> Keyring:
        """The keys of a file; without one, a key that ends with this process. Raises KeyFileWrong."""
        return cls((SigningKey.new(),)) if file is None else cls(_read(file), file)

    def keys(self) -> tuple[SigningKey, ...]:
        """All of them, the one that signs first; read anew where the file has changed. Raises KeyFileWrong."""
        if self._file is not None and (now := _stamp(self._file)) != self._read_at:
            self._keys, self._read_at = _read(self._file), now
        return self._keys

    def signing(self) -> SigningKey:
        """The key that signs."""
        return self.keys()[0]

    def key(self, kid: object) -> SigningKey | None:
        """The key of that name."""
        return next((key for key in self.keys() if key.kid == kid), None)


def ensure(file: Path) -> None:
    """Make a file of signing keys where there is none yet. Raises KeyFileWrong."""
    if not file.exists():
        rotate(file)


def rotate(file: Path) -> SigningKey:
    """Put a new key in front of a file's keys, and make the file where there is none. Raises KeyFileWrong."""
    key = SigningKey.new()
    keys = (key, *(_read(file) if file.exists() else ()))[:KEYS_KEPT]
    text = json.dumps({"keys": [k.as_jwk() for k in keys]}, indent=2).encode() + b"\n"
    new = file.with_name(f".{file.name}.{key.kid}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except OSError as error:
        raise KeyFileWrong(f"{file}: cannot be written ({error.strerror})") from None
    return key


def _read(file: Path) -> tuple[SigningKey, ...]:
    try:
        keys = tuple(_key(jwk) for jwk in json.loads(file.read_bytes())["keys"])
    except OSError as error:
        raise KeyFileWrong(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise KeyFileWrong(f"{file}: is no file of signing keys; make one with: continuum signing-key FILE") from None
    if not keys or len({key.kid for key in keys}) != len(keys):
        raise KeyFileWrong(f"{file}: has no key, or two of one name")
    return keys


def _key(jwk: dict[str, Any]) -> SigningKey:
    if jwk["kty"] != "OKP" or jwk["crv"] != "Ed25519":
        raise ValueError("only Ed25519 keys sign")
    return SigningKey(str(jwk["kid"]), Ed25519PrivateKey.from_private_bytes(_bytes(jwk["d"])))


def _stamp(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
