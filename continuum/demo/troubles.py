"""Four journeys in which something goes wrong, and what is owed to whom puts it right."""

from __future__ import annotations

from datetime import datetime, timedelta

from care.journey import Stage
from continuum.demo import referrals
from continuum.demo.player import Player
from continuum.demo.stories import Story, discharge, evaluate, intake, nothing_found

WEEK = timedelta(days=6)
RECOVERED = {"nprs": 1, "odi": 12, "psfs": 8, "home_programme": "independent"}
STEADY = {"nprs": 1, "odi": 12, "groc": 6, "hep_adherence": 80}
WORSE = {"nprs": 6, "odi": 40, "groc": -4}


async def nobody_answers(p: Player) -> None:
    """Triage is silent: reminded, then its supervisor, then the lead, who gives it to somebody."""
    await p.refer(referrals.back_pain("Saleh", "Amin"))
    await p.working_hours(minutes=20)
    await p.act("record_consent", messages=True)
    await p.act("screen", answers=nothing_found("low_back_pain"))
    await p.until_stage(Stage.REFERRAL)
    task = await p.task("answer_referral")
    await p.wait(until=task["due_at"])
    await p.working_hours(days=1)
    await p.act("assign_task", "clinical_lead", task=task["id"], to="person:p-therapist")
    await p.act("acknowledge_task", "therapist", task=task["id"])
    await p.wait(minutes=40)
    await p.act("accept", "therapist", clinician="p-therapist")
    await p.until_stage(Stage.THERAPY)
    await recover(p, await evaluate(p, nprs=5, odi=30, psfs=4, start_back="medium"))
    await p.until_closed()


async def won_back(p: Player) -> None:
    """Two visits missed, nothing booked, nobody picks up the telephone; in the end a letter does it."""
    await p.refer(referrals.back_pain("Weber", "Jonas"))
    await intake(p, "low_back_pain")
    plan = await evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    await p.visit(after=await p.now() + WEEK, scores={"nprs": 5, "odi": 36})
    await p.visit(after=await p.now() + WEEK, outcome="no_show")
    await p.working_hours(days=1)
    await p.act("record_contact", "coordinator", plan=plan, channel="phone", outcome="not_reached")
    await p.working_hours(days=3)
    await p.act("record_contact", "coordinator", plan=plan, channel="letter", outcome="will_book")
    await recover(p, plan)
    await p.until_closed()


async def wrong_patient(p: Player) -> None:
    """What was recorded belongs to somebody else: undone in the open, and recorded where it belongs."""
    await p.refer(referrals.back_pain("Nasser", "Karim"))
    other = p.companion("the other patient")
    await other.refer(referrals.back_pain("Nassar", "Karim"))
    for one in (p, other):
        await intake(one, "low_back_pain")
    plan = await evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    await p.visit(after=await p.now() + WEEK, scores={"nprs": 6, "odi": 40})
    visit = (await p.record())["visits"][-1]["id"]
    await p.wait(minutes=25)
    await p.act(
        "enter_in_error", "therapist", what="visit_record", id=visit, note="recorded in the wrong patient's journey"
    )
    await p.act("record_visit", "therapist", visit=visit, outcome="no_show")
    await evaluate(other, nprs=6, odi=40, psfs=3, start_back="medium")
    await other.act("withdraw", reason="found_elsewhere")
    await recover(p, plan)
    await p.until_closed()


async def worse_again(p: Player) -> None:
    """At month one the pain is back: a call, therapy again on the same referral, and a second, lasting recovery."""
    await p.refer(referrals.back_pain("Novak", "Peter"))
    await intake(p, "low_back_pain")
    plan = await evaluate(p, nprs=7, odi=44, psfs=3, start_back="medium")
    await p.visit(after=await p.now() + WEEK, scores=RECOVERED)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await discharge(p)
    entered = await p.entered(Stage.FOLLOW_UP)
    await p.wait(until=entered + timedelta(days=7, hours=6))
    await p.act("answer_follow_up", "patient", scores=STEADY)
    await p.wait(until=entered + timedelta(days=30, hours=6))
    await p.act("answer_follow_up", "patient", scores=WORSE)
    await p.working_hours(days=1)
    await p.act("record_call", "therapist", outcome="re_enter")
    await p.until_stage(Stage.THERAPY)
    await recover(p, await evaluate(p, nprs=6, odi=40, psfs=4, start_back="medium"))
    await p.until_closed()


async def recover(p: Player, plan: str) -> None:
    """One more visit, recovered; discharge; and well at every follow-up."""
    await p.visit(after=await p.now() + WEEK, scores=RECOVERED)
    await p.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS")
    await discharge(p)
    entered: datetime = await p.entered(Stage.FOLLOW_UP)
    for day in (7, 30, 91, 182, 365):
        await p.wait(until=entered + timedelta(days=day, hours=6))
        await p.act("answer_follow_up", "patient", scores=STEADY)


TROUBLES = (
    Story(
        "nobody answers",
        "A referral that nobody answers, until escalation saves it",
        nobody_answers,
        Stage.FOLLOW_UP,
        "completed",
    ),
    Story("won back", "A patient who drops out and is won back", won_back, Stage.FOLLOW_UP, "completed"),
    Story(
        "wrong patient",
        "A visit recorded on the wrong patient, and undone",
        wrong_patient,
        Stage.FOLLOW_UP,
        "completed",
    ),
    Story(
        "worse again",
        "A follow-up that turns bad, and therapy again",
        worse_again,
        Stage.FOLLOW_UP,
        "completed",
    ),
)
