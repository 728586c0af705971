"""The gateway as a child of the embedded stack, and how it is told where everything is."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence

from continuum.embedded.child import Child
from continuum.embedded.folder import Folder, Stack
from continuum.embedded.ports import LOOPBACK, ChosenPorts
from continuum.embedded.ready import start_until_ready
from continuum.embedded.sign_in.child import access_environment

FINISH_SECONDS = 15.0


class GatewayChild:
    """FHIR, the staff API and HL7 v2, on this machine only."""

    name = "gateway"

    def __init__(self, command: Sequence[str], folder: Folder, environment: Mapping[str, str]) -> None:
        self.child: Child | None = None
        self._command = command
        self._folder = folder
        self._environment = environment

    async def start(self) -> None:
        """Start it and wait until it listens."""
        await start_until_ready(self, self._command, folder=self._folder, environment=self._environment)

    async def stop(self) -> None:
        """Let it finish what it is answering."""
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, FINISH_SECONDS))


def with_gateway(stack: Stack, ports: ChosenPorts) -> Stack:
    """The stack's addresses, and those of its gateway."""
    return stack.model_copy(
        update={
            "gateway_url": f"http://{LOOPBACK}:{ports.gateway}",
            "hl7_address": f"{LOOPBACK}:{ports.hl7}",
            "sign_in_url": f"http://{LOOPBACK}:{ports.sign_in}",
        }
    )


def gateway_environment(folder: Folder, ports: ChosenPorts) -> dict[str, str]:
    """What the gateway needs beside what the worker does (`worker_environment`)."""
    return {
        **access_environment(folder, ports.sign_in),
        "CONTINUUM_HTTP_HOST": LOOPBACK,
        "CONTINUUM_HTTP_PORT": str(ports.gateway),
        "CONTINUUM_HL7_HOST": LOOPBACK,
        "CONTINUUM_HL7_PORT": str(ports.hl7),
        # To try it out, HL7 v2 may come from anybody on this machine.
        "CONTINUUM_HL7_UNKNOWN_SENDERS": "true",
    }
