"""What came in and waits for a person, by the API; and two records that are one person's."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from continuum.demo.player import Player
from gateway.inbound import About, Ask, Asked, Envelope, Noted, take_in
from gateway.staff import shapes
from records import inbound
from records.database import Database
from tests.conftest import House
from tests.gateway.staff.conftest import Desk
from tests.integration.tools import PATIENT, message, order, until

CANARY = "Zyxwvut-Canary"


def envelope(raw: bytes) -> Envelope:
    return Envelope(
        tenant="clinic",
        protocol="hl7v2",
        sender="client:north",
        source="client:north|north",
        transport_key=secrets.token_hex(6),
        raw=raw,
        media_type="application/hl7-v2",
        kind="ADT^A08",
        received_at=datetime.now(UTC),
    )


async def asked(database: Database, name: str, data: dict[str, Any], **about: Any) -> str:
    """Something is asked that nobody can place; its id."""
    asks = (Ask(name=name, about=About(**about), data=data),)
    taken = await take_in(database, envelope(secrets.token_bytes(8)), Asked(asks=asks))
    await inbound.settle(database, taken.asks[0], "quarantined", code="NoSuchJourney", reason="of no journey of ours")
    return taken.asks[0]


async def waits(desk: Desk, ask: str, *statuses: str) -> dict[str, Any] | None:
    params = [("status", s) for s in statuses]
    answer = await desk.ask("GET", "/api/asks", desk.token("operator"), params=params)
    assert answer.status_code == 200, answer.text
    TypeAdapter(shapes.Asks).validate_python(answer.json())
    found: dict[str, Any] | None = next((row for row in answer.json()["items"] if row["id"] == ask), None)
    return found


async def test_what_came_in_is_listed_without_what_it_says(desk: Desk, house: House) -> None:
    taken = await take_in(house.database, envelope(CANARY.encode()), Noted(why="nothing follows"))
    answer = await desk.ask("GET", "/api/messages?outcome=noted", desk.token("operator"))
    rows = TypeAdapter(shapes.Messages).validate_python(answer.json()).items
    assert taken.inbound in [row.id for row in rows]
    assert {row.outcome for row in rows} == {"noted"}
    assert CANARY not in answer.text
    assert (await desk.ask("GET", "/api/messages?outcome=odd", desk.token("operator"))).status_code == 400
    assert (await desk.ask("GET", "/api/messages", desk.token("therapist"))).status_code == 403
    assert (await desk.ask("GET", "/api/messages", desk.token("operator", tenant="elsewhere"))).json()["items"] == []


async def test_a_person_names_the_journey_and_it_is_carried_out(desk: Desk, house: House, begun: Player) -> None:
    ask = await asked(house.database, "record_consent", {"messages": True}, referral_id="urn:nobody|1")
    assert await waits(desk, ask, "quarantined")
    assert not await waits(desk, ask, "dead", "refused")
    path, token = f"/api/asks/{ask}/replay", desk.token("coordinator")
    nowhere = await desk.ask("POST", path, token, json={"journey": "j-none"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "NoSuchJourney")
    elsewhere = await desk.ask("POST", path, desk.token("coordinator", tenant="elsewhere"), json={})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "NoSuchAsk")
    done = await desk.ask("POST", path, token, json={"journey": begun.journey})
    assert (done.status_code, done.json()) == (200, {"id": ask, "status": "waiting"})

    async def settled() -> bool:
        row = await inbound.ask(house.database, ask, "clinic")
        return row is not None and row.status != "waiting"

    await until(settled)
    row = await inbound.ask(house.database, ask, "clinic")
    assert row is not None
    assert (row.status, row.journey) == ("done", begun.journey)
    again = await desk.ask("POST", path, token, json={})
    assert (again.status_code, again.json()["code"]) == (409, "NotReplayable")


async def test_a_person_says_that_nothing_follows(desk: Desk, house: House) -> None:
    ask = await asked(house.database, "hold", {}, referral_id="urn:nobody|2")
    assert await waits(desk, ask)
    path, token = f"/api/asks/{ask}/dismiss", desk.token("operator")
    assert (await desk.ask("POST", path, token, json={})).json()["code"] == "BadData"
    done = await desk.ask("POST", path, token, json={"note": f"{CANARY} is not ours"})
    assert (done.status_code, done.json()["status"]) == (200, "dismissed")
    assert await waits(desk, ask) is None
    row = await inbound.ask(house.database, ask, "clinic")
    assert row is not None
    assert (row.status, row.result) == ("dismissed", {"note": f"{CANARY} is not ours"})
    assert CANARY not in json.dumps([row.reason, row.code])
    twice = await desk.ask("POST", path, token, json={"note": "again"})
    assert (twice.status_code, twice.json()["code"]) == (409, "NotDismissible")
    for token in (desk.token("auditor"), desk.token("physician")):
        assert (await desk.ask("POST", path, token, json={"note": "no"})).status_code == 403


async def test_two_records_of_one_person_are_merged_once(desk: Desk, house: House) -> None:
    pair = []
    for n in range(2):
        player = house.player(f"merged {n} {secrets.token_hex(4)}")
        await player.refer(message(order(patient=PATIENT)), source=player.name)
        pair.append((await player.record())["patient_id"])
    body = {"from": str(pair[0]), "into": str(pair[1]), "note": "The same identity card."}
    token = desk.token("coordinator")
    merged = await desk.ask("POST", "/api/patient-merges", token, json=body)
    assert (merged.status_code, merged.json()["outcome"]) == (200, "merged"), merged.text
    again = await desk.ask("POST", "/api/patient-merges", token, json=body)
    assert (again.status_code, again.json()["outcome"]) == (200, "done_before")
    for wrong, status, code in (
        ({**body, "note": "  "}, 422, "BadData"),
        ({**body, "into": str(pair[0])}, 422, "SamePatient"),
        ({**body, "from": "Ivo"}, 422, "BadData"),
        ({"journey": "j1", "into_journey": "j2", "note": "x"}, 404, "NoSuchJourney"),
    ):
        refused = await desk.ask("POST", "/api/patient-merges", token, json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    elsewhere = desk.token("coordinator", tenant="elsewhere")
    other = await desk.ask("POST", "/api/patient-merges", elsewhere, json=body)
    assert (other.status_code, other.json()["code"]) == (422, "NoSuchPatient")
