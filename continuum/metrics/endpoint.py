"""Where a process is scraped: the SDK's endpoint, opened before the first client of Temporal."""

from __future__ import annotations

from temporalio.common import MetricMeter

from continuum.metrics.names import HTTP_BUCKETS, HTTP_REQUESTS, PREFIX
from workflows import connection

BUCKETS = {f"{PREFIX}{HTTP_REQUESTS}": HTTP_BUCKETS}
"""The SDK's histograms have buckets of their own."""


class CannotMeasure(Exception):  # noqa: N818 - what happened
    """The endpoint cannot be opened: one line that says why and what would be right."""


def open_endpoint(address: str | None) -> MetricMeter:
    """Serve this process's metrics at `address` (`127.0.0.1:9464`); None: measure nothing. Raises CannotMeasure.

    It asks for no password and speaks no TLS: an address of this machine, or of a network that only monitoring reaches.
    """
    if address is None:
        return MetricMeter.noop
    try:
        return connection.measured(address, BUCKETS)
    except ValueError as error:
        why = "is in use" if "in use" in str(error) else "cannot be listened on"
        raise CannotMeasure(
            f"CONTINUUM_METRICS_ADDRESS: {address} {why}; give an address and a free port, as 127.0.0.1:9464"
        ) from None
