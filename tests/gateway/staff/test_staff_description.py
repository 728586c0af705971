"""The description is true: whatever a machine makes of it, no answer is one that it does not declare."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from continuum.demo.player import Player
from gateway.staff.openapi import description
from tests.gateway.staff.conftest import Desk, Served

EXAMPLES = 2
"""Of each operation and kind; with some eighty operations and two kinds that is what a test may cost.

Who gets in at all is the guard's, and asked of every route elsewhere."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
ENDS_IT = ("record_death", "withdraw", "decline", "redirect", "transfer", "enter_in_error")
TO_REFUSE = ["2xx", "400", "401", "403", "404", "409", "412", "413", "415", "422"]
"""A body that fits its schema may still not fit the journey."""
CONFIG = {
    "checks": {
        "positive_data_acceptance": {"expected-statuses": TO_REFUSE},
        "negative_data_rejection": {"expected-statuses": TO_REFUSE[1:]},
    }
}


def operations(served: Served) -> list[Any]:
    """All of them, those last that end a journey."""
    config = schemathesis.Config.from_dict(CONFIG)
    schema: Any = schemathesis.openapi.from_dict(description(served.app.routes), config=config)
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda o: bool(o.path.endswith(ENDS_IT)))


class Attack:
    """Asks for everything, well and badly, of a real journey and of none."""

    def __init__(self, served: Served, journey: str, token: str) -> None:
        self.asked = 0
        self._served = served
        self._journey = journey
        self._headers = {"Authorization": f"Bearer {token}"}

    def everything(self) -> None:
        wrong = []
        for n, operation in enumerate(operations(self._served)):
            # The actions are alike but for their bodies: one is asked for well, the next badly.
            alike = "/actions/" in operation.path
            for mode in MODES[n % 2 : n % 2 + 1] if alike else MODES:
                try:
                    self._ask(operation, mode)
                except FailureGroup as failure:
                    wrong.append(str(failure))
                except Unsatisfiable:  # where any text is a good path, there is nothing to ask badly
                    assert mode is GenerationMode.NEGATIVE
        assert not wrong, "\n\n".join(wrong)

    def _ask(self, operation: Any, mode: GenerationMode) -> None:
        @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
        @settings(
            max_examples=EXAMPLES,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, real: bool) -> None:
            if real and "journey" in (case.path_parameters or {}):
                case.path_parameters["journey"] = self._journey
            self.asked += 1
            case.call_and_validate(base_url=self._served.url, headers=self._headers, excluded_checks=[ignored_auth])

        ask()


@pytest.mark.timeout(300)
async def test_nothing_is_answered_that_is_not_described(served: Served, desk: Desk, begun: Player) -> None:
    token = desk.token("coordinator", "therapist", "auditor", "operator", person="p-lead")
    attack = Attack(served, begun.journey, token)
    await asyncio.to_thread(attack.everything)
    assert attack.asked > 150


async def test_it_is_open_to_everybody_and_names_what_it_needs(desk: Desk) -> None:
    answer = await desk.ask("GET", "/api/openapi.json")
    said = answer.json()
    assert said["openapi"].startswith("3.1")
    for path, operations_ in said["paths"].items():
        for method, operation in operations_.items():
            assert operation["description"], path
            wanted = {"400", "422", "429", "503"} | (set() if path.startswith("/api/schemas") else {"401", "403"})
            assert wanted <= set(operation["responses"]), (method, path)
            assert not {"415", "413"} - set(operation["responses"]) or "requestBody" not in operation, path
