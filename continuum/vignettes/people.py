"""Everybody around a vignette's patient: does what is owed and what the vignette is not about."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from care.journey import Stage
from continuum.demo.player import Player
from continuum.vignettes import findings
from continuum.vignettes.clinic import Clinic
from gateway.acting import ActionRefused

Row = dict[str, Any]

CARE = (Stage.THERAPY, Stage.POST_SURGERY_REHAB)
EVALUATION_HOURS = (8, 9, 10, 11)
VISIT_HOURS = (10, 11, 12, 13, 14, 15, 16)
"""The evaluation is earlier in the day than any visit or score: what is counted from it is counted in whole days."""
OF_CARE = {"evaluate", "book_visit", "first_visit"}
"""One of these is owed as long as care goes on without a plan."""
CHASED_AFTER = timedelta(days=13)
"""A patient who has no visit booked for 14 days is chased: so long a visit need not be booked ahead."""
AN_HOUR = timedelta(hours=1)
A_MOMENT = 0.05
MOMENTS_AT_MOST = 400
"""Twenty seconds of the machine's own time for the next stage to begin: it takes a fraction of one."""
SIGNED_ANEW = timedelta(days=13)
"""So long before the end of its certified time a plan of care is certified anew: from 14 days before it may be."""
WORDS = "as the vignette says"
"""The note of whoever decides: a vignette has no free text of its own."""


