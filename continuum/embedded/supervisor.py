"""Starts the stack, keeps it running, stops it: `up` for the command line, `running` for demo and tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from continuum.embedded.child import LINGER, Child, describe_end
from continuum.embedded.folder import Folder, Role, Stack, StackError, hold, wait_lock
from continuum.embedded.gateway import GatewayChild, gateway_environment, with_gateway
from continuum.embedded.mail import MailSink
from continuum.embedded.ports import LOOPBACK, ChosenPorts, Ports, choose
from continuum.embedded.postgres import Postgres, database_url
from continuum.embedded.ready import Service, start_until_ready
from continuum.embedded.sign_in.child import SignIn
from continuum.embedded.temporal import TemporalServer
from workflows.attributes import ALL as SEARCH_ATTRIBUTES

Migrate = Callable[[str, str], Awaitable[None]]
Progress = Callable[[str], None]

FIRST_PAUSE = 0.1  # seconds before a child that died is started again; doubled each time up to:
LONGEST_PAUSE = 30.0
CALM = 60.0  # a child that lived so long begins again with the first pause


class Options(BaseModel):
    """What to run, and where."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: Path
    ports: Ports = Ports()
    search_attributes: Mapping[str, str] = SEARCH_ATTRIBUTES
    time_skipping: bool = False
    # Given the owner's database address and the role to which it grants what the application needs.
    migrate: Migrate | None = None
    # Added to `worker_environment`; None: no worker.
    worker_env: Mapping[str, str] | None = None
    worker_command: Sequence[str] = (sys.executable, "-m", "worker")
    # Added to `worker_environment` and `gateway_environment`; None: no gateway.
    gateway_env: Mapping[str, str] | None = None
    gateway_command: Sequence[str] = (sys.executable, "-m", "gateway")


def worker_environment(stack: Stack, folder: Folder) -> dict[str, str]:
    """What the worker (or any other process of the application) needs to use this stack."""
    return {
        "CONTINUUM_DIR": str(folder.root),
        "CONTINUUM_DATABASE_URL": database_url(folder, stack.postgres_port, "app", with_password=False),
        "CONTINUUM_DATABASE_PASSWORD_FILE": str(folder.secrets / "app"),
        "CONTINUUM_SENT_LOG": str(folder.sent_log),
        "CONTINUUM_SMTP_HOST": stack.smtp_host,
        "CONTINUUM_SMTP_PORT": str(stack.smtp_port),
        # Drafts may be used, and are marked as drafts wherever they are shown.
        "CONTINUUM_PATHWAYS_MUST_BE_SIGNED": "false",
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.temporal_namespace,
    }


class Worker:
    """The application's worker as a child."""

    name = "worker"

    def __init__(self, command: Sequence[str], folder: Folder, environment: Mapping[str, str]) -> None:
        self.child: Child | None = None
        self._command = command
        self._folder = folder
        self._environment = environment

    async def start(self) -> None:
        """Start it and wait until it says that it works."""
        await start_until_ready(self, self._command, folder=self._folder, environment=self._environment)

    async def stop(self) -> None:
        """Let it finish what it is doing."""
        if self.child is not None:
            await self.child.stop((signal.SIGTERM, 15.0))


