"""Follow-up: questionnaires by consent; getting worse opens a call and a way back. Every recurrence has its end."""

from __future__ import annotations

from datetime import datetime, timedelta

from care import action as act
from care.clock import Clock
from care.draft import Draft, Refused
from care.facts import losses, score_facts
from care.gate import named_facts
from care.journey import Ending, FollowUpState, Journey, Stage
from care.pathway import FollowUpPlan, Occasion, Pathway
from care.rules.follow_up import ASSESS, SCHEDULE, FollowUpAnswer, Schedule
from care.steps import common, endings, items, referral, require, screening


def enter(d: Draft) -> None:
    """One clock for each occasion that lies ahead, and one for the time in which the patient may simply come back."""
    common.enter(d, Stage.FOLLOW_UP)
    pathway, ending = d.journey.the_pathway, _ending(d)
    plan = pathway.follow_up
    anchor = _anchor(d.journey, plan.anchor) or ending.at
    scheduled, decided = d.decide(
        SCHEDULE,
        Schedule(pathway=pathway.label, occasions=plan.occasions, anchor_at=anchor, discharged_at=ending.at),
    )
    for due in scheduled.due:
        d.start_clock("follow_up", due.occasion, due.at, f"Follow-up: {due.label}")
    d.journey.follow_up = FollowUpState(to_come=[due.occasion for due in scheduled.due])
    named = ", ".join(due.label for due in scheduled.due) or "none left"
    d.write("follow_ups", f"Follow-ups planned: {named}", decided=decided)
    _open_access(d, plan)
    endings.complete_if_done(d)


def _open_access(d: Draft, plan: FollowUpPlan) -> None:
    """The time in which the patient may simply come back, where no rule wants a new referral for it."""
    needed = d.rule("referral_needed")
    if needed.value:
        d.applied(needed)
        d.write("no_open_access", "No open access: coming back needs a new referral")
        return
    until = d.now + timedelta(days=plan.open_access_days)
    d.journey.open_access_until = until
    d.start_clock("open_access", "journey", until, "The patient may come back without a new referral")


def _anchor(journey: Journey, anchor: str) -> datetime | None:
    """The day the occasions count from, where it is known."""
    if anchor == "surgery" and journey.surgery is not None:
        return journey.surgery.done_at
    return journey.onset_at if anchor == "onset" else None


def follow_version(d: Draft, before: Pathway) -> None:
    """The pathway is another version of itself: what is still to come is planned by that one, from the same anchor.

    One that was to come and whose new day is over is not lost: it is due on the next open day. What has been, and the
    answer that is awaited, stay as they are.
    """
    plan, state = _plan(d), _state(d)
    over = {o.id for o in before.follow_up.occasions} - set(state.to_come)
    ahead = tuple(o for o in plan.occasions if o.id not in over and o.id != state.waiting)
    anchor = _anchor(d.journey, plan.anchor) or _ending(d).at
    scheduled, decided = d.decide(
        SCHEDULE,
        Schedule(pathway=d.journey.the_pathway.label, occasions=ahead, anchor_at=anchor, discharged_at=d.now),
    )
    days = {due.occasion: due.at for due in scheduled.due}
    days |= {id_: d.business_days(1) for id_ in scheduled.past if id_ in state.to_come}
    d.stop_clock("follow_up")
    for occasion in (o for o in ahead if o.id in days):
        d.start_clock("follow_up", occasion.id, days[occasion.id], f"Follow-up: {occasion.label}")
    waiting = [state.waiting] if state.waiting is not None else []
    state.to_come = [*waiting, *(o.id for o in ahead if o.id in days)]
    named = ", ".join(o.label for o in ahead if o.id in days) or "none left"
    d.write("follow_ups", f"Follow-ups planned: {named}", decided=decided)
    endings.complete_if_done(d)


def due(d: Draft, clock: Clock) -> None:
    """A follow-up's day: with consent the patient is asked by message, without it somebody calls."""
    d.stop_clock("follow_up", clock.subject)
    state, occasion = _state(d), _occasion(d, clock.subject)
    if state.waiting is not None:
        _give_up(d, "the next follow-up is due")
    state.waiting = occasion.id
    state.reminders_sent = 0
    d.write("follow_up_due", f"Follow-up due: {occasion.label}", occasion=occasion.id)
    if d.journey.referral.consent_messages:
        d.tell("patient", "follow_up_due", occasion=occasion.id)
        _await_answer(d, occasion)
    else:
        d.open_task("call_patient", occasion.id)


def _await_answer(d: Draft, occasion: Occasion) -> None:
    d.start_clock(
        "follow_up_answer",
        occasion.id,
        d.now + timedelta(days=_plan(d).answer_days),
        f"Answer to follow-up: {occasion.label}",
    )


def no_answer(d: Draft, clock: Clock) -> None:
    """Remind, so many times, then a person calls."""
    d.stop_clock("follow_up_answer", clock.subject)
    state, occasion = _state(d), _occasion(d, clock.subject)
    if state.reminders_sent < _plan(d).reminders:
        state.reminders_sent += 1
        d.tell("patient", "follow_up_reminder", occasion=occasion.id)
        d.write("follow_up_reminded", f"No answer yet: {occasion.label}; reminder {state.reminders_sent} sent")
        _await_answer(d, occasion)
    else:
        d.open_task("call_patient", occasion.id)
        d.write("follow_up_unanswered", f"No answer: {occasion.label}; the patient is to be called")


