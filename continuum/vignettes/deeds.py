"""What the steps of a course do: each as the person concerned would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from care.journey import Stage
from continuum.vignettes import findings
from continuum.vignettes.people import EVALUATION_HOURS, VISIT_HOURS, WORDS, People
from pathways.vignette import Step, said

Row = dict[str, Any]

REVIEW_AGAIN = timedelta(days=14)


class Deeds:
    """The steps of one course."""

    def __init__(self, people: People, conditions: Sequence[str]) -> None:
        """`conditions` are what else the patient has, as the evaluation finds."""
        self._people = people
        self._conditions = conditions
        self._player = people.player

    async def do(self, step: Step) -> None:
        """Do it on its day, or as soon after as it can be done. Raises ActionRefused."""
        await {
            "evaluate": self._evaluate,
            "visit": self._visit,
            "scores": self._scores,
            "screen": self._screen,
            "surgery": self._surgery,
            "check": self._check,
            "review": self._review,
            "opinion": self._opinion,
            "override": self._override,
            "phase": self._phase,
            "follow_up": self._follow_up,
            "call": self._call,
        }[step.deed](step)

    async def _evaluate(self, step: Step) -> None:
        if not await self._people.owes("evaluate"):
            answers = {"answers": said(step.answers)} if step.answers else {}
            await self._people.visit(step.day, EVALUATION_HOURS, outcome="attended", **answers)
            await self._player.wait(minutes=5)
        doses = {name: dose.model_dump(exclude_none=True) for name, dose in step.doses.items()}
        await self._player.act(
            "evaluate",
            "therapist",
            clinician="p-therapist",
            scores=step.evaluate,
            doses=doses,
            conditions=list(self._conditions),
            note=WORDS,
        )
        await self._people.do_what_is_owed()

    async def _visit(self, step: Step) -> None:
        await self._people.visit(
            step.day, VISIT_HOURS, outcome=step.visit, scores=step.scores or {}, answers=said(step.answers)
        )

    async def _scores(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("record_scores", "therapist", scores=step.scores)

    async def _screen(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("screen", "therapist", answers=said(step.screen or {}))

    async def _surgery(self, step: Step) -> None:
        await self._morning(step)
        done_at = self._people.clinic.at(step.day - step.ago, 6)
        await self._player.act("record_surgery", "surgeon", done_at=done_at, scores=step.surgery)
        await self._player.until_stage(Stage.POST_SURGERY_REHAB)
        await self._people.do_what_is_owed()

    async def _check(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("answer_check", "patient", scores=step.check, answers=said(step.answers))

    async def _review(self, step: Step) -> None:
        await self._morning(step)
        for plan in await self._people.active_plans():
            data = {"reason": step.reason} if step.reason else {}
            await self._player.act("review_progress", "therapist", plan=plan, decision=step.review, note=WORDS, **data)
            if step.review == "surgical_opinion":
                break
        if step.review == "discharge":
            await self._player.until_stage(Stage.DISCHARGE)

    async def _opinion(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("record_surgical_opinion", "surgeon", opinion=step.opinion)

    async def _override(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("override_gate", "clinical_lead", note=WORDS)

    async def _phase(self, step: Step) -> None:
        await self._morning(step)
        data: Row = {"reason": step.reason} if step.reason else {}
        if step.phase == "continue":
            data["review_on"] = await self._player.now() + REVIEW_AGAIN
        await self._player.act("review_phase", "therapist", decision=step.phase, note=WORDS, **data)

    async def _follow_up(self, step: Step) -> None:
        """The follow-up whose day is nearest is waited for, and answered."""
        day = self._people.clinic.at(step.day, 12)
        dues = [datetime.fromisoformat(at) for at in findings.follow_ups(await self._player.journal()).values()]
        nearest = min(dues, key=lambda due: abs(due - day), default=day)
        await self._people.go_to(max(day, nearest + timedelta(hours=1)))
        await self._player.act("answer_follow_up", "patient", scores=step.follow_up, answers=said(step.answers))

    async def _call(self, step: Step) -> None:
        await self._morning(step)
        await self._player.act("record_call", "therapist", outcome=step.call)
        if step.call == "re_enter":
            await self._player.until_stage(Stage.THERAPY)

    async def _morning(self, step: Step) -> None:
        moment = self._people.clinic.at(step.day, 9, 30)
        await self._people.let_days_pass(moment)
        await self._people.go_to(moment)
