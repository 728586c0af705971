"""Clocks: deadlines started by an event, paused only for a stated reason, never reset by an edit.

Two tables hold them all: `EVENTS` here, for what happens by itself when its time comes, and `TASKS` in `care/task.py`,
for what a person owes. Code, documentation and tests read the same two.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from care.model import Model, State
from care.score import Basis

HoldReason = Literal["patient_ill", "patient_away", "surgery_moved", "awaiting_clearance", "awaiting_authorisation"]
ANY_HOLD: tuple[HoldReason, ...] = (
    "patient_ill",
    "patient_away",
    "surgery_moved",
    "awaiting_clearance",
    "awaiting_authorisation",
)
PATIENT_CANNOT: tuple[HoldReason, ...] = ("patient_ill", "patient_away")
"""Holds during which nobody should ask the patient anything."""

Backdated = Literal["skip", "do_now", "spread"]
"""What becomes of a clock that had run out before Continuum knew of it (a caseload taken over): nothing, its first
step at once, or its first step at an hour of the next open days that differs from journey to journey."""

EventKind = Literal[
    "visit",
    "review_due",
    "recertification",
    "authorisation_ends",
    "drop_off",
    "self_care_check",
    "gate_opens",
    "phase_review",
    "follow_up",
    "follow_up_answer",
    "open_access",
]
ClockKind = Literal["task", EventKind]

DESIGN = "design choice, not clinically reviewed"


class EventRule(Model):
    """A clock of the plan itself: nobody owes anything until it runs out."""

    label: str
    starts: str
    due: str
    then: str
    """What happens when it runs out."""
    ends: str
    """What else ends it."""
    pauses_for: tuple[HoldReason, ...] = ()
    backdated: Backdated
    basis: Basis = "proposed"
    source: str = DESIGN


EVENTS: dict[EventKind, EventRule] = {
    "visit": EventRule(
        label="A visit's time is over",
        starts="a visit is booked",
        due="the end of the visit",
        then="its record is owed (record_visit)",
        ends="the visit is recorded or cancelled",
        backdated="do_now",
    ),
    "review_due": EventRule(
        label="Progress review by days",
        starts="a plan of care is made, or reviewed",
        due="so many days later, as the pathway says",
        then="a review is owed (review_progress)",
        ends="the plan ends",
        pauses_for=ANY_HOLD,
        backdated="spread",
    ),
    "recertification": EventRule(
        label="The certified time draws to its end",
        starts="a plan of care is certified",
        due="14 days before the end of the certified time",
        then="a new signature is owed (recertify_plan); no visit can be booked beyond the end",
        ends="the plan ends, or is certified anew",
        backdated="do_now",
        basis="mixed",
        source="its duration or 90 days, whichever is shorter: optimispt.com (verified); 14 days: design choice",
    ),
    "authorisation_ends": EventRule(
        label="The payer's authorisation draws to its end",
        starts="an authorisation is granted",
        due="14 days before its last day",
        then="a new one is owed (renew_authorisation); no visit can be booked after its last day",
        ends="the plan ends, or another authorisation is granted",
        backdated="do_now",
    ),
    "drop_off": EventRule(
        label="No visit booked while the plan is open",
        starts="a visit of an open plan is owed and none is booked (any more)",
        due="14 days later",
        then="the patient has to be won back (win_back)",
        ends="a visit is booked, or the plan ends; while surgery is awaited it begins again",
        pauses_for=ANY_HOLD,
        backdated="spread",
        source="unreachable after 3 contacts by 2 channels in 14 days: design choice",
    ),
    "self_care_check": EventRule(
        label="A check by message during self-care",
        starts="a plan of self-care is made",
        due="the days that the pathway says",
        then="the patient is asked; a look at the answer is owed (review_progress)",
        ends="the plan ends",
        pauses_for=PATIENT_CANNOT,
        backdated="skip",
    ),
    "gate_opens": EventRule(
        label="The next phase may begin",
        starts="a phase begins",
        due="the first day of the next phase's window, and the least time in this one",
        then="the gate is tried; it opens only when every criterion is met",
        ends="the phase ends",
        pauses_for=ANY_HOLD,
        backdated="do_now",
    ),
    "phase_review": EventRule(
        label="A phase has not ended by its review date",
        starts="a phase begins, or is reviewed",
        due="the last day of the phase's window, not before the next open day's end; or the date of the last review",
        then="the stall is looked at by a person (review_phase)",
        ends="the phase ends",
        pauses_for=ANY_HOLD,
        backdated="spread",
    ),
    "follow_up": EventRule(
        label="A follow-up is due",
        starts="the summary is signed",
        due="the days that the pathway says, after discharge, surgery or the onset",
        then="the patient is asked by message, or called (call_patient) without consent to messages",
        ends="care begins again",
        pauses_for=PATIENT_CANNOT,
        backdated="skip",
    ),
    "follow_up_answer": EventRule(
        label="The answer to a follow-up is awaited",
        starts="the patient is asked, or reminded",
        due="so many days later, as the pathway says",
        then="a reminder; after the last a person calls (call_patient)",
        ends="the answer comes, or the next follow-up is due",
        pauses_for=PATIENT_CANNOT,
        backdated="do_now",
    ),
    "open_access": EventRule(
        label="The patient may come back without a new referral",
        starts="the summary is signed",
        due="so many days later, as the pathway says",
        then="coming back needs a new referral",
        ends="care begins again",
        backdated="skip",
        source="patient-initiated within 6 months (12 where chronic): design choice after the MCIDs of the measures",
    ),
}
"""Every clock that is not a task."""


class Clock(State):
    """One deadline of a journey. `subject` is what it is about: the id of a task, a plan, a visit, an occasion."""

    id: str
    kind: ClockKind
    subject: str
    label: str
    started_at: datetime
    due: datetime
    paused_at: datetime | None = None
