"""What people do to a journey. Each action is an update of the journey's workflow, of the same name.

Every action says who acts, what it calls itself (so that a repeat is known as one) and which stage it was meant for.
There is no free text in an action: a note is stored in PostgreSQL first and the action carries its id.
"""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from care.actor import Actor
from care.clock import HoldReason
from care.journey import Stage
from care.model import ActionId, NoteId, NoticeId, PersonId, Slug, Strict
from care.pathway import Discipline, Recommendation
from care.plan import Dose
from care.referral import ReferralUrgency
from care.score import ScoreValue
from care.task import Owner

Items = dict[Slug, tuple[float | None, ...]]
"""The answers to the items of questionnaires and the readings of trials, by measure id, in the instrument's order;
None for an item that was not answered. Numbers only: what the items ask stays with whoever holds their rights."""


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
    """Answers to red-flag questions, and to those about treatments: sign id to present, absent, or null (asked, and the
    answer is not known). `others_absent` says that all other red-flag questions were asked too and that none of those
    signs is present. What is missing is not known, and is asked for. In intake the triage's questions are answered
    with them."""

    answers: dict[Slug, bool | None] = {}
    others_absent: bool = False
    days_since_onset: Annotated[int, Field(ge=0)] | None = None
    """In intake: how long it has been going on."""


class SignScreen(Action):
    """A clinician signs that the red-flag questions still open cannot be answered. Needs a note that says why."""


class HandleRedFlag(Action):
    """What became of a red flag."""

    flag: Slug
    outcome: Literal["cleared", "sent_to_emergency", "seen_by_doctor"]


class RecordConsent(Action):
    """Whether the patient wants to be written to."""

    messages: bool


class RecordScores(Action):
    """Results of measures, by measure id; or the answers to their items, from which the score is made."""

    scores: dict[Slug, ScoreValue] = {}
    items: Items = {}


class EnterInError(Action):
    """Say that something was recorded wrongly. It stays in the record, marked, and no longer counts.

    `score`: one result. `visit_record`: what was recorded of a visit, with its scores; the record is owed again.
    `visit`: the appointment itself, which never was this patient's. `journey`: all of it is on the wrong patient.
    """

    what: Literal["score", "visit_record", "visit", "journey"]
    id: str | None = None
    """The score's or the visit's."""


class ConfirmReceipt(Action):
    """The referrer has the discharge summary."""


class ReviewAmendment(Action):
    """What was done with a change that the referrer sent."""

    decision: Literal["taken_over", "no_change_needed", "referrer_called"]
    urgency: ReferralUrgency | None = None
    """The urgency that the change asks for; taken over, it may raise the priority, and never resets a deadline."""


class ReviewDuplicate(Action):
    """What becomes of two journeys that turned out to be one patient's."""

    decision: Literal["both_go_on", "other_withdrawn"]


class NoteMerge(Action):
    """The register merged this patient's record with another; who it is stays in PostgreSQL."""

    other_open: bool = False
    """The patient has another open journey."""


class NoteAmendment(Action):
    """The referrer's system sent the same referral with other content; it is stored, and a person has to look."""


class NoteCancellation(Action):
    """The referrer's system asks to cancel."""


class ReviewCancellation(Action):
    """Whether care that has begun ends because the referrer asked for it."""

    decision: Literal["agreed", "declined"]


class NoteMessage(Action):
    """A message of another system that no rule decides; a person has to look at it."""

    message: ActionId
    about: Slug
    """In a word of ours: `hospital_discharge`."""


class ReviewMessage(Action):
    """What came of looking at the messages of other systems that waited."""

    outcome: Literal["acted_on", "not_related", "no_change_needed"]


class NoteUndelivered(Action):
    """A message came back, or could not leave after all; somebody has to tell the person another way."""

    notice: NoticeId
    to: Owner | Literal["patient", "referrer"]


class SettleNotice(Action):
    """A message that could not be sent was delivered another way, or is no longer needed."""

    task: str
    outcome: Literal["told_by_phone", "sent_again", "not_needed"]


class MigratePathway(Action):
    """Give the journey another version of its pathway. Needs a note; what it would change is seen beforehand
    (`continuum pathways migrate --dry-run`)."""

    pathway: Slug
    from_version: int
    to_version: int


# --- tasks, whatever they are about


class ClaimTask(Action):
    """Take a task from its queue."""

    task: str


class AssignTask(Action):
    """Give a task to a person, or back to a queue."""

    task: str
    to: Owner


class AcknowledgeTask(Action):
    """Say "I am on it": the ladder is silent for a while, and the task is the speaker's.

    With `rung`, the steps of the ladder that the speaker knows of, it is refused when another has been taken since.
    """

    task: str
    rung: int | None = None


