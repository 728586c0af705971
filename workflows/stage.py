"""What all six stages share: the one clock loop, actions with their answers, and the way on.

A stage is a workflow type. It is set up in `__init__`, because an action may arrive before the first line of `run`;
`run` enters the stage, tends the clocks until the stage is over, lets the handlers finish, and continues as the
next stage's type under the same workflow id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.beginnings import Beginnings
from workflows.commits import DoneBefore, Overtaken

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Preparation
    from care import action as act
    from care.clock import Clock
    from care.draft import Draft, Refused
    from care.journey import REMEMBERED_ACTIONS, Done, Journey, Stage
    from care.steps import common, tasks

A = TypeVar("A", bound=act.Action)
Step = Callable[[Draft, A], object]

LAST_WORDS = timedelta(seconds=30)


@dataclass(frozen=True)
class _Doing:
    """An action in flight, and its answer to come."""

    action: act.Action
    answer: asyncio.Future[act.Answer]


@dataclass(frozen=True)
class _Tried:
    """What the validator found an action to come to: its handler, a moment later, would find the same."""

    action: act.Action
    step: Callable[[Draft, Any], object]
    journey: Journey
    draft: Draft

    def stands(self, action: act.Action, step: Callable[[Draft, Any], object], journey: Journey, now: datetime) -> bool:
        """Whether it is still what this step of this action comes to."""
        return self.journey is journey and self.draft.now == now and self.step == step and self.action == action


class StageWorkflow(Beginnings):
    """Base of the six stages."""

    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)
        self._doing: dict[str, _Doing] = {}
        self._tried: _Tried | None = None
        self._type = workflow.info().workflow_type
        self._ready = False

    # --- the life of a stage

    async def live(self, enter: Callable[[Draft, Preparation | None], None]) -> Journey:
        """Enter the stage, tend its clocks until it is over, and hand the journey on.

        Returns only when the journey is closed; otherwise continues as the next stage. A cancellation asked for in
        Temporal's UI ends nothing: a journey ends by an action with an actor and a reason, or not at all.
        """
        life = asyncio.create_task(self._live(enter))
        while True:
            try:
                return await asyncio.shield(life)
            except asyncio.CancelledError:
                if life.done():
                    raise
                self.errand(self._note_cancellation())

    async def _live(self, enter: Callable[[Draft, Preparation | None], None]) -> Journey:
        handed_on = list(self.alarms.values())
        await self._begin(enter)
        for notice in handed_on:
            self.errand(self.send_alarm(notice))
        while not self._over():
            await self._tend_next_clock()
        await self._finish()
        if self.journey.status != "closed":
            self._continue_as(self.journey.next_stage or self.journey.stage)
        return self.journey

    async def _begin(self, enter: Callable[[Draft, Preparation | None], None]) -> None:
        entering = self.journey.entered_at is None or self.journey.next_stage is not None
        if self.journey.reopening is not None:
            await self.reopen(self.journey.reopening)
        elif self.journey.adoption is not None:
            await self.take_over(self.journey.adoption)
        elif entering:
            preparation = await self.prepare()
            draft = Draft(self.journey, workflow.now())
            enter(draft, preparation)
            with suppress(Overtaken):  # it has been entered
                await self.commit(draft)
        self._ready = True

    async def _note_cancellation(self) -> None:
        await workflow.wait_condition(lambda: self._ready)
        words = "Somebody asked Temporal to cancel this journey; to end it, withdraw it"
        await self.decide(lambda draft: draft.write("cancellation_ignored", words))

    @workflow.signal(description="See whether the record has gone on without this workflow, and go on from there.")
    async def look_at_record(self) -> None:
        """Sent by a worker that finds the journey behind: see `continuum/doctor/after_a_crash.py`."""
        await workflow.wait_condition(lambda: self._ready)
        await self.catch_up()

    def _over(self) -> bool:
        return (
            self.journey.next_stage is not None
            or self.journey.status == "closed"
            or self.journey.stage.value != self._type  # the record has gone on without Temporal
            or workflow.info().is_continue_as_new_suggested()
        )

    async def _finish(self) -> None:
        """Let every handler answer, and give alarms a moment to leave; the rest is handed on."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self.errands:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: not self.errands, timeout=LAST_WORDS, timeout_summary="A moment for alarms to leave"
                )
        if self.journey.status == "closed":
            await workflow.wait_condition(lambda: not self.errands)
        # Nor may the run end while an errand commits: the row would be written and the next run not know of it.
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() and not self._turn.locked())

    def _continue_as(self, stage: Stage) -> NoReturn:
        self.journey.alarms = list(self.alarms.values())
        workflow.continue_as_new(workflow=stage.value, args=[self.journey])

    # --- clocks

    async def _tend_next_clock(self) -> None:
        """Sleep until the earliest clock, whichever that is meanwhile, or until the stage is over; then tend it."""
        clock = self.journey.next_clock
        if clock is None:
            await workflow.wait_condition(lambda: self._over() or self.journey.next_clock is not None)
        elif clock.due > workflow.now():
            await self._sleep_until(clock)
        else:
            await self._tend_what_is_due()

    async def _sleep_until(self, clock: Clock) -> None:
        """One timer at a time. To arm another costs two events, to be woken for nothing five and a workflow task; one
        that still runs when the stage is over ends with its run and costs none."""
        timer = asyncio.create_task(workflow.sleep(clock.due - workflow.now(), summary=clock.label))
        await workflow.wait_condition(lambda: timer.done() or self._over() or self._next_due() != clock.due)
        if not self._over():
            timer.cancel()

    async def _tend_what_is_due(self) -> None:
        async with self._turn:
            now = workflow.now()
            draft = Draft(self.journey, now)
            due_now = [c for c in self.journey.clocks if c.paused_at is None and c.due <= now]
            for due_clock in sorted(due_now, key=lambda c: c.due):
                standing = any(c.id == due_clock.id for c in draft.journey.clocks)
                if standing and draft.journey.next_stage is None:
                    self.on_clock(draft, due_clock)
            with suppress(Overtaken):  # what is due is looked at anew
                await self.commit(draft)

    def _something_due(self) -> bool:
        due = self._next_due()
        return due is not None and due <= workflow.now()

    def _next_due(self) -> datetime | None:
        clock = self.journey.next_clock
        return clock.due if clock is not None else None

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out. Stages handle their own kinds; one left over from another stage is dropped."""
        match clock.kind:
            case "task":
                tasks.due(draft, clock)
            case _:
                draft.stop_clock(clock.kind, clock.subject)

    # --- actions

    def check(self, action: A, step: Step[A]) -> None:
        """Validator: try the step on a draft. Refuses with why, and what is right now.

        A step is a pure function of journey, action and time, so the handler of the same step takes the draft as it
        is while all three are the same. A replay has no validator and works it out anew.
        """
        if self._known(action) or not self._ready:
            return
        self._tried = _Tried(action, step, self.journey, self._attempt(action, step))

    async def carry_out(self, action: A, step: Step[A]) -> act.Answer:
        """Do it once. A repeat, in flight or later, gets the first one's answer."""
        if (answer := self._known(action)) is not None:
            return answer
        if (first := self._doing.get(action.action_id)) is not None:
            return await asyncio.shield(first.answer)
        done: asyncio.Future[act.Answer] = asyncio.get_running_loop().create_future()
        self._doing[action.action_id] = _Doing(action, done)
        try:
            if not self._ready:
                await workflow.wait_condition(lambda: self._ready)
            self.raise_alarms(action)
            # What is due comes before what is asked: so the order of decisions never depends on who woke up first.
            if self._something_due():
                await workflow.wait_condition(lambda: self._over() or not self._something_due())
            async with self._turn:
                answer = await self._commit_action(action, step)
        except BaseException as error:
            del self._doing[action.action_id]
            if not done.done():
                done.set_exception(error)
                done.exception()  # seen: whoever waits for it gets it, and nobody has to
            raise
        done.set_result(answer)
        del self._doing[action.action_id]
        return answer

    async def _commit_action(self, action: A, step: Step[A]) -> act.Answer:
        while True:
            if action.action_id in self.journey.done and (answer := self._known(action)) is not None:
                return answer  # the record had it, and the journey went on from there
            draft = self._attempt(action, step)
            seq = self.journey.seq + 1  # the row that carries the action's id
            draft.journey.done[action.action_id] = Done(digest=draft.digest, seq=seq, stage=self.journey.stage)
            for forgotten in list(draft.journey.done)[:-REMEMBERED_ACTIONS]:
                del draft.journey.done[forgotten]
            try:
                commit = await self.commit(draft)
            except Overtaken:
                continue
            except DoneBefore as before:
                return self._as_before(before.done)
            return act.Answer(
                journey=self.journey.id,
                seq=seq,
                stage=commit.stage,
                status=commit.status,
                text=commit.entries[0].text if commit.entries else "",
            )

    def _attempt(self, action: A, step: Step[A]) -> Draft:
        tried, self._tried = self._tried, None
        if tried is not None and tried.stands(action, step, self.journey, workflow.now()):
            return tried.draft
        try:
            common.check_expected(self.journey, action)
            draft = Draft(
                self.journey,
                workflow.now(),
                action.actor,
                action_id=action.action_id,
                digest=act.digest(action),
                note=action.note,
            )
            step(draft, action)
        except Refused as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from None
        except Exception as defect:
            # Ours, not the caller's; but a plain exception here would block the journey for everybody.
            workflow.logger.error("a step failed", exc_info=True)
            raise ApplicationError(
                f"Continuum could not do this ({type(defect).__name__}); nothing was changed",
                type="Defect",
                non_retryable=True,
            ) from None
        return draft

    def _known(self, action: act.Action) -> act.Answer | None:
        """The answer given to this action before. Raises when its id was used for something else, done or in doing."""
        done = self.journey.done.get(action.action_id)
        doing = self._doing.get(action.action_id)
        first = done.digest if done is not None else act.digest(doing.action) if doing is not None else None
        if first is not None and first != act.digest(action):
            raise ApplicationError(
                "this action id was used before for something else; use a new one",
                type="ActionReused",
                non_retryable=True,
            )
        return None if done is None else self._as_before(done)

    def _as_before(self, done: Done) -> act.Answer:
        return act.Answer(
            journey=self.journey.id, seq=done.seq, stage=done.stage, status=self.journey.status, text="done before"
        )
