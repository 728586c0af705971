"""A decision that stands in the record and of which Temporal has never heard: its worker died between the two.

The next decision of the journey finds the place taken, and the journey goes on from where the record stands.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from care import action as act
from care.actor import Actor as Somebody
from care.draft import Draft
from care.journey import REMEMBERED_ACTIONS, Done, Journey, Stage
from care.keeping import kept
from care.steps import common, intake, tasks
from care.steps import referral as answering
from continuum.demo import referrals as letters
from continuum.demo.stories import nothing_found
from continuum.doctor import histories
from continuum.doctor.after_a_crash import AfterACrash
from gateway.acting import ActionRefused
from records import decisions, doctor
from tests.conftest import House
from tests.workflows import cast
from tests.workflows.cast import Actor
from tests.workflows.conftest import until
from workflows import attributes

Step = Callable[[Draft, Any], object]


async def unheard(player: Actor, action: act.Action, step: Step) -> int:
    """What a worker wrote that was killed before it told Temporal. The row."""
    before = await doctor.kept_journey(player.house.database, player.journey)
    assert before is not None
    draft = Draft(before, await player.now(), action.actor, action_id=action.action_id, digest=act.digest(action))
    step(draft, action)
    seq = before.seq + 1
    draft.journey.done[action.action_id] = Done(digest=act.digest(action), seq=seq, stage=before.stage)
    commit = draft.commit()
    whole = kept(draft.journey, with_base=False)
    document = commit.model_copy(update={"kept": whole}).model_dump(mode="json")
    await decisions.commit(player.house.database, document)
    return seq


def asked(player: Actor, kind: type[act.Action], action_id: str, stage: Stage, **data: Any) -> Any:
    """An action of the front desk."""
    somebody = Somebody(person="p-front-desk", role="coordinator", tenant=player.tenant)
    return kind.model_validate(
        {"action_id": action_id, "actor": somebody, "expected": {"stage": stage}} | data, from_attributes=True
    )


async def told_by_history(player: Actor) -> histories.Told:
    """What the history of the journey's run tells."""
    run = await histories.latest(player.client, player.journey)
    assert run is not None
    told = (await histories.replayed(player.client, [run]))[player.journey]
    assert not told.does_not_replay
    return told


async def in_temporal(player: Actor) -> Journey:
    """The journey as its workflow has it."""
    journey = (await told_by_history(player)).journey
    assert journey is not None
    return journey


async def shown(player: Actor) -> tuple[str | None, datetime | None]:
    """Whom it waits for, and until when, by Temporal's search attributes."""
    found = (await player.handle.describe()).typed_search_attributes
    return found.get(attributes.WAITING_ON), found.get(attributes.NEXT_DUE)


def seqs(record: dict[str, Any]) -> list[int]:
    return [row["seq"] for row in record["journal"]]


