"""CPU and memory of a process with its children, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """CPU seconds since each process began, and resident megabytes (10^6 bytes) now."""

    cpu: float
    resident_mb: float


def usage(pid: int) -> Usage:
    """Of a process and its children; those that have ended and were waited for count with their parent."""
    process = psutil.Process(pid)
    cpu = resident = 0.0
    for one in [process, *process.children(recursive=True)]:
        try:
            times, memory = one.cpu_times(), one.memory_info()
        except psutil.NoSuchProcess:
            continue
        cpu += times.user + times.system + times.children_user + times.children_system
        resident += memory.rss
    return Usage(cpu, resident / 1_000_000)
