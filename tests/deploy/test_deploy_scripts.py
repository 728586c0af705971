"""The scripts of deploy/, run for real: PostgreSQL made as the compose file makes it, and a Temporal server."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
SECRETS = ("postgres_password", "owner_password", "app_password", "temporal_password", "backup_password")
EMPTY = ("smtp_password.txt", "hl7_client_ca.pem")
MADE = (
    *(f"{name}.txt" for name in SECRETS),
    *EMPTY,
    "gateway_keys.json",
    "gateway_tls_key.pem",
    "gateway_certificate.pem",
    "database_ca.pem",
    "postgres_tls_key.pem",
    "postgres_certificate.pem",
)


def make_secrets(copy: Path) -> list[str]:
    copy.mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy/make-secrets.sh", copy)
    done = subprocess.run([copy / "make-secrets.sh"], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.splitlines()


def test_secrets_are_made_once_and_closed(tmp_path: Path) -> None:
    assert make_secrets(tmp_path / "deploy") == [f"made secrets/{name}" for name in MADE]
    folder = tmp_path / "deploy/secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    first = {path.name: path.read_text("ascii") for path in folder.iterdir()}
    assert sorted(first) == sorted(MADE)
    assert {name for name, text in first.items() if not text} == set(EMPTY)
    passwords = {first[f"{name}.txt"] for name in SECRETS}
    assert len(passwords) == len(SECRETS)
    assert {len(value) for value in passwords} == {43}

    again = make_secrets(tmp_path / "deploy")
    assert again == [
        f"kept secrets/{name}" for name in MADE if name not in EMPTY and not name.endswith(("_tls_key.pem", "_ca.pem"))
    ]
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

    def url(self, url: str) -> str:
        """A URL of the compose file, for where this server and its files are."""
        return url.replace("@postgres/", f"@localhost:{self.port}/").replace("/run/secrets", str(self.secrets))

    def backup(self, task: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        told = {
            name: str(value).replace("/run/secrets", str(self.secrets))
            for name, value in SERVICES["backup"]["environment"].items()
            if name.startswith("PG")
        }
        told |= {
            "PATH": f"{self.psql.parent}:{os.defpath}",
            "PGHOST": "localhost",
            "PGPORT": str(self.port),
            "SECRETS_DIR": str(self.secrets),
            "BACKUPS": str(folder),
        }
        return subprocess.run(
            ["/bin/sh", ROOT / "deploy/postgres/backup.sh", task],
            env=told | environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

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
    """PostgreSQL with the compose file's initdb arguments and settings, and no role but its superuser. The embedded
    stack's is built without TLS."""
    with running(tmp_path, None) as server:
        yield server


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Server]:
    """The same from another PostgreSQL, one that has TLS. An older one knows fewer of the arguments of initdb."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL with TLS on this machine")
    with running(tmp_path, found[-1].parents[1]) as server:
        yield server


def settings(secrets: Path, key: Path | None) -> list[str]:
    """The compose file's settings of PostgreSQL, with the files where they are here; no key: without TLS."""
    here = {"hba_file": ROOT / "deploy/postgres/pg_hba.conf", "ssl_key_file": key}
    told = []
    for setting in SERVICES["postgres"]["command"][2::2]:
        name, _, value = setting.partition("=")
        if name.startswith("ssl") and key is None:
            continue
        inside = secrets / Path(value).name if value.startswith("/run/secrets/") else value
        told += ["-c", f"{name}={here.get(name, inside)}"]
    return told


def made_with(encrypted: bool) -> list[str]:
    arguments = shlex.split(SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"])
    return [one for one in arguments if not (encrypted and "builtin" in one)]


@contextmanager
def running(tmp_path: Path, other: Path | None) -> Iterator[Server]:
    make_secrets(tmp_path / "deploy")
    with opened_folder() as root:
        secrets, home = root / "secrets", root / "home"
        secrets.mkdir(mode=0o755)
        home.mkdir(mode=0o700)
        for made in (tmp_path / "deploy/secrets").iterdir():
            shutil.copy(made, secrets / made.stem)
            (secrets / made.stem).chmod(0o644)
        folder = Folder(root)
        folder.bin.mkdir()
        install = other or usable_install(find_install(), folder, account())[0]
        shutil.copy(secrets / "postgres_password", home / "password")
        key = home / "tls_key.pem" if other else None
        if key:
            shutil.copy(secrets / "postgres_tls_key", key)
            key.chmod(0o600)
        give(home)
        subprocess.run(
            [install / "bin/initdb", "--pgdata", home / "data", "--username=postgres",
             f"--pwfile={home / 'password'}", *made_with(other is not None)],
            check=True, capture_output=True, cwd="/", env={"TZ": "UTC"}, **as_postgres(),
        )  # fmt: skip
        with postgres(install / "bin", home / "data", *settings(secrets, key)) as port:
            yield Server(port, install / "bin/psql", secrets)


@contextmanager
def opened_folder() -> Iterator[Path]:
    """One that another user may look into, as a container does; pytest closes its own again and again."""
    with temporary_folder() as root:
        root.mkdir(mode=0o755)
        root.chmod(0o755)
        yield root


def as_postgres() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    user = account()
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


def give(folder: Path) -> None:
    """All of it to whom PostgreSQL runs as."""
    if user := account():
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.uid, user.gid)


