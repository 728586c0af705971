"""The provider as a child of the embedded stack, and what the gateway needs to know of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping

from continuum.embedded.child import Child
from continuum.embedded.folder import Folder
from continuum.embedded.ports import LOOPBACK
from continuum.embedded.ready import start_until_ready
from continuum.embedded.sign_in.issuing import ALGORITHM, AUDIENCE
from gateway.access.keyring import ensure


class SignIn:
    """The provider; it reads the directory, and so needs what the worker needs (`worker_environment`)."""

    name = "sign-in"

    def __init__(self, folder: Folder, *, port: int, base: str, environment: Mapping[str, str]) -> None:
        self.child: Child | None = None
        self._folder = folder
        self._arguments = [str(folder.root), str(port), base]
        self._environment = environment

    async def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "continuum.embedded.sign_in", *self._arguments]
        await start_until_ready(self, command, folder=self._folder, environment=self._environment)

    async def stop(self) -> None:
        """Stop it."""
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, 5.0))


def access_environment(folder: Folder, port: int) -> dict[str, str]:
    """What the gateway of an embedded stack needs to let anybody in; its signing keys are made the first time."""
    keys = folder.secrets / "gateway-keys.json"
    ensure(keys)
    return {
        "CONTINUUM_GATEWAY_KEY_FILE": str(keys),
        "CONTINUUM_OIDC_ISSUER": f"http://{LOOPBACK}:{port}",
        "CONTINUUM_OIDC_AUDIENCE": AUDIENCE,
        "CONTINUUM_OIDC_PERSON_CLAIM": "sub",
        "CONTINUUM_OIDC_ALGORITHMS": ALGORITHM,
    }
