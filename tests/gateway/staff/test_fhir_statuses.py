"""Whatever a machine asks of `/fhir`: no server error, and no status that the route does not declare."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
import schemathesis
from fastapi.openapi.utils import get_openapi
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import status_code_conformance

from continuum.demo.player import Player
from tests.gateway.staff.conftest import Desk, Served
from tests.thorough import times

EXAMPLES = times(1, 20)
"""Of each operation and kind: there are two hundred."""
CHECKS = [not_a_server_error, status_code_conformance]


def operations(served: Served) -> list[Any]:
    made = get_openapi(title="FHIR", version="1", routes=served.app.routes)
    made["paths"] = {path: said for path, said in made["paths"].items() if path.startswith("/fhir")}
    schema: Any = schemathesis.openapi.from_dict(made)
    return [result.ok() for result in schema.get_all_operations()]


def attack(served: Served, token: str) -> tuple[int, list[str]]:
    """Asks for everything, well and badly. How often, and what was wrong."""
    asked, wrong = 0, []

    def ask_all(operation: Any, mode: GenerationMode) -> None:
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            headers = {"Authorization": f"Bearer {token}"}
            case.call_and_validate(base_url=served.url, headers=headers, checks=CHECKS)

        ask()

    for operation in operations(served):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                ask_all(operation, mode)
            except FailureGroup as failure:
                wrong.append(str(failure))
            except Unsatisfiable:  # any text is as good as another
                assert mode is GenerationMode.NEGATIVE
    return asked, wrong


@pytest.mark.timeout(300 if "CONTINUUM_LONG_TESTS" not in os.environ else 3_000)
async def test_fhir_answers_nothing_that_it_does_not_declare(served: Served, desk: Desk, begun: Player) -> None:
    token = desk.token("coordinator", "therapist", "physician", "auditor", "operator", person="p-lead")
    asked, wrong = await asyncio.to_thread(attack, served, token)
    assert not wrong, "\n\n".join(wrong)
    assert asked > 150