async def test_another_action_goes_on_from_what_the_record_holds(house: House) -> None:
    player = await cast.actor(house, "unheard consent")
    await player.refer(letters.back_pain())
    action = asked(player, act.RecordConsent, "unheard-1", Stage.INTAKE, messages=False)
    row = await unheard(player, action, common.record_consent)

    answer = await player.act("ask_referrer", about="imaging")

    assert answer.seq > row
    record = await player.record()
    assert seqs(record) == list(range(1, len(record["journal"]) + 1))
    assert [r["seq"] for r in record["journal"] if r["action_id"] == "unheard-1"] == [row]
    there = await in_temporal(player)
    assert there.seq == record["seq"]
    assert there.referral.consent_messages is False
    assert there.done["unheard-1"].seq == row
    # The doctor writes a record that was lost from what was written, not from what was found to be overtaken.
    written = [commit.entries[0].seq for commit in (await told_by_history(player)).commits]
    assert row not in written
    assert len(written) == len(set(written))
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_whoever_asks_again_hears_where_it_was_written(house: House) -> None:
    player = await cast.actor(house, "unheard again")
    await player.refer(letters.back_pain())
    action = asked(player, act.RecordConsent, "unheard-2", Stage.INTAKE, messages=True)
    row = await unheard(player, action, common.record_consent)
    await player.act("ask_referrer", about="imaging")

    answer = await player.handle.execute_update("record_consent", action, result_type=act.Answer)

    assert answer.seq == row
    kinds = [r["kind"] for r in (await player.record())["journal"]]
    assert kinds.count("consent") == 1
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_a_stage_that_the_record_has_ended_ends(house: House) -> None:
    """Accepted in the record, unheard of in Temporal: what was meant for the referral is refused, care goes on."""
    player = await cast.actor(house, "unheard end")
    await player.refer(letters.back_pain())
    await player.act("record_consent", messages=True)
    await player.act("screen", answers=nothing_found("low_back_pain"))
    await player.until_stage(Stage.REFERRAL)
    action = asked(player, act.Accept, "unheard-3", Stage.REFERRAL, clinician="p-therapist")
    await unheard(player, action, answering.accept)

    with pytest.raises(ActionRefused) as refused:
        await player.act("ask_referrer", about="imaging")

    assert refused.value.kind == "StageMoved"
    await player.until_stage(Stage.THERAPY)
    record = await player.record()
    assert seqs(record) == list(range(1, len(record["journal"]) + 1))
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_a_clock_goes_on_from_what_the_record_holds(house: House) -> None:
    """What ran out in Temporal was settled in the record: nobody is reminded of it."""
    player = await cast.actor(house, "unheard clock")
    await player.refer(letters.back_pain())
    action = asked(player, act.AskReferrer, "unheard-4", Stage.INTAKE, about="imaging")
    await unheard(player, action, intake.ask_referrer)
    before = await player.record()

    await player.wait(days=3)

    record = await player.record()
    assert seqs(record) == list(range(1, len(record["journal"]) + 1))
    assert record["seq"] > before["seq"], "some clock of three days ran out"
    there = await in_temporal(player)
    assert there.seq == record["seq"]
    assert {t.id for t in there.open_tasks} == {t["id"] for t in record["tasks"] if t["settled_at"] is None}
    assert "unheard-4" in there.done
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_a_place_taken_in_a_journey_that_is_closed_is_refused(house: House) -> None:
    """A workflow that is older than its journey's end changes nothing: the doctor ends it."""
    player = await cast.actor(house, "unheard close")
    await player.refer(letters.back_pain())
    before = await doctor.kept_journey(house.database, player.journey)
    assert before is not None
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()
    draft = Draft(before, await player.now() + timedelta(minutes=1))
    draft.write("cancellation_ignored", "late")

    with pytest.raises(decisions.ActionReused):
        await decisions.commit(house.database, draft.commit().model_dump(mode="json"))


async def test_a_worker_that_starts_tells_such_a_journey_to_look_at_the_record(house: House) -> None:
    """Nobody decides anything: the clocks of the unheard decision run all the same."""
    player = await cast.actor(house, "unheard start")
    await player.refer(letters.back_pain())
    owed = (await player.owed())[0]["id"]
    action = asked(player, act.ClaimTask, "unheard-5", Stage.INTAKE, task=owed)
    row = await unheard(player, action, tasks.claim)
    assert (await in_temporal(player)).seq < row
    recorded = await house.database.row(
        "select waiting_on, next_due_at from continuum.journey where id = $1", player.journey
    )
    assert recorded is not None
    assert await shown(player) != tuple(recorded)

    await AfterACrash(house.client, house.database, again_after=0.1).once()

    async def heard() -> bool:
        return (await in_temporal(player)).seq == row

    await until(heard)
    assert "unheard-5" in (await in_temporal(player)).done
    assert await shown(player) == tuple(recorded)
    assert [r["kind"] for r in await doctor.repairs(house.database, player.journey)] == ["workflow_behind"]
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_a_worker_that_starts_leaves_alone_what_temporal_knows(house: House) -> None:
    player = await cast.actor(house, "heard start")
    await player.refer(letters.back_pain())
    before = (await player.handle.describe()).history_length

    await AfterACrash(house.client, house.database, again_after=0.1).once()

    assert (await player.handle.describe()).history_length == before
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()


async def test_what_a_journey_has_forgotten_the_journal_answers(house: House) -> None:
    player = await cast.actor(house, "long ago")
    await player.refer(letters.back_pain())
    action = asked(player, act.RecordConsent, "long-ago", Stage.INTAKE, messages=True)
    first = await player.handle.execute_update("record_consent", action, result_type=act.Answer)
    for n in range(REMEMBERED_ACTIONS):
        await player.act("record_consent", messages=n % 2 == 0)
    before = await player.record()

    again = await player.handle.execute_update("record_consent", action, id="once-more", result_type=act.Answer)

    assert (again.seq, again.stage) == (first.seq, first.stage)
    assert seqs(await player.record()) == seqs(before)
    other = action.model_copy(update={"messages": False})
    with pytest.raises(WorkflowUpdateFailedError) as reused:
        await player.handle.execute_update("record_consent", other, id="another", result_type=act.Answer)
    assert isinstance(reused.value.cause, ApplicationError)
    assert reused.value.cause.type == "ActionReused"
    await player.act("withdraw", reason="found_elsewhere")
    await player.until_closed()
