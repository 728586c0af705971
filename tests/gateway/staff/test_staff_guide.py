"""The guide to the staff API: every example in it is run as it stands, by curl, against a gateway that is served."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from continuum.demo.player import Player
from tests.gateway.staff.conftest import Served

GUIDE = Path(__file__).parents[3] / "docs" / "integrators" / "staff-api.md"
EXAMPLES = re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
REFUSED = "actions/transfer"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


async def run(example: str, served: Served, journey: str) -> tuple[int, str]:
    """Its status, and what was answered."""
    script = example.replace("curl -sS", "curl -sS -w '\\n%{http_code}'")
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euc",
        script,
        env={"PATH": "/usr/bin:/bin", "API": served.url, "TOKEN": served.token.read_text().strip(), "JOURNEY": journey},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (0, b""), err
    body, _, status = out.decode().rpartition("\n")
    return int(status), body


async def test_every_example_works(served: Served, begun: Player) -> None:
    assert len(EXAMPLES) == len(re.findall(r"\bcurl -sS", GUIDE.read_text("utf-8"))) > 8
    for example in EXAMPLES:
        status, body = await run(example, served, begun.journey)
        if REFUSED in example:
            assert (status, json.loads(body)["code"]) == (422, "BadData")
        else:
            assert status in (200, 201), (example, body)
    row = (await begun.journal())[-1]
    assert row["action_id"] == "consent-of-monday"
    assert row["note"] is not None
