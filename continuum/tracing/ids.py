"""Trace ids that two processes come to without telling each other.

A message is stored by the gateway and acted upon by a worker, a moment or a day later, with nothing but the record
between them. Both make the trace's id of the id that the record has for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

_GIVEN: ContextVar[tuple[int, int] | None] = ContextVar("continuum_trace_ids", default=None)


def ids_of(key: str) -> tuple[int, int]:
    """The ids of the trace of this key, and of its first span."""
    digest = sha256(f"continuum:{key}".encode()).digest()
    # The last half of a trace's id decides whether it is sampled, so it has to be as good as random; a hash is.
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1


@contextmanager
def given(ids: tuple[int, int]) -> Iterator[None]:
    """A span without a parent that is begun in here has these ids."""
    token = _GIVEN.set(ids)
    try:
        yield
    finally:
        _GIVEN.reset(token)


class Ids(RandomIdGenerator):
    """Random, unless they are given."""

    def generate_trace_id(self) -> int:
        """See `IdGenerator`."""
        found = _GIVEN.get()
        return super().generate_trace_id() if found is None else found[0]

    def generate_span_id(self) -> int:
        """See `IdGenerator`."""
        found = _GIVEN.get()
        return super().generate_span_id() if found is None else found[1]
