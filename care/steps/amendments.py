"""The referrer sends the same referral with other content: stored, looked at by a person, never merged silently."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.journey import Stage
from care.steps import endings, prioritising, refuse, require


def note_amendment(d: Draft, a: act.NoteAmendment) -> None:
    """The same referral came with other content: stored, never merged silently."""
    d.open_task("review_amendment")
    d.write("amendment", "The referrer sent a change to the referral; a person has to look at it")


def review_amendment(d: Draft, a: act.ReviewAmendment) -> None:
    """A person looked at the change. Another urgency may change the priority, and never resets a deadline."""
    require(
        d.journey.open_task("review_amendment"),
        "NoAmendment",
        "no change of the referral is waiting for review",
    )
    if a.urgency is not None and a.decision != "taken_over":
        refuse("NotTakenOver", "an urgency is given only where the change is taken over")
    d.settle("review_amendment", outcome=a.decision)
    words = f"Change of the referral reviewed: {a.decision.replace('_', ' ')}"
    urgency = f"; urgency now {a.urgency}" if a.urgency else ""
    d.write("amendment_reviewed", words + urgency, decision=a.decision, urgency=a.urgency)
    if a.urgency is not None:
        d.journey.referral.urgency = a.urgency
        if d.journey.stage == Stage.REFERRAL:
            prioritising.prioritise(d)
    endings.complete_if_done(d)
