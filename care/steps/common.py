"""Actions and clocks that every stage has."""

from __future__ import annotations

from care import action as act
from care.draft import Draft, Refused
from care.journey import Journey, Stage
from care.steps import CLINICIANS as CLINICIANS
from care.steps import endings, items, refuse, require, screening


def enter(d: Draft, stage: Stage) -> None:
    """Every stage begins with this row; its time is the care time at which the stage was entered."""
    d.journey.stage = stage
    d.journey.next_stage = None
    d.journey.entered_at = d.now
    d.write("entered", f"{stage.label} begins")


def goes_on(d: Draft) -> bool:
    """Whether this stage is taken up again where it stood, so that nothing begins anew."""
    again, d.journey.going_on = d.journey.going_on, False
    return again


def check_expected(journey: Journey, action: act.Action) -> None:
    """Refuse what was meant for an earlier stage or version, saying what changed; and anything once closed."""
    require(action.actor.tenant == journey.tenant, "WrongTenant", "this journey belongs to another provider")
    require(journey.status != "closed", "Closed", f"this journey is closed ({journey.outcome})")
    expected = action.expected
    if expected.stage != journey.stage or journey.next_stage is not None:
        stands = (journey.next_stage or journey.stage).label
        refuse("StageMoved", f"this was meant for {expected.stage.label}; the journey is now in {stands}")
    if expected.seq is not None and expected.seq != journey.seq:
        refuse(
            "VersionMoved",
            f"this was meant for row {expected.seq} of the journal; the journey is now at row {journey.seq}: "
            "look again and repeat it if it still holds",
        )


# --- the record


def record_consent(d: Draft, a: act.RecordConsent) -> None:
    """Whether the patient wants messages; a patient may think otherwise at any time."""
    d.journey.referral.consent_messages = a.messages
    if not a.messages:
        d.stop_to_patient("the patient does not want messages")
    d.write("consent", f"The patient {'agrees' if a.messages else 'does not agree'} to be written to")


def record_scores(d: Draft, a: act.RecordScores) -> None:
    """Scores taken outside a visit."""
    require(d.journey.pathway is not None, "NoPathway", "choose the pathway first: it says what is measured")
    require(a.scores or a.items, "NoScores", "give at least one score, by measure id")
    found = items.taken(d, a)
    d.add_scores(found.scores)
    d.write("scores", f"Scores recorded: {found.named}")
    found.explain(d)
    screening.answer_flags(d, dict(found.signs))


def confirm_receipt(d: Draft, a: act.ConfirmReceipt) -> None:
    """The loop is closed: the referrer has the summary."""
    ending = d.journey.ending
    if ending is None or ending.signed_by is None:
        raise Refused("NoSummary", "no discharge summary has been sent yet")
    ending.received_at = d.now
    d.settle("chase_receipt", outcome="received")
    d.write("receipt", "The referrer confirmed receipt of the discharge summary")
    endings.complete_if_done(d)
