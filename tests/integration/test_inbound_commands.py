"""`continuum inbound`: what came in, what waits for a person, and what a person says of it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from gateway.fhir.incoming import IncomingIdentifier
from gateway.inbound import About, Ask, Asked, Envelope, take_in
from records import inbound
from tests.integration.conftest import Town
from tests.integration.tools import Ran, command, one_line, until

RAW = b'{"a": "message"}'


async def asked(town: Town, name: str, *arguments: str) -> Ran:
    """`continuum inbound NAME` on this stack."""
    return await command("inbound", name, "--dir", town.folder, *arguments)


async def quarantined(town: Town) -> str:
    """An ask about a patient whom nobody knows; its id."""
    number = secrets.token_hex(6)
    envelope = Envelope(
        tenant="clinic",
        protocol="fhir",
        sender="client:north",
        source="client:north",
        transport_key=number,
        raw=RAW,
        media_type="application/fhir+json",
        kind="Task",
        received_at=datetime.now(UTC),
    )
    patient = (IncomingIdentifier(system="urn:north", value=f"Zyx-{number}"),)
    taken = await take_in(
        town.database, envelope, Asked(asks=(Ask(name="note_amendment", about=About(patient=patient)),))
    )

    async def settled() -> bool:
        row = await inbound.ask(town.database, taken.asks[0])
        return row is not None and row.status == "quarantined"

    await until(settled)
    return taken.asks[0]


async def test_what_waits_is_listed_without_the_patient_and_replayed_for_a_journey(town: Town) -> None:
    journey = await town.begin(f"{secrets.token_hex(4)}.json")
    ask = await quarantined(town)
    ran = await asked(town, "waiting", "--json")
    (row,) = [r for r in ran.json if r["id"] == ask]
    assert row["reason"] == "no open journey of a patient with these numbers"
    assert "Zyx" not in ran.said
    assert ask in (await asked(town, "waiting")).out
    ran = await asked(town, "replay", ask, "--journey", journey)
    assert (ran.code, ran.out) == (0, f"{ask}: it is tried again now\n")

    async def done() -> bool:
        found = await inbound.ask(town.database, ask)
        return found is not None and found.status == "done" and found.journey == journey

    await until(done)
    one_line(await asked(town, "replay", ask), "nothing of that id waits")


async def test_what_nothing_follows_from_is_dismissed_and_stays_on_record(town: Town) -> None:
    ask = await quarantined(town)
    assert (await asked(town, "dismiss", ask, "--json")).json == {"outcome": "dismissed", "id": ask}
    found = await inbound.ask(town.database, ask)
    assert found is not None
    assert found.status == "dismissed"
    assert ask not in (await asked(town, "waiting", "--json")).out
    one_line(await asked(town, "dismiss", ask), "nothing of that id waits")
    ran = await asked(town, "list", "--json", "--outcome", "asked")
    message = next(r["id"] for r in ran.json if r["id"] == str(found.inbound))
    assert message
    assert ask not in (await asked(town, "list")).out


async def test_mistakes_are_one_line(town: Town) -> None:
    one_line(await asked(town, "raw", "nonsense"), "a message's id is a UUID")
    one_line(await asked(town, "raw", "00000000-0000-4000-8000-000000000000"), "no message of that id")
    one_line(await asked(town, "waiting", "--status", "odd"), "--status is any of")
    one_line(await asked(town, "replay", "ask-1", "--as", "nobody"), "nobody is not in the directory")
    one_line(await asked(town, "replay", "ask-1", "--journey", "jx"), "there is no journey of that id")
