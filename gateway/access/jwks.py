"""The public keys of others (RFC 7517): read with care, and fetched seldom.

A key set at a URL is kept for as long as its Cache-Control says, though never less than a minute (whoever sends us
rubbish in a client's name must not make us knock at its door each time) nor more than an hour. A key that we do not
know makes us look again, at most once a minute. While the URL does not answer, what we have counts until its time is
over, and no longer.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from channels.egress import Egress, EgressFailed, EgressRefused

MOST_BYTES = 100_000
FETCH_SECONDS = 5.0
SHORTEST, USUAL, LONGEST = 60.0, 300.0, 3600.0
"""Seconds for which a fetched set is kept."""
ASK_EVERY = 60.0
"""Seconds at least between two fetches of one URL."""
MOST_KEYS = 100
SETS_REMEMBERED = 1000
RSA_BITS = range(2048, 8193)
"""Shorter ones can be broken, longer ones are an attack on our processor."""

Jwk = dict[str, Any]


class KeySetWrong(ValueError):  # noqa: N818
    """Not a set of public keys. Our own words."""


def read_key_set(raw: bytes) -> tuple[Jwk, ...]:
    """The keys of a set. Raises KeySetWrong."""
    if len(raw) > MOST_BYTES:
        raise KeySetWrong(f"a key set has at most {MOST_BYTES} bytes")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise KeySetWrong("this is no JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise KeySetWrong('a key set is an object with a list of objects in "keys"')
    if len(keys) > MOST_KEYS:
        raise KeySetWrong(f"a key set has at most {MOST_KEYS} keys")
    return tuple(keys)


def the_key(keys: tuple[Jwk, ...], kid: str, algorithm: str) -> jwt.PyJWK | None:
    """The one key of that name, if it is one by which that algorithm may be checked."""
    named = [key for key in keys if key.get("kid") == kid]
    if len(named) != 1:
        return None
    (jwk,) = named
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    if "key_ops" in jwk and "verify" not in (jwk["key_ops"] if isinstance(jwk["key_ops"], list) else ()):
        return None
    if jwk.get("kty") == "oct" or "d" in jwk:
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key if _strong(key.key) else None


def _strong(key: object) -> bool:
    if isinstance(key, RSAPublicKey):
        numbers = key.public_numbers()
        return key.key_size in RSA_BITS and 65_537 <= numbers.e < 2**32
    return isinstance(key, EllipticCurvePublicKey) or not hasattr(key, "key_size")


@dataclass
class _Kept:
    keys: tuple[Jwk, ...] = ()
    fresh_until: float = float("-inf")
    asked_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RemoteKeys:
    """Key sets at URLs."""

    def __init__(self, egress: Egress, clock: Callable[[], float] = time.monotonic) -> None:
        self._egress = egress
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def keys(self, url: str, kid: str) -> tuple[Jwk, ...]:
        """The set at a URL as far as it counts now, looked at again if it lacks `kid`; empty where there is none."""
        kept = self._of(url)
        if self._has(kept, kid):
            return kept.keys
        async with kept.lock:  # one fetch for all that wait here
            if not self._has(kept, kid) and self._clock() - kept.asked_at >= ASK_EVERY:
                await self._fetch(url, kept)
            return kept.keys if self._clock() < kept.fresh_until else ()

    def _has(self, kept: _Kept, kid: str) -> bool:
        return self._clock() < kept.fresh_until and any(key.get("kid") == kid for key in kept.keys)

    async def _fetch(self, url: str, kept: _Kept) -> None:
        kept.asked_at = self._clock()
        try:
            answer = await self._egress.request("GET", url, max_bytes=MOST_BYTES, timeout=FETCH_SECONDS)
            keys = read_key_set(answer.body) if answer.status == 200 else None
        except (EgressRefused, EgressFailed, KeySetWrong):
            return
        if keys is not None:
            kept.keys = keys
            kept.fresh_until = self._clock() + lifetime(answer.headers.get("cache-control", ""))

    def _of(self, url: str) -> _Kept:
        kept = self._kept.pop(url, None) or _Kept()
        self._kept[url] = kept
        if len(self._kept) > SETS_REMEMBERED:
            self._kept.popitem(last=False)
        return kept


def lifetime(cache_control: str) -> float:
    """Seconds for which a set is kept, from its Cache-Control (RFC 9111)."""
    said = cache_control.lower()
    if re.search(r"\bno-(store|cache)\b", said):
        return SHORTEST
    match = re.search(r"(?:^|[\s,])max-age=\"?(\d{1,9})", said)
    return min(max(float(match[1]), SHORTEST), LONGEST) if match else USUAL
