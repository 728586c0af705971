"""What a hospital's register says of patients: one number of one authority is one person, here as there."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from gateway.fhir.incoming import IncomingIdentifier
from gateway.inbound import About, Ask, Asked, Envelope, take_in
from records import inbound, journeys
from records.inbound import AskRow
from tests.conftest import House
from tests.gateway.inbound.test_carrying_out import MRN, begun, refer, settled

ADT = (
    "MSH|^~\\&|ADT|NORTH|CONTINUUM|CLINIC|20261129101500||ADT^A08^ADT_A01|{id}|P|2.5.1\r"
    "EVN|A08|20261129101500\r"
    "PID|1||{mrn}^^^&1.2.3.4&ISO^MR||{family}^Ivo||19800203|M|||1 Elm St^^Town||^PRN^PH^^^^{phone}\r"
)


async def send(house: House, name: str, data: dict[str, Any], numbers: list[str], raw: bytes = b"x") -> AskRow:
    """An ask of the register, as the HL7 v2 reader makes it, once it is settled."""
    about = About(patient=tuple(IncomingIdentifier(system=MRN, value=n) for n in numbers))
    envelope = Envelope(
        tenant="clinic",
        protocol="hl7v2",
        sender="client:north-hospital",
        source="client:north-hospital|ADT|NORTH",
        transport_key=secrets.token_hex(6),
        raw=raw + secrets.token_hex(4).encode() if raw == b"x" else raw,
        media_type="application/hl7-v2",
        kind="ADT^A08",
        received_at=datetime.now(UTC),
    )
    taken = await take_in(house.database, envelope, Asked(asks=(Ask(name=name, about=about, data=data),)))
    return await settled(house, taken.asks[0])


async def patient(house: House, journey: str) -> dict[str, Any]:
    row = await house.database.row(
        "select p.* from continuum.patient p join continuum.referral r on r.patient = p.id where r.journey = $1",
        journey,
    )
    assert row is not None
    return dict(row)


async def test_two_referrals_of_one_person_are_of_one_patient(house: House) -> None:
    mrn = secrets.token_hex(4)
    first, _ = await refer(house, mrn=mrn)
    second, _ = await refer(house, mrn=mrn)
    other, _ = await refer(house)
    assert (await patient(house, first))["id"] == (await patient(house, second))["id"]
    assert (await patient(house, other))["id"] != (await patient(house, first))["id"]


async def test_new_details_are_taken_over_and_what_stood_there_is_kept(house: House) -> None:
    mrn = secrets.token_hex(4)
    journey, _ = await refer(house, mrn=mrn)
    raw = ADT.format(id=secrets.token_hex(4), mrn=mrn, family="Fernsby-Hale", phone="5550199").encode()
    row = await send(house, "note_demographics", {}, [mrn], raw)
    assert (row.status, row.reason) == ("done", "the patient's details are updated")
    now = await patient(house, journey)
    assert (now["family"], now["given"]) == ("Fernsby-Hale", "Ivo")
    assert now["email"] == "ivo@mail.example", "what the message leaves out stays"
    before = await house.database.value("select before from continuum.patient_change where patient = $1", now["id"])
    assert before["family"] == "Fernsby"


async def test_that_somebody_died_is_for_a_person_to_say(house: House) -> None:
    mrn = secrets.token_hex(4)
    journey, _ = await refer(house, mrn=mrn)
    await begun(house, journey)
    row = await send(house, "note_demographics", {"deceased": True}, [mrn])
    assert row.status == "quarantined"
    assert "record_death" in (row.reason or "")
    assert "review_message" in {t["kind"] for t in await journeys.open_tasks(house.database, "clinic", journey)}


async def test_a_merge_moves_the_journey_and_tells_it(house: House) -> None:
    stay, gone = secrets.token_hex(4), secrets.token_hex(4)
    kept, _ = await refer(house, mrn=stay)
    moved, _ = await refer(house, mrn=gone)
    await begun(house, moved)
    row = await send(house, "merge_patients", {"surviving": 1}, [stay, gone])
    assert (row.status, row.reason) == ("done", "the two records are merged")
    assert (await patient(house, moved))["id"] == (await patient(house, kept))["id"]
    again = await send(house, "merge_patients", {"surviving": 1}, [stay, gone])
    assert again.status == "done", "the same merge again changes nothing"


async def test_a_merge_of_a_number_that_only_the_hospital_knows_renumbers(house: House) -> None:
    stay, gone = secrets.token_hex(4), secrets.token_hex(4)
    journey, _ = await refer(house, mrn=gone)
    row = await send(house, "merge_patients", {"surviving": 1}, [stay, gone])
    assert (row.status, row.reason) == ("done", "the patient bears the number that stays")
    numbers = [n["value"] for n in (await patient(house, journey))["identifiers"]]
    assert numbers == [gone, stay]
    assert "Fernsby" not in json.dumps(list(await inbound.asks(house.database, "clinic", ("done",))), default=str)


async def test_numbers_of_nobody_change_nothing(house: House) -> None:
    row = await send(house, "merge_patients", {"surviving": 1}, [secrets.token_hex(4), secrets.token_hex(4)])
    assert (row.status, row.reason) == ("done", "no patient of ours has the number that was merged")
