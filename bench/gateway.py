"""`python -m bench.gateway`: what it costs to take a referral in, from its bytes to the durable acknowledgement.

FHIR beside a bare FastAPI and asyncpg that inserts the same bytes: the same server with the same settings, the same
PostgreSQL, in turn, in rounds of one run. What is compared is always the two figures of one round; rounds are many and
short, so that what else the machine does meets both sides alike. Then HL7 v2 over MLLP, and which part of it is reading
the message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from bench.bare_gateway import PORT, TABLE
from bench.closed_loop import Converse, Heard, http, mllp, run
from bench.stack import Bench, bench
from continuum.embedded.ports import free_port
from continuum.site import EXAMPLE_CLINIC
from gateway.access.keyring import Keyring, ensure
from gateway.access.tokens import Tokens
from gateway.hl7.header import header_of
from gateway.hl7.meanings import ANY_PROCESSING, meaning_of
from records import clients

FIXTURES = Path(__file__).parents[1] / "tests/fixtures"
REFERRAL = (FIXTURES / "fhir/service-request-low-back-pain.json").read_bytes()
HL7_REFERRAL = (FIXTURES / "hl7/ref_i12_v2_5_1.hl7").read_bytes()
SCOPES = "system/ServiceRequest.c"
READ_SECONDS = 1.0


@dataclass(frozen=True)
class Side:
    """One of those compared."""

    name: str
    port: int
    converse: Converse
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Window:
    """What one side did in one round."""

    heard: Heard
    own_cpu: float
    postgres_cpu: float

    def cpu_ms(self) -> float:
        """CPU milliseconds of the process per message."""
        return 1000 * self.own_cpu / len(self.heard.ms)

    def postgres_cpu_ms(self) -> float:
        """CPU milliseconds of PostgreSQL per message."""
        return 1000 * self.postgres_cpu / len(self.heard.ms)


def fhir_requests(port: int, token: Callable[[], str]) -> Callable[[], bytes]:
    """Makes POST requests, each an order of its own for a patient of their own."""
    resource = json.loads(REFERRAL)
    (patient,) = [one for one in resource["contained"] if one["resourceType"] == "Patient"]

    def make() -> bytes:
        own = secrets.token_hex(6)
        resource["identifier"] = [{"system": "https://orders.example.org", "value": own}]
        patient["identifier"] = [{"system": "https://patients.example.org", "value": own}]
        patient["name"] = [{"family": f"Bench-{own}", "given": ["Ada"]}]
        body = json.dumps(resource).encode()
        head = (
            f"POST /fhir/ServiceRequest HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token()}\r\n"
            f"Content-Type: application/fhir+json\r\nPrefer: return=minimal\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    return make


def hl7_message() -> bytes:
    """REF^I12, each an order of its own for a patient of their own."""
    own = secrets.token_hex(6).encode()
    named = HL7_REFERRAL.replace(b"REF1005", b"M" + own).replace(b"REF-1005", b"R" + own)
    return named.replace(b"NS-1005", b"NS-" + own).replace(b"Testova", b"Bench-" + own)


async def sides(found: Bench) -> tuple[Side, Side, Side]:
    """The gateway's two doors and the bare one, running."""
    port, hl7_port, bare = free_port([]), free_port([]), free_port([])
    keys = found.stack.folder.secrets / "bench-keys.json"
    ensure(keys)
    own = "CONTINUUM_"
    await found.start(
        "gateway",
        "gateway",
        **{
            f"{own}HTTP_PORT": str(port),
            f"{own}HL7_PORT": str(hl7_port),
            f"{own}HL7_UNKNOWN_SENDERS": "true",
            f"{own}GATEWAY_KEY_FILE": str(keys),
            f"{own}GATEWAY_REQUESTS_PER_MINUTE": "1000000",
        },
    )
    owner = await asyncpg.connect(found.stack.dsn("owner"))
    await owner.execute(f"{TABLE}; grant insert on bench_raw to app")
    await owner.close()
    await found.start("bare", "bench.bare_gateway", **{PORT: str(bare)})
    client = clients.RegisteredClient(tenant=EXAMPLE_CLINIC.tenant, id="bench", name="Bench", scopes=SCOPES)
    await clients.add(found.database, client)
    token = _fresh(Tokens(Keyring.open(keys), f"http://127.0.0.1:{port}"))
    return (
        Side("gateway", port, http, fhir_requests(port, token)),
        Side("bare", bare, http, fhir_requests(bare, token)),
        Side("gateway", hl7_port, mllp, hl7_message),
    )


def _fresh(tokens: Tokens) -> Callable[[], str]:
    """A token that is good for a while; a new one each minute, as a client has it."""
    made: tuple[float, str] = (0.0, "")

    def token() -> str:
        nonlocal made
        if time.monotonic() - made[0] > 60 or not made[1]:
            made = time.monotonic(), tokens.mint(EXAMPLE_CLINIC.tenant, "bench", frozenset({SCOPES}))
        return made[1]

    return token


