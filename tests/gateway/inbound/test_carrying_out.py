"""What messages ask of journeys, on the real record and workflows: done once, refused, or put before a person."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from care.action import ACTIONS, Answer
from channels.mail import Mail
from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import intake
from continuum.embedded.mail import read_mail
from gateway.acting import ActionRefused, perform
from gateway.context import ConnectedTemporal
from gateway.fhir import IncomingReferral, read_referral
from gateway.fhir.incoming import IncomingIdentifier
from gateway.inbound import About, Ask, Asked, Envelope, NewReferral, Taken, carrying_out, take_in
from gateway.inbound import deeds as deeds_module
from gateway.inbound.attention import Attention
from gateway.inbound.carrying_out import POISONED_AFTER, WAITED_LONG_ENOUGH, attempt, carry_out
from gateway.inbound.meaning import source_of
from records import inbound, journeys
from records.inbound import AskRow
from tests.conftest import House
from tests.integration.tools import PATIENT, order, until

SENDER = "client:north-hospital"
MRN = "urn:oid:1.2.3.4"


def number() -> str:
    return secrets.token_hex(4)


def envelope(raw: bytes, key: str, kind: str = "test") -> Envelope:
    return Envelope(
        tenant="clinic",
        protocol="fhir",
        sender=SENDER,
        source=source_of(SENDER, "north"),
        transport_key=key,
        raw=raw,
        media_type="application/fhir+json",
        kind=kind,
        received_at=datetime.now(UTC),
    )


async def refer(house: House, *, mrn: str | None = None) -> tuple[str, str]:
    """An order of the sender's; its journey, and its own name for it."""
    patient = {**PATIENT, "identifier": [{"system": MRN, "value": mrn or number()}]}
    raw = json.dumps(order(patient=patient)).encode()
    read = read_referral(raw, default_source="north")
    assert isinstance(read, IncomingReferral)
    taken = await take_in(house.database, envelope(raw, f"k-{number()}"), NewReferral(referral=read))
    assert taken.journey is not None
    return taken.journey, read.referral_id


async def ask(house: House, what: Ask, *, key: str | None = None, raw: bytes | None = None) -> Taken:
    return await take_in(house.database, envelope(raw or number().encode(), key or number()), Asked(asks=(what,)))


async def settled(house: House, ask_id: str) -> AskRow:
    """The ask, once the relay is done with it."""

    async def probe() -> AskRow | None:
        row = await inbound.ask(house.database, ask_id)
        return row if row is not None and row.status != "waiting" else None

    found: AskRow = await until(probe)
    return found


async def begun(house: House, journey: str) -> None:
    async def probe() -> bool:
        row = await journeys.journey_row(house.database, "clinic", journey)
        return row is not None and row["seq"] > 0

    await until(probe)


async def rows(house: House, journey: str) -> list[str]:
    return [r["kind"] for r in await journeys.journal_since(house.database, "clinic", journey, 0)]


async def test_a_cancellation_that_is_quicker_than_its_order_waits_for_it(house: House) -> None:
    patient = {**PATIENT, "identifier": [{"system": MRN, "value": number()}]}
    raw = json.dumps(order(patient=patient)).encode()
    read = read_referral(raw, default_source="north")
    assert isinstance(read, IncomingReferral)
    asked = await ask(house, Ask(name="request_cancellation", about=About(referral_id=read.referral_id)))
    waiting = await carry_out(house.database, ConnectedTemporal(house.client), asked.asks[0])
    assert waiting is not None
    assert (waiting.status, waiting.reason) == ("waiting", "the referral that it names is not known yet")
    taken = await take_in(house.database, envelope(raw, number()), NewReferral(referral=read))
    await house.database.execute("update continuum.ask set due_at = now() where id = $1", asked.asks[0])
    done = await settled(house, asked.asks[0])
    assert (done.status, done.journey) == ("done", taken.journey)
    row = await journeys.journey_row(house.database, "clinic", taken.journey or "")
    assert row is not None
    assert (row["status"], row["outcome"]) == ("closed", "withdrawn")


