"""Messages of other systems that a person has to look at: what they say of the patient may change what is done here."""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.steps import by_staff, endings, require

DISAGREEMENT = "doctor_mismatch"
"""What the nightly comparison's messages are about: here the other system is Temporal itself."""


def note_message(d: Draft, a: act.NoteMessage) -> None:
    """A message came that no rule decides. What it says stays in PostgreSQL; the journal has its id.

    One task for all that wait: a system that talks much makes no flood of them.
    """
    d.open_task("review_message")
    if a.about == DISAGREEMENT:
        d.write("mismatch", "The record and Temporal disagree about this journey: continuum doctor", message=a.message)
        return
    d.write(
        "message", f"A message of another system has to be looked at: {a.about.replace('_', ' ')}", message=a.message
    )


def review_message(d: Draft, a: act.ReviewMessage) -> None:
    """A person looked at it, and did by actions of their own what follows from it."""
    by_staff(a, "messages of other systems are reviewed by the clinic's staff")
    require(d.journey.open_task("review_message"), "NoMessage", "no message of another system waits for review")
    d.settle("review_message", outcome=a.outcome)
    d.write("message_reviewed", f"Message of another system reviewed: {a.outcome.replace('_', ' ')}")
    endings.complete_if_done(d)
