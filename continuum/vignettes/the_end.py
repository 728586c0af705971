"""Plays a journey on, wherever its vignette left it, until the last follow-up is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from care.journey import Stage
from continuum.vignettes.looking import pathway_of
from continuum.vignettes.people import WORDS, People
from pathways import loader

Row = dict[str, Any]

STEPS_AT_MOST = 60
"""A journey that has not ended by then does not end at all."""


async def play_on(people: People) -> None:
    """Therapy is discharged, gates are opened by override, follow-ups answered as at discharge. Raises LookupError."""
    player = people.player
    for _ in range(STEPS_AT_MOST):
        await people.arrive()
        state = await player.state()
        if state["status"] == "closed":
            return
        await people.do_what_is_owed()
        await people.clear_flags()
        match Stage(state["stage"]):
            case Stage.THERAPY:
                await _discharge(people)
            case Stage.POST_SURGERY_REHAB:
                await player.act("override_gate", "clinical_lead", note=WORDS)
            case Stage.DISCHARGE:
                await people.sign_off()
            case Stage.FOLLOW_UP:
                await _follow_up(people)
            case stage:
                raise LookupError(f"the journey does not go on from {stage.label}")
    raise LookupError("the journey does not come to its end")


async def _discharge(people: People) -> None:
    player = people.player
    plans = await people.active_plans()
    if not plans:
        raise LookupError("there is no plan of care to be discharged from: the course needs an `evaluate` step")
    for plan in plans:
        await player.act("review_progress", "therapist", plan=plan, decision="discharge", reason="GOALS", note=WORDS)
    await player.until_stage(Stage.DISCHARGE)


async def _follow_up(people: People) -> None:
    player = people.player
    if await people.owes("call_patient"):
        await player.act("record_call", "therapist", outcome="well")
        return
    rows = await player.journal(0)
    last = next((r for r in reversed(rows) if r["kind"] in ("follow_up_due", "follow_up_answered")), None)
    if last is not None and last["kind"] == "follow_up_due":
        await player.act("answer_follow_up", "patient", scores=await _as_before(people))
        return
    due = (await player.state())["next_due_at"]
    if due is None:
        await player.until_closed()
    else:
        await people.go_to(due + timedelta(minutes=1))


async def _as_before(people: People) -> Row:
    """The last scores of the measures that the follow-up asks for."""
    pathway = loader.load(pathway_of(await people.player.state()) or "")
    last = {row["measure"]: row["value"] for row in await people.player.part("scores") if not row["in_error"]}
    known = {m: last[m] for m in pathway.follow_up.measures if m in last}
    if not known:
        raise LookupError("no measure of the follow-up was ever taken: the course takes one of them first")
    return known
