"""One Continuum to talk to: the stack of a folder, or the services that the environment names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from continuum import directory_file
from continuum.embedded.folder import Folder, Stack, StackError, read_stack
from continuum.embedded.postgres import database_url
from continuum.settings import Settings, settings_here
from continuum.tracing.switch import open_tracing
from records import directory
from records.database import Database, DatabaseAway
from records.migrate import MigrationError, migrate
from workflows.connection import connect

DEFAULT_FOLDER = Path(".continuum")
CONNECT_SECONDS = 5.0
BY_EXAMPLE = "continuum"
"""Who put the example clinic in, for the audit."""

EXAMPLE_DIRECTORY = directory_file.example("clinic")
EXAMPLE_CLINIC = EXAMPLE_DIRECTORY.clinics[0]


@dataclass
class Site:
    """What a command needs: the record, and, when it asks for it, Temporal."""

    tenant: str
    timezone: str
    database: Database
    temporal_address: str | None
    stack: Stack | None
    folder: Folder | None
    must_be_signed: bool
    """Whether only signed pathways are used here; the embedded stack works with drafts, and marks them."""

    async def temporal(self) -> Client:
        """A client. Raises StackError when Temporal cannot be reached."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await connect(self.temporal_address)
        except (RuntimeError, TimeoutError):
            raise StackError("Temporal cannot be reached; is the stack up? (continuum up)") from None


def _password(settings: Settings) -> str | None:
    try:
        return settings.database_password()
    except OSError as error:
        raise StackError(f"CONTINUUM_DATABASE_PASSWORD_FILE cannot be read ({error.strerror})") from None


@asynccontextmanager
async def site(folder: Path | None) -> AsyncIterator[Site]:
    """Open a site: the folder named, else what the environment names, else the folder `.continuum` here.

    Raises StackError: nothing runs there, or it cannot be reached.
    """
    settings = settings_here()
    named = os.environ.get("CONTINUUM_DIR")
    if folder is None and named is None and "CONTINUUM_DATABASE_URL" in os.environ:
        stack, state, address = None, None, None
        url, password = settings.database_url, _password(settings)
    else:
        root = folder or Path(named or DEFAULT_FOLDER)
        stack, state = read_stack(root), Folder(root.expanduser().absolute())
        address, password = stack.temporal_address, None
        url = database_url(state, stack.postgres_port, "app")
    try:
        database = await Database.open(url, password=password, size=4)
    except DatabaseAway:
        raise StackError("PostgreSQL cannot be reached; is the stack up? (continuum up)") from None
    tracing = open_tracing(settings.traces_endpoint, "cli")
    try:
        clinic = await directory.clinic_of(database, settings.tenant)
        must_be_signed = settings.pathways_must_be_signed if stack is None else False
        yield Site(
            settings.tenant, clinic.timezone if clinic else "UTC", database, address, stack, state, must_be_signed
        )
    finally:
        tracing.close()
        await database.close()


async def bring_up_to_date(owner_url: str, app_role: str) -> None:
    """Migrations, and an example clinic where there is none. Raises StackError with the reason and what is right."""
    try:
        await migrate(owner_url, app_role)
    except MigrationError as error:
        raise StackError(str(error)) from None
    database = await Database.open(owner_url, size=1)
    try:
        await directory.change(
            database,
            EXAMPLE_CLINIC.tenant,
            BY_EXAMPLE,
            lambda standing: standing if standing.clinics else EXAMPLE_DIRECTORY,
        )
    finally:
        await database.close()
