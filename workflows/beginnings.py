"""The first decision of a run that does not simply enter a stage: a closed journey goes on, a caseload comes over."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from workflows.commits import FAST, Commits, Overtaken
from workflows.errands import MISSED_AFTER, RETRY_AT_MOST

with workflow.unsafe.imports_passed_through():
    from activities.signatures import Clinics, Preparation
    from care.caseload import Adoption
    from care.draft import Draft, Refused
    from care.journey import Done, Reopening
    from care.steps import caseload, reopening

CALENDAR_AHEAD = timedelta(days=400)


class Beginnings(Commits):
    """The first decision of a run."""

    async def reopen(self, why: Reopening) -> None:
        """The first decision of a closed journey that goes on, made by whoever wants it to.

        Should the record have gone on meanwhile, this run fails and leaves it as it is.
        """
        await self.prepare()
        draft = Draft(
            self.journey,
            workflow.now(),
            why.actor,
            action_id=why.action_id,
            digest=reopening.digest(why),
            note=why.note,
        )
        reopening.reopen(draft)
        seq, stage = self.journey.seq + 1, draft.journey.stage
        draft.journey.done[why.action_id] = Done(digest=reopening.digest(why), seq=seq, stage=stage)
        try:
            await self.commit(draft)
        except Overtaken:
            raise LookupError("the record has gone on meanwhile") from None

    async def take_over(self, adoption: Adoption) -> None:
        """Begin where other records left off. An appointment that cannot be had is owed again, and nothing waits."""
        preparation = await self.prepare(adoption.since)
        if preparation is None:
            raise LookupError("a journey that is taken over begins with a preparation")
        all_ = tuple(n for n, plan in enumerate(adoption.plans) if plan.next_visit is not None)
        one_by_one = tuple((n,) for n in all_) if len(all_) > 1 else ()
        for dropped in ((), *one_by_one, all_):
            draft = Draft(self.journey, workflow.now(), caseload.actor(self.journey, adoption), taking_over=True)
            try:
                caseload.adopt(
                    draft,
                    adoption.without_visits(*dropped),
                    preparation.clinic,
                    preparation.calendar,
                    preparation.pathway,
                )
                await self.commit(draft)
            except (Refused, ApplicationError) as refused:
                # It did fit when it was checked, so our content has changed: tried again until it is mended.
                if dropped == all_:
                    kind = refused.kind if isinstance(refused, Refused) else refused.type
                    raise LookupError(f"this journey cannot be taken over as it is ({kind})") from None
            else:
                return

    async def prepare(self, since: date | None = None) -> Preparation | None:
        """The clinic's calendar, when the journey has none or it does not reach far enough."""
        today = workflow.now().date()
        calendar = self.journey.calendar
        if calendar is not None and calendar.ends - today > CALENDAR_AHEAD:
            return None
        clinic = self.journey.clinic.id if self.journey.clinic else self.journey.referral.clinic
        preparation = await self._read(
            self.journey.tenant,
            self.journey.referral.suggested_pathway,
            today,
            clinic,
            since,
            self.journey.referral.questions,
            self.journey.referral.payer,
        )
        self.journey.calendar = preparation.calendar
        self.journey.rules = preparation.rules
        return preparation

    async def _read(self, *of: Any) -> Preparation:
        """By a local activity as a rule; where that takes long, by one that is tried until it succeeds."""
        summary = "Read the clinic's opening days, and the pathway that the referral suggests"
        try:
            return await workflow.execute_local_activity_method(
                Clinics.prepare,
                args=of,
                summary=summary,
                schedule_to_close_timeout=FAST,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except FailureError:
            return await workflow.execute_activity_method(
                Clinics.prepare,
                args=of,
                summary=summary,
                start_to_close_timeout=timedelta(seconds=30),
                heartbeat_timeout=MISSED_AFTER,
                retry_policy=RetryPolicy(maximum_interval=RETRY_AT_MOST),
            )
