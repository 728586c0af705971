"""A hospital that sends until it is told that it was taken, and keeps a log of all that it tried and heard."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.integration.tools import PATIENT, order
from tests.tools.gateway_process import GatewayProcess

Heard = Literal["taken", "again", "unknown", "refused"]
PAUSE_SECONDS = 0.1
ANSWER_SECONDS = 20.0
REFERRAL = (Path(__file__).parents[1] / "fixtures/hl7/ref_i12_v2_5_1.hl7").read_bytes()
START, END = b"\x0b", b"\x1c\r"


@dataclass(frozen=True)
class Message:
    """One referral, under the id of its only delivery."""

    id: str
    protocol: Literal["fhir", "hl7"]
    body: bytes = field(repr=False)


def fhir(id_: str) -> Message:
    """A ServiceRequest with its patient contained."""
    resource = order(patient=PATIENT, identifier=[{"system": "https://orders.example.org", "value": id_}])
    return Message(id_, "fhir", json.dumps(resource).encode())


def hl7(id_: str) -> Message:
    """REF^I12, 2.5.1."""
    return Message(id_, "hl7", REFERRAL.replace(b"REF1005", id_.encode()).replace(b"REF-1005", f"R-{id_}".encode()))


@dataclass
class Log:
    """What was tried, and how each attempt ended."""

    attempts: list[tuple[str, Heard]] = field(default_factory=list)
    taken: dict[str, str | None] = field(default_factory=dict)
    """By message: the journey that the answer named, where its protocol names one."""
    named: dict[str, set[str]] = field(default_factory=dict)
    """By message: every journey that any answer named."""

    def count(self, heard: Heard) -> int:
        """Attempts that ended so."""
        return sum(1 for _, how in self.attempts if how == heard)


class Sender:
    """Sends through several connections, to whichever gateway comes next."""

    def __init__(self, gateways: Sequence[GatewayProcess], token: Callable[[], str]) -> None:
        self.log = Log()
        self._gateways = gateways
        self._token = token
        self._turn = 0
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS)

    async def send_all(
        self, messages: Sequence[Message], *, at_once: int = 8, taken: Callable[[], None] | None = None
    ) -> None:
        """Until every one of them was taken."""
        waiting = list(reversed(messages))

        async def one_after_the_other() -> None:
            while waiting:
                message = waiting.pop()
                await self._until_taken(message)
                if taken is not None:
                    taken()

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())
        await self._client.aclose()

    async def _until_taken(self, message: Message) -> None:
        while True:
            heard = await self.attempt(message)
            if heard == "taken":
                return
            assert heard != "refused", f"{message.id} was refused"
            await asyncio.sleep(PAUSE_SECONDS)

    async def attempt(self, message: Message) -> Heard:
        """Once."""
        self._turn += 1
        gateway = self._gateways[self._turn % len(self._gateways)]
        heard, journey = await (self._post(gateway, message) if message.protocol == "fhir" else _mllp(gateway, message))
        self.log.attempts.append((message.id, heard))
        if heard == "taken":
            self.log.taken[message.id] = journey
            if journey is not None:
                self.log.named.setdefault(message.id, set()).add(journey)
        return heard

    async def _post(self, gateway: GatewayProcess, message: Message) -> tuple[Heard, str | None]:
        headers = {
            "Authorization": f"Bearer {self._token()}",
            "Content-Type": "application/fhir+json",
            "Idempotency-Key": message.id,
        }
        try:
            answer = await self._client.post(
                f"{gateway.url}/fhir/ServiceRequest", content=message.body, headers=headers
            )
        except httpx.ConnectError:
            return "again", None
        except httpx.HTTPError:
            return "unknown", None
        if answer.status_code in (200, 201):
            return "taken", answer.headers["location"].rpartition("/")[2]
        if answer.status_code in (429, 503):
            assert int(answer.headers["retry-after"]) > 0
            return "again", None
        return "refused", None


async def _mllp(gateway: GatewayProcess, message: Message) -> tuple[Heard, str | None]:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.hl7_port)
    except OSError:
        return "again", None
    try:
        writer.write(START + message.body + END)
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await reader.readuntil(END)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return "unknown", None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    code = re.search(rb"\rMSA\|(\w\w)\|([^|\r]*)", answer)
    assert code is not None
    assert code[2].decode() == message.id
    return {b"AA": "taken", b"AE": "again"}.get(code[1], "refused"), None  # type: ignore[return-value]


async def stored(database: Any, messages: Sequence[Message]) -> dict[str, set[str]]:
    """By message: the journeys that the record has for it."""
    rows = await database.fetch(
        "select transport_key, array_agg(distinct journey) as journeys from continuum.inbound"
        " where transport_key = any($1) and journey is not null group by transport_key",
        [message.id for message in messages],
    )
    return {row["transport_key"]: set(row["journeys"]) for row in rows}


async def begun(database: Any, journeys: set[str]) -> int:
    """How many of them have begun: one row each, or the count is off."""
    return int(await database.value("select count(*) from continuum.journey where id = any($1)", list(journeys)))
