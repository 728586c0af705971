"""Turns tracing on for a process, or leaves it off. Off costs nothing: OpenTelemetry is not even imported."""

from __future__ import annotations

import os
from typing import Protocol

ENDPOINT = "CONTINUUM_TRACES_ENDPOINT"


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


def asked_for() -> dict[str, str]:
    """What this process's environment says of traces, for children that are given none of it otherwise."""
    if not os.environ.get(ENDPOINT):
        return {}
    return {name: value for name, value in os.environ.items() if name == ENDPOINT or name.startswith("OTEL_")}


def open_tracing(endpoint: str | None, part: str) -> Tracing:
    """Before the first client of Temporal and before the gateway's application is built. None: off.

    `part` is who speaks: worker, gateway, cli.
    """
    if not endpoint:
        return OFF
    from continuum.tracing.exporting import Traced

    return Traced.to(endpoint, part)
