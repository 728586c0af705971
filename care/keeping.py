"""A journey as the record keeps it: small enough to be written with every decision, whole enough to go on from.

What a pathway, a clinic's calendar and the house's rules say is most of a journey's bytes and changes rarely: it is
kept beside the rest, and written only when it is another. Both travel as JSON and are stored compressed: the activity
that writes them does that, so that no workflow lets go of its thread in the middle of a decision.
"""

from __future__ import annotations

import zlib

from pydantic_core import from_json

from care.journey import Journey
from care.model import Model

RARELY_CHANGES = {"pathway", "calendar", "rules"}
FASTEST = 1
"""Of zlib's levels: the others take longer for hardly fewer bytes."""


class Kept(Model):
    """A journey as it stands after a decision, as JSON. `base` is what rarely changes; None: as it was kept before."""

    state: str
    base: str | None = None


def kept(journey: Journey, *, with_base: bool) -> Kept:
    """The journey, to be written down."""
    return Kept(
        state=journey.model_dump_json(exclude=RARELY_CHANGES),
        base=journey.model_dump_json(include=RARELY_CHANGES) if with_base else None,
    )


def packed(text: str) -> bytes:
    """What the record stores of such a text."""
    return zlib.compress(text.encode(), FASTEST)


def unpacked(state: bytes, base: bytes | None) -> Kept:
    """What the record has stored. Raises ValueError where it is damaged."""
    try:
        return Kept(
            state=zlib.decompress(state).decode(),
            base=zlib.decompress(base).decode() if base is not None else None,
        )
    except zlib.error as damaged:
        raise ValueError("what was kept of this journey is damaged") from damaged


def restored(what: Kept) -> Journey:
    """The journey that was kept. Raises ValueError where that is none."""
    if what.base is None:
        raise ValueError("what rarely changes of this journey was not kept with it")
    parts = from_json(what.base), from_json(what.state)
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("what was kept is no journey")
    return Journey.model_validate(parts[0] | parts[1])


def restored_if_sound(state: bytes, base: bytes | None) -> Journey | None:
    """The journey that the record has stored; None where it is damaged, not whole, or written by a build whose journeys
    had something that ours have not."""
    try:
        return restored(unpacked(state, base))
    except ValueError:
        return None
