"""How long a worker takes until it works, and how much memory it has then."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.stack import Bench


async def measure(bench: Bench, *, times: int) -> dict[str, Any]:
    """From starting the process to its ready file; the median of so many starts. Leaves no worker running."""
    taken, cpu, memory = [], [], []
    for _ in range(times):
        began = time.monotonic()
        await bench.start("worker", "worker")
        taken.append(time.monotonic() - began)
        found = bench.usage("worker")
        cpu.append(found.cpu)
        memory.append(found.resident_mb)
        await bench.stop("worker")
    return {
        "worker_ready_s": round(statistics.median(taken), 2),
        "worker_ready_cpu_s": round(statistics.median(cpu), 2),
        "worker_memory_mb": round(statistics.median(memory)),
    }
