"""Where a trace begins: a request, a message that is stored, an ask of it that is carried out later.

Nobody traces unless a process is told to (`continuum/tracing`), so this module knows nothing of OpenTelemetry. What is
given here are ids and words of ours, never a path as it was sent, a query, or what somebody wrote.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the worker uses this too, and would wait for a web framework
    from starlette.types import ASGIApp


class Spans(Protocol):
    """One for a process."""

    def requests(self, app: ASGIApp) -> ASGIApp:
        """The application, each of whose requests is a trace."""
        ...

    def taken_in(self, key: str, *, protocol: str, outcome: str, since: datetime) -> None:
        """A message is stored. What comes of it later is found by `key`: the journey it begins, or its own id."""
        ...

    def later(self, key: str, name: str, **ids: str) -> AbstractContextManager[None]:
        """What comes of a message that was stored under this key, maybe by another process."""
        ...


class NoSpans:
    """Nobody traces."""

    def requests(self, app: ASGIApp) -> ASGIApp:
        """See `Spans`."""
        return app

    def taken_in(self, key: str, *, protocol: str, outcome: str, since: datetime) -> None:
        """See `Spans`."""

    def later(self, key: str, name: str, **ids: str) -> AbstractContextManager[None]:
        """See `Spans`."""
        return _NOTHING


_NOTHING: AbstractContextManager[None] = nullcontext()
NO_SPANS = NoSpans()
_IN_USE: list[Spans] = [NO_SPANS]


def spans() -> Spans:
    """This process's."""
    return _IN_USE[0]


def use(found: Spans) -> None:
    """From now on."""
    _IN_USE[0] = found
