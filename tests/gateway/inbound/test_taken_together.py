"""Messages that come at once share a statement; what becomes of each is what would have become of it alone."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.fhir import IncomingReferral, read_referral
from gateway.inbound import Envelope, NewReferral, Noted, Taken, take_in
from records import inbound
from records.database import Database, DatabaseRefused
from tests.conftest import House
from tests.integration.tools import PATIENT, order

SOURCE = "client:together|north"


def named(number: str, words: str = "") -> bytes:
    """An order of this number."""
    who = {**PATIENT, "identifier": [{"system": "urn:oid:1.2.3", "value": number}]}
    made = order(patient=who)
    return json.dumps(
        {**made, "identifier": [{"system": "urn:oid:9.9", "value": number}], "patientInstruction": words or number}
    ).encode()


async def take(database: Database, raw: bytes, *, key: str | None = None, media_type: str = "text/json") -> Taken:
    read = read_referral(raw, default_source="north")
    assert isinstance(read, IncomingReferral)
    envelope = Envelope(
        tenant="clinic",
        protocol="fhir",
        sender="client:together",
        source=SOURCE,
        transport_key=key or read.transport_key,
        raw=raw,
        media_type=media_type,
        kind="ServiceRequest",
        received_at=datetime.now(UTC),
    )
    return await take_in(database, envelope, NewReferral(referral=read))


@pytest.fixture
async def other(quiet_house: House) -> AsyncIterator[Database]:
    """The record, as another process has it."""
    database = await Database.open(quiet_house.stack.dsn("app"))
    yield database
    await database.close()


async def test_each_has_its_own_and_they_share_commits(quiet_house: House) -> None:
    numbers = [secrets.token_hex(4) for _ in range(40)]
    taken = await asyncio.gather(*(take(quiet_house.database, named(number)) for number in numbers))
    assert {one.outcome for one in taken} == {"accepted"}
    rows = await quiet_house.database.fetch(
        "select i.id, i.xmin::text as transaction, r.referral_id, r.journey, i.raw from continuum.inbound i"
        " join continuum.referral r on r.inbound = i.id where i.id = any($1)",
        [one.inbound for one in taken],
    )
    found = {row["id"]: row for row in rows}
    for number, one in zip(numbers, taken, strict=True):
        row = found[one.inbound]
        assert (row["referral_id"], row["journey"], row["raw"]) == (f"urn:oid:9.9|{number}", one.journey, named(number))
    assert len({row["transaction"] for row in rows}) <= 8


async def test_what_cannot_be_stored_harms_no_other(quiet_house: House) -> None:
    """PostgreSQL takes no NUL in a text."""
    numbers = [secrets.token_hex(4) for _ in range(9)]
    found = await asyncio.gather(
        *(
            take(quiet_house.database, named(number), media_type="text/\0json" if n == 4 else "text/json")
            for n, number in enumerate(numbers)
        ),
        return_exceptions=True,
    )
    refused = found.pop(4)
    assert isinstance(refused, DatabaseRefused)
    assert [one.outcome for one in found if isinstance(one, Taken)] == ["accepted"] * 8


async def test_of_one_order_that_comes_often_at_once_one_begins_a_journey(quiet_house: House) -> None:
    number = secrets.token_hex(4)
    same, changed = named(number), named(number, "other words")
    taken = await asyncio.gather(
        *(take(quiet_house.database, raw, key=secrets.token_hex(4)) for raw in [same] * 4 + [changed] * 4)
    )
    outcomes = Counter(one.outcome for one in taken)
    assert outcomes["accepted"] == 1
    assert outcomes["amendment"] >= 1
    assert outcomes["accepted"] + outcomes["amendment"] + outcomes["duplicate"] == 8
    assert len({one.journey for one in taken}) == 1
    rows = await quiet_house.database.fetch(
        "select recorded_at, outcome from continuum.inbound where journey = $1 order by recorded_at", taken[0].journey
    )
    assert rows[0]["outcome"] == "accepted"
    assert len({row["recorded_at"] for row in rows}) == 8, "which came first can be told"


async def test_of_one_delivery_with_two_contents_one_is_a_conflict(quiet_house: House) -> None:
    key = secrets.token_hex(4)
    taken = await asyncio.gather(*(take(quiet_house.database, named(secrets.token_hex(4)), key=key) for _ in range(6)))
    assert Counter(one.outcome for one in taken) == {"accepted": 1, "conflict": 5}


@pytest.mark.parametrize("same", ["orders", "orders and deliveries"])
async def test_two_processes_that_are_sent_the_same_in_any_order_do_not_wait_for_each_other(
    quiet_house: House, other: Database, same: str
) -> None:
    """Were one to have what the other waits for, PostgreSQL would refuse one of them after a second."""
    dice, before = random.Random(7), await deadlocks(other)
    for _ in range(6):
        numbers = [secrets.token_hex(4) for _ in range(24)]
        sent = [(database, n) for database in (quiet_house.database, other) for n in dice.sample(numbers, len(numbers))]
        keys = [secrets.token_hex(4) for _ in sent]
        if same == "orders and deliveries":
            keys[24:] = dice.sample(keys[:24], 24)
        async with asyncio.timeout(20):
            taken = await asyncio.gather(
                *(take(database, named(n), key=key) for (database, n), key in zip(sent, keys, strict=True))
            )
        outcomes = Counter(one.outcome for one in taken)
        assert outcomes["accepted"] + outcomes["duplicate"] + outcomes["conflict"] == 48
        assert same != "orders" or outcomes == {"accepted": 24, "duplicate": 24}
    assert await deadlocks(other) == before


async def deadlocks(database: Database) -> int:
    """So many PostgreSQL has found."""
    found: int = await database.value("select deadlocks from pg_stat_database where datname = current_database()")
    return found


async def test_a_message_that_is_large_goes_alone(quiet_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "MOST_BYTES_AT_ONCE", 2_000)

    async def noted(raw: bytes) -> Taken:
        envelope = Envelope(
            tenant="clinic",
            protocol="fhir",
            sender="client:together",
            source=SOURCE,
            transport_key=secrets.token_hex(8),
            raw=raw,
            media_type="text/plain",
            kind="test",
            received_at=datetime.now(UTC),
        )
        return await take_in(quiet_house.database, envelope, Noted(why="a test"))

    taken = await asyncio.gather(*(noted(bytes([65 + n]) * 1_500) for n in range(10)))
    rows = await quiet_house.database.fetch(
        "select xmin::text as transaction from continuum.inbound where id = any($1)", [one.inbound for one in taken]
    )
    assert len({row["transaction"] for row in rows}) == 10
