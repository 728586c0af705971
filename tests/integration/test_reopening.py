"""A closed journey goes on, two patients become one: on the real Temporal and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from care.action import Answer
from care.actor import Actor, Role
from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import intake
from gateway.acting import ActionRefused
from gateway.merging import merge_of_journeys
from gateway.reopening import reopen
from records import doctor, journeys
from tests.conftest import House
from tests.integration.conftest import Town
from tests.integration.tools import one_line, until
from workflows import attributes

TENANT = "clinic"


def lead(role: Role = "clinical_lead", tenant: str = TENANT) -> Actor:
    return Actor(person="p-lead", role=role, tenant=tenant)


async def again(house: House, journey: str, action_id: str | None = None, **more: Any) -> Answer:
    said: dict[str, Any] = {"reason": "death_in_error", "note": "another patient of that name", "actor": lead(), **more}
    return await reopen(house.client, house.database, journey=journey, action_id=action_id, **said)


async def died(house: House, name: str) -> Player:
    player = house.player(name)
    await player.refer(referrals.back_pain())
    await intake(player, "low_back_pain")
    await player.act("record_death")
    await player.until_closed()
    return player


async def test_a_death_in_error_is_reopened_and_played_to_its_end(house: House) -> None:
    player = await died(house, "not dead")
    before = await player.record()
    assert await journeys.last_state(house.database, TENANT, player.journey) is not None
    assert not [t for t in before["tasks"] if t["settled_at"] is None]
    answer = await again(house, player.journey, "reopen-1")
    assert (answer.stage, answer.status) == (Stage.THERAPY, "open")
    now = await player.record()
    assert (now["status"], now["outcome"]) == ("open", None)
    assert await journeys.last_state(house.database, TENANT, player.journey) is None
    assert {t["kind"] for t in now["tasks"] if t["settled_at"] is None} == {"book_visit", "first_visit"}
    row = next(r for r in now["journal"] if r["kind"] == "reopened")
    assert (row["seq"], row["person"], row["action_id"]) == (before["seq"] + 1, "p-lead", "reopen-1")
    assert any(note["id"] == row["note"] for note in now["notes"])
    described = await player.handle.describe()
    assert described.workflow_type == "Therapy"
    assert described.typed_search_attributes.get(attributes.PATHWAY) == "low_back_pain@1"

    assert await again(house, player.journey, "reopen-1") == answer, "a repeat gets the first one's answer"
    with pytest.raises(ActionRefused) as other:
        await again(house, player.journey, "reopen-1", reason="closed_by_mistake")
    assert other.value.kind == "ActionReused"
    with pytest.raises(ActionRefused) as open_:
        await again(house, player.journey)
    assert open_.value.kind == "AlreadyOpen"

    await player.visit(after=await player.now())
    await player.act(
        "evaluate",
        "therapist",
        clinician="p-therapist",
        scores={"nprs": 7, "odi": 44, "psfs": 3, "start_back": "medium"},
    )
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()
    end = await player.record()
    assert (end["status"], end["outcome"]) == ("closed", "withdrawn")
    assert [r["seq"] for r in end["journal"]] == list(range(1, end["seq"] + 1))
    # In any order: the first run's clock was moved ahead, and the second begins at the true time.
    assert {"died", "reopened", "found_elsewhere"} <= {r["reason"] for r in end["replies"]}
    assert {r["status"] for r in end["replies"]} == {"ready"}


async def test_of_two_who_reopen_at_once_one_wins(house: House) -> None:
    player = await died(house, "wanted twice")
    answers = await asyncio.gather(
        *(again(house, player.journey, f"rival-{n}") for n in range(4)), return_exceptions=True
    )
    won = [a for a in answers if isinstance(a, Answer)]
    lost = [a for a in answers if isinstance(a, ActionRefused)]
    assert len(won) == 1
    assert [refused.kind for refused in lost] == ["AlreadyOpen"] * 3
    assert [r["kind"] for r in (await player.record())["journal"]].count("reopened") == 1


async def test_one_repeat_at_the_same_moment_is_one_reopening(house: House) -> None:
    player = await died(house, "asked for twice")
    first, second = await asyncio.gather(*(again(house, player.journey, "same") for _ in range(2)))
    assert first == second


async def test_what_cannot_be_reopened_says_why(house: House) -> None:
    player = await died(house, "refusals")
    for actor, kind in ((lead("patient"), "NotAllowed"), (lead(tenant="elsewhere"), "NoSuchJourney")):
        with pytest.raises(ActionRefused) as refused:
            await again(house, player.journey, actor=actor)
        assert refused.value.kind == kind
    assert (await player.state())["status"] == "closed"


async def test_a_message_lost_after_the_closing_leaves_the_way_back_open(house: House) -> None:
    """The referrer has no address. A closed journey cannot be told; its row says so, and the doctor names it."""
    player = house.player("declined by mistake")
    letter = json.loads(referrals.back_pain())
    letter["contained"][1].pop("telecom")
    await player.refer(json.dumps(letter).encode())
    await player.act("decline", reason="no_capacity")
    await player.until_closed()
    closed = await player.record()
    assert [(n["status"], n["reason"]) for n in closed["notices"] if not n["digest"]] == [("failed", "no address")]
    waiting = await doctor.waiting(house.database, seconds=0)
    (lost,) = [w for w in waiting if w.kind == "notice_lost" and w.journey == player.journey]
    assert lost.journey == player.journey
    answer = await again(house, player.journey, "reopen-1", reason="closed_by_mistake")
    assert (answer.seq, answer.stage, answer.status) == (closed["seq"] + 1, Stage.INTAKE, "open")
    await player.act("withdraw", reason="duplicate_referral")
    await player.until_closed()


# --- merging two patients


async def test_two_records_of_one_patient_are_merged_and_their_journeys_told(house: House) -> None:
    one, two = house.player("one"), house.player("two")
    for player in (one, two):
        await player.refer(referrals.back_pain())

    async def merged(journey: str, into: str, **more: Any) -> Any:
        said: dict[str, Any] = {"note": "same passport", "actor": lead(), **more}
        return await merge_of_journeys(house.database, journey=journey, into=into, **said)

    for wrong, kind in (
        ({"actor": lead(tenant="elsewhere")}, "NoSuchPatient"),
        ({"actor": lead("referrer")}, "NotAllowed"),
        ({"note": " "}, "NoteNeeded"),
    ):
        with pytest.raises(ActionRefused) as refused:
            await merged(one.journey, two.journey, **wrong)
        assert refused.value.kind == kind
    done = await merged(one.journey, two.journey)
    assert done.moved == (one.journey,)
    assert set(done.concerned) == {one.journey, two.journey}
    with pytest.raises(ActionRefused) as same:
        await merged(one.journey, two.journey)
    assert same.value.kind == "SamePatient"

    async def told() -> bool:
        records = [await player.record() for player in (one, two)]
        return all("review_duplicate" in {t["kind"] for t in r["tasks"]} for r in records)

    await until(told)
    for player in (one, two):
        await player.act("review_duplicate", decision="both_go_on")
        await player.act("withdraw", reason="duplicate_referral")


async def test_a_merge_by_ids_is_done_once(town: Town) -> None:
    ids = []
    for name in ("Ann", "Anna", "Hannah"):
        patient = await town.database.value(
            "insert into continuum.patient (tenant, given) values ($1, $2) returning id", TENANT, name
        )
        ids.append(str(patient))
    ann, anna, hannah = ids
    options = ("--json", "--note", "one person", "--as", "p-lead")
    first = await town.run("merge-patient", ann, anna, *options)
    repeat = await town.run("merge-patient", ann, anna, *options)
    assert (first.json["outcome"], repeat.json["outcome"]) == ("merged", "done_before")
    assert repeat.json["merge"] == first.json["merge"]
    for pair in ((ann, hannah), (hannah, ann)):
        refused = await town.run("merge-patient", *pair, *options)
        assert (refused.code, refused.json["kind"]) == (1, "MergedAlready")
    assert (await town.run("merge-patient", anna, anna, *options)).json["kind"] == "SamePatient"
    one_line(await town.run("merge-patient", "somebody", anna, *options), "UUID")
    assert await town.database.value("select count(*) from continuum.patient_merge where from_patient = $1", ann) == 1


async def test_the_command_reopens(town: Town) -> None:
    journey = await town.begin("reopen.json")
    options = ("--note", "the wrong one", "--as", "p-coordinator")
    still_open = await town.run("reopen", "--json", journey, "--reason", "closed_by_mistake", *options)
    assert (still_open.code, still_open.json["kind"]) == (1, "AlreadyOpen")
    await town.act(journey, "withdraw", reason="patient_declined")
    one_line(await town.run("reopen", journey, "--reason", "whim", *options), "death_in_error")
    ran = await town.run("reopen", "--json", journey, "--reason", "closed_by_mistake", *options)
    assert (ran.code, ran.json["outcome"], ran.json["stage"]) == (0, "done", "Intake")
    assert ran.json["text"] == "Reopened: it was closed by mistake"
