"""A journey as the record keeps it: small enough to be written with every decision, whole enough to go on from.

What a pathway, a clinic's calendar and the house's rules say is most of a journey's bytes and changes rarely: it is
kept beside the rest, and written only when it is another. Both are JSON, compressed, as text that may travel in JSON.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode

from pydantic_core import from_json

from care.journey import Journey
from care.model import Model

RARELY_CHANGES = {"pathway", "calendar", "rules"}
FASTEST = 1
"""Of zlib's levels: the others take longer for hardly fewer bytes."""


class Kept(Model):
    """A journey as it stands after a decision. `base` is what rarely changes; None: as it was kept before."""

    state: str
    base: str | None = None


def kept(journey: Journey, *, with_base: bool) -> Kept:
    """The journey, to be written down."""
    return Kept(
        state=_packed(journey.model_dump_json(exclude=RARELY_CHANGES)),
        base=_packed(journey.model_dump_json(include=RARELY_CHANGES)) if with_base else None,
    )


def unpacked(state: bytes, base: bytes) -> Journey:
    """The journey that was kept. Raises ValueError where that is none."""
    try:
        parts = from_json(zlib.decompress(base)) | from_json(zlib.decompress(state))
    except (zlib.error, TypeError) as damaged:
        raise ValueError("what was kept of this journey is damaged") from damaged
    return Journey.model_validate(parts)


def unpacked_if_sound(state: bytes, base: bytes) -> Journey | None:
    """The same; None where it is damaged, or was written by a build whose journeys had something that ours have not."""
    try:
        return unpacked(state, base)
    except ValueError:
        return None


def restored(what: Kept) -> Journey:
    """The journey that was kept, from its text. Raises ValueError where that is none."""
    if what.base is None:
        raise ValueError("what rarely changes of this journey was not kept with it")
    return unpacked(as_bytes(what.state), as_bytes(what.base))


def as_text(packed: bytes) -> str:
    """What the record has stored, as text."""
    return b64encode(packed).decode("ascii")


def as_bytes(text: str) -> bytes:
    """What the record stores of it."""
    return b64decode(text)


def _packed(text: str) -> str:
    return as_text(zlib.compress(text.encode(), FASTEST))
