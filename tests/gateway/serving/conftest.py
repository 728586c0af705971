from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import House
from tests.tools.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
async def served(house: House, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GatewayProcess]:
    """A gateway process that tests leave as it was, for the house's record and its worker."""
    gateway = GatewayProcess(house.stack, tmp_path_factory.mktemp("gateway"))
    try:
        yield await gateway.start()
    finally:
        gateway.kill()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """For a gateway of a test's own."""
    return tmp_path
