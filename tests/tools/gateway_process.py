"""The gateway as a process of its own, as a site runs it: started, stopped, and killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from continuum.embedded.ports import LOOPBACK, free_port
from continuum.embedded.ready import READY_FILE
from continuum.embedded.supervisor import Supervisor, worker_environment
from gateway.access.keyring import Keyring, rotate
from gateway.access.tokens import Tokens
from records import clients
from records.clients import RegisteredClient
from records.database import Database
from tests.embedded.machine import eventually

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 20
SYSTEM_SCOPES = "system/*.cruds"


class GatewayProcess:
    """`python -m gateway` on ports of its own, for the PostgreSQL and the Temporal of a stack."""

    def __init__(self, stack: Supervisor, place: Path, **changed: str) -> None:
        self.port, self.hl7_port = free_port([]), free_port([])
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.key_file = place / "signing-keys.json"
        if not self.key_file.exists():
            rotate(self.key_file)
        self._ready = place / f"gateway-{self.port}.ready"
        self._environment = {
            **worker_environment(stack.stack, stack.folder),
            "CONTINUUM_HTTP_PORT": str(self.port),
            "CONTINUUM_HL7_PORT": str(self.hl7_port),
            "CONTINUUM_HL7_UNKNOWN_SENDERS": "true",
            "CONTINUUM_GATEWAY_KEY_FILE": str(self.key_file),
            "CONTINUUM_PUBLIC_URL": "https://gateway.example",
            **changed,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log = place / f"gateway-{self.port}.log"

    def environment(self) -> dict[str, str]:
        """Of the process, without what would name some other Continuum."""
        return _environment(self._environment)

    async def start(self) -> GatewayProcess:
        """Start it, again perhaps, and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        self._process = process = self._popen()

        async def serving() -> bool | None:
            assert process.poll() is None, f"the gateway ended: {self.log.read_text()[-2000:]}"
            return self._ready.exists() or None

        await eventually(serving, timeout=60)
        return self

    def _popen(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gateway"],
                cwd=ROOT,
                env={**self.environment(), READY_FILE: str(self._ready)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """As a power cut does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged. Fails where a line is no JSON: a traceback, for instance."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def resident_mb(self) -> float:
        """Memory that it holds now, in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000

    async def register(self, database: Database, *, tenant: str = "clinic") -> str:
        """A system that may do everything systems may; its id."""
        client = f"hospital-{secrets.token_hex(4)}"
        await clients.add(database, RegisteredClient(tenant=tenant, id=client, name=client, scopes=SYSTEM_SCOPES))
        return client

    def mint(self, client: str, *, tenant: str = "clinic") -> str:
        """A good access token for it: any process with these keys takes it as its own."""
        tokens = Tokens(Keyring.open(self.key_file), self._environment["CONTINUUM_PUBLIC_URL"])
        return tokens.mint(tenant, client, frozenset(SYSTEM_SCOPES.split()))


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONTINUUM_", "TEMPORAL_", "PG"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}
