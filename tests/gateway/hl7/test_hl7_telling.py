"""A system that refers by HL7 v2 hears by HL7 v2 what became of it: in order, and again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.hl7.framing import framed
from gateway.hl7.telling import Hl7Answers
from records import clients, hl7_answers
from records.clients import RegisteredClient
from tests.conftest import House, built
from tests.gateway.hl7.samples import fields
from tests.gateway.hl7.test_hl7_listener import a_house, gateway, line, listening, renamed
from tests.integration.tools import until


@dataclass
class Hospital:
    """Its interface engine: takes messages, or answers what it is told to."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    """Acknowledgement codes to come; AA when there are none. An empty one: it closes without a word."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = (await reader.readuntil(b"\x1c\r"))[1:-2]
        code = self.says.pop(0) if self.says else "AA"
        self.heard.append(frame)
        if code:
            head = frame.split(b"\r", 1)[0].decode("latin-1").split("|")
            err = "" if code == "AA" else "ERR||RF1^1|101|E\r"
            writer.write(framed(f"MSH|^~\\&|||||20261129||ACK|1|P|2.5.1\rMSA|{code}|{head[9]}\r{err}".encode()))
            await writer.drain()
        writer.close()


@asynccontextmanager
async def hospital() -> AsyncIterator[Hospital]:
    it = Hospital()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    async with server:
        yield it


async def referred(house: House, it: Hospital) -> tuple[str, str]:
    """A referral of a registered system that listens there: client and journey."""
    here = a_house()
    client = f"h-{here.lower()}"
    await clients.add(
        house.database,
        RegisteredClient(
            tenant="clinic",
            id=client,
            name=here,
            hl7_senders=(f"EPICARE|{here}",),
            hl7_answers=f"127.0.0.1:{it.port}",
            hl7_answers_tls=False,
        ),
    )
    async with listening(gateway(house)) as port, line(port) as talk:
        answer = await talk.ask(renamed("ref_i12_v2_5_1", here, **{"REF-1005": f"REF-{here}"}))
    return client, fields(answer, "RF1")[11].partition("^")[0]


async def ready(house: House, journey: str, count: int) -> None:
    async def probe() -> bool:
        sql = "select count(*) from continuum.hl7_answer where journey = $1"
        return bool(await house.database.value(sql, journey) == count)

    await until(probe)


def statuses(it: Hospital) -> list[str]:
    return [fields(frame, "RF1")[1].partition("^")[0] for frame in it.heard]


async def test_a_hospital_hears_that_it_was_received_and_that_it_is_over(house: House) -> None:
    async with hospital() as it:
        client, journey = await referred(house, it)

        async def pending() -> bool:
            return len(it.heard) == 1

        await until(pending)
        player = house.player(client)
        player.journey = journey
        await player._until(lambda row: row["seq"] > 0)
        await player.act("withdraw", reason="patient_declined")

        async def both() -> bool:
            return len(it.heard) == 2

        await until(both)
        assert statuses(it) == ["P", "R"]
        assert {fields(frame, "MSH")[9].split("^")[0] for frame in it.heard} == {"RRI"}
        assert len({fields(frame, "MSH")[10] for frame in it.heard}) == 2

        async def settled() -> bool:
            rows = await hl7_answers.listed(house.database, "clinic", "sent")
            return [(r["client"], r["kind"]) for r in rows if r["journey"] == journey] == [(client, "RRI^I12")] * 2

        await until(settled)


async def test_what_nobody_confirmed_is_sent_again_under_the_same_id_and_in_order() -> None:
    """In a house without a worker, whose own loop would be quicker: the clock is the test's."""
    async with built() as house, hospital() as it:
        client, journey = await referred(house, it)
        await replies(house, journey, "received", "accepted")
        it.says = ["", "AE"]
        now = datetime.now(UTC) + timedelta(seconds=1)
        answers = Hl7Answers(house.database, clock=lambda: now, chance=lambda: 0.0)
        assert await answers.once() == 1
        assert await answers.once() == 0, "the second waits for the first, and that one for its time"
        now += timedelta(seconds=6)
        assert await answers.once() == 1
        assert fields(it.heard[0], "MSH")[10] == fields(it.heard[1], "MSH")[10]
        dead = [r for r in await hl7_answers.listed(house.database, "clinic", "dead") if r["client"] == client]
        assert [(r["status"], r["reason"]) for r in dead] == [("dead", "refused (AE, 101)")]
        assert await answers.once() == 1, "what is refused for good is put aside, and the next goes out"
        assert statuses(it) == ["P", "P", "A"]
        assert await hl7_answers.replay(house.database, "clinic", client) == 1
        assert await answers.once() == 1
        assert statuses(it)[-1] == "P"
        assert await answers.once() == 0


async def replies(house: House, journey: str, *states: str) -> None:
    for number, state in enumerate(states):
        await house.database.execute(
            "insert into continuum.reply (id, journey, tenant, task_status, at, hash)"
            " values ($1, $2, 'clinic', $3, now() + make_interval(secs => $4), 'h')",
            f"{journey}:reply:{90 + number}",
            journey,
            state,
            number,
        )
        await house.database.execute(
            "update continuum.reply set status = 'ready' where id = $1", f"{journey}:reply:{90 + number}"
        )
    await ready(house, journey, len(states))
