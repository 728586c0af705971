"""A stack as `continuum up` has it, with its worker as a process; commands run against its folder."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.client import Client

from activities.clinics import calendar_of
from care.directory import Directory, resolve
from channels import mail as channel
from continuum.demo.player import Player
from continuum.directory_file import example, plain
from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import EXAMPLE_CLINIC, bring_up_to_date
from records import directory as stored
from records import journeys
from records.database import Database
from tests.integration.post_office import Mailroom, Server, mailroom_built, serving
from tests.integration.tools import PATIENT, Ran, command, hire, message, order, until
from workflows.connection import connect

STAFF = ("p-cli", "p-anna", "p-bea", "p-carl", "p-race", *(f"p-race{n}" for n in range(20)))
"""People of the clinic whom only tests know: each test books its own."""


@dataclass
class Town:
    """One stack, and what tests do with it."""

    stack: Supervisor
    client: Client
    database: Database
    inbox: Path

    @property
    def folder(self) -> Path:
        return self.stack.folder.root

    async def run(self, name: str, *arguments: str | Path) -> Ran:
        """A command on this stack's folder."""
        return await command(name, "--dir", self.folder, *arguments)

    async def act(self, journey: str, action: str, *options: str, **data: object) -> Ran:
        """`continuum act`, answered in JSON."""
        return await self.run("act", "--json", journey, action, "--data", json.dumps(data), *options)

    def file(self, name: str, content: bytes) -> Path:
        """A file to refer."""
        path = self.inbox / name
        path.write_bytes(content)
        return path

    async def begin(self, name: str = "begin.json", content: bytes | None = None) -> str:
        """A journey that has begun; its id."""
        ran = await self.run("refer", "--json", self.file(name, content or message(order(patient=PATIENT))))
        journey = str(ran.lines[0]["journey"])
        await self.begun(journey)
        return journey

    async def begun(self, journey: str) -> None:
        """Wait until it has."""

        async def first_row() -> bool:
            row = await journeys.journey_row(self.database, "clinic", journey)
            return row is not None and row["seq"] > 0

        await until(first_row)

    def player(self, name: str) -> Player:
        """Somebody to play a journey."""
        calendar = calendar_of(EXAMPLE_CLINIC, datetime.now(UTC).date())
        return Player(name, self.client, self.database, calendar, tenant="clinic", narrate=lambda who, row: None)


@pytest.fixture(scope="session")
async def town() -> AsyncIterator[Town]:
    """One stack for all tests that leave it running as it was."""
    with temporary_folder() as path:
        options = Options(
            folder=path, time_skipping=True, migrate=bring_up_to_date, worker_env={"CONTINUUM_DIGEST_SECONDS": "1"}
        )
        async with running(options) as stack:
            database = await Database.open(stack.dsn("app"), size=10)
            await hire(database, "clinic", *STAFF)
            inbox = path.parent / "inbox"
            inbox.mkdir()
            yield Town(stack, await connect(stack.stack.temporal_address), database, inbox)
            await database.close()


@pytest.fixture(scope="session")
async def one_mailroom() -> AsyncIterator[Mailroom]:
    """One record for all tests of mail."""
    async with mailroom_built() as room:
        yield room


@pytest.fixture
async def mailroom(one_mailroom: Mailroom) -> Mailroom:
    """The same, in which nothing waits that another test has left behind."""
    await one_mailroom.record.execute(
        "update continuum.notice set status = 'stopped' where status in ('queued', 'sending')"
    )
    return one_mailroom


@pytest.fixture
async def smtp(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A mail server to script; a silent one is given up after a second."""
    monkeypatch.setattr(channel, "TIMEOUT_SECONDS", 1.0)
    async with serving(Server()) as server:
        yield server


class Office:
    """Somebody who looks after the directory of one tenant."""

    def __init__(self, town: Town, tenant: str, folder: Path) -> None:
        self.town = town
        self.tenant = tenant
        self._file = folder / "clinic.yaml"

    async def run(self, *arguments: str | Path) -> Ran:
        return await command(*arguments, "--dir", self.town.folder)

    def file(self, content: dict[str, Any] | str) -> Path:
        """A directory file."""
        self._file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
        return self._file

    async def apply(self, content: dict[str, Any] | str, *options: str) -> Ran:
        return await self.run("directory", "apply", self.file(content), *options)

    async def load(self) -> Directory:
        return await stored.load(self.town.database, self.tenant)

    async def told(self, audience: str, at: datetime, clinic: str | None = None) -> str:
        return resolve(await self.load(), audience, at, clinic=clinic).id


@pytest.fixture
async def office(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A tenant of its own with the example's directory."""
    tenant = f"dir_{secrets.token_hex(4)}"
    monkeypatch.setenv("CONTINUUM_TENANT", tenant)
    office = Office(town, tenant, tmp_path)
    assert (await office.apply(plain(example(tenant)))).code == 0
    return office
