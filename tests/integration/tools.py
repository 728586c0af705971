"""What these tests share: the command line as people run it, the stack as its own process, a proxy that goes silent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from care.action import Expected
from care.actor import Actor
from care.directory import Person
from care.journey import Stage
from continuum import cli
from continuum.embedded.folder import Stack, StackError, read_stack
from records import directory
from records.database import Database
from tests.embedded.machine import alive, children, descendants, eventually

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "fhir"
STOP_SECONDS = 40


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """One JSON object for each line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def said(self) -> str:
        return self.out + self.err


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would name some other Continuum or Temporal."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CONTINUUM_", "TEMPORAL_", "PG"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


async def process(*arguments: str | Path, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> Ran:
    """`continuum ARGUMENTS` as a process of its own."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "continuum",
        *(str(a) for a in arguments),
        cwd=ROOT,
        env=environment(**(env or {})),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(started.communicate(stdin), 100)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        raise
    assert started.returncode is not None
    return Ran(started.returncode, out.decode(), err.decode())


async def command(*arguments: str | Path) -> Ran:
    """The same within this process, in a thread: quicker by the start of Python. An exception that gets out fails."""

    def run() -> Ran:
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv
        sys.argv = ["continuum", *(str(a) for a in arguments)]
        try:
            leaving = mock.patch.object(os, "_exit", sys.exit)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), leaving:
                try:
                    cli.main()
                except SystemExit as end:
                    code = end.code
        finally:
            sys.argv = before
        assert code is None or isinstance(code, int)
        return Ran(code or 0, out.getvalue(), err.getvalue())

    return await asyncio.to_thread(run)


async def hire(database: Database, tenant: str, *people: str) -> None:
    """More people for a directory."""
    new = tuple(Person(id=p, name=p, email=f"{p}@clinic.example") for p in people)
    await directory.change(
        database, tenant, "tests", lambda found: found.model_copy(update={"people": (*found.people, *new)})
    )


def one_line(ran: Ran, *words: str) -> None:
    """A mistake of the caller: exit code 2, nothing on standard output, one line on standard error."""
    assert ran.code == 2, ran
    assert ran.out == ""
    assert ran.err.count("\n") == 1, ran.err
    assert ran.err.startswith("continuum: ")
    for word in words:
        assert word in ran.err


def is_calm(ran: Ran) -> None:
    """However it ended: no traceback."""
    assert "Traceback" not in ran.said
    assert "Error:" not in ran.err.replace("RefusedError:", "")


class Up:
    """`continuum up` as a process of its own, which may be killed."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "continuum", "up", "--time-skipping", "--json", "--dir", str(folder)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> Stack:
        async def running() -> Stack | None:
            assert self._process.poll() is None, "continuum up has ended"
            try:
                return read_stack(self.folder)
            except StackError:
                return None

        return await eventually(running, timeout=60)

    def child(self, name: str) -> int | None:
        """The process that now serves under this name."""
        sign = {
            "worker": b"-m\0worker\0",
            "gateway": b"-m\0gateway\0",
            "sign-in": b"continuum.embedded.sign_in",
            "temporal": b"start-dev",
            "postgres": b"/postgres\0-D",
            "mail": b"continuum.embedded.mail",
        }[name]
        for pid in children(self.pid):
            with contextlib.suppress(OSError):
                if sign in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """Orderly; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """Whatever happened: nothing of it is left running."""
        left = descendants(self.pid) if self._process.poll() is None else []
        if self._process.poll() is None:
            self.kill()
        self._log.close()
        deadline = time.monotonic() + STOP_SECONDS
        while any(alive(pid) for pid in left) and time.monotonic() < deadline:
            time.sleep(0.05)


def order(*, patient: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A referral for low back pain under a number of its own; its patient is contained, or only a reference."""
    contained: list[dict[str, Any]] = [
        {
            "resourceType": "Practitioner",
            "id": "doctor",
            "name": [{"text": "Dr Ada Quill"}],
            "telecom": [{"system": "email", "value": "quill@surgery.example"}],
        }
    ]
    subject: dict[str, Any] = {"reference": "Patient/unknown-here"}
    if patient is not None:
        contained.append({"resourceType": "Patient", "id": "patient", **patient})
        subject = {"reference": "#patient"}
    return {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": "https://orders.example.org", "value": f"R-{secrets.token_hex(6)}"}],
        "contained": contained,
        "status": "active",
        "intent": "order",
        "subject": subject,
        "requester": {"reference": "#doctor"},
        "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "M54.5"}]}],
        **changes,
    }


PATIENT = {
    "name": [{"family": "Fernsby", "given": ["Ivo"]}],
    "birthDate": "1980-02-03",
    "gender": "male",
    "telecom": [{"system": "email", "value": "ivo@mail.example"}],
}


def message(resource: dict[str, Any], *, id: str | None = None) -> bytes:  # noqa: A002
    """The order in a Bundle; `id` is what the sender calls this delivery."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    return json.dumps({**bundle, "id": id or secrets.token_hex(8)}).encode()


def coordinator(tenant: str = "clinic") -> Actor:
    return Actor(person="p-coordinator", role="coordinator", tenant=tenant)


def at(stage: Stage) -> Expected:
    return Expected(stage=stage)


class Proxy:
    """A TCP proxy that can be told to swallow everything, keeping its connections open."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.connections = 0
        self._target = port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def swallow(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._open.wait()
            there_in, there_out = await asyncio.open_connection("127.0.0.1", self._target)
            both = [
                asyncio.create_task(self._pipe(reader, there_out)),
                asyncio.create_task(self._pipe(there_in, writer)),
            ]
            self._tasks.update(both)
            await asyncio.gather(*both, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                await self._open.wait()
                sink.write(chunk)
                await sink.drain()
        finally:
            sink.close()

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.heal()
        proxy.end()
        server.close()
        await asyncio.sleep(0)


async def until(probe: Callable[[], Awaitable[Any]], *, seconds: float = 30) -> Any:
    """What `probe` says as soon as it is true."""

    async def found() -> Any | None:
        return await probe() or None

    return await eventually(found, timeout=seconds)
