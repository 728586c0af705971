"""Three journeys, as people would live them. Each says how it ends; the demo fails where it ends otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.player import Player
from pathways import loader


@dataclass(frozen=True)
class Story:
    """A journey to play, and how it has to end."""

    name: str
    title: str
    play: Callable[[Player], Awaitable[None]]
    stage: Stage
    outcome: str


def nothing_found(pathway: str) -> dict[str, bool]:
    """Every red-flag question of a pathway, answered no."""
    return {sign.id: False for flag in loader.load(pathway).red_flags for sign in flag.signs}


async def intake(p: Player, pathway: str) -> None:
    """Consent, red flags asked, accepted."""
    await p.working_hours(minutes=20)
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=nothing_found(pathway))
    await p.until_stage(Stage.REFERRAL)
    await p.working_hours(hours=3)
    await p.act("accept", "therapist", clinician="p-therapist")
    await p.until_stage(Stage.THERAPY)


async def evaluate(p: Player, **scores: Any) -> str:
    """The first visit and the evaluation. Returns the plan's id."""
    await p.visit(after=await p.now() + timedelta(days=1))
    await p.wait(minutes=20)  # so that no clock of the plan runs out in the minute of a later visit at the same hour
    await p.act("evaluate", "therapist", clinician="p-therapist", scores=scores)
    plan = await p.active_plan()
    await p.wait(days=2)
    await p.certify_active_plan()
    return plan


async def discharge(p: Player) -> None:
    """The summary is signed, and its receipt confirmed."""
    await p.until_stage(Stage.DISCHARGE)
    await p.working_hours(hours=2)
    await p.act("sign_summary", "therapist")
    await p.until_stage(Stage.FOLLOW_UP)
    await p.working_hours(days=2)
    await p.act("confirm_receipt", "referrer")


async def back_pain(p: Player) -> None:
    """Recovers in six weeks, with a missed visit on the way, and stays well for a year."""
    await p.refer(referrals.back_pain())
    await intake(p, "low_back_pain")
    plan = await evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    week = timedelta(days=6)
    await p.visit(after=await p.now() + week, scores={"nprs": 5, "odi": 36})
    await p.visit(after=await p.now() + week, outcome="no_show")
    await p.visit(after=await p.now() + timedelta(days=2), scores={"nprs": 4, "odi": 30})
    await p.visit(after=await p.now() + week, scores={"nprs": 3, "odi": 22, "psfs": 6})
    await p.visit(after=await p.now() + week, scores={"nprs": 1, "odi": 12, "psfs": 8, "home_programme": "independent"})
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await discharge(p)
    for day in (7, 30, 91, 182, 365):
        await p.wait(until=await p.entered(Stage.FOLLOW_UP) + timedelta(days=day, hours=6))
        await p.act("answer_follow_up", "patient", scores={"nprs": 1, "odi": 12, "groc": 6, "hep_adherence": 80})
    await p.until_closed()


async def knee_replacement(p: Player) -> None:
    """Pre-hab, surgery, four phases with gates, a suspected clot in week two, and follow-up to month twelve."""
    await p.refer(referrals.knee_replacement())
    await intake(p, "total_knee_replacement")
    await evaluate(p, koos_jr=47.5, promis10=38, tug=14, sts30=8, knee_flex=108, nprs=6)
    surgery = await p.slot(after=await p.now() + timedelta(days=28), hour=8)
    await p.act("plan_surgery", planned_for=surgery)
    for _ in range(4):
        await p.visit(after=await p.now() + timedelta(days=6), scores={"nprs": 5, "tug": 13})
    await p.wait(until=surgery + timedelta(hours=8))
    await p.act("record_surgery", "surgeon", done_at=surgery)
    await p.until_stage(Stage.POST_SURGERY_REHAB)
    await in_hospital(p)
    await suspected_clot(p)
    await phases(p)
    await discharge(p)
    for day in (182, 365):
        await p.wait(until=surgery + timedelta(days=day, hours=6))
        await p.act("answer_follow_up", "patient", scores={"koos_jr": 84.6, "nprs": 1, "groc": 6, "promis10": 50})
    await p.until_closed()


