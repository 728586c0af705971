"""The examples of docs/integrators/signing-in.md, run as they stand there."""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from continuum.embedded.folder import Folder
from continuum.embedded.ports import free_port
from continuum.embedded.sign_in.issuing import AUDIENCE, Issuer, open_issuer
from continuum.embedded.sign_in.server import Provider
from gateway.access.settings import AccessSettings, OidcSettings
from gateway.app import create_app
from gateway.context import ConnectedTemporal, Gateway, GatewaySettings
from gateway.serving import Address, serve_http
from records import directory as stored
from tests.conftest import House
from tests.integration.tools import ROOT, environment

PAGE = ROOT / "docs" / "integrators" / "signing-in.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def run(kind: str, text: str, place: Path, **more: str) -> str:
    """A block, run by its interpreter; what it said."""
    command = ["bash", "-euo", "pipefail", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
    tools = place / "bin"
    tools.mkdir(exist_ok=True)
    shim = tools / "continuum"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m continuum "$@"\n')
    shim.chmod(0o755)
    env = environment(**more)
    env["PATH"] = f"{tools}:{env['PATH']}"
    started = await asyncio.create_subprocess_exec(
        *command, cwd=place, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(started.communicate(), 100)
    assert started.returncode == 0, err.decode()
    return out.decode()


@pytest.fixture
async def gateway(quiet_house: House) -> AsyncIterator[str]:
    ports = [free_port(avoid=[]) for _ in range(2)]
    stop, ready = asyncio.Event(), [asyncio.Event() for _ in range(2)]
    url = f"http://127.0.0.1:{ports[0]}"
    issuer: Issuer = open_issuer(Folder(quiet_house.stack.folder.root), f"http://127.0.0.1:{ports[1]}")
    oidc = OidcSettings(issuer.url, AUDIENCE, person_claim="sub")
    settings = GatewaySettings(tenant="clinic", base_url=url, access=AccessSettings(oidc=oidc))
    app = create_app(Gateway(quiet_house.database, ConnectedTemporal(quiet_house.client), settings))
    provider = Provider(issuer, lambda: stored.load(quiet_house.database, "clinic"), url).application()
    served = [
        asyncio.create_task(serve_http(a, Address("127.0.0.1", p), stop=stop, listening=r.set))
        for a, p, r in zip((app, provider), ports, ready, strict=True)
    ]
    for r in ready:
        await r.wait()
    yield url
    stop.set()
    await asyncio.gather(*served)


async def test_every_example_does_what_it_says(gateway: str, quiet_house: House, tmp_path: Path) -> None:
    name = f"h-{secrets.token_hex(4)}"
    said = []
    for kind, text in BLOCK.findall(PAGE.read_text("utf-8")):
        out = await run(
            kind,
            text.replace("north-hospital", name),
            tmp_path,
            GATEWAY=gateway,
            CONTINUUM_DIR=str(quiet_house.stack.folder.root),
        )
        said.append(out)
    assert len(said) == 4
    assert f"registered {name}" in said[0]
    assert '"resourceType"' in said[1]
    assert '"Bundle"' in said[1]
    assert said[2].split() == ["system/Patient.rs", "system/ServiceRequest.rs", "system/Task.rs"]
    assert '"items"' in said[3]