class RequestHelp(Action):
    """Ask a colleague or a queue for help with a task, which stays where it is."""

    task: str
    of: Owner


class GiveHelp(Action):
    """Help was given, or cannot be."""

    task: str
    outcome: Literal["helped", "cannot_help"]


class HandOver(Action):
    """Hand all that one person owes on this journey, and the care of its plans, to another. Needs a note."""

    to: PersonId
    giver: PersonId | None = None
    """Whose it is; without it, the speaker's own."""


class AcceptHandover(Action):
    """The colleague has read the note and takes over."""

    task: str


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
    beyond_authorisation: bool = False
    """Book past what the payer authorised; needs a note."""
    modalities: tuple[Slug, ...] = ()
    """Treatments that need a check before (heat, cold, ...), by their ids in the pathway."""


class CancelVisit(Action):
    """Cancel an appointment that has not taken place."""

    visit: str
    reason: Literal["patient", "clinician", "clinic_closed", "hold", "discharge"]


class RecordVisit(Action):
    """What happened at an appointment, with the scores taken and the red-flag questions asked."""

    visit: str
    outcome: Literal["attended", "no_show"]
    scores: dict[Slug, ScoreValue] = {}
    items: Items = {}
    answers: dict[Slug, bool | None] = {}


class Evaluate(Action):
    """The evaluation: baseline scores, from which the individual plan of care is made."""

    scores: dict[Slug, ScoreValue] = {}
    items: Items = {}
    clinician: PersonId
    doses: dict[Discipline, Dose] = {}
    """The therapist's own numbers for a discipline: needed where the pathway has none; others need a note."""
    conditions: tuple[Slug, ...] = ()
    """Other conditions the patient has, of those the pathway asks about."""
    authorised_visits: int | None = Field(default=None, ge=0, le=400)
    """What the payer has authorised already."""


class EditPlan(Action):
    """The therapist changes the numbers or the targets of a plan of care; a note says why.

    More than what was certified has to be certified anew.
    """

    plan: str
    dose: Dose = Dose()
    targets: dict[Slug, float] = {}
    """New targets, by the goal's measure."""


class CertifyPlan(Action):
    """The plan of care was signed, or the signed order and the sending of the plan are on record.

    `order_and_transmission` is for the first certification only, and says when the order was signed and when the
    plan was sent to the referrer: within 30 days of the first treatment, or a signature is needed.
    """

    plan: str
    by: Literal["signature", "order_and_transmission"]
    order_signed_at: AwareDatetime | None = None
    plan_sent_at: AwareDatetime | None = None


class FileProgressReport(Action):
    """The progress report of a plan is written; the count of treatment days begins anew."""

    plan: str


class RequestAuthorisation(Action):
    """The payer is asked to authorise visits of a plan; until the answer none can be booked."""

    plan: str


class RecordAuthorisation(Action):
    """The payer's answer. Granted: so many visits, from the first to the last day, both included.

    A grant takes the place of the one before, and its visits are counted from zero.
    """

    plan: str
    decision: Literal["granted", "denied"]
    visits: int | None = None
    first_day: date | None = None
    last_day: date | None = None


class RecordContact(Action):
    """An attempt to win back a patient who missed visits or has none booked, and what came of it.

    `will_book` and `booked` end the attempts; `not_reached` asks for another; `declined`, or the last attempt in
    vain, puts the question of going on to a clinician. Without a plan it is about the visit that comes before one.
    """

    plan: str | None = None
    channel: Literal["phone", "message", "letter"]
    outcome: Literal["booked", "will_book", "not_reached", "declined"]


class AnswerCheck(Action):
    """The patient's answer to a check by message."""

    scores: dict[Slug, ScoreValue] = {}
    items: Items = {}
    answers: dict[Slug, bool | None] = {}


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
    """Surgery took place; `scores` are what the pathway wants to know of it (the graft, the size of the tear)."""

    done_at: AwareDatetime
    scores: dict[Slug, ScoreValue] = {}


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

    scores: dict[Slug, ScoreValue] = {}
    items: Items = {}
    answers: dict[Slug, bool | None] = {}


class RecordCall(Action):
    """What came of calling the patient."""

    outcome: Literal["well", "re_enter", "not_reached"]


class ReEnter(Action):
    """The patient comes back with the same problem, inside the open-access window: no new referral is needed."""


class ReopenCare(Action):
    """The discharge was a mistake: care goes on where it stood. Needs a note that says why."""


def _name(kind: type[Action]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")


ACTIONS: dict[str, type[Action]] = {_name(kind): kind for kind in Action.__subclasses__()}
"""Every action by the name of its update."""