@contextmanager
def postgres(programs: Path, data: Path, *arguments: str) -> Iterator[int]:
    """A server on a folder of data; its port."""
    port = free_port([])
    log = data.parent / "log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *arguments, "-c", f"port={port}",
             "-c", "listen_addresses=127.0.0.1,::1", "-c", f"unix_socket_directories={data.parent}"],
            stdout=said, stderr=said, cwd="/", env={"TZ": "UTC"}, **as_postgres(),
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready).returncode:
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
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
def test_init_refuses_a_missing_or_weak_password(tmp_path: Path, content: str | None) -> None:
    for name in SECRETS:
        (tmp_path / name).write_text("of a length that will do", "ascii")
    file = tmp_path / "temporal_password"
    file.unlink() if content is None else file.write_text(content, "ascii")
    done = Server(port=1, psql=Path("/usr/bin/psql"), secrets=tmp_path).init()
    assert done.returncode == 1
    assert "temporal_password is missing, unreadable or shorter" in done.stderr


async def test_from_elsewhere_only_encrypted_and_only_to_the_right_server(encrypted: Server, tmp_path: Path) -> None:
    assert encrypted.init().returncode == 0
    password = (encrypted.secrets / "app_password").read_text("ascii")
    url = encrypted.url(SERVICES["worker"]["environment"]["CONTINUUM_DATABASE_URL"])
    connection = await asyncpg.connect(url, password=password)
    try:
        assert await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    finally:
        await connection.close()

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(url.replace("@localhost", "@127.0.0.1"), password=password)
    make_secrets(tmp_path / "another")
    other = tmp_path / "another/secrets/database_ca.pem"
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(url.replace(str(encrypted.secrets / "database_ca"), str(other)), password=password)
    # The address of another container: anything but 127.0.0.1.
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(
            host="::1", port=encrypted.port, user="app", password=password, database="continuum", ssl=False
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await encrypted.connect("backup", "continuum")
    done = encrypted.backup("once", tmp_path / "copies", PGHOST="127.0.0.1")
    assert done.returncode == 1
    assert "does not match host name" in done.stderr
    assert not list((tmp_path / "copies").glob("*Z"))


async def test_a_copy_is_checked_counted_and_can_be_restored(encrypted: Server, tmp_path: Path) -> None:
    assert encrypted.init().returncode == 0
    owner = await encrypted.connect("owner", "continuum")
    await owner.execute("create table kept (n int); insert into kept values (7)")
    await owner.close()

    folder = tmp_path / "copies"
    assert encrypted.backup("check", folder).returncode == 1
    for _ in range(2):
        done = encrypted.backup("once", folder, BACKUP_KEEP="1")
        assert done.returncode == 0, done.stderr
        await asyncio.sleep(1.1)  # their names are of a second
        (folder / "cluster-20260101T000000Z.partial").mkdir()
    assert encrypted.backup("check", folder).returncode == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "cluster-20260101T000000Z.partial", "until the next"
    assert len(names) == 2
    copy = folder / names[1]
    os.utime(copy, (0, 0))
    assert encrypted.backup("check", folder).returncode == 1

    with opened_folder() as root:
        home = root / "home"
        home.mkdir(mode=0o700)
        shutil.copytree(copy, home / "data")
        give(home)
        with postgres(encrypted.psql.parent, home / "data") as port:
            restored = await replace(encrypted, port=port).connect("owner", "continuum")
            try:
                assert await restored.fetchval("select n from kept") == 7
            finally:
                await restored.close()


@pytest.mark.parametrize(
    ("task", "environment", "told"),
    [
        ("once", {"BACKUP_KEEP": "0"}, "whole numbers from 1 on"),
        ("regularly", {"BACKUP_EVERY_HOURS": "1.5"}, "whole numbers from 1 on"),
        ("sometimes", {}, "regularly, once or check"),
    ],
)
def test_what_backups_are_told_wrongly_is_said(
    tmp_path: Path, task: str, environment: dict[str, str], told: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", ROOT / "deploy/postgres/backup.sh", task],
        env={"PATH": os.defpath, "BACKUPS": str(tmp_path / "copies"), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "copies").exists()


def test_a_copy_that_fails_is_tried_again_until_it_is_told_to_stop(tmp_path: Path) -> None:
    (tmp_path / "backup_password").write_text("secret", "ascii")
    process = subprocess.Popen(
        ["/bin/sh", ROOT / "deploy/postgres/backup.sh", "regularly"],
        env={"PATH": os.defpath, "PGHOST": "127.0.0.1", "PGPORT": str(free_port([])), "SECRETS_DIR": str(tmp_path),
             "BACKUPS": str(tmp_path / "copies")},
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = ""
        while "the next attempt is in" not in said:
            said = process.stderr.readline()
            assert said, "it gave up"
        process.terminate()
        assert process.wait(10) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
    assert not list((tmp_path / "copies").glob("cluster-*Z"))


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
