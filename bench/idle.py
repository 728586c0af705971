"""What a worker costs while nobody does anything: its loops look for work again and again."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.rounds import SERVERS
from bench.stack import Bench

CALM_SECONDS = 3.0
COMMITTED = "select xact_commit from pg_stat_database where datname = current_database()"


async def measure(bench: Bench, *, seconds: float) -> dict[str, Any]:
    """CPU milliseconds and commits per second."""
    await asyncio.sleep(CALM_SECONDS)
    services = ("worker", *SERVERS)
    committed = int(await bench.database.value(COMMITTED))
    before = {name: bench.usage(name).cpu for name in services}
    await asyncio.sleep(seconds)
    after = {name: bench.usage(name).cpu for name in services}
    commits = int(await bench.database.value(COMMITTED)) - committed
    return {
        **{f"idle_{name}_cpu_ms_per_s": round(1000 * (after[name] - before[name]) / seconds, 1) for name in services},
        "idle_commits_per_s": round(commits / seconds, 1),
    }
