"""PostgreSQL's own programs, run to their end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from continuum.embedded.folder import Folder, StackError
from continuum.embedded.postgres import database_url


def whole(path: Path) -> Path:
    """A path as a person wrote it, from the root on."""
    return path.expanduser().absolute()


def owner_url(folder: Folder, port: int) -> str:
    """The address of the database for whoever owns the record."""
    return database_url(folder, port, "owner")


def owner_environment(folder: Folder) -> dict[str, str]:
    """The owner's password, where nobody else sees it."""
    return {"PGPASSWORD": folder.password("owner"), "PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C"}


async def run_tool(program: Path, *arguments: str, environment: Mapping[str, str]) -> None:
    """Run it. Raises StackError with its first words, which name tables and files, never what is in them."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        first = said.decode(errors="replace").strip().split("\n")[0][:200]
        raise StackError(f"{program.name} failed: {first}")
