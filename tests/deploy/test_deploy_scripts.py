"""The scripts of deploy/, run for real: PostgreSQL made as the compose file makes it, and a Temporal server."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from continuum.embedded.ports import free_port
from continuum.embedded.temporal import find_temporal
from gateway.access.keyring import Keyring
from gateway.access.tokens import Tokens
from gateway.serving import Certificate
from records.migrate import migrate
from tests.deploy.servers import EMPTY, MADE, ROOT, SECRETS, SERVICES, Server, make_secrets
from workflows import attributes


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