async def test_another_sender_cannot_cancel_it(house: House) -> None:
    journey, referral_id = await refer(house)
    await begun(house, journey)
    what = Ask(name="request_cancellation", about=About(referral_id=referral_id))
    other = envelope(b"other", number()).model_copy(update={"sender": "client:elsewhere"})
    asked = await take_in(house.database, other, Asked(asks=(what,)))
    row = await carry_out(house.database, ConnectedTemporal(house.client), asked.asks[0])
    assert row is not None
    assert row.status == "waiting"
    assert "withdrawn" not in await rows(house, journey)


async def test_carried_out_by_many_at_once_it_is_done_once(house: House) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)
    asked = await ask(house, Ask(name="note_amendment", about=About(journey=journey)))
    temporal = ConnectedTemporal(house.client)
    found = await asyncio.gather(*(carry_out(house.database, temporal, asked.asks[0]) for _ in range(8)))
    assert {row.status for row in found if row} == {"done"}
    assert (await rows(house, journey)).count("amendment") == 1


async def test_the_same_delivery_again_asks_nothing_new(house: House) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)
    what = Ask(name="note_amendment", about=About(journey=journey))
    key, raw = number(), b"the same bytes"
    first = await ask(house, what, key=key, raw=raw)
    again = await ask(house, what, key=key, raw=raw)
    other = await ask(house, what, key=key, raw=b"other bytes")
    assert (first.outcome, again.outcome, other.outcome) == ("asked", "duplicate", "conflict")
    assert again.asks == first.asks
    assert again.inbound == first.inbound
    assert other.asks == ()
    await settled(house, first.asks[0])
    assert (await rows(house, journey)).count("amendment") == 1


async def test_what_the_journey_refuses_is_settled_with_its_words(house: House) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)
    asked = await ask(house, Ask(name="confirm_receipt", about=About(journey=journey)))
    row = await settled(house, asked.asks[0])
    assert (row.status, row.code) == ("refused", "NoSummary")
    assert row.reason == "confirm_receipt: no discharge summary has been sent yet"


async def test_what_no_rule_decides_becomes_a_task_of_the_journey(house: House) -> None:
    mrn = number()
    journey, _ = await refer(house, mrn=mrn)
    await begun(house, journey)
    now = datetime.now(UTC)
    event = {"event": "discharged", "at": now.isoformat(), "procedures": [{"code": "27447"}]}
    numbers = (IncomingIdentifier(system=MRN, value=mrn),)
    await house.database.execute("update continuum.journey set pathway = null where id = $1", journey)
    asked = await ask(house, Ask(name="hospital_event", about=About(patient=numbers), data=event))
    row = await settled(house, asked.asks[0])
    assert row.journey == journey
    assert row.status == "done", "a stay that is not about this journey's surgery"
    planned = {"event": "admitted", "at": now.isoformat()}
    start = now + timedelta(days=3)
    await house.database.execute(
        "insert into continuum.visit (id, journey, tenant, clinic, clinician, starts_at, ends_at, status, seq)"
        " values ($1, $2, 'clinic', 'main', $3, $4, $5, 'booked', 1)",
        f"{journey}:visit:99",
        journey,
        f"p-{number()}",
        start,
        start + timedelta(minutes=30),
    )
    asked = await ask(house, Ask(name="hospital_event", about=About(patient=numbers), data=planned))
    row = await settled(house, asked.asks[0])
    assert (row.status, row.code) == ("quarantined", "business-rule")
    tasks = await journeys.open_tasks(house.database, "clinic", journey)
    assert "review_message" in {t["kind"] for t in tasks}


async def test_a_patient_nobody_knows_is_quarantined_told_and_assigned(house: House) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)
    numbers = (IncomingIdentifier(system=MRN, value=f"nobody-{number()}"),)
    asked = await ask(house, Ask(name="note_amendment", about=About(patient=numbers)))
    row = await settled(house, asked.asks[0])
    assert (row.status, row.reason) == ("quarantined", "no open journey of a patient with these numbers")
    mail = Mail(house.settings.mail())
    attention = Attention(house.database, mail, domain="clinic.example", every_seconds=60)
    await attention.once()
    letters = [m for m in read_mail(house.stack.folder.mail) if "messages of other systems wait" in m.subject]
    assert letters
    assert "intake" in letters[-1].to[0]
    before = len(letters)
    await attention.once()
    after = [m for m in read_mail(house.stack.folder.mail) if "messages of other systems wait" in m.subject]
    assert len(after) == before, "told once"
    assert await inbound.replay(house.database, "clinic", asked.asks[0], "p-coordinator", journey)
    done = await settled(house, asked.asks[0])
    assert (done.status, done.journey) == ("done", journey)


