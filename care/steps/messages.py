"""Messages on their way: what waits is decided when its hour comes, and what was lost is told to a person.

When an hour has come is seen by whoever sends (`activities/post.py`); no journey wakes for it.
"""

from __future__ import annotations

from datetime import datetime

from care import action as act
from care.clock import PATIENT_CANNOT
from care.draft import Draft, Refused
from care.journey import Journey
from care.model import Model
from care.notice import Outgoing
from care.steps import endings, require

CLOSED = "the journey is closed"


class Verdict(Model):
    """What becomes of a message whose hour has come. Where it is neither stopped nor waits on, it leaves."""

    stopped: str | None = None
    waits_until: datetime | None = None


def verdict(journey: Journey, outgoing: Outgoing, now: datetime) -> Verdict:
    """What stands now decides: whether it is still so, consent, a hold, the patient's quiet hours."""
    if (reason := _why_not(journey, outgoing, now)) is not None:
        return Verdict(stopped=reason)
    moment = journey.after_quiet_hours(outgoing.to, now)
    return Verdict(waits_until=moment if moment > now else None)


def _why_not(journey: Journey, outgoing: Outgoing, now: datetime) -> str | None:
    """Why a message that was queued for now is not sent after all; None when it is."""
    if outgoing.to != "patient":
        return None
    if not journey.referral.consent_messages:
        return "the patient does not want messages"
    if journey.hold_reason in PATIENT_CANNOT:
        return "the journey is on hold"
    if outgoing.about is not None:
        visit = journey.visit(outgoing.about)
        if visit is None or visit.starts_at <= now:
            return "the visit is over or cancelled"
    return None


def note_undelivered(d: Draft, a: act.NoteUndelivered) -> None:
    """A message was lost on its way, or came back after it had left: one task for each it was for.

    A task for each message would have no end where the address of those who deliver them is the one that is wrong.
    """
    require(a.notice.startswith(f"{d.journey.id}:"), "NoSuchNotice", "no message of that id is this journey's")
    d.open_task("deliver_notice", a.to)
    d.write("undelivered", "A message came back or could not be sent", notice=a.notice)


def settle_notice(d: Draft, a: act.SettleNotice) -> None:
    """A message that could not be sent is dealt with."""
    task = d.journey.task(a.task)
    if task is None or task.kind != "deliver_notice":
        raise Refused("NoSuchTask", "no undelivered message of that task id")
    d.settle("deliver_notice", task.subject, outcome=a.outcome)
    d.write("notice_settled", f"Undelivered message: {a.outcome.replace('_', ' ')}")
    endings.complete_if_done(d)
