"""The commit: how what was decided gets into the record, and what happens where the record has gone on without us.

A decision is written by a local activity, within the workflow task that made it. Should that task be lost after the
write, with an update that is in no history yet, the record holds a decision of which Temporal has never heard. The
journal is the arbiter then: whoever comes next under the same number finds the place taken, goes on from the journey
as the record keeps it, and decides anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from workflows.errands import RETRY_AT_MOST, Errands, short

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Records, Saved
    from care.card import card
    from care.commit import Commit
    from care.draft import Draft
    from care.journey import Done, Journey
    from care.keeping import kept, restored
    from workflows import attributes

FAST = timedelta(seconds=2)
"""So long a local activity may hold a workflow task, and with it everybody who asks something of the journey."""
PERSIST_WITHIN = timedelta(seconds=10)
REFUSALS = ("SlotTaken", "ActionReused")


class Overtaken(Exception):  # noqa: N818 - what happened
    """The record held another decision in this one's place. The journey now stands where the record does."""


class DoneBefore(Exception):  # noqa: N818 - what happened
    """The record has had this action for so long that its journey has forgotten it."""

    def __init__(self, done: Done) -> None:
        super().__init__()
        self.done = done


class Commits(Errands):
    """What a stage decides, one decision after the other."""

    def __init__(self, journey: Journey) -> None:
        super().__init__(journey)
        self._turn = asyncio.Lock()
        self._base: tuple[object, ...] = ()

    async def decide(self, step: Callable[[Draft], object]) -> None:
        """A decision of Continuum's own, in its turn: nobody asked for it and no clock ran out."""
        async with self._turn:
            while True:
                draft = Draft(self.journey, workflow.now())
                step(draft)
                try:
                    await self.commit(draft)
                except Overtaken:
                    continue
                return

    async def commit(self, draft: Draft) -> Commit:
        """Write a decision. Only then is it true here.

        A stalled database holds the workflow task for two seconds at most; then a regular activity goes on trying.
        What closes the journey, and what is asked for while an alarm is to leave, is written by a regular activity
        at once: its scheduling makes the update durable, and lets the alarm go, before anything is written.

        Raises Overtaken, after which the caller decides anew, DoneBefore, and ApplicationError of a type of `REFUSALS`.
        """
        commit = self._with_journey(draft)
        if commit.says_nothing:
            return self._done(draft, commit)
        try:
            saved = await (self._persist(commit) if commit.status == "closed" or self.alarms else self._fast(commit))
        except FailureError as failure:
            refusal = failure.cause if isinstance(failure, ActivityError) else failure
            if isinstance(refusal, ApplicationError) and refusal.type in REFUSALS:
                raise ApplicationError(refusal.message, type=refusal.type, non_retryable=True) from None
            raise
        if saved.instead is not None:
            self._go_on_from(restored(saved.instead))
            raise Overtaken
        if saved.before is not None:
            raise DoneBefore(saved.before)
        return self._done(draft, commit)

    async def catch_up(self) -> None:
        """Go on from the record where it has gone on without this workflow."""
        async with self._turn:
            found = await workflow.execute_activity_method(
                Records.standing,
                args=[self.journey.id, self.journey.seq],
                summary="See where the record stands",
                start_to_close_timeout=PERSIST_WITHIN,
                retry_policy=RetryPolicy(maximum_interval=RETRY_AT_MOST),
            )
            if found.instead is not None:
                self._go_on_from(restored(found.instead))

    async def _fast(self, commit: Commit) -> Saved:
        try:
            return await workflow.execute_local_activity_method(
                Records.persist,
                commit,
                summary=_summary(commit),
                schedule_to_close_timeout=FAST,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError as failure:
            if isinstance(failure, ApplicationError) and failure.type in REFUSALS:
                raise
        return await self._persist(commit)

    async def _persist(self, commit: Commit) -> Saved:
        return await workflow.execute_activity_method(
            Records.persist,
            commit,
            summary=_summary(commit),
            start_to_close_timeout=PERSIST_WITHIN,
            retry_policy=RetryPolicy(maximum_interval=RETRY_AT_MOST, non_retryable_error_types=REFUSALS),
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
        self.journey = draft.journey
        self._base = _base_of(draft.journey)
        self.show(commit)
        return commit

    def _go_on_from(self, journey: Journey) -> None:
        """The journey as the record keeps it. What it still has to tell leaves as if it had been decided here."""
        self.journey = journey
        self._base = ()
        for notice in journey.alarms:
            if notice.id not in self.alarms:
                self.alarms[notice.id] = notice
                self.errand(self.send_alarm(notice))
        self.show(Draft(journey, workflow.now()).commit())

    def details(self) -> str:
        """The card, for Temporal's UI; see `workflows/details.py`."""
        return card(self.journey, workflow.now())

    def show(self, commit: Commit) -> None:
        """Search attributes, when they changed."""
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