async def test_a_poison_message_is_put_aside_and_can_be_replayed_after_the_fix(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)

    async def poison(*_: Any) -> Any:
        raise KeyError("Zyxwv-a-patient's-name")

    monkeypatch.setitem(deeds_module.OF_A_JOURNEY, "poison", poison)
    asked = await ask(house, Ask(name="poison", about=About(journey=journey)))
    good = await ask(house, Ask(name="note_amendment", about=About(journey=journey)))
    temporal = ConnectedTemporal(house.client)
    for number_ in range(1, POISONED_AFTER + 1):
        row = await inbound.ask(house.database, asked.asks[0])
        assert row is not None
        await attempt(house.database, temporal, row.model_copy(update={"attempts": number_}))
    dead = await settled(house, asked.asks[0])
    assert dead.status == "dead"
    assert dead.reason == "our own code failed on it (KeyError)"
    assert (await settled(house, good.asks[0])).status == "done", "it held up no other"

    async def fixed(*_: Any) -> Any:
        return [("note_amendment", {})]

    monkeypatch.setitem(deeds_module.OF_A_JOURNEY, "poison", fixed)
    assert await inbound.replay(house.database, "clinic", asked.asks[0], "p-coordinator")
    assert (await settled(house, asked.asks[0])).status == "done"
    assert not await inbound.replay(house.database, "clinic", asked.asks[0], "p-coordinator"), "done is done"


def test_every_deed_has_a_name_that_no_action_has() -> None:
    assert not set(ACTIONS) & set(deeds_module.OF_A_JOURNEY)


async def test_stays_of_patients_who_are_none_of_ours_trouble_nobody(house: House) -> None:
    numbers = (IncomingIdentifier(system=MRN, value=f"nobody-{number()}"),)
    event = {"event": "admitted", "at": datetime.now(UTC).isoformat()}
    asked = await ask(house, Ask(name="hospital_event", about=About(patient=numbers), data=event))
    row = await settled(house, asked.asks[0])
    assert (row.status, row.reason) == ("done", "no open journey of a patient with these numbers")


async def test_what_waits_in_vain_comes_before_a_person(house: House) -> None:
    journey, _ = await refer(house)
    await begun(house, journey)
    cancelled = {"number": f"AP-{number()}", "reason": "patient"}
    asked = await ask(house, Ask(name="cancel_appointment", about=About(journey=journey), data=cancelled))
    temporal = ConnectedTemporal(house.client)
    row = await carry_out(house.database, temporal, asked.asks[0])
    assert row is not None
    assert (row.status, row.reason) == ("waiting", "the appointment is not known yet")
    await attempt(house.database, temporal, row.model_copy(update={"attempts": WAITED_LONG_ENOUGH}))
    assert (await settled(house, asked.asks[0])).status == "quarantined"
    assert "review_message" in {t["kind"] for t in await journeys.open_tasks(house.database, "clinic", journey)}


async def test_what_no_journey_takes_any_more_is_told_to_the_team(house: House) -> None:
    """Its journey closed before a person was asked: no task of it tells anybody."""
    journey, _ = await refer(house)
    await begun(house, journey)
    taken_back = await ask(house, Ask(name="request_cancellation", about=About(journey=journey)))
    assert (await settled(house, taken_back.asks[0])).status == "done"
    data = {"number": f"AP-{number()}", "reason": "patient"}
    asked = await ask(house, Ask(name="cancel_appointment", about=About(journey=journey), data=data))
    temporal = ConnectedTemporal(house.client)
    row = await carry_out(house.database, temporal, asked.asks[0])
    assert row is not None
    await attempt(house.database, temporal, row.model_copy(update={"attempts": WAITED_LONG_ENOUGH}))
    row = await settled(house, asked.asks[0])
    assert (row.status, row.code, row.journey) == ("quarantined", "business-rule", None)
    assert journey in (row.reason or ""), "whoever is told sees whose it was"
    assert asked.asks[0] in (await inbound.untold(house.database))["clinic"]
    await Attention(house.database, Mail(house.settings.mail()), domain="clinic.example", every_seconds=60).once()
    assert asked.asks[0] not in (await inbound.untold(house.database)).get("clinic", [])

    # A person names the journey, which is closed: the team is told again.
    assert await inbound.replay(house.database, "clinic", asked.asks[0], "p-coordinator", journey)
    row = await inbound.ask(house.database, asked.asks[0])
    assert row is not None
    await attempt(house.database, temporal, row.model_copy(update={"attempts": WAITED_LONG_ENOUGH}))
    assert (await settled(house, asked.asks[0])).journey is None
    assert asked.asks[0] in (await inbound.untold(house.database))["clinic"]


