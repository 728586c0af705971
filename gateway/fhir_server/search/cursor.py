"""The link to the next page: the search and the place in it, sealed.

Sealed (Fernet: AES-128-CBC with HMAC-SHA-256), because a search may name a patient and links stand in logs. It carries
no rights: whoever follows one sees what they themselves may see.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.answers import Problem
from records.fhir import Position

LIVES_SECONDS = 24 * 3600
LONGEST = 16_000
"""Letters of a link's token; also what bounds the work to unpack one, which is done after its seal was found good."""


@dataclass(frozen=True)
class Cursor:
    """A search of a resource type, and after which row it goes on; without one it begins anew."""

    kind: str
    pairs: tuple[tuple[str, str], ...]
    after: Position | None = None


class Sealer:
    """Seals with the first secret, opens with any (32 bytes each)."""

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(secret)) for secret in secrets])

    def seal(self, cursor: Cursor) -> str:
        """As one word for a link."""
        after = cursor.after
        place = None if after is None else [_plain(after.key), _plain(after.value)]
        text = json.dumps([cursor.kind, cursor.pairs, place], separators=(",", ":"))
        return self._fernet.encrypt(zlib.compress(text.encode(), 9)).decode().rstrip("=")

    def open(self, token: str) -> Cursor:
        """Raises Problem 400 for what is none of ours, or too old."""
        try:
            if len(token) > LONGEST:
                raise InvalidToken
            padded = token + "=" * (-len(token) % 4)
            text = zlib.decompress(self._fernet.decrypt(padded.encode("ascii"), ttl=LIVES_SECONDS))
        except (InvalidToken, UnicodeEncodeError, ValueError, zlib.error):
            raise Problem(400, "expired", "this link to a page is no longer good; search anew") from None
        kind, pairs, place = json.loads(text)
        after = None if place is None else Position(*(_typed(value) for value in place))
        return Cursor(kind, tuple((name, value) for name, value in pairs), after)


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return {"uuid": str(value)}
        case datetime():
            return {"at": value.isoformat()}
        case _:
            return value


def _typed(value: Any) -> Any:
    match value:
        case {"uuid": str(text)}:
            return UUID(text)
        case {"at": str(text)}:
            return datetime.fromisoformat(text)
        case _:
            return value
