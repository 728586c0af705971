"""What the gateway counts: requests by the template of their route, HL7 v2 messages by type and outcome.

Never a path as it was sent, never a caller: every label is one of a few words of our own.
"""

from __future__ import annotations

from typing import Protocol


class Measures(Protocol):
    """Takes notes of what came in; `continuum/metrics/gateway.py` says them to Prometheus."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        ...

    def hl7(self, kind: str, outcome: str) -> None:
        """A message was answered. `kind` as its MSH-9 says, whatever that is."""
        ...


class Unmeasured:
    """Nobody watches."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `Measures`."""

    def hl7(self, kind: str, outcome: str) -> None:
        """See `Measures`."""


UNMEASURED = Unmeasured()
