"""What the gateway says to Prometheus of requests and messages."""

from __future__ import annotations

from temporalio.common import MetricMeter

from continuum.metrics.names import HL7_MESSAGES, HTTP_REQUESTS, PREFIX
from gateway.hl7.admissions import EVENTS as ADT_EVENTS
from gateway.hl7.appointments import EVENTS as SIU_EVENTS

KINDS = frozenset(
    {
        *(f"REF^I{n}" for n in (12, 13, 14, 15)),
        *(f"ADT^{event}" for event in ADT_EVENTS),
        *(f"SIU^{event}" for event in SIU_EVENTS),
        "OMG^O19",
        "OSU^O51",
        "ORU^R01",
    }
)
"""Types that we take. A sender may write anything into MSH-9: every other is counted as `other`."""


class GatewayMeasures:
    """See `gateway.measures.Measures`."""

    def __init__(self, meter: MetricMeter) -> None:
        self._requests = meter.create_histogram_float(
            f"{PREFIX}{HTTP_REQUESTS}", "How long requests took, by the template of their route and status."
        )
        self._messages = meter.create_counter(f"{PREFIX}{HL7_MESSAGES}", "HL7 v2 messages by type and outcome.")

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """See `Measures`."""
        self._requests.record(seconds, {"method": method, "route": route, "status": str(status)})

    def hl7(self, kind: str, outcome: str) -> None:
        """See `Measures`."""
        self._messages.add(1, {"kind": kind if kind in KINDS else "other", "outcome": outcome})
