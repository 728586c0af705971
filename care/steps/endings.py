"""Hold and its end, and the ways in which a journey ends before its time, or at it."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.journey import Stage
from care.steps import require, words


def hold(d: Draft, a: act.Hold) -> None:
    """Pause what this reason pauses; a hold has a review date, so it cannot be forgotten."""
    require(a.review_on > d.now, "BadDate", "the review of a hold lies in the future")
    if d.journey.status == "on_hold":
        d.settle("review_hold", outcome="held on")
    d.journey.status = "on_hold"
    d.pause_clocks(a.reason)
    d.open_task("review_hold", due=a.review_on)
    d.write("on_hold", f"On hold: {words(a.reason)}", reason=a.reason)
    d.answer_referrer("on-hold", None, reason=a.reason)
    d.tell("referrer", "journey_news", news="on_hold")


def resume(d: Draft, a: act.Resume) -> None:
    """Clocks that were paused go on with the time they had left."""
    require(d.journey.status == "on_hold", "NotOnHold", "this journey is not on hold")
    d.journey.status = "open"
    d.resume_clocks()
    d.settle("review_hold", outcome="resumed")
    d.write("resumed", "Resumed")
    d.answer_referrer("in-progress", None)
    d.tell("referrer", "journey_news", news="resumed")
    complete_if_done(d)


def withdraw(d: Draft, a: act.Withdraw) -> None:
    """Patient or referrer no longer want it: nothing more is sent to the patient; the referrer is told."""
    end_withdrawn(d, a.reason)


def end_withdrawn(d: Draft, reason: act.WithdrawReason) -> None:
    """The journey ends because it is no longer wanted."""
    cancel_visits(d, "withdrawn")
    d.stop_messages()
    d.write("withdrawn", f"Withdrawn: {words(reason)}", reason=reason)
    d.answer_referrer("cancelled", "6.0", reason=reason)
    d.close("withdrawn")


def record_death(d: Draft, a: act.RecordDeath) -> None:
    """Every message stops, queued ones too; only the referrer's system is told, without a notice."""
    cancel_visits(d, "died")
    d.write("died", "The patient died; every message is stopped")
    d.stop_messages()
    d.answer_referrer("cancelled", "6.0", reason="died")
    d.close("died")


def transfer(d: Draft, a: act.Transfer) -> None:
    """Hand over to another provider."""
    cancel_visits(d, "transferred")
    d.stop_messages()
    d.write("transferred", f"Handed over: {words(a.to)}", to=a.to)
    d.answer_referrer("cancelled", "6.0", reason=a.to)
    d.close("transferred")


def complete_if_done(d: Draft) -> None:
    """After the last follow-up and the window of open access, once nothing is owed any more, the journey is complete.

    Whatever settles a task in follow-up asks this: no clock would ask it later.
    """
    journey = d.journey
    in_follow_up = journey.stage == Stage.FOLLOW_UP and journey.next_stage is None and journey.status != "closed"
    if not in_follow_up or journey.follow_up is None or journey.follow_up.to_come or journey.open_tasks:
        return
    if any(c.kind == "open_access" for c in journey.clocks):
        return
    d.write("completed", "The last follow-up is done and open access is over: the journey is complete")
    d.tell("referrer", "journey_news", news="journey_complete")
    d.close("completed")


def cancel_future(d: Draft, plan_id: str | None = None) -> int:
    """Cancel what is still booked (of one plan). Returns how many.

    Refused while a visit that has begun is not recorded: cancelled, it would be lost from the count.
    """
    doomed = [v for v in d.journey.visits if plan_id is None or v.plan == plan_id]
    begun = [v.id for v in doomed if v.starts_at <= d.now]
    require(not begun, "VisitUnrecorded", f"record what happened first (record_visit) at: {', '.join(begun)}")
    for visit in doomed:
        visit.status = "cancelled"
        visit.reason = "discharge"
        d.save_visit(visit)
        d.stop_clock("visit", visit.id)
        d.settle("record_visit", visit.id, outcome="cancelled")
        d.tell("patient", "visit_cancelled", when=d.local_iso(visit.starts_at))
    return len(doomed)


def cancel_visits(d: Draft, reason: str) -> None:
    """Cancel everything still booked; nobody is written to about it."""
    for visit in list(d.journey.visits):
        visit.status = "cancelled"
        visit.reason = reason
        d.save_visit(visit)
        d.stop_clock("visit", visit.id)
