"""Slow clients are cut, and nobody else notices them."""

from __future__ import annotations

import asyncio

import httpx

from tests.gateway.serving import slow
from tests.tools.gateway_process import GatewayProcess

EACH = 500
CUT_SECONDS = 15.0
"""What is promised."""


async def test_slow_clients_are_cut_while_others_are_answered(served: GatewayProcess) -> None:
    kinds: tuple[slow.Slow, ...] = (slow.idle, slow.trickled_headers, slow.stalled_body, slow.trickled_body)
    crowd = [asyncio.create_task(kind(served.port)) for _ in range(EACH // 2) for kind in kinds[2:]]
    crowd += [asyncio.create_task(kind(served.port)) for _ in range(EACH) for kind in kinds[:2]]
    async with httpx.AsyncClient(base_url=served.url, timeout=10) as client:
        answers = []
        while any(not one.done() for one in crowd):
            answers.append(await client.get("/health"))
            await asyncio.sleep(0.2)
    assert {answer.status_code for answer in answers} == {200}
    assert len(answers) > 10
    cut = [one.result() for one in crowd]
    assert len(cut) == 3 * EACH
    # Our own clients are slow, too: a busy machine may look at a cut connection a little later.
    assert max(cut) < CUT_SECONDS + 3, f"the slowest was cut after {max(cut):.1f} s"
