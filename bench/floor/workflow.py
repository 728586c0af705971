"""A bare workflow with the updates, validators, activities, timer and search attributes of a journey in therapy."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Records
    from bench.floor import documents
    from care import action as act
    from care.journey import Stage
    from care.model import Model
    from workflows.attributes import KEYS

BY_NAME: dict[str, SearchAttributeKey[Any]] = {key.name: key for key in KEYS}


class Start(Model):
    """What a journey of the floor begins with."""

    journey: str
    tenant: str
    named: str
    """What the documents call the journey."""
    due: datetime


@workflow.defn
class Floor:
    """Does what it is told by documents made before."""

    @workflow.init
    def __init__(self, start: Start) -> None:
        self._start = start
        self._due = start.due
        self._done: dict[str, act.Answer] = {}
        self._turn = asyncio.Lock()

    @workflow.run
    async def run(self, _: Start) -> None:
        while (armed := self._due) > workflow.now():
            timer = asyncio.create_task(workflow.sleep(armed - workflow.now(), summary="What is due next"))
            await workflow.wait_condition(partial(self._woken, timer, armed))
            timer.cancel()

    def _woken(self, timer: asyncio.Task[None], armed: datetime) -> bool:
        return timer.done() or self._due != armed

    def _check(self, action: act.Action) -> None:
        if action.expected.stage != Stage.THERAPY:
            raise ApplicationError("not in this stage", type="NotNow", non_retryable=True)

    async def _carry_out(self, action: act.Action) -> act.Answer:
        async with self._turn:
            if (first := self._done.get(action.action_id)) is not None:
                return first
            step = documents.step(len(self._done), self._start.named, self._start.journey)
            document = step["document"]
            await self._write(document)
            answer = act.Answer(
                journey=self._start.journey,
                seq=document["seq"],
                stage=document["stage"],
                status=document["status"],
                text=document["entries"][0]["text"],
            )
            self._done[action.action_id] = answer
        self._due = datetime.fromisoformat(step["due"])
        self._show(step["shown"])
        return answer

    async def _write(self, document: dict[str, Any]) -> None:
        summary = document["entries"][0]["text"]
        try:
            await workflow.execute_local_activity(
                Records.persist,
                document,
                summary=summary,
                schedule_to_close_timeout=timedelta(seconds=2),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError:
            await workflow.execute_activity(
                Records.persist, document, summary=summary, start_to_close_timeout=timedelta(seconds=10)
            )

    def _show(self, shown: dict[str, Any]) -> None:
        pairs = [
            SearchAttributePair(
                key, datetime.fromisoformat(value) if key.indexed_value_type.name == "DATETIME" else value
            )
            for key, value in ((BY_NAME[name], value) for name, value in shown.items())
        ]
        before, now = workflow.info().typed_search_attributes, TypedSearchAttributes(pairs)
        if any(before.get(key) != now.get(key) for key in KEYS):
            workflow.upsert_search_attributes([pair.key.value_set(pair.value) for pair in pairs])

    @workflow.update
    async def book_visit(self, action: act.BookVisit) -> act.Answer:
        return await self._carry_out(action)

    @book_visit.validator
    def _check_book_visit(self, action: act.BookVisit) -> None:
        self._check(action)

    @workflow.update
    async def record_scores(self, action: act.RecordScores) -> act.Answer:
        return await self._carry_out(action)

    @record_scores.validator
    def _check_record_scores(self, action: act.RecordScores) -> None:
        self._check(action)

    @workflow.update
    async def cancel_visit(self, action: act.CancelVisit) -> act.Answer:
        return await self._carry_out(action)

    @cancel_visit.validator
    def _check_cancel_visit(self, action: act.CancelVisit) -> None:
        self._check(action)
