"""What all six stages share: the one commit, the one clock loop, actions with their answers, and the way on.

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
from typing import NoReturn, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from workflows.beginnings import Beginnings
from workflows.errands import RETRY_AT_MOST, short

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Preparation, Records
    from care import action as act
    from care.card import card
    from care.clock import Clock
    from care.commit import Commit
    from care.draft import Draft, Refused
    from care.journey import Done, Journey, Stage
    from care.keeping import kept
    from care.steps import common, tasks
    from workflows import attributes

A = TypeVar("A", bound=act.Action)
Step = Callable[[Draft, A], object]

FAST_COMMIT = timedelta(seconds=2)
LAST_WORDS = timedelta(seconds=30)
PERSIST_WITHIN = timedelta(seconds=10)
REMEMBERED_ACTIONS = 50
REFUSALS = ("SlotTaken", "ActionReused")


@dataclass(frozen=True)
class _Doing:
    """An action in flight, and its answer to come."""

    digest: str
    answer: asyncio.Future[act.Answer]


class StageWorkflow(Beginnings):
    """Base of the six stages."""

    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)
        self._turn = asyncio.Lock()
        self._doing: dict[str, _Doing] = {}
        self._base: tuple[object, ...] = ()
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
        await self._begin(enter)
        for notice in self.alarms.values():
            self.errand(self.send_alarm(notice))
        while not self._over():
            await self._tend_next_clock()
        await self._finish()
        if self.journey.next_stage is not None and self.journey.status != "closed":
            self._continue_as(self.journey.next_stage)
        if workflow.info().is_continue_as_new_suggested() and self.journey.status != "closed":
            self._continue_as(self.journey.stage)
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
            await self._commit(draft)
        else:
            self._show(None)
        self._ready = True

    async def _note_cancellation(self) -> None:
        await workflow.wait_condition(lambda: self._ready)
        words = "Somebody asked Temporal to cancel this journey; to end it, withdraw it"
        await self.decide(lambda draft: draft.write("cancellation_ignored", words))

    async def decide(self, step: Callable[[Draft], object]) -> None:
        """A decision of Continuum's own, in its turn: nobody asked for it and no clock ran out."""
        async with self._turn:
            draft = Draft(self.journey, workflow.now())
            step(draft)
            await self._commit(draft)

    def _over(self) -> bool:
        return (
            self.journey.next_stage is not None
            or self.journey.status == "closed"
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
        """Sleep until the earliest clock; wake early only when another becomes earlier, or the stage is over."""
        clock = self.journey.next_clock
        if clock is None:
            await workflow.wait_condition(lambda: self._over() or self.journey.next_clock is not None)
            return
        wait = clock.due - workflow.now()
        if wait > timedelta(0):
            due = clock.due
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._over() or self._earlier_than(due), timeout=wait, timeout_summary=clock.label
                )
            return
        async with self._turn:
            now = workflow.now()
            draft = Draft(self.journey, now)
            due_now = [c for c in self.journey.clocks if c.paused_at is None and c.due <= now]
            for due_clock in sorted(due_now, key=lambda c: c.due):
                standing = any(c.id == due_clock.id for c in draft.journey.clocks)
                if standing and draft.journey.next_stage is None:
                    self.on_clock(draft, due_clock)
            await self._commit(draft)

    def _something_due(self) -> bool:
        clock = self.journey.next_clock
        return clock is not None and clock.due <= workflow.now()

    def _earlier_than(self, moment: datetime) -> bool:
        clock = self.journey.next_clock
        return clock is not None and clock.due < moment

    def on_clock(self, draft: Draft, clock: Clock) -> None:
        """A clock ran out. Stages handle their own kinds; one left over from another stage is dropped."""
        match clock.kind:
            case "task":
                tasks.due(draft, clock)
            case _:
                draft.stop_clock(clock.kind, clock.subject)

    # --- actions

    def check(self, action: A, step: Step[A]) -> None:
        """Validator: try the step on a draft that is thrown away. Refuses with why, and what is right now."""
        if self._known(action) or not self._ready:
            return
        self._attempt(action, step)

    async def carry_out(self, action: A, step: Step[A]) -> act.Answer:
        """Do it once. A repeat, in flight or later, gets the first one's answer."""
        if (answer := self._known(action)) is not None:
            return answer
        if (first := self._doing.get(action.action_id)) is not None:
            return await asyncio.shield(first.answer)
        done: asyncio.Future[act.Answer] = asyncio.get_running_loop().create_future()
        self._doing[action.action_id] = _Doing(act.digest(action), done)
        try:
            await workflow.wait_condition(lambda: self._ready)
            self.raise_alarms(action)
            # What is due comes before what is asked: so the order of decisions never depends on who woke up first.
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
        draft = self._attempt(action, step)
        seq = self.journey.seq + 1  # the row that carries the action's id
        draft.journey.done[action.action_id] = Done(digest=act.digest(action), seq=seq, stage=self.journey.stage)
        for forgotten in list(draft.journey.done)[:-REMEMBERED_ACTIONS]:
            del draft.journey.done[forgotten]
        commit = await self.commit_asked(draft)
        return act.Answer(
            journey=self.journey.id,
            seq=seq,
            stage=commit.stage,
            status=commit.status,
            text=commit.entries[0].text if commit.entries else "",
        )

    def _attempt(self, action: A, step: Step[A]) -> Draft:
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
        """The answer given to this action before. Raises when its id was used for something else."""
        done = self.journey.done.get(action.action_id)
        first = done or self._doing.get(action.action_id)
        if first is not None and first.digest != act.digest(action):
            raise ApplicationError(
                "this action id was used before for something else; use a new one",
                type="ActionReused",
                non_retryable=True,
            )
        if done is None:
            return None
        return act.Answer(
            journey=self.journey.id, seq=done.seq, stage=done.stage, status=self.journey.status, text="done before"
        )

    # --- the commit, and what follows from it

    async def _commit(self, draft: Draft) -> Commit:
        """Write what Temporal itself brought about: a stage's beginning, a clock.

        Its cause is in the history already, so a local activity is enough: should this workflow task be lost after
        the write, the next one makes the same decision again and finds it written. A stalled database holds the
        workflow task for two seconds at most; then a regular activity goes on trying.
        """
        commit = self._with_journey(draft)
        if commit.says_nothing:
            return self._done(draft, commit)
        try:
            await workflow.execute_local_activity_method(
                Records.persist,
                commit,
                summary=_summary(commit),
                schedule_to_close_timeout=FAST_COMMIT,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError:
            await self._persist(commit, RetryPolicy(maximum_interval=RETRY_AT_MOST))
        return self._done(draft, commit)

    async def commit_asked(self, draft: Draft) -> Commit:
        """Write what a person asked for.

        An update is in the history only once its workflow task completes. Written by a local activity, a decision
        could stand in the journal while the update that caused it was lost with the task; so this is a regular
        activity, whose scheduling makes the update durable first.
        """
        commit = self._with_journey(draft)
        retry = RetryPolicy(maximum_interval=RETRY_AT_MOST, non_retryable_error_types=REFUSALS)
        try:
            await self._persist(commit, retry)
        except ActivityError as failure:
            refusal = failure.cause
            if isinstance(refusal, ApplicationError) and refusal.type in REFUSALS:
                raise ApplicationError(refusal.message, type=refusal.type, non_retryable=True) from None
            raise
        return self._done(draft, commit)

    async def _persist(self, commit: Commit, retry: RetryPolicy) -> None:
        await workflow.execute_activity_method(
            Records.persist,
            commit,
            summary=_summary(commit),
            start_to_close_timeout=PERSIST_WITHIN,
            retry_policy=retry,
        )

    def _with_journey(self, draft: Draft) -> Commit:
        """The commit, with the journey as it stands after it: from that it goes on, should Temporal lose it.

        What rarely changes goes with a run's first commit, and where it has changed. A replay writes nothing.
        """
        commit = draft.commit()
        if commit.says_nothing or commit.status == "closed" or workflow.unsafe.is_replaying():
            return commit
        journey = draft.journey.model_copy(update={"alarms": list(self.alarms.values())})
        return commit.model_copy(update={"kept": kept(journey, with_base=not _same(_base_of(journey), self._base))})

    def _done(self, draft: Draft, commit: Commit) -> Commit:
        """Only now is it true here."""
        self.journey = draft.journey
        self._base = _base_of(draft.journey)
        self._show(commit)
        return commit

    def _show(self, commit: Commit | None) -> None:
        """Card and search attributes; the latter only when they changed."""
        workflow.set_current_details(card(self.journey, workflow.now()))
        if commit is None:
            return
        if changed := attributes.changes(workflow.info().typed_search_attributes, attributes.of(commit)):
            workflow.upsert_search_attributes(changed)


def _base_of(journey: Journey) -> tuple[object, ...]:
    return journey.pathway, journey.calendar, journey.rules


def _same(now: tuple[object, ...], before: tuple[object, ...]) -> bool:
    """By identity: these never change themselves, and to compare a whole pathway takes long."""
    return len(now) == len(before) and all(one is other for one, other in zip(now, before, strict=True))


def _summary(commit: Commit) -> str:
    """What Temporal's UI shows for the commit: the decision in the journal's own words."""
    return short("; ".join(entry.text for entry in commit.entries) or "Record where the journey stands")
