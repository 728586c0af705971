"""Turns tracing on for a process, or leaves it off. Off costs nothing: OpenTelemetry is not even imported."""

from __future__ import annotations

from typing import Protocol


class Tracing(Protocol):
    """What a process does of it."""

    def close(self) -> None:
        """Let the last spans leave, if that is quick."""
        ...


class Off:
    """No traces."""

    def close(self) -> None:
        """See `Tracing`."""


OFF = Off()


def open_tracing(endpoint: str | None, part: str) -> Tracing:
    """Before the first client of Temporal and before the gateway's application is built. None: off.

    `part` is who speaks: worker, gateway, cli.
    """
    if not endpoint:
        return OFF
    from continuum.tracing.exporting import Traced

    return Traced.to(endpoint, part)
