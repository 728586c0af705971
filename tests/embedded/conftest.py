from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Supervisor]:
    """One running stack for the tests that only look at it, or that leave it running as it was."""
    with temporary_folder() as path:
        async with running(Options(folder=path, time_skipping=True)) as supervisor:
            yield supervisor
