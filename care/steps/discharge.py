"""Discharge: summary, home programme, and the loop closed with the referrer."""

from __future__ import annotations

from care import action as act
from care.draft import Draft, Refused
from care.journey import Stage
from care.steps import common, require


def enter(d: Draft) -> None:
    """Care has ended; the draft of the summary waits for a signature."""
    common.enter(d, Stage.DISCHARGE)
    ending = d.journey.ending
    if ending is None:
        raise LookupError("discharge without an ending")
    ending.document = d.mint("document")
    onset = d.journey.onset_at
    d.write(
        "discharge_reason",
        f"Reason for discharge: {ending.reason}",
        reason=ending.reason,
        onset_at=onset.isoformat() if onset and d.journey.the_pathway.follow_up.anchor == "onset" else None,
    )
    d.open_task("sign_summary")


def sign_summary(d: Draft, a: act.SignSummary) -> None:
    """Signed: it goes to the referrer, whose receipt is chased; then follow-up begins."""
    ending = d.journey.ending
    if ending is None:
        raise Refused("NoSummary", "there is no discharge summary to sign")
    require(a.actor.role in common.CLINICIANS, "NotAllowed", "a discharge summary is signed by a clinician")
    ending.signed_by = a.actor.person
    d.settle("sign_summary")
    d.write("summary_signed", "Discharge summary signed and sent to the referrer", document=ending.document)
    done = sum(p.visits_attended for p in d.journey.plans)
    planned = round(sum(p.visits_planned.value for p in d.journey.plans))
    d.answer_referrer("completed", "7.0", reason=ending.reason.lower(), visits_done=done, visits_planned=planned)
    d.tell("referrer", "summary_ready", document=ending.document or "")
    d.open_task("chase_receipt")
    d.leave_for(Stage.FOLLOW_UP)


def not_written(d: Draft) -> None:
    """The document could not be made: a person writes it, and the referrer is not left without."""
    d.open_task("deliver_notice", "summary")
    d.write("undelivered", "The discharge summary could not be written as a document; a person has to write it")