@dataclass
class Interrupted:
    """The way to the journeys, that fails now and then."""

    refusals: list[tuple[str, str]]
    """Names of actions, and the kind of refusal that each gets, once."""
    sent: list[str] = field(default_factory=list)

    async def perform(self, *arguments: Any, name: str, action_id: str, **more: Any) -> Answer:
        if self.refusals and self.refusals[0][0] == name:
            raise ActionRefused(self.refusals.pop(0)[1], "not this time")
        self.sent.append(f"{name} {action_id}")
        return await perform(*arguments, name=name, action_id=action_id, **more)


async def treated(house: House, *, hour: int) -> tuple[Player, str, datetime]:
    """Somebody in therapy, with a visit of theirs and another time for it, at an hour that no other test takes."""
    player = house.player(f"moved-{number()}")
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    starts_at = await player.book(after=await player.now() + timedelta(days=2))
    (visit,) = [one for one in await player.part("visits") if one["status"] == "booked"]
    return player, visit["id"], await player.slot(after=starts_at + timedelta(days=1), hour=hour)


async def move(house: House, visit: str, to: datetime) -> tuple[AskRow, str]:
    """A sender's appointment moved; how that ended."""
    data = {"number": f"AP-{number()}", "starts_at": to.isoformat()}
    asked = await ask(house, Ask(name="move_appointment", about=About(visit=visit), data=data))
    return await settled(house, asked.asks[0]), asked.asks[0]


async def test_a_moved_appointment_whose_journey_moves_in_between_is_booked_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its first action the journey stands otherwise: decided anew, the second would never come."""
    player, visit, to = await treated(house, hour=13)
    way = Interrupted([("book_visit", "StageMoved"), ("book_visit", "VersionMoved")])
    monkeypatch.setattr(carrying_out, "perform", way.perform)
    row, id_ = await move(house, visit, to)
    assert (row.status, row.reason) == ("done", None)
    assert sorted(set(way.sent)) == [f"book_visit {id_}.1", f"cancel_visit {id_}"]
    visits = {one["id"]: one for one in await player.part("visits")}
    assert visits.pop(visit)["status"] == "cancelled"
    (booked,) = visits.values()
    assert (booked["status"], booked["starts_at"]) == ("booked", to)


async def test_nothing_of_it_done_it_is_decided_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    _, visit, to = await treated(house, hour=14)
    way = Interrupted([("cancel_visit", "StageMoved")])
    monkeypatch.setattr(carrying_out, "perform", way.perform)
    decided: list[str] = []
    deed = deeds_module.OF_A_JOURNEY["move_appointment"]

    async def counted(*arguments: Any) -> Any:
        decided.append("once")
        return await deed(*arguments)

    monkeypatch.setitem(deeds_module.OF_A_JOURNEY, "move_appointment", counted)
    row, _ = await move(house, visit, to)
    assert row.status == "done"
    assert len(decided) == 2


async def test_half_of_it_done_and_the_rest_refused_comes_before_a_person(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old visit is cancelled and no new one booked: no answer to a machine is enough."""
    player, visit, to = await treated(house, hour=15)
    way = Interrupted([("book_visit", "SlotTaken")])
    monkeypatch.setattr(carrying_out, "perform", way.perform)
    row, _ = await move(house, visit, to)
    assert row.status == "quarantined"
    assert row.reason == "only the first part of it could be done. book_visit: not this time"
    tasks = await journeys.open_tasks(house.database, "clinic", row.journey or "")
    assert "review_message" in {task["kind"] for task in tasks}
    assert (await player.part("visits"))[0]["status"] == "cancelled"
