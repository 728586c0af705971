"""`python -m tests.tools.kill_gateway`: the gateway is killed -9 again and again under a hospital that retries.

All that was acknowledged is stored, and every referral is exactly one journey; the figures are printed. The suite runs
a smaller storm (`tests/gateway/serving/test_killed_gateway.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from continuum.embedded.folder import temporary_folder
from continuum.embedded.supervisor import Options, Supervisor, running
from continuum.site import bring_up_to_date
from records.database import Database
from tests.embedded.machine import eventually
from tests.tools import retrying_sender
from tests.tools.gateway_process import GatewayProcess
from tests.tools.retrying_sender import Log, Message, Sender

BEGIN_SECONDS = 300.0


@dataclass(frozen=True)
class Storm:
    """What came of it."""

    messages: Sequence[Message]
    log: Log
    kills: int
    stored: dict[str, set[str]]
    begun: int
    seconds: float

    def figures(self) -> dict[str, int | float]:
        """For people."""
        journeys = [journey for found in self.stored.values() for journey in found]
        return {
            "messages": len(self.messages),
            "fhir": sum(1 for m in self.messages if m.protocol == "fhir"),
            "hl7": sum(1 for m in self.messages if m.protocol == "hl7"),
            "kills": self.kills,
            "attempts": len(self.log.attempts),
            "unknown_outcomes": self.log.count("unknown"),
            "acknowledged": len(self.log.taken),
            "acknowledged_but_not_stored": sum(1 for id_ in self.log.taken if id_ not in self.stored),
            "messages_with_several_journeys": sum(1 for found in self.stored.values() if len(found) != 1),
            "journeys": len(set(journeys)),
            "journeys_begun": self.begun,
            "seconds": round(self.seconds, 1),
        }

    def check(self) -> None:
        """What has to hold."""
        ids = {message.id for message in self.messages}
        assert self.log.taken.keys() == ids, "everything was acknowledged in the end"
        assert self.stored.keys() == ids, "all that was acknowledged is stored"
        assert all(len(found) == 1 for found in self.stored.values()), "one journey each"
        journeys = {journey for found in self.stored.values() for journey in found}
        assert len(journeys) == len(ids), "and each its own"
        assert all(named <= self.stored[id_] for id_, named in self.log.named.items()), "the one that answers name"
        assert self.begun == len(ids), "every one of them began, once"


async def storm(
    stack: Supervisor, database: Database, gateways: Sequence[GatewayProcess], *, messages: int, kills: int
) -> Storm:
    """Send so many, half of them FHIR and half HL7 v2; the kills are spread evenly over what is acknowledged."""
    run = secrets.token_hex(4)
    made = [(retrying_sender.fhir, retrying_sender.hl7)[n % 2](f"K{run}{n:04}") for n in range(messages)]
    client = await gateways[0].register(database)
    sender = Sender(gateways, lambda: gateways[0].mint(client))
    due = {(n + 1) * messages // (kills + 2): asyncio.Event() for n in range(kills)}
    killed = acknowledged = 0
    began = time.monotonic()

    def one_more() -> None:
        nonlocal acknowledged
        acknowledged += 1
        if acknowledged in due:
            due[acknowledged].set()

    async def kill() -> None:
        nonlocal killed
        for n, moment in enumerate(due.values()):
            await moment.wait()
            victim = gateways[n % len(gateways)]
            victim.kill()
            killed += 1
            await victim.start()

    async with asyncio.TaskGroup() as group:
        group.create_task(sender.send_all(made, taken=one_more))
        group.create_task(kill())
    found = await retrying_sender.stored(database, made)
    journeys = {journey for one in found.values() for journey in one}

    async def all_begun() -> int | None:
        count = await retrying_sender.begun(database, journeys)
        return count if count >= len(made) else None

    begun = await eventually(all_begun, timeout=BEGIN_SECONDS)
    return Storm(made, sender.log, killed, found, begun, time.monotonic() - began)


async def _main(messages: int, kills: int, processes: int) -> Storm:
    with temporary_folder() as folder, tempfile.TemporaryDirectory() as place:
        async with running(Options(folder=folder, migrate=bring_up_to_date, worker_env={})) as stack:
            database = await Database.open(stack.dsn("app"), size=4)
            gateways = [GatewayProcess(stack, Path(place)) for _ in range(processes)]
            try:
                for gateway in gateways:
                    await gateway.start()
                return await storm(stack, database, gateways, messages=messages, kills=kills)
            finally:
                for gateway in gateways:
                    gateway.kill()
                await database.close()


def main() -> None:
    """Print the figures; fails where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    done = asyncio.run(_main(options.messages, options.kills, options.processes))
    print(json.dumps(done.figures(), indent=2))
    done.check()


if __name__ == "__main__":
    main()
