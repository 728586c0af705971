"""Actions: every stage's updates, what a repeat gets, what is refused and how, and the borders between stages."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

from care import action as act
from care.action import ACTIONS, Answer, Expected
from care.actor import Actor as Who
from care.actor import Role
from care.draft import Draft
from care.journey import Stage
from care.steps import common, screening
from continuum.demo import referrals as letters
from continuum.demo.stories import evaluate, nothing_found
from gateway import acting
from gateway.acting import ActionRefused, NotConfirmed
from tests.conftest import House
from tests.workflows import cast, planted
from tests.workflows.cast import Actor
from tests.workflows.conftest import other_company, stages_with, until
from workflows.common_actions import CommonActions
from workflows.connection import STAGES

by_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)


def updates(stage: type[Any]) -> dict[str, Any]:
    """The updates of a stage, as the SDK will serve them."""
    return {str(name): update for name, update in workflow._Definition.must_from_class(stage).updates.items()}


# --- every stage, walked


@by_stage
def test_every_update_has_a_validator_and_a_description(stage: type[Any]) -> None:
    for name, update in updates(stage).items():
        assert update.validator is not None, name
        assert update.description, name
        assert update.arg_types == [ACTIONS[name]], name
        assert update.ret_type is Answer, name
        checks = f"_check_{name}"
        assert update.validator is getattr(stage, checks), f"{name} is validated by another method than {checks}"


def test_every_action_is_an_update_and_every_update_an_action() -> None:
    assert {name for stage in STAGES for name in updates(stage)} == set(ACTIONS)


@by_stage
def test_common_actions_are_inherited_as_they_are(stage: type[Any]) -> None:
    """Overriding an update drops its validator, overriding only the validator does nothing: neither may happen."""
    common_updates = {name for name, member in vars(CommonActions).items() if name in ACTIONS}
    assert len(common_updates) >= 13
    for name in common_updates:
        assert name in updates(stage)
        for method in (name, f"_check_{name}"):
            owners = [cls.__name__ for cls in stage.__mro__ if method in vars(cls)]
            assert owners == ["CommonActions"], f"{method} is overridden: {owners}"


@by_stage
def test_no_update_of_a_base_is_redefined(stage: type[Any]) -> None:
    for name in updates(stage):
        for method in (name, f"_check_{name}"):
            assert len([cls for cls in stage.__mro__ if method in vars(cls)]) == 1, method


@by_stage
def test_a_stage_is_set_up_before_its_first_handler(stage: type[Any]) -> None:
    assert hasattr(stage.__init__, "__temporal_workflow_init"), "without it an update may find nothing set up"
    assert "run" in vars(stage)
    assert stage.__name__ in set(Stage)
    assert issubclass(stage, CommonActions)


# --- helpers


def who(player: Actor, role: Role = "coordinator") -> Who:
    return Who(person=f"p-{role}", role=role, tenant=player.tenant)


async def perform(player: Actor, name: str, data: dict[str, Any], **more: Any) -> Answer:
    """As the gateway does it; asks again under the same id where it is told to."""
    action_id = more.pop("action_id", None) or f"a-{secrets.token_hex(6)}"
    role = more.pop("role", "coordinator")
    while True:
        try:
            return await acting.perform(
                player.house.client,
                player.house.database,
                journey=player.journey,
                name=name,
                data=dict(data),
                actor=who(player, role),
                action_id=action_id,
                **more,
            )
        except NotConfirmed:
            await asyncio.sleep(0.05)


async def events(player: Actor) -> int:
    """How long the history of the present run is, once it grows no more by itself."""
    length = -1
    while (now := (await player.handle.describe()).history_length) != length:
        length = now
        await asyncio.sleep(0.3)
    return length


async def journal(player: Actor, prefix: str = "") -> dict[str, int]:
    """Action ids in the journal that begin so, and their rows."""
    rows = (await player.record())["journal"]
    ids = [r["action_id"] for r in rows if r["action_id"] and r["action_id"].startswith(prefix)]
    assert len(ids) == len(set(ids))
    return {r["action_id"]: r["seq"] for r in rows if r["action_id"] in ids}


async def in_referral(p: Actor) -> None:
    await p.refer(letters.back_pain())
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=nothing_found("low_back_pain"))
    await p.until_stage(Stage.REFERRAL)


@pytest.fixture
async def player(house: House) -> Actor:
    """In referral."""
    player = await cast.actor(house, f"act {secrets.token_hex(3)}")
    await in_referral(player)
    return player


NPRS = {"scores": {"nprs": 5}}


# --- a repeat gets the first one's answer


async def test_repeats_in_flight_have_one_answer_and_one_row(player: Actor) -> None:
    answers = await asyncio.gather(*(perform(player, "record_scores", NPRS, action_id="once") for _ in range(8)))
    assert len({answer.seq for answer in answers}) == 1
    assert await journal(player, "once") == {"once": answers[0].seq}


async def test_repeats_in_flight_that_reach_the_journey_itself(player: Actor) -> None:
    """Past the service, which knows a repeated update id: these have ids of their own."""
    action = act.RecordScores(
        action_id="inside",
        actor=who(player),
        expected=Expected(stage=Stage.REFERRAL),
        scores={"nprs": 4},
    )
    answers = await asyncio.gather(
        *(player.handle.execute_update("record_scores", action, id=f"inside-{n}", result_type=Answer) for n in range(8))
    )
    assert {(answer.seq, answer.stage) for answer in answers} == {(answers[0].seq, Stage.REFERRAL)}
    assert await journal(player, "inside") == {"inside": answers[0].seq}


async def test_a_repeat_later_and_after_the_stage_has_moved(player: Actor) -> None:
    first = await perform(player, "accept", {"clinician": "p-therapist"}, action_id="yes", role="therapist")
    await player.until_stage(Stage.THERAPY)
    scores = await perform(player, "record_scores", NPRS, action_id="later")
    assert (await perform(player, "record_scores", NPRS, action_id="later")).seq == scores.seq
    again = await perform(player, "accept", {"clinician": "p-therapist"}, action_id="yes", role="therapist")
    meant = await perform(
        player,
        "accept",
        {"clinician": "p-therapist"},
        action_id="yes",
        role="therapist",
        expected=Expected(stage=Stage.REFERRAL),
    )
    assert again.seq == meant.seq == first.seq
    assert len([r for r in (await player.record())["journal"] if r["kind"] == "accepted"]) == 1


async def test_a_repeat_after_the_journey_is_closed(player: Actor) -> None:
    first = await perform(player, "withdraw", {"reason": "found_elsewhere"}, action_id="out")
    await player.until_closed()
    assert (await perform(player, "withdraw", {"reason": "found_elsewhere"}, action_id="out")).seq == first.seq
    with pytest.raises(ActionRefused, match="closed") as refused:
        await perform(player, "record_scores", NPRS)
    assert refused.value.kind == "Closed"


@pytest.mark.parametrize("moved", [False, True], ids=["same stage", "stage moved"])
async def test_an_id_used_for_something_else_is_refused(player: Actor, moved: bool) -> None:
    await perform(player, "record_scores", NPRS, action_id="mine")
    if moved:
        await perform(player, "accept", {}, role="therapist")
        await player.until_stage(Stage.THERAPY)
    for data, role in (({"scores": {"nprs": 6}}, "coordinator"), (NPRS, "therapist")):
        with pytest.raises(ActionRefused) as refused:
            await perform(player, "record_scores", data, action_id="mine", role=role)
        assert refused.value.kind == "ActionReused"
    with pytest.raises(ActionRefused) as refused:
        await perform(player, "hold", {"reason": "patient_ill", "review_on": "2100-01-01T00:00:00Z"}, action_id="mine")
    assert refused.value.kind == "ActionReused"
    assert len(await journal(player, "mine")) == 1


async def test_two_different_actions_of_one_id_at_once(player: Actor) -> None:
    outcomes = await asyncio.gather(
        *(perform(player, "record_scores", {"scores": {"nprs": n}}, action_id="both") for n in (1, 2)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, ActionRefused)]
    assert [r.kind for r in refused] == ["ActionReused"]
    assert len(await journal(player, "both")) == 1


# --- what was meant for another stage or version


async def test_what_was_meant_for_another_stage_says_which(player: Actor) -> None:
    with pytest.raises(ActionRefused, match="meant for Intake; the journey is now in Referral") as refused:
        await perform(player, "record_scores", NPRS, expected=Expected(stage=Stage.INTAKE))
    assert refused.value.kind == "StageMoved"


async def test_what_was_meant_for_another_version_says_which(player: Actor) -> None:
    row = (await player.state())["seq"]
    await perform(player, "record_scores", NPRS, expected=Expected(stage=Stage.REFERRAL, seq=row))
    with pytest.raises(
        ActionRefused, match=f"row {row} of the journal; the journey is now at row {row + 1}"
    ) as refused:
        await perform(player, "record_scores", NPRS, expected=Expected(stage=Stage.REFERRAL, seq=row))
    assert refused.value.kind == "VersionMoved"


async def test_what_this_stage_does_not_know_says_what_it_does(player: Actor) -> None:
    with pytest.raises(ActionRefused, match=r"possible now: accept, .*withdraw") as refused:
        await perform(player, "sign_summary", {})
    assert refused.value.kind == "NotNow"


async def test_an_unknown_pathway_is_refused_with_those_there_are(house: House) -> None:
    player = await cast.actor(house, f"act {secrets.token_hex(3)}")
    await player.refer(letters.back_pain())
    with pytest.raises(ActionRefused, match="low_back_pain") as refused:
        await perform(player, "choose_pathway", {"pathway": "elbow"})
    assert refused.value.kind == "UnknownPathway"


# --- a refusal leaves nothing; a defect wedges nothing


async def test_a_refusal_leaves_no_event(player: Actor) -> None:
    before, seq = await events(player), (await player.state())["seq"]
    for name, data in (("resume", {}), ("record_scores", {"scores": {"nprs": 99}}), ("confirm_receipt", {})):
        with pytest.raises(ActionRefused):
            await perform(player, name, data)
    assert (await events(player), (await player.state())["seq"]) == (before, seq)


class OddError(Exception):
    """An exception that nobody expects."""


@pytest.mark.parametrize("error", [KeyError("x"), ZeroDivisionError(), AttributeError("x"), OddError()], ids=repr)
async def test_a_defect_in_a_step_blocks_nobody(
    player: Actor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """In the validator it leaves no event; in the handler, where it would block the journey, the caller is told.

    A handler tries anew what its validator has tried where the journey has moved on between: here another action,
    which PostgreSQL keeps waiting, is before it.
    """
    calls: list[str] = []

    def broken(draft: Draft, action: act.RecordScores, *, after: int) -> None:
        calls.append(action.action_id)
        draft.write("scores", "half done")
        if len(calls) > after:
            raise error

    async def refused(after: int) -> None:
        calls.clear()
        monkeypatch.setattr(common, "record_scores", lambda d, a: broken(d, a, after=after))
        with pytest.raises(ActionRefused, match="nothing was changed") as refused:
            await perform(player, "record_scores", NPRS, action_id=f"broken-{after}")
        assert refused.value.kind == "Defect"
        assert len(calls) == after + 1

    async def tried() -> bool:
        return bool(calls)

    await refused(0)
    async with asyncio.TaskGroup() as tasks, cast.stalled_record(player.house):
        calls.clear()
        tasks.create_task(perform(player, "record_consent", {"messages": True}, action_id="before-it"))
        await asyncio.sleep(0.5)
        tasks.create_task(refused(1))
        await until(tried)
    monkeypatch.undo()
    assert (await perform(player, "record_scores", NPRS, action_id="broken-no-more")).text.startswith("Scores recorded")
    assert set(await journal(player, "broken")) == {"broken-no-more"}
    assert await failed_tasks(player) == []


async def test_a_defect_in_the_alarm_blocks_nobody(player: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> tuple[()]:
        raise OddError

    monkeypatch.setattr(screening, "alarms", broken)
    answer = await perform(player, "screen", {"answers": {"saddle_numb": False}}, action_id="asked")
    assert answer.text.startswith("Red flags asked")
    assert await failed_tasks(player) == []


async def failed_tasks(player: Actor) -> list[str]:
    """Why workflow tasks of this journey failed."""
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for run in await cast.histories(player.house, player.journey)
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]


# --- at the borders

AT_ONCE = 20
"""Twice as many as the service lets be in flight on one journey: some are sent back, and asked again."""

Go = Callable[[], Awaitable[Any]]


async def race(player: Actor, go: Go, leaving: Stage, entering: Stage, *, callers: int, prefix: str) -> None:
    """Callers act while the stage ends: each has an answer or a typed refusal, and the journal has just those."""
    door = asyncio.Semaphore(AT_ONCE)

    async def call(n: int) -> tuple[str, Answer | ActionRefused]:
        action_id = f"{prefix}-{n}"
        expected = Expected(stage=leaving if n % 3 else entering)
        async with door:
            try:
                return action_id, await perform(player, "record_scores", NPRS, action_id=action_id, expected=expected)
            except ActionRefused as refused:
                return action_id, refused

    async def end_the_stage() -> None:
        async def half_way() -> bool:
            return len(await journal(player, prefix)) >= callers // 4

        await until(half_way)
        await go()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        called = [tasks.create_task(call(n)) for n in range(callers)]
        tasks.create_task(end_the_stage())
    outcomes = dict(one.result() for one in called)
    answered = {id_: outcome.seq for id_, outcome in outcomes.items() if isinstance(outcome, Answer)}
    refused = {outcome.kind for outcome in outcomes.values() if isinstance(outcome, ActionRefused)}
    assert refused <= {"StageMoved", "NotNow"}
    assert answered
    assert len(answered) < callers
    assert await journal(player, prefix) == answered


async def test_two_hundred_actions_race_the_end_of_a_stage(player: Actor) -> None:
    async def accept() -> None:
        await perform(player, "accept", {}, role="therapist")

    await race(player, accept, Stage.REFERRAL, Stage.THERAPY, callers=200, prefix="race")
    assert await failed_tasks(player) == []
    assert (await player.state())["stage"] == "Therapy"
    seqs = [row["seq"] for row in (await player.record())["journal"]]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_an_action_at_once_after_every_border(house: House) -> None:
    """The first action of a stage comes with no pause after the answer to the last of the stage before."""
    player = await cast.actor(house, f"act {secrets.token_hex(3)}")

    async def border(name: str, role: Role, entering: Stage, **data: Any) -> None:
        await perform(player, name, data, role=role)
        while True:
            try:
                answer = await perform(player, "record_scores", NPRS, expected=Expected(stage=entering))
                break
            except ActionRefused as refused:
                if refused.kind != "StageMoved":  # that much is right: the stage before has not ended yet
                    raise
        assert answer.stage == entering

    await player.refer(letters.back_pain())
    await perform(player, "record_consent", {"messages": True})
    await border("screen", "coordinator", Stage.REFERRAL, answers=nothing_found("low_back_pain"))
    await border("accept", "therapist", Stage.THERAPY)
    plan = await evaluate(player, **cast.BASELINE)
    await player.visit(after=await player.now() + timedelta(days=6), scores=cast.RECOVERED)
    await border("review_progress", "therapist", Stage.DISCHARGE, plan=plan, decision="discharge", reason="GOALS")
    await border("sign_summary", "therapist", Stage.FOLLOW_UP)
    await perform(player, "confirm_receipt", {}, role="referrer")
    assert await failed_tasks(player) == []
    entered = [row["stage"] for row in (await player.record())["journal"] if row["kind"] == "entered"]
    assert entered == ["Intake", "Referral", "Therapy", "Discharge", "FollowUp"]


async def test_a_stage_that_does_not_wait_for_its_handlers_is_found(house: House) -> None:
    """The SDK warns of it; in the tests the warning is an error, and the workflow task fails."""
    async with other_company(house, *stages_with(planted.Hasty), task_queue="hasty"):
        player = await cast.actor(house, "act hasty", task_queue="hasty")
        await cast.to_therapy(player)
        plan = await evaluate(player, **cast.BASELINE)
        await player.visit(after=await player.now() + timedelta(days=6), scores=cast.RECOVERED)
        await player.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
        await player.until_stage(Stage.DISCHARGE)
        async with asyncio.TaskGroup() as tasks:
            signing = tasks.create_task(player.act("sign_summary", "therapist"))
            failed = await until(lambda: failed_tasks(player))
            signing.cancel()
        await player.handle.terminate()
    assert "finished" in failed[0]
