"""The referrer asks to cancel. Before care has begun that ends the journey; after that a person decides.

Source: HL7 Clinical Order Workflows, cancelling requests (https://build.fhir.org/ig/HL7/fhir-cow-ig): started work is
not cancelled by its placer, who asks for it; BSeR business status 5.2, cancellation requested.
"""

from __future__ import annotations

from care import action as act
from care.draft import Draft
from care.journey import Stage
from care.steps import by_staff, endings, refuse, require

NOT_BEGUN = (Stage.INTAKE, Stage.REFERRAL)


def note_cancellation(d: Draft, a: act.NoteCancellation) -> None:
    """The referrer's system asks to cancel. The task is about this request, so that its answer finds its way back."""
    if d.journey.stage in NOT_BEGUN:
        endings.end_withdrawn(d, "referrer_cancelled")
        return
    if d.journey.open_task("review_cancellation") is not None:
        refuse("CancellationOpen", "a cancellation is being looked at already; its answer is still to come")
    d.open_task("review_cancellation", a.action_id)
    d.write("cancellation_requested", "The referrer asks to cancel; care has begun, so a person decides")
    d.answer_referrer("in-progress", "5.2")


def review_cancellation(d: Draft, a: act.ReviewCancellation) -> None:
    """A person decided. Where they agree the journey ends; where not it goes on, and the referrer hears why."""
    by_staff(a, "a cancellation is decided by the clinic's staff")
    require(d.journey.open_task("review_cancellation"), "NoCancellation", "nobody has asked to cancel this journey")
    d.settle("review_cancellation", outcome=a.decision)
    if a.decision == "agreed":
        endings.end_withdrawn(d, "referrer_cancelled")
        return
    d.write("cancellation_declined", "The cancellation was declined: care goes on")
    d.answer_referrer("in-progress", None, reason="cancellation_declined")
    endings.complete_if_done(d)
