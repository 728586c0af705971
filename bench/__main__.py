"""`make bench`: what Continuum costs, beside the least that Temporal can be asked to do the same work (the floor).

Absolute figures differ from machine to machine and from hour to hour; the ratios are of pairs taken in turn in one
run. `docs/performance.md` says what is measured and how, and what came out when.

The figures go to `bench/latest.json`. The exit code is 0 also where a target is missed: a bench measures, tests judge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from bench import content, crowd, figures, gateway, idle, rounds, starting, year
from bench.stack import bench

BUSY, CALM = 16, 4
"""People at once: for throughput and CPU, and for latency."""
EVERYTHING = ("content", "year", "start", "rounds", "crowd", "gateway")


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    starts: int
    crowd: int
    crowd_seconds: float
    patience: float
    windows: int
    idle_seconds: float


FULL = Size(
    rounds=6, seconds=5.0, starts=3, crowd=10_000, crowd_seconds=8.0, patience=220.0, windows=3, idle_seconds=8.0
)
QUICK = Size(
    rounds=2, seconds=3.0, starts=1, crowd=1_000, crowd_seconds=4.0, patience=40.0, windows=2, idle_seconds=3.0
)


def say(words: str) -> None:
    """Progress, apart from the figures."""
    print(words, file=sys.stderr, flush=True)


async def measure(size: Size, parts: tuple[str, ...]) -> tuple[figures.Figures, dict[str, Any]]:
    """All that was asked for: the figures by name, and what they were made from."""
    began, details = time.monotonic(), dict[str, Any]()
    if "year" in parts:
        say("a year of back pain: twelve visits, five follow-ups")
        details["year"] = await year.measure()
    if "crowd" in parts:
        say(f"among {crowd.FEW} and among {size.crowd} open journeys")
        async with bench() as stack:  # of its own: a worker that starts looks after the journeys that others left
            details["crowd"] = await crowd.measure(
                stack, many=size.crowd, seconds=size.crowd_seconds, windows=size.windows, patience=size.patience
            )
    if {"start", "rounds", "gateway"} & set(parts):
        async with bench() as stack:
            if "start" in parts:
                say("starting a worker")
                details["start"] = await starting.measure(stack, times=size.starts)
            if "rounds" in parts:
                say("beside the floor, in turn")
                details["rounds"] = await rounds.measure(
                    stack, rounds=size.rounds, people=(BUSY, CALM), seconds=size.seconds
                )
                details["idle"] = await idle.measure(stack, seconds=size.idle_seconds)
            if "gateway" in parts:
                say("a referral taken in, beside a bare insert of the same bytes, in turn")
                details["gateway"] = await gateway.measure(
                    stack, rounds=size.rounds, connections=BUSY, seconds=size.seconds
                )
    return {**named(details), "seconds": round(time.monotonic() - began)}, details


def named(details: dict[str, Any]) -> figures.Figures:
    """The figures by their plain names, as far as they were measured."""
    found: figures.Figures = {}
    if one := details.get("year"):
        found |= {name: value for name, value in one.items() if isinstance(value, int | float)}
    found |= details.get("start", {}) | details.get("idle", {})
    if one := details.get("rounds"):
        busy, calm = one[f"at_{BUSY}"], one[f"at_{CALM}"]
        found["throughput_ratio_floor"] = busy["to_floor"]["throughput"]["median"]
        found["worker_cpu_ratio_floor"] = busy["to_floor"]["worker_cpu"]["median"]
        found["decision_to_row_p95_ratio_floor"] = calm["to_floor"]["decision_to_row_p95"]["median"]
        found |= {k: v for k, v in busy["sides"]["continuum"].items() if "to_row" not in k}
        found |= {k: v for k, v in calm["sides"]["continuum"].items() if "to_row" in k}
    if one := details.get("gateway"):
        found |= gateway.named(one)
    if one := details.get("crowd"):
        few, many = one["cpu_ms_per_decision_few"], one["cpu_ms_per_decision_many"]
        found[f"cpu_ratio_{one['many']}_to_{one['few']}"] = round(many["all"] / few["all"], 3)
        found[f"worker_cpu_ratio_{one['many']}_to_{one['few']}"] = round(many["worker"] / few["worker"], 3)
        found["memory_per_open_journey_kb"] = one["memory_per_open_journey_kb"]
    return found


def main() -> None:
    """Measure, show, and write down."""
    parser = argparse.ArgumentParser(prog="make bench", description="What Continuum costs, beside a bare workflow.")
    parser.add_argument("--quick", action="store_true", help="a rough idea in about two minutes")
    parser.add_argument(
        "--only", nargs="+", choices=EVERYTHING, default=EVERYTHING, metavar="PART", help="; ".join(EVERYTHING)
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON document on standard output")
    options = parser.parse_args()
    parts, rows = tuple(options.only), None
    if "content" in parts:
        rows = content.measure()
    found, details = asyncio.run(measure(QUICK if options.quick else FULL, parts))
    if rows is not None:
        details["content"] = rows
    figures.keep(found, details)
    if options.json:
        print(json.dumps({**found, "details": details}, indent=2))
        return
    if rows is not None:
        content.show(rows)
    figures.show(found)


if __name__ == "__main__":
    main()
