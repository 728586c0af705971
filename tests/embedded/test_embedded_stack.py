"""A running stack: what it serves, to whom, and that it comes back when a part of it dies."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from datetime import timedelta

import asyncpg
import pytest
from temporalio import workflow
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from continuum.embedded.folder import Role, StackError, read_stack
from continuum.embedded.ports import accepts
from continuum.embedded.postgres import account
from continuum.embedded.supervisor import Options, Supervisor, running, worker_environment
from tests.embedded.machine import alive, descendants, eventually, listening, query
from workflows.attributes import ALL as SEARCH_ATTRIBUTES

LOOPBACK = "0100007F"


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self, days: int) -> int:
        for _ in range(days):
            await workflow.sleep(timedelta(days=1))
        return days


async def test_everything_listens_on_loopback_only(stack: Supervisor) -> None:
    found = {socket for pid in descendants(os.getpid()) for socket in listening(pid)}
    found |= {socket for name in ("postgres", "temporal", "mail") for socket in listening(stack.child(name).pid)}
    assert {address for address, _ in found} == {LOOPBACK}
    ports = {port for _, port in found}
    assert {stack.stack.postgres_port, stack.stack.smtp_port} <= ports
    assert {int(url.rpartition(":")[2]) for url in (stack.stack.temporal_address, stack.stack.ui_url)} <= ports


async def test_other_users_of_the_machine_cannot_read_the_folder(stack: Supervisor) -> None:
    database = account()
    checked = 0
    for path in stack.folder.root.rglob("*"):
        status = path.lstat()
        if stack.folder.bin in (path, *path.parents):
            continue  # PostgreSQL's own programs, copied for the unprivileged user: there is nothing secret in them
        assert not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO), path
        belongs_to_database = database is not None and stack.folder.postgres in (path, *path.parents)
        assert status.st_uid == (database.uid if database and belongs_to_database else os.geteuid()), path
        checked += 1
    assert checked > 100
    assert not stack.folder.root.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH)


@pytest.mark.parametrize("role", ["postgres", "owner", "app"])
async def test_every_role_needs_its_password(stack: Supervisor, role: Role) -> None:
    right = stack.dsn(role)
    assert await query(right, "SELECT current_user") == role
    for password in ("wrong", ""):
        wrong = right.replace(stack.folder.password(role), password)
        assert wrong != right
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
            await query(wrong, "SELECT 1")


async def test_postgres_trusts_nobody_and_logs_no_content(stack: Supervisor) -> None:
    methods = (stack.folder.postgres / "data" / "pg_hba.conf").read_text()
    used = {line.split()[-1] for line in methods.splitlines() if line and not line.startswith("#")}
    assert used == {"scram-sha-256"}
    owner = stack.dsn("owner")
    for setting, value in {
        "unix_socket_directories": "",
        "log_error_verbosity": "terse",
        "log_parameter_max_length_on_error": "0",
        "log_min_error_statement": "panic",
        "log_statement": "none",
        "idle_in_transaction_session_timeout": "30s",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "statement_timeout": "0",
    }.items():
        assert await query(stack.dsn("postgres"), "SELECT current_setting($1)", setting) == value, setting
    assert await query(stack.dsn("app"), "SELECT current_setting('statement_timeout')") == "15s"
    connection = await asyncpg.connect(owner)
    await connection.execute("CREATE TABLE secret (name text UNIQUE)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO secret VALUES ('Ada Example'), ('Ada Example')")
    await connection.close()
    log = (stack.folder.logs / "postgres.log").read_text()
    assert "secret_name_key" in log
    assert "Ada" not in log
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(stack.dsn("app"), "SELECT name FROM secret")


async def test_owner_may_make_schemas_and_is_no_superuser(stack: Supervisor) -> None:
    connection = await asyncpg.connect(stack.dsn("owner"))
    await connection.execute("CREATE SCHEMA made_by_owner")
    await connection.close()
    assert await query(stack.dsn("owner"), "SELECT count(*) FROM pg_roles WHERE rolsuper") == 1
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(stack.dsn("app"), "CREATE SCHEMA made_by_app")


async def test_temporal_keeps_closed_runs_and_knows_our_search_attributes(stack: Supervisor) -> None:
    client = await Client.connect(stack.stack.temporal_address)
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=3650)
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    assert SEARCH_ATTRIBUTES.keys() <= known.custom_attributes.keys()


async def test_time_skips_further_than_the_servers_own_limit(stack: Supervisor) -> None:
    clock = TimeSkipper(await Client.connect(stack.stack.temporal_address), config=TimeSkippingConfig(enabled=False))
    async with Worker(
        clock.client, task_queue="sleep", workflows=[Sleeper], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await clock.client.start_workflow(Sleeper.run, 210, id="sleeper", task_queue="sleep")
        await clock.fast_forward(handle, timedelta(days=211))
        async with asyncio.timeout(10):
            assert await handle.result() == 210


async def test_the_stack_can_be_found_while_it_runs(stack: Supervisor) -> None:
    assert read_stack(stack.folder.root) == stack.stack
    environment = worker_environment(stack.stack, stack.folder)
    password = stack.folder.password("app")
    assert password not in "".join(environment.values())
    with_password = environment["CONTINUUM_DATABASE_URL"].replace("app@", f"app:{password}@")
    assert await query(with_password, "SELECT current_user") == "app"


async def test_a_second_supervisor_is_refused_and_told_who_holds_the_folder(stack: Supervisor) -> None:
    with pytest.raises(StackError, match=rf"in use by process {os.getpid()};"):
        async with running(Options(folder=stack.folder.root)):
            pass
    assert read_stack(stack.folder.root) == stack.stack


@pytest.mark.parametrize("name", ["postgres", "temporal", "mail"])
async def test_a_killed_part_comes_back(stack: Supervisor, name: str) -> None:
    old = stack.child(name).pid
    os.kill(old, signal.SIGKILL)

    async def serving() -> bool | None:
        if stack.child(name).pid == old:
            return None
        try:
            if name == "postgres":
                return await query(stack.dsn("app"), "SELECT true") is True or None
            if name == "temporal":
                client = await Client.connect(stack.stack.temporal_address)
                await client.count_workflows()
                return True
        except (OSError, RuntimeError, asyncpg.PostgresError):
            return None
        return accepts(stack.stack.smtp_port) or None

    assert await eventually(serving)
    assert not alive(old)
