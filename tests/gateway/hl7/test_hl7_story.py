"""A patient is referred, booked, moved, cancelled and called back by HL7 v2 alone, on the real workflows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from continuum.demo.stories import intake
from gateway.hl7 import ReplyRow, outgoing
from records import inbound
from records.database import Database
from tests.conftest import House
from tests.gateway.hl7.samples import fields
from tests.gateway.hl7.test_hl7_listener import Line, a_house, gateway, line, listening, renamed
from tests.integration.tools import until


def appointment(event: str, here: str, starts_at: datetime, number: int) -> bytes:
    said = starts_at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
    return renamed(
        f"siu_{event}",
        here,
        **{
            "20261118093000+0400": said,
            "20261119140000+0400": said,
            "t.nowak": "p-therapist",
            "AP-77": f"AP-{here}",
            "SIU500": f"SIU{number}",
        },
    )


async def taken(talk: Line, raw: bytes) -> None:
    assert fields(await talk.ask(raw), "MSA")[1] == "AA"


async def asks(database: Database, here: str) -> list[inbound.AskRow]:
    rows = await database.fetch("select id from continuum.ask where sender like 'hl7:%|' || $1 order by asked_at", here)
    found = [await inbound.ask(database, row["id"]) for row in rows]
    return [ask for ask in found if ask is not None]


async def settled(database: Database, here: str, count: int) -> inbound.AskRow:
    """The latest of so many asks of this house, once the relay is done with it."""

    async def probe() -> inbound.AskRow | None:
        found = await asks(database, here)
        return found[-1] if len(found) == count and found[-1].status != "waiting" else None

    row: inbound.AskRow = await until(probe)
    return row


async def test_a_patient_is_referred_booked_moved_and_called_back_by_hl7(house: House) -> None:
    here, database = a_house(), house.database
    patient = {"REF-1005": f"REF-{here}", "NS-1005": f"NS-{here}", "784-1005": f"784-{here}"}
    original = renamed("ref_i12_v2_5_1", here, **patient)
    async with listening(gateway(house)) as port, line(port) as talk:
        journey = fields(await talk.ask(original), "RF1")[11].partition("^")[0]
        player = house.player(f"hl7 {here}")
        player.journey = journey
        await player._until(lambda row: row["seq"] > 0)
        await player.act("choose_pathway", pathway="knee_osteoarthritis")
        await intake(player, "knee_osteoarthritis")

        async def visits() -> list[dict[str, Any]]:
            return [v for v in (await player.record())["visits"] if v["status"] != "attended"]

        slot = await player.slot(after=await player.now() + timedelta(days=3), hour=11)
        await taken(talk, patched(appointment("s12", here, slot, 1), patient))
        row = await settled(database, here, 1)
        assert (row.status, row.journey) == ("done", journey), row.reason
        (visit,) = await visits()
        assert (visit["status"], visit["starts_at"], visit["clinician"]) == ("booked", slot, "p-therapist")

        later = await player.slot(after=slot + timedelta(days=1), hour=11)
        await taken(talk, patched(appointment("s13", here, later, 2), patient))
        row = await settled(database, here, 2)
        assert row.status == "done", row.reason
        assert [(v["status"], v["starts_at"]) for v in await visits()] == [("cancelled", slot), ("booked", later)]

        await taken(talk, patched(appointment("s15", here, later, 3), patient))
        row = await settled(database, here, 3)
        assert row.status == "done", row.reason
        assert [(v["status"], v["reason"]) for v in await visits()] == [
            ("cancelled", "patient"),
            ("cancelled", "clinician"),
        ]

        await taken(talk, renamed("ref_i14_cancel", here, **patient))
        row = await settled(database, here, 4)
        assert (row.status, row.journey) == ("done", journey), row.reason
        status = await talk.ask(renamed("ref_i15_status", here, **patient))
        assert fields(status, "RF1")[1] == "A^Accepted^HL70283"

    replies = [ReplyRow.model_validate({**reply, "journey": journey}) for reply in (await player.record())["replies"]]
    told = [outgoing(original, reply, reply.at) for reply in replies]
    assert [fields(t.payload, "RF1")[1][0] for t in told if t][:2] == ["P", "A"]
    assert all(t and fields(t.payload, "RF1")[6] == fields(original, "RF1")[6] for t in told)


def patched(raw: bytes, names: dict[str, str]) -> bytes:
    for before, after in names.items():
        raw = raw.replace(before.encode(), after.encode())
    return raw
