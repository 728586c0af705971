"""Runs the provider: FOLDER PORT BASE, the stack's folder, a port of the loopback interface, the gateway's address."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from continuum.embedded.folder import Folder, StackError
from continuum.embedded.ports import LOOPBACK
from continuum.embedded.ready import touch_ready_file
from continuum.embedded.sign_in.issuing import open_issuer
from continuum.embedded.sign_in.server import Provider
from continuum.settings import Settings
from gateway.serving import Address, CannotServe, serve_http
from records import directory
from records.database import Database, DatabaseAway

CONNECTIONS = 2


async def serve(folder: Folder, port: int, base: str, settings: Settings) -> None:
    """Serve until SIGTERM. Raises StackError, CannotServe, DatabaseAway."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    issuer = open_issuer(folder, f"http://{LOOPBACK}:{port}")
    database = await Database.open(settings.database_url, password=settings.database_password(), size=CONNECTIONS)
    try:
        provider = Provider(issuer, lambda: directory.load(database, settings.tenant), base)
        await serve_http(provider.application(), Address(LOOPBACK, port), stop=stop, listening=touch_ready_file)
    finally:
        await database.close()


def main(arguments: list[str]) -> None:
    """Exit code 1 and one line where it cannot be served."""
    os.umask(0o077)
    folder, port, base = arguments
    try:
        asyncio.run(serve(Folder(Path(folder)), int(port), base, Settings()))
    except (StackError, CannotServe, DatabaseAway) as error:
        raise SystemExit(f"continuum: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