async def window(found: Bench, side: Side, *, connections: int, seconds: float) -> Window:
    """One side's turn in one round."""
    before = found.usage(side.name).cpu, found.usage("postgres").cpu
    heard = await run(side.port, side.converse, side.make, connections=connections, seconds=seconds)
    after = found.usage(side.name).cpu, found.usage("postgres").cpu
    return Window(heard, after[0] - before[0], after[1] - before[1])


async def measure(found: Bench, *, rounds: int, connections: int, seconds: float) -> dict[str, Any]:
    """All figures."""
    ours, bare, hl7 = await sides(found)
    taken: dict[str, list[Window]] = {"fhir": [], "bare": [], "hl7": []}
    for n in range(rounds + 1):
        for name, side in (("fhir", ours), ("bare", bare), ("hl7", hl7)):
            one = await window(found, side, connections=connections, seconds=seconds)
            if n:  # the first round warms up
                taken[name].append(one)
    for name in ("gateway", "bare"):
        await found.stop(name)
    reading = parser_ms()
    return {
        "rounds": rounds,
        "connections": connections,
        "fhir_throughput_ratio_bare": ratio(taken["fhir"], taken["bare"], lambda w: w.heard.per_second),
        "fhir_cpu_ratio_bare": ratio(taken["fhir"], taken["bare"], Window.cpu_ms),
        **figures("fhir", taken["fhir"]),
        **figures("bare", taken["bare"]),
        **figures("hl7", taken["hl7"]),
        "hl7_parser_ms": round(reading, 3),
        "hl7_parser_share_of_cpu": round(reading / statistics.median(w.cpu_ms() for w in taken["hl7"]), 3),
    }


def figures(name: str, windows: Sequence[Window]) -> dict[str, float]:
    """One side's, each the median of all rounds."""

    def median(of: Callable[[Window], float], digits: int = 2) -> float:
        return round(statistics.median(of(w) for w in windows), digits)

    return {
        f"{name}_per_second": median(lambda w: w.heard.per_second, 0),
        f"{name}_ms_p50": median(lambda w: w.heard.percentile(0.5), 1),
        f"{name}_ms_p95": median(lambda w: w.heard.percentile(0.95), 1),
        f"{name}_cpu_ms": median(Window.cpu_ms),
        f"{name}_postgres_cpu_ms": median(Window.postgres_cpu_ms),
    }


def ratio(ours: Sequence[Window], theirs: Sequence[Window], of: Callable[[Window], float]) -> dict[str, float]:
    """Of the pairs of all rounds: the median, the smallest and the largest."""
    found = sorted(of(a) / of(b) for a, b in zip(ours, theirs, strict=True))
    return {
        "median": round(statistics.median(found), 3),
        "least": round(found[0], 3),
        "most": round(found[-1], 3),
    }


def parser_ms() -> float:
    """CPU milliseconds from a REF^I12's bytes to its meaning."""
    now, zone, count = datetime.now(UTC), ZoneInfo(EXAMPLE_CLINIC.timezone), 0
    began = time.process_time()
    while time.process_time() - began < READ_SECONDS:
        raw = hl7_message()
        meaning_of(raw, header_of(raw), zone=zone, received_at=now, processing=ANY_PROCESSING)
        count += 1
    return 1000 * (time.process_time() - began) / count


def named(found: Mapping[str, Any]) -> dict[str, float]:
    """The figures by their plain names: of a ratio the median."""
    left_out = ("rounds", "connections")
    return {
        name: value["median"] if isinstance(value, dict) else value
        for name, value in found.items()
        if name not in left_out
    }


def show(found: dict[str, Any]) -> None:
    """For people."""
    pair = found["fhir_throughput_ratio_bare"]
    print(f"a referral taken in, {found['connections']} senders at once, medians of {found['rounds']} rounds")
    print(f"{'':<24}{'per s':>8}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'PostgreSQL ms':>15}")
    for name, words in (("fhir", "FHIR, POST"), ("bare", "bare FastAPI + asyncpg"), ("hl7", "HL7 v2, MLLP")):
        print(
            f"{words:<24}{found[f'{name}_per_second']:>8.0f}{found[f'{name}_ms_p50']:>9}{found[f'{name}_ms_p95']:>9}"
            f"{found[f'{name}_cpu_ms']:>9}{found[f'{name}_postgres_cpu_ms']:>15}"
        )
    print(f"FHIR has {pair['median']} of the bare one's throughput ({pair['least']} to {pair['most']})")
    print(f"reading is {found['hl7_parser_share_of_cpu']:.0%} of an HL7 v2 message ({found['hl7_parser_ms']} ms)")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    options = parser.parse_args()

    async def alone() -> dict[str, Any]:
        async with bench() as stack:
            return await measure(stack, rounds=options.rounds, connections=options.connections, seconds=options.seconds)

    found = asyncio.run(alone())
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


if __name__ == "__main__":
    main()
