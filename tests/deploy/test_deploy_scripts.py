"""The scripts of deploy/, run for real: PostgreSQL made as the compose file makes it, and a Temporal server."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from continuum.embedded.folder import Folder, temporary_folder
from continuum.embedded.ports import free_port
from continuum.embedded.postgres import account, find_install, usable_install
from continuum.embedded.temporal import find_temporal
from gateway.access.keyring import Keyring
from gateway.access.tokens import Tokens
from gateway.serving import Certificate
from records.migrate import migrate
from workflows import attributes

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
SECRETS = ("postgres_password", "owner_password", "app_password", "temporal_password")


def make_secrets(copy: Path) -> list[str]:
    copy.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy/make-secrets.sh", copy)
    done = subprocess.run([copy / "make-secrets.sh"], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.splitlines()


def test_secrets_are_made_once_and_closed(tmp_path: Path) -> None:
    named = [f"{name}.txt" for name in SECRETS] + [
        "gateway_keys.json",
        "gateway_tls_key.pem",
        "gateway_certificate.pem",
    ]
    assert make_secrets(tmp_path / "deploy") == [f"made secrets/{name}" for name in named]
    folder = tmp_path / "deploy/secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    first = {path.name: path.read_text("ascii") for path in folder.iterdir()}
    assert sorted(first) == sorted(named)
    passwords = {first[f"{name}.txt"] for name in SECRETS}
    assert len(passwords) == 4
    assert {len(value) for value in passwords} == {43}

    again = make_secrets(tmp_path / "deploy")
    assert again == [f"kept secrets/{name}" for name in named if name != "gateway_tls_key.pem"]
    assert {path.name: path.read_text("ascii") for path in folder.iterdir()} == first


def test_the_gateway_can_use_what_is_made_for_it(tmp_path: Path) -> None:
    make_secrets(tmp_path / "deploy")
    folder = tmp_path / "deploy/secrets"
    Certificate(folder / "gateway_certificate.pem", folder / "gateway_tls_key.pem").context()
    tokens = Tokens(Keyring.open(folder / "gateway_keys.json"), "https://gateway.example")
    assert tokens.read(tokens.mint("clinic", "hospital", frozenset())).client == "hospital"


def test_secrets_replace_the_folders_that_docker_makes_for_missing_files(tmp_path: Path) -> None:
    (tmp_path / "deploy/secrets/app_password.txt").mkdir(parents=True)
    make_secrets(tmp_path / "deploy")
    assert (tmp_path / "deploy/secrets/app_password.txt").is_file()


@dataclass
class Server:
    port: int
    psql: Path
    secrets: Path

    def init(self) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.psql.parent}:{os.defpath}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "SECRETS_DIR": str(self.secrets),
        }
        return subprocess.run(
            [ROOT / "deploy/postgres/init.sh"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    async def connect(self, role: str, database: str) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=role,
            password=(self.secrets / f"{role}_password").read_text("ascii"),
            database=database,
            ssl=False,
        )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """PostgreSQL with the compose file's initdb arguments and settings, and no role but its superuser."""
    make_secrets(tmp_path / "deploy")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in SECRETS:
        shutil.copy(tmp_path / f"deploy/secrets/{name}.txt", secrets / name)
        (secrets / name).chmod(0o644)
    service = SERVICES["postgres"]
    with temporary_folder() as root:
        root.mkdir(mode=0o755)
        root.chmod(0o755)
        folder = Folder(root)
        folder.bin.mkdir()
        user = account()
        install, _ = usable_install(find_install(), folder, user)
        home = root / "home"
        home.mkdir(mode=0o700)
        shutil.copy(secrets / "postgres_password", home / "password")
        if user:
            for path in (home, home / "password"):
                os.chown(path, user.uid, user.gid)
        as_user: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
        data = home / "data"
        subprocess.run(
            [install / "bin/initdb", "--pgdata", data, "--username=postgres", f"--pwfile={home / 'password'}",
             *shlex.split(service["environment"]["POSTGRES_INITDB_ARGS"])],
            check=True, capture_output=True, cwd="/", env={"TZ": "UTC"}, **as_user,
        )  # fmt: skip
        port = free_port([])
        process = subprocess.Popen(
            [install / "bin/postgres", "-D", data, *service["command"][1:],
             "-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={"TZ": "UTC"}, **as_user,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while subprocess.run([install / "bin/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
                assert process.poll() is None, "PostgreSQL refused the settings of the compose file"
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield Server(port, install / "bin/psql", secrets)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def test_init_makes_roles_that_reach_their_own_databases_only(server: Server) -> None:
    for _ in range(2):  # it may be repeated
        done = server.init()
        assert (done.returncode, done.stderr) == (0, "")
    may = {"owner": {"continuum"}, "app": {"continuum"}, "temporal": {"temporal", "temporal_visibility"}}
    for role, own in may.items():
        for database in ("continuum", "temporal", "temporal_visibility"):
            if database in own:
                connection = await server.connect(role, database)
                await connection.close()
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await server.connect(role, database)

    await migrate(
        f"postgresql://owner:{(server.secrets / 'owner_password').read_text()}@127.0.0.1:{server.port}/continuum", "app"
    )
    app = await server.connect("app", "continuum")
    try:
        assert await app.fetchval("select count(*) from continuum.journal") == 0
        assert await app.fetchval("show statement_timeout") == "15s"
        for forbidden in ("delete from continuum.journal", "truncate continuum.journal", "create table t ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app.execute(forbidden)
    finally:
        await app.close()
    # What the schema of Temporal needs of its databases.
    temporal = await server.connect("temporal", "temporal_visibility")
    try:
        await temporal.execute("create table t (); drop table t")
    finally:
        await temporal.close()


async def test_init_again_sets_a_changed_password(server: Server) -> None:
    assert server.init().returncode == 0
    file = server.secrets / "app_password"
    old = file.read_text("ascii")
    file.write_text("another-password-of-some-length\n", "ascii")
    assert server.init().returncode == 0
    for password, right in (("another-password-of-some-length", True), (old, False)):
        file.write_text(password, "ascii")
        if right:
            await (await server.connect("app", "continuum")).close()
        else:
            with pytest.raises(asyncpg.InvalidPasswordError):
                await server.connect("app", "continuum")


@pytest.mark.parametrize("content", [None, "", "short\n"])
def test_init_refuses_a_missing_or_weak_password(server: Server, content: str | None) -> None:
    file = server.secrets / "temporal_password"
    file.unlink() if content is None else file.write_text(content, "ascii")
    done = server.init()
    assert done.returncode == 1
    assert "temporal_password is missing, unreadable or shorter" in done.stderr


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a client of a fresh server, with the `temporal` program on PATH."""
    program = find_temporal()
    port = free_port([])
    others = [free_port([port])]
    others.append(free_port([port, *others]))
    others.append(free_port([port, *others]))
    environment = {"HOME": str(tmp_path), "PATH": f"{program.parent}:{os.defpath}"}
    process = subprocess.Popen(
        [program, "server", "start-dev", "--port", str(port), "--ui-port", str(others[0]), "--http-port",
         str(others[1]), "--metrics-port", str(others[2]), "--log-level", "error", "--ui-disable-news-fetch"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        yield {**environment, "TEMPORAL_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        process.terminate()
        process.wait(20)


def test_namespace_gets_retention_and_search_attributes(temporal: dict[str, str]) -> None:
    wanted = SERVICES["temporal-namespace"]["environment"]
    environment = {
        **temporal,
        "TEMPORAL_NAMESPACE": "site",
        "RETENTION": wanted["RETENTION"],
        "SEARCH_ATTRIBUTES": wanted["SEARCH_ATTRIBUTES"],
    }
    script = [ROOT / "deploy/temporal/namespace.sh"]
    for _ in range(2):
        done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr

    def ask(*arguments: str) -> str:
        return subprocess.run(
            ["temporal", "operator", *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "WorkflowExecutionRetentionTtl  87600h0m0s" in ask("namespace", "describe", "--namespace", "site")
    listed = {tuple(line.split()) for line in ask("search-attribute", "list").splitlines()}
    assert listed >= set(attributes.ALL.items())

    environment["SEARCH_ATTRIBUTES"] = "Pathway=Text"
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode != 0
    assert "different type" in done.stderr
