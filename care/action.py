"""What people do to a journey. Each action is an update of the journey's workflow, of the same name.

Every action says who acts, what it calls itself (so that a repeat is known as one) and which stage it was meant for.
There is no free text in an action: a note is stored in PostgreSQL first and the action carries its id.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

from pydantic import AwareDatetime

from care.actor import Actor
from care.journey import Stage
from care.model import ActionId, NoteId, PersonId, Slug, Strict
from care.pathway import Recommendation
from care.score import ScoreValue


class Expected(Strict):
    """What the actor had in front of them: the stage, and perhaps the journal row it was at."""

    stage: Stage
    seq: int | None = None


class Action(Strict):
    """What all actions share."""

    action_id: ActionId
    actor: Actor
    expected: Expected
    note: NoteId | None = None


def digest(action: Action) -> str:
    """What makes two actions the same: all they say, but the stage and row that the actor had in front of them."""
    return sha256(f"{type(action).__name__}{action.model_dump_json(exclude={'expected'})}".encode()).hexdigest()


class Answer(Strict):
    """What an action brought about: the journal row it was written to, and where the journey stands."""

    journey: str
    seq: int
    stage: Stage
    status: str
    text: str


HoldReason = Literal["patient_ill", "patient_away", "surgery_moved", "awaiting_clearance", "awaiting_authorisation"]
WithdrawReason = Literal["patient_declined", "referrer_cancelled", "found_elsewhere", "duplicate_referral"]
DeclineReason = Literal[
    "not_eligible",
    "no_capacity",
    "out_of_area",
    "wrong_service",
    "information_never_came",
    "duplicate_referral",
]
DischargeReason = Literal["GOALS", "MMI", "SELF", "NOSHOW", "MEDICAL", "SURGERY", "PAYER", "DECLINED"]
"""Coded reasons for the end of therapy: goals met, plateau, patient left, no-show policy, medical change or red
flag, surgery, benefit ended, declined at evaluation. Death, transfer and ineligibility have actions of their own."""
RedirectTo = Literal["emergency_department", "primary_care", "orthopaedics", "neurology", "other_provider"]

# --- at any stage


class Hold(Action):
    """Pause the journey for a stated reason, until a review."""

    reason: HoldReason
    review_on: AwareDatetime


class Resume(Action):
    """End the hold; clocks that were paused go on."""


class Withdraw(Action):
    """End the journey because patient or referrer no longer want it."""

    reason: WithdrawReason


class RecordDeath(Action):
    """The patient died: everything stops, every message too."""


class Transfer(Action):
    """Hand the patient over to another provider."""

    to: RedirectTo


class Screen(Action):
    """Answers to red-flag questions: sign id to present or not. `others_absent` says that all others were asked too
    and that none of those signs is present."""

    answers: dict[Slug, bool] = {}
    others_absent: bool = False


class HandleRedFlag(Action):
    """What became of a red flag."""

    flag: Slug
    outcome: Literal["cleared", "sent_to_emergency", "seen_by_doctor"]


class RecordConsent(Action):
    """Whether the patient wants to be written to."""

    messages: bool


class RecordScores(Action):
    """Results of measures, by measure id."""

    scores: dict[Slug, ScoreValue]


class EnterInError(Action):
    """Say that a score was recorded wrongly. It stays in the record, marked, and no longer counts."""

    score: str


class ConfirmReceipt(Action):
    """The referrer has the discharge summary."""


class ReviewAmendment(Action):
    """What was done with a change that the referrer sent."""

    decision: Literal["taken_over", "no_change_needed", "referrer_called"]


class NoteAmendment(Action):
    """The referrer's system sent the same referral with other content; it is stored, and a person has to look."""


class SettleNotice(Action):
    """A message that could not be sent was delivered another way, or is no longer needed."""

    task: str
    outcome: Literal["told_by_phone", "sent_again", "not_needed"]


# --- intake


class MatchPatient(Action):
    """The patient of the referral is known in the register (who it is stays in PostgreSQL)."""


class ChoosePathway(Action):
    """The pathway this referral is to follow."""

    pathway: Slug
    days_since_onset: int | None = None


class AskReferrer(Action):
    """Ask the referrer for something that is missing."""

    about: Literal["diagnosis", "imaging", "surgery_protocol", "contact_details", "signature"]


class ReceiveInformation(Action):
    """What was missing has come."""


class Decline(Action):
    """Say no to the referral, with a coded reason; the referrer is told."""

    reason: DeclineReason


class Redirect(Action):
    """Send the referral where it belongs; the referrer is told."""

    to: RedirectTo


# --- referral


class Accept(Action):
    """Take the patient on."""

    clinician: PersonId | None = None


# --- therapy and post-surgery rehab


class BookVisit(Action):
    """Book one appointment. Refused in the past, outside opening hours, or when the clinician is taken."""

    clinician: PersonId
    starts_at: AwareDatetime
    minutes: int | None = None
    plan: str | None = None


class CancelVisit(Action):
    """Cancel an appointment that has not taken place."""

    visit: str
    reason: Literal["patient", "clinician", "clinic_closed", "hold", "discharge"]


class RecordVisit(Action):
    """What happened at an appointment, with the scores taken and the red-flag questions asked."""

    visit: str
    outcome: Literal["attended", "no_show"]
    scores: dict[Slug, ScoreValue] = {}
    answers: dict[Slug, bool] = {}


class Evaluate(Action):
    """The evaluation: baseline scores, from which the individual plan of care is made."""

    scores: dict[Slug, ScoreValue]
    clinician: PersonId


class CertifyPlan(Action):
    """The plan of care was signed, or the signed order and the sending of the plan are on record."""

    plan: str
    by: Literal["signature", "order_and_transmission"]


class AnswerCheck(Action):
    """The patient's answer to a check by message."""

    scores: dict[Slug, ScoreValue]
    answers: dict[Slug, bool] = {}


class ReviewProgress(Action):
    """The clinician's decision at a progress review. One that differs from the recommendation needs a note."""

    plan: str
    decision: Recommendation
    reason: DischargeReason | None = None


class RecordSurgicalOpinion(Action):
    """The surgeon's answer to the question of surgery."""

    opinion: Literal["conservative", "operate"]


class PlanSurgery(Action):
    """Surgery is planned for a day."""

    planned_for: AwareDatetime


class RecordSurgery(Action):
    """Surgery took place."""

    done_at: AwareDatetime


class OverrideGate(Action):
    """A named clinician lets the patient into the next phase although the gate is shut; a note says why."""


class ReviewPhase(Action):
    """A phase that has not ended by its review date was looked at."""

    decision: Literal["continue", "end_rehab"]
    review_on: AwareDatetime | None = None
    reason: DischargeReason | None = None


# --- discharge and follow-up


class SignSummary(Action):
    """The clinician signs the discharge summary; it goes to the referrer."""


class AnswerFollowUp(Action):
    """The patient's answers at a follow-up."""

    scores: dict[Slug, ScoreValue]
    answers: dict[Slug, bool] = {}


class RecordCall(Action):
    """What came of calling the patient."""

    outcome: Literal["well", "re_enter", "not_reached"]


def _name(kind: type[Action]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")


ACTIONS: dict[str, type[Action]] = {_name(kind): kind for kind in Action.__subclasses__()}
"""Every action by the name of its update."""
