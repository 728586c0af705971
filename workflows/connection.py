"""How Continuum talks to Temporal: converter, sandbox, search attributes, client and worker settings, in one place.

Worker, command line, tests and replayer all build theirs here, so that a change (payload encryption, to come)
is one change, and a journey started before it stays readable.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.client import Client, Interceptor
from temporalio.common import MetricMeter
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.worker.workflow_sandbox import SandboxRestrictions

from workflows import attributes
from workflows.discharge import Discharge
from workflows.follow_up import FollowUp
from workflows.intake import Intake
from workflows.post_surgery_rehab import PostSurgeryRehab
from workflows.referral import Referral
from workflows.sandbox import SharedSandbox
from workflows.therapy import Therapy

TASK_QUEUE = "continuum"
STAGES: tuple[type[Any], ...] = (Intake, Referral, Therapy, PostSurgeryRehab, Discharge, FollowUp)
SEARCH_ATTRIBUTES = attributes.ALL

PASSED_THROUGH = (
    "asyncpg",  # its compiled modules crash the process when they are imported a second time
    "care",  # pure; models built once instead of once per workflow instance
    "activities.signatures",  # names and shapes only
    "workflows.attributes",
)


def data_converter() -> DataConverter:
    """How values become payloads."""
    return pydantic_data_converter


def workflow_runner(*passed_through: str) -> SharedSandbox:
    """The sandbox: time, randomness and I/O stay forbidden in workflow code. More modules may be passed through."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH, *passed_through)
    return SharedSandbox(restrictions=restrictions)


def runtime(metrics: PrometheusConfig | None = None) -> Runtime:
    """One per process. The SDK's core would log to standard output otherwise and spoil `--json`."""
    return Runtime(
        telemetry=TelemetryConfig(
            metrics=metrics,
            attach_service_name=False,
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                forwarding=LogForwardingConfig(logger=logging.getLogger("temporal.core")),
            ),
        )
    )


async def connect(address: str | None = None, *, namespace: str | None = None, lazy: bool = False) -> Client:
    """A client for an address, or for what `TEMPORAL_ADDRESS` and its like (or `temporal.toml`) say.

    Raises RuntimeError when the service cannot be reached.
    """
    config = ClientConfig.load_client_connect_config()
    if address is not None:
        config["target_host"] = address
    if namespace is not None:
        config["namespace"] = namespace
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(
        **config,
        data_converter=data_converter(),
        interceptors=list(_INTERCEPTORS),
        runtime=_runtime_once(),
        lazy=lazy,
    )


def measured(address: str, buckets: Mapping[str, Sequence[float]]) -> MetricMeter:
    """Let this process serve its metrics, the SDK's and what the meter is given, to Prometheus at `address`.

    Before the first client. Raises ValueError where it cannot be listened there.
    """
    if _RUNTIME:
        raise RuntimeError("metrics are asked for before the first client")
    config = PrometheusConfig(
        bind_address=address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=buckets,
    )
    _RUNTIME.append(runtime(config))
    return _RUNTIME[0].metric_meter


def traced(interceptor: Interceptor | None) -> None:
    """Let the clients that are made from now on, and their workers, tell of what they do; None: no more."""
    _INTERCEPTORS[:] = [] if interceptor is None else [interceptor]


_INTERCEPTORS: list[Interceptor] = []
_RUNTIME: list[Runtime] = []


def _runtime_once() -> Runtime:
    if not _RUNTIME:
        _RUNTIME.append(runtime())
    return _RUNTIME[0]
