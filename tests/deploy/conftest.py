"""Servers for the tests of deploy/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.servers import Server, running


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