def answer(d: Draft, a: act.AnswerFollowUp) -> None:
    """Held against the scores at discharge: stable, or worse beyond what the pathway allows."""
    if not a.scores and not a.items:
        _danger_alone(d, a)
        return
    state, plan, pathway = _state(d), _plan(d), d.journey.the_pathway
    occasion = state.waiting
    found = items.taken(d, a)
    d.add_scores(found.scores)
    known = score_facts(pathway, [s for s in d.journey.scores if s.at == d.now], d.now)
    known |= losses(pathway, _ending(d).facts, known)
    assessment, decided = d.decide(
        ASSESS,
        FollowUpAnswer(pathway=pathway.label, worse=plan.worse, facts=named_facts(plan.worse, known)),
    )
    label = _occasion(d, occasion).label if occasion else "outside the plan"
    verdict = "; ".join(c.words() for c in assessment.by) if assessment.worse else "no worse than at discharge"
    d.write("follow_up_answered", f"Follow-up answered, {label}: {verdict}", decided=decided, occasion=occasion)
    found.explain(d)
    screened = screening.answer_flags(d, {**a.answers, **found.signs})
    if occasion is not None:
        _close_occasion(d, occasion)
    if assessment.worse or (screened and screened.findings):
        _call_soon(d)
    endings.complete_if_done(d)


def _danger_alone(d: Draft, a: act.AnswerFollowUp) -> None:
    """Answers about red flags count without a score too; the follow-up itself still waits for its own."""
    require(a.answers, "NoScores", "an answer has at least one score, or a red-flag question answered")
    screened = screening.answer_flags(d, a.answers)
    if screened and screened.findings:
        _call_soon(d)
    endings.complete_if_done(d)


def _call_soon(d: Draft) -> None:
    d.open_task("call_patient", "worse", due=d.business_days(_plan(d).call_within_days))
    d.tell("queue:therapists", "task_due", task="worse_at_follow_up")


def record_call(d: Draft, a: act.RecordCall) -> None:
    """Well: the follow-up goes on. Worse: back into therapy, on the same journey. Not reached: the occasion ends."""
    require(d.journey.open_task("call_patient"), "NoCallDue", "nobody was asked to call this patient")
    d.settle("call_patient", outcome=a.outcome)
    d.write("called", f"The patient was called: {a.outcome.replace('_', ' ')}", outcome=a.outcome)
    if a.outcome == "re_enter":
        _come_back(d)
        return
    state = _state(d)
    if state.waiting is not None:
        _close_occasion(d, state.waiting)
    endings.complete_if_done(d)


def re_enter(d: Draft, a: act.ReEnter) -> None:
    """The patient comes back with the same problem: within the window no new referral is needed."""
    require(a.actor.role != "referrer", "NotAllowed", "the patient or the clinic's staff ask for it; a referrer refers")
    until = d.journey.open_access_until
    needed = d.rule("referral_needed")
    require(
        until is not None or not needed.value,
        "ReferralNeeded",
        f"here coming back needs a new referral ({needed.id}: {needed.because})",
    )
    if until is None or until < d.now:
        ended = f" (it ended on {d.local_words(until)})" if until else ""
        raise Refused("WindowClosed", f"the time of open access is over{ended}: a new referral is needed")
    d.settle("call_patient", outcome="re_entered")
    _come_back(d)


def _come_back(d: Draft) -> None:
    """Follow-up ends, with what was queued for it; the first visit is owed within the priority's wait, from now."""
    d.stop_to_patient("care begins again")
    d.journey.clocks = [c for c in d.journey.clocks if c.kind == "task"]
    d.journey.open_access_until = None
    # A no about treatments was one months ago: it is asked again. A yes stands until somebody takes it back.
    d.journey.modality_answers = {sign: True for sign, answer in d.journey.modality_answers.items() if answer}
    referral.set_first_visit(d)
    d.write("re_entry", "Back into therapy on the same journey")
    d.answer_referrer("in-progress", None, reason="re_entry")
    d.tell("referrer", "journey_news", news="re_entry")
    d.leave_for(Stage.THERAPY)


def window_closed(d: Draft, clock: Clock) -> None:
    """The time of open access is over; it may be the last thing that the journey waited for."""
    d.stop_clock("open_access", clock.subject)
    d.write("open_access_ended", "Open access has ended: coming back needs a new referral")
    d.tell("referrer", "journey_news", news="open_access_ended")
    endings.complete_if_done(d)


def confirm_receipt(d: Draft, a: act.ConfirmReceipt) -> None:
    """The receipt may be the last thing that was owed."""
    common.confirm_receipt(d, a)


def handle_red_flag(d: Draft, a: act.HandleRedFlag) -> None:
    """As everywhere; it may be the last thing that was owed."""
    screening.handle_red_flag(d, a)


def _give_up(d: Draft, why: str) -> None:
    state = _state(d)
    if state.waiting is not None:
        label = _occasion(d, state.waiting).label
        d.write("follow_up_missed", f"Follow-up without an answer: {label}; {why}")
        d.settle("call_patient", state.waiting, outcome="missed")
        _close_occasion(d, state.waiting)


def _close_occasion(d: Draft, occasion: str) -> None:
    state = _state(d)
    d.stop_clock("follow_up_answer", occasion)
    d.settle("call_patient", occasion, outcome="answered")
    state.to_come = [o for o in state.to_come if o != occasion]
    state.waiting = None


def _state(d: Draft) -> FollowUpState:
    if d.journey.follow_up is None:
        raise LookupError("follow-up without a schedule")
    return d.journey.follow_up


def _ending(d: Draft) -> Ending:
    if d.journey.ending is None:
        raise Refused("NoEnding", "this journey was never discharged")
    return d.journey.ending


def _plan(d: Draft) -> FollowUpPlan:
    return d.journey.the_pathway.follow_up


def _occasion(d: Draft, occasion: str) -> Occasion:
    return next(o for o in _plan(d).occasions if o.id == occasion)