class Supervisor:
    """One stack, from the lock on its folder to the last child."""

    def __init__(self, options: Options, progress: Progress | None = None) -> None:
        self.folder = Folder(options.folder.expanduser().resolve())
        self._options = options
        self._progress = progress or _silent
        self._lock: int | None = None
        self._stack: Stack | None = None
        self._services: list[Service] = []  # in the order of starting
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def stack(self) -> Stack:
        """The addresses; known once `start` has chosen the ports."""
        if self._stack is None:
            raise RuntimeError("the stack was not started")
        return self._stack

    def dsn(self, role: Role) -> str:
        """The address of the database for one role, password included."""
        return database_url(self.folder, self.stack.postgres_port, role)

    def child(self, name: str) -> Child:
        """The process that now runs under this name."""
        for service in self._services:
            if service.name == name and service.child is not None:
                return service.child
        raise KeyError(name)

    async def start(self) -> Stack:
        """Start everything; when it fails, nothing is left running."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, the users of a service before the service, and let go of the folder."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        for service in reversed(self._services):
            if service.child is not None and service.child.exit_code is None:
                self._progress(f"stopping {service.name}")
            await service.stop()
        self._services.clear()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _start(self) -> Stack:
        self.folder.create()
        self._lock = await hold(self.folder)
        before = self.folder.remembered()
        await self._outlast_predecessors()
        ports = choose(self._options.ports, _ports_of(before.stack) if before else None)
        postgres = Postgres(self.folder, port=ports.postgres)
        temporal = TemporalServer(
            self.folder,
            ports=ports,
            search_attributes=self._options.search_attributes,
            time_skipping=self._options.time_skipping,
        )
        mail = MailSink(self.folder, port=ports.smtp, environment=_python_environment())
        self._stack = Stack(
            temporal_address=temporal.address,
            ui_url=temporal.ui_url,
            postgres_host=LOOPBACK,
            postgres_port=ports.postgres,
            smtp_host=LOOPBACK,
            smtp_port=ports.smtp,
        )
        if self._options.gateway_env is not None:
            self._stack = with_gateway(self._stack, ports)
        self._services = [postgres, temporal, mail]
        await _all(self._start_database(postgres), self._start_service(temporal), self._start_service(mail))
        ours = self._application(ports)
        self._services += ours
        await _all(*(self._start_service(service) for service in ours))
        self.folder.remember(self.stack)
        self._keepers = [asyncio.create_task(self._keep(service)) for service in self._services]
        return self.stack

    def _application(self, ports: ChosenPorts) -> list[Service]:
        """Our own processes, as far as they are asked for."""
        options, found = self._options, list[Service]()
        shared = {**_python_environment(), **worker_environment(self.stack, self.folder)}
        if options.worker_env is not None:
            found.append(Worker(options.worker_command, self.folder, {**shared, **options.worker_env}))
        if options.gateway_env is not None:
            base = f"http://{LOOPBACK}:{ports.gateway}"
            found.append(SignIn(self.folder, port=ports.sign_in, base=base, environment=shared))
            environment = {**shared, **gateway_environment(self.folder, ports), **options.gateway_env}
            found.append(GatewayChild(options.gateway_command, self.folder, environment))
        return found

    async def _outlast_predecessors(self) -> None:
        # After a kill -9 the children of the last supervisor may hold their ports a moment longer.
        for path in self.folder.run.glob("*.lock"):
            lock = await wait_lock(path, timeout=LINGER)
            if lock is None:
                raise StackError(
                    f"an earlier {path.stem} process of {self.folder.root} is still running; end it, then start again"
                )
            os.close(lock)

    async def _start_database(self, postgres: Postgres) -> None:
        await self._start_service(postgres)
        if self._options.migrate is not None:
            self._progress("bringing the database up to date")
            await self._options.migrate(postgres.dsn("owner"), "app")

    async def _start_service(self, service: Service) -> None:
        self._progress(f"starting {service.name}")
        await service.start()

    async def _keep(self, service: Service) -> None:
        """Start the service again whenever its process ends."""
        pause = FIRST_PAUSE
        while True:
            assert service.child is not None  # noqa: S101 - kept services were started
            code = await service.child.wait()
            if time.monotonic() - service.child.started > CALM:
                pause = FIRST_PAUSE
            self._progress(f"{service.name} ended ({describe_end(code)}); starting it again")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            try:
                await service.start()
            except Exception as error:  # whatever it was, the next attempt may succeed
                self._progress(f"{service.name} did not start: {error}")
                await service.stop()


@asynccontextmanager
async def running(options: Options, progress: Progress | None = None) -> AsyncIterator[Supervisor]:
    """The stack while the block runs; the children belong to this process."""
    supervisor = Supervisor(options, progress)
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop()


async def up(
    options: Options,
    on_ready: Callable[[Stack], None] | None = None,
    progress: Progress | None = None,
) -> None:
    """Run the stack until SIGTERM, SIGINT or SIGHUP, then stop it."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    caught = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored: somebody used nohup
        caught.append(signal.SIGHUP)
    for number in caught:
        loop.add_signal_handler(number, stopping.set)
    supervisor = Supervisor(options, progress)
    starting = asyncio.create_task(supervisor.start())
    asked_to_stop = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((starting, asked_to_stop), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            stack = starting.result()
            if on_ready is not None:
                on_ready(stack)
            await stopping.wait()
    finally:
        starting.cancel()
        asked_to_stop.cancel()
        await asyncio.gather(starting, asked_to_stop, return_exceptions=True)
        await supervisor.stop()
        for number in caught:
            loop.remove_signal_handler(number)


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Run all at once; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _ports_of(stack: Stack) -> Ports:
    return Ports(
        temporal=_port(stack.temporal_address),
        ui=_port(stack.ui_url),
        postgres=stack.postgres_port,
        smtp=stack.smtp_port,
        gateway=_port(stack.gateway_url),
        hl7=_port(stack.hl7_address),
        sign_in=_port(stack.sign_in_url),
    )


def _port(address: str | None) -> int | None:
    return int(address.rpartition(":")[2]) if address is not None else None


def _python_environment() -> dict[str, str]:
    """Our environment, without settings for some other Temporal, PostgreSQL or Continuum."""
    foreign = ("TEMPORAL_", "PG", "CONTINUUM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(part for part in (source, kept.get("PYTHONPATH")) if part)
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _silent(_: str) -> None:
    pass