class People:
    """The clinic's staff, the surgeon, the physician and the patient of one vignette."""

    def __init__(self, player: Player, clinic: Clinic) -> None:
        self.player = player
        self.clinic = clinic

    async def stage(self) -> Stage:
        """Where the journey is."""
        return Stage((await self.player.state())["stage"])

    async def arrive(self) -> None:
        """Where care has just ended, wait for the next stage: nothing can be done in between."""
        for _ in range(MOMENTS_AT_MOST):
            if not await self._between_stages():
                return
            await asyncio.sleep(A_MOMENT)
        raise TimeoutError("care has ended, and the next stage does not begin")

    async def _between_stages(self) -> bool:
        if await self.stage() not in CARE:
            return False
        plans = await self.player.part("plans")
        over = bool(plans) and all(plan["status"] != "active" for plan in plans)
        return over and not {task["kind"] for task in await self.player.owed()} & OF_CARE

    async def owes(self, kind: str) -> bool:
        """Whether somebody owes this now."""
        return any(task["kind"] == kind for task in await self.player.owed())

    async def let_days_pass(self, until: datetime) -> None:
        """On the way to a moment: the plan is certified anew whenever that is due, and visits are booked for later."""
        while (signing := await self._signing()) is not None and await self.player.now() < signing < until:
            await self.go_to(signing)
            await self.do_what_is_owed()
            await self._book_past(until)
            if await self._signing() == signing:
                return  # there was nothing to sign
        await self._book_past(until)

    async def _book_past(self, until: datetime) -> None:
        """No visit stands in the way: those before that moment are for later."""
        standing = [visit for visit in await self.booked() if visit["starts_at"] < until]
        for visit in standing:
            await self.player.act("cancel_visit", visit=visit["id"], reason="clinician")
        if standing:
            await self.keep_booked(self._day(until) + 1, VISIT_HOURS)

    def _day(self, moment: datetime) -> int:
        """Which day of the course it is."""
        local = self.clinic.calendar.local
        return (local(moment).date() - local(self.clinic.begins).date()).days

    async def _signing(self) -> datetime | None:
        """When the plan under way is signed anew."""
        ends = [plan["body"].get("certified_until") for plan in await self._active_plans()]
        return min((datetime.fromisoformat(end) - SIGNED_ANEW for end in ends if end), default=None)

    async def go_to(self, moment: datetime) -> None:
        """Let time pass until then, and never back."""
        if moment > await self.player.now():
            await self.player.wait(until=moment)

    async def do_what_is_owed(self) -> None:
        """Papers that a vignette is not about: certification, reports, receipt."""
        for task in await self.player.owed():
            match task["kind"]:
                case "certify_plan" | "recertify_plan":
                    await self.player.act("certify_plan", "therapist", plan=task["subject"], by="signature")
                case "progress_report":
                    await self.player.act("file_progress_report", "therapist", plan=task["subject"])
                case "chase_receipt":
                    await self.player.act("confirm_receipt", "referrer")
                case "match_patient":
                    await self.player.act("match_patient")

    async def clear_flags(self) -> None:
        """A clinician has looked into every red flag and given the all-clear."""
        for task in await self.player.owed():
            if task["kind"] == "handle_red_flag":
                await self.player.act("handle_red_flag", "on_call", flag=task["subject"], outcome="cleared")
        if await self.owes("finish_screen"):
            await self._sign_what_nobody_knows()

    async def _sign_what_nobody_knows(self) -> None:
        """What is still open of a screen is asked in vain, and a clinician signs that care goes on without it."""
        open_ = findings.asked(await self.player.journal()) or []
        await self.player.act("screen", "therapist", answers=dict.fromkeys(open_))
        await self.player.act("sign_screen", "therapist", note=WORDS)

    async def accept(self) -> None:
        """The referral is accepted as the clinic opens: day 0."""
        await self.go_to(self.clinic.begins)
        await self.player.act("accept", "therapist", clinician="p-therapist")
        await self.player.until_stage(Stage.THERAPY)

    async def sign_off(self) -> None:
        """The summary is signed and received. From now on the patient wants to be written to, and is asked so."""
        await self.player.act("record_consent", messages=True)
        await self.player.act("sign_summary", "therapist")
        await self.player.until_stage(Stage.FOLLOW_UP)
        await self.do_what_is_owed()

    # --- appointments

    async def free_hour(self, day: int, hours: Sequence[int]) -> datetime:
        """The first of these hours from that day on that lies ahead."""
        soon = await self.player.now() + timedelta(minutes=5)
        while True:
            for hour in hours:
                moment = self.clinic.at(day, hour)
                if moment > soon and self.clinic.calendar.is_open(moment, moment + AN_HOUR):
                    return moment
            day += 1

    async def active_plans(self) -> list[str]:
        """The plans of care under way."""
        return [plan["id"] for plan in await self._active_plans()]

    async def _active_plans(self) -> list[Row]:
        return [plan for plan in await self.player.part("plans") if plan["status"] == "active"]

    async def book(self, starts_at: datetime) -> None:
        """Book the therapist. Raises ActionRefused."""
        plans = await self.active_plans()
        which = plans[0] if len(plans) > 1 else None
        await self.player.act(
            "book_visit", clinician="p-therapist", starts_at=starts_at, person="p-front-desk", plan=which
        )

    async def booked(self) -> list[Row]:
        """The appointments to come, soonest first."""
        return [v for v in await self.player.part("visits") if v["status"] == "booked"]

    async def visit(self, day: int, hours: Sequence[int], **what: Any) -> None:
        """A visit on that day: the one that is booked for it, or one that is booked now; and the record of it."""
        moment = await self.free_hour(day, hours)
        visit = next((v for v in await self.booked() if v["starts_at"] == moment), None)
        if visit is None:
            await self.let_days_pass(moment)
            await self.go_to(moment - AN_HOUR)
            for other in await self.booked():
                await self.player.act("cancel_visit", visit=other["id"], reason="clinician")
            await self.book(moment)
            visit = next(v for v in await self.booked() if v["starts_at"] == moment)
        await self.go_to(visit["ends_at"] - timedelta(minutes=1))
        await self.player.act("record_visit", "therapist", visit=visit["id"], **what)

    async def keep_booked(self, day: int, hours: Sequence[int]) -> None:
        """The front desk books ahead for that day, where a visit is owed and it is long until then: nobody is chased.

        Not beyond the day on which the plan is certified anew. Of several disciplines the first has the visit.
        """
        await self.do_what_is_owed()
        moment, signing = await self.free_hour(day, hours), await self._signing()
        if moment < await self.player.now() + CHASED_AFTER or await self.booked() or not await self.owes("book_visit"):
            return
        if signing is not None and await self.player.now() < signing < moment:
            moment = await self.free_hour(self._day(signing) + 1, hours)
        await self.book(moment)

    async def can_be_booked(self) -> bool:
        """Whether a routine visit can be booked now, as the front desk finds out. It stays until it is in the way."""
        try:
            if await self.stage() == Stage.REFERRAL:
                await self.accept()
            await self.book(await self.free_hour(0, VISIT_HOURS))
        except ActionRefused as refused:
            if refused.kind in NO_ROOM:
                raise
            return False
        return True


NO_ROOM = ("SlotTaken", "SlotClosed", "SlotPast", "SlotTooFar", "BadSlot", "UnknownPerson", "BadData")
"""Refusals that say nothing about the patient: of these a vignette makes no finding."""
