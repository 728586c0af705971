"""PostgreSQL as the compose file makes it, on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from continuum.embedded.folder import Folder, temporary_folder
from continuum.embedded.ports import free_port
from continuum.embedded.postgres import account, find_install, usable_install

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


def settings(secrets: Path, key: Path | None) -> list[str]:
    """The compose file's settings of PostgreSQL, with the files where they are here; no key: without TLS."""
    # The checkout may be closed to the database's user: it reads a copy.
    hba = secrets.parent / "pg_hba.conf"
    shutil.copy(ROOT / "deploy/postgres/pg_hba.conf", hba)
    hba.chmod(0o644)
    here = {"hba_file": hba, "ssl_key_file": key}
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
