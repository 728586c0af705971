"""Where a page ends, as a word that a caller hands back: the place of its last row in the order, and no data."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.answers import Problem
from records.journeys import NO_DUE_TIME

LONGEST = 512
FIRST_YEAR = 1900


def cursor(place: Sequence[Any]) -> str:
    """The word for a place. Moments are written as such."""
    said = [p.isoformat() if isinstance(p, datetime) else p for p in place]
    return urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode("ascii")


def place(word: str | None, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """The place that a word stands for; None for the beginning. Raises Problem."""
    if word is None:
        return None
    try:
        if len(word) > LONGEST:
            raise ValueError
        said = json.loads(urlsafe_b64decode(word.encode("ascii") + b"=" * (-len(word) % 4)))
        if not isinstance(said, list):
            raise TypeError
        return tuple(_read(part, kind) for part, kind in zip(said, kinds, strict=True))
    except (ValueError, TypeError, RecursionError):
        raise Problem(400, "invalid", "`after` is the `next` of the page before", path="query.after") from None


def _read(part: Any, kind: type) -> Any:
    if kind is datetime:
        moment = datetime.fromisoformat(part)
        if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= NO_DUE_TIME.year:
            raise ValueError("no moment of ours")
        return moment
    if not isinstance(part, kind) or (isinstance(part, str) and not (part.isascii() and part.isprintable())):
        raise TypeError("no part of ours")
    return part