async def in_hospital(p: Player) -> None:
    """The first three days after surgery."""
    await p.wait(days=1)
    await p.act(
        "record_scores", "therapist", scores={"nprs": 6, "walk_distance": 15, "knee_flex": 70, "knee_ext_deficit": 12}
    )
    await p.wait(days=2)
    await p.act(
        "record_scores",
        "therapist",
        scores={
            "walk_distance": 40,
            "knee_flex": 85,
            "knee_ext_deficit": 8,
            "transfers": "independent",
            "slr": "able",
            "nprs": 5,
        },
    )


async def suspected_clot(p: Player) -> None:
    """A swollen calf at the second visit: alarm, booking stops, a scan is clear, care goes on."""
    await p.certify_active_plan()
    await p.visit(after=await p.now() + timedelta(days=3), scores={"nprs": 5, "knee_flex": 92, "knee_ext_deficit": 5})
    await p.visit(
        after=await p.now() + timedelta(days=4),
        scores={"nprs": 6, "knee_flex": 95},
        answers={"wells_bed_surgery": True, "wells_calf": True, "wells_pitting": True, "wells_tender": False},
    )
    await p.wait(minutes=20)
    await p.act("handle_red_flag", "on_call", flag="dvt", outcome="seen_by_doctor")
    await p.wait(hours=22)
    await p.act("handle_red_flag", "on_call", flag="dvt", outcome="cleared")


async def phases(p: Player) -> None:
    """From week two to the end of the last phase."""
    for flexion, deficit in ((100, 4), (104, 2), (108, 1)):
        await p.visit(
            after=await p.now() + timedelta(days=8),
            scores={"nprs": 4, "knee_flex": flexion, "knee_ext_deficit": deficit},
        )
    surgery = await p.surgery()
    await p.visit(
        after=surgery + timedelta(days=42),
        scores={"nprs": 3, "knee_flex": 112, "knee_ext_deficit": 0, "slr_lag": 0, "gait": "one_aid", "koos_jr": 61.583},
    )
    for weeks in (8, 10):
        await p.visit(after=surgery + timedelta(weeks=weeks), scores={"tug": 12.5, "sts30": 10, "knee_flex": 114})
    await p.visit(
        after=surgery + timedelta(days=85),
        scores={"tug": 10, "sts30": 13, "knee_flex": 118, "stairs": "step_over_step", "lefs": 55, "koos_jr": 68.284},
    )
    await p.sign_anew()
    await p.wait(until=surgery + timedelta(days=175))
    await p.act(
        "record_scores",
        "therapist",
        scores={"koos_jr": 79.914, "lsi_quad": 85, "home_programme": "independent", "nprs": 1},
    )


async def cauda_equina(p: Player) -> None:
    """A red flag on day one: alarm, emergency department, and the referrer told, within the hour."""
    await p.refer(referrals.sudden_back_pain())
    await p.wait(minutes=20)
    await p.act("record_consent", messages=True)
    signs = {**nothing_found("low_back_pain"), "saddle_numb": True, "bladder_new": True}
    await p.act("screen", answers=signs)
    await p.wait(minutes=10)
    await p.act("handle_red_flag", "on_call", flag="ces", outcome="sent_to_emergency")
    await p.until_closed()


COURSES = (
    Story("back pain", "Back pain that recovers, and stays well for a year", back_pain, Stage.FOLLOW_UP, "completed"),
    Story(
        "knee",
        "A knee replacement, from pre-hab to month 12, with a complication",
        knee_replacement,
        Stage.FOLLOW_UP,
        "completed",
    ),
    Story("red flag", "A red flag on day one", cauda_equina, Stage.INTAKE, "emergency"),
)
