"""Tasks: something a person owes, with an owner, a due time, an escalation ladder and an end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import StringConstraints

from care.clock import ANY_HOLD, DESIGN, PATIENT_CANNOT, Backdated, HoldReason
from care.model import Model, PersonId, State
from care.operating_rules import RuleKind
from care.score import Basis

TaskKind = Literal[
    "match_patient",
    "choose_pathway",
    "complete_intake",
    "missing_information",
    "answer_referral",
    "handle_red_flag",
    "finish_screen",
    "first_visit",
    "book_visit",
    "evaluate",
    "certify_plan",
    "recertify_plan",
    "get_authorisation",
    "renew_authorisation",
    "record_visit",
    "progress_report",
    "review_progress",
    "win_back",
    "answer_surgical_question",
    "record_surgery",
    "review_phase",
    "sign_summary",
    "chase_receipt",
    "call_patient",
    "review_hold",
    "review_amendment",
    "review_cancellation",
    "review_message",
    "review_duplicate",
    "deliver_notice",
    "give_help",
    "accept_handover",
]

Owner = Annotated[str, StringConstraints(pattern=r"^(queue|person):[a-z0-9][a-z0-9._-]{0,63}$")]
"""A queue or a person of the directory."""

DueUnit = Literal["open_days", "days"]
"""Open days end with the clinic's closing time; days are counted by the hour."""


class Rung(Model):
    """One step of a ladder: so long after the due time, tell somebody. Hours are hours of opening time."""

    after_hours: float
    tell: Literal["owner", "supervisor", "named_lead", "referrer"]


class TaskRule(Model):
    """What is owed, by whom, and how it is chased. The table that code, docs and tests share."""

    label: str
    starts: str
    owner: str
    """A queue of the directory; the ladder ends at the clinic's named lead, then daily."""
    due: int
    due_unit: DueUnit = "open_days"
    due_rule: RuleKind | None = None
    """The operating rule that says how many days; `due` is what it says as long as nobody says otherwise."""
    due_words: str | None = None
    """Where the due time is not simply so many open days after the start."""
    ladder: tuple[Rung, ...]
    acknowledged_hours: float = 8
    """So long an acknowledgement keeps the ladder silent."""
    pauses_for: tuple[HoldReason, ...] = ()
    round_the_clock: bool = False
    """The ladder runs on plain hours, not on the clinic's opening hours."""
    stops_booking: bool = False
    """While it is owed, visits are refused: beyond what is certified, or beyond what the payer authorised."""
    backdated: Backdated
    actions: tuple[str, ...]
    """What settles it."""
    ends: str = ""
    """What else ends it."""
    basis: Basis = "proposed"
    source: str = DESIGN

    @property
    def when(self) -> str:
        """The due time in words."""
        days = f"{self.due} open day{'s' * (self.due != 1)} after the start"
        return self.due_words or (days if self.due else "at once")


_USUAL = (
    Rung(after_hours=0, tell="owner"),
    Rung(after_hours=4, tell="supervisor"),
    Rung(after_hours=8, tell="named_lead"),
)
_AT_ONCE = (Rung(after_hours=0, tell="owner"), Rung(after_hours=0.5, tell="named_lead"))
_FROM_REFERRER = (
    Rung(after_hours=-16, tell="referrer"),
    Rung(after_hours=0, tell="owner"),
    Rung(after_hours=4, tell="supervisor"),
    Rung(after_hours=8, tell="named_lead"),
)
"""The referrer is asked again two days before the deadline: 16 hours of opening time, as an open day has about 8."""

NORIDIAN = "Noridian, outpatient therapy certification of the plan of care (2025-09-08)"


def _task(
    label: str,
    owner: str,
    due: int,
    *actions: str,
    starts: str,
    ladder: tuple[Rung, ...] = _USUAL,
    backdated: Backdated = "spread",
    **more: object,
) -> TaskRule:
    return TaskRule.model_validate(
        {
            "label": label,
            "owner": owner,
            "due": due,
            "actions": actions,
            "starts": starts,
            "ladder": ladder,
            "backdated": backdated,
            **more,
        }
    )


TASKS: dict[TaskKind, TaskRule] = {
    "match_patient": _task(
        "Match the patient", "intake", 1, "match_patient", starts="a referral names its patient only by a reference"
    ),
    "choose_pathway": _task(
        "Choose the pathway",
        "intake",
        1,
        "choose_pathway",
        starts="the referral's codes do not settle one pathway, or the patient is not eligible for it",
        ends="the referral is declined or redirected",
        source="never a guess: a coordinator chooses among the candidates; 1 open day: design choice, not clinically "
        "reviewed",
    ),
    "complete_intake": _task(
        "Complete the intake",
        "intake",
        1,
        "screen",
        "record_consent",
        starts="a referral arrives",
    ),
    "missing_information": _task(
        "Get what is missing from the referrer",
        "intake",
        5,
        "receive_information",
        starts="the referrer is asked for something",
        ladder=_FROM_REFERRER,
        ends="the referral is declined (information_never_came)",
    ),
    "answer_referral": _task(
        "Answer the referral",
        "triage",
        2,
        "accept",
        "decline",
        "redirect",
        due_rule="answer_referral_within",
        starts="a referral arrives",
        due_words="2 open days after receipt, whatever the stage",
        backdated="do_now",
        source="triage result to the referrer within 2 working days: design choice after Tasmania's P1",
    ),
    "handle_red_flag": _task(
        "Handle the red flag",
        "on_call",
        0,
        "handle_red_flag",
        starts="a screen finds a red flag",
        due_words="at once for E0 and E1, 5 open days for E2, 10 for E3",
        ladder=_AT_ONCE,
        acknowledged_hours=1,
        round_the_clock=True,
        backdated="do_now",
    ),
    "finish_screen": _task(
        "Ask the red-flag questions still open",
        "therapists",
        0,
        "screen",
        "sign_screen",
        starts="a red-flag screen leaves questions open",
        due_words="at once while an answer may mean E0 or E1, else 2 open days",
        backdated="do_now",
        ends="a clinician clears the red flags concerned, or signs that it cannot be answered",
    ),
    "first_visit": _task(
        "See the patient for the first time",
        "front_desk",
        0,
        "record_visit",
        starts="a referral is accepted",
        due_words="the priority's longest wait, in open days after acceptance",
        pauses_for=ANY_HOLD,
    ),
    "book_visit": _task(
        "Book the next visit",
        "front_desk",
        2,
        "book_visit",
        starts="a plan is open and nothing is booked",
        pauses_for=ANY_HOLD,
    ),
    "evaluate": _task(
        "Evaluate and make the plan of care",
        "therapists",
        1,
        "evaluate",
        starts="the first visit took place, or a review asks for a change",
        pauses_for=ANY_HOLD,
    ),
    "certify_plan": _task(
        "Get the plan of care certified",
        "therapists",
        30,
        "certify_plan",
        due_rule="certify_within",
        starts="a plan of care is made",
        due_unit="days",
        due_words="30 days after the first treatment, the evaluation included",
        stops_booking=True,
        backdated="do_now",
        basis="verified",
        source=f"signed within 30 days of first treatment: {NORIDIAN}",
    ),
    "recertify_plan": _task(
        "Get the plan of care certified anew",
        "therapists",
        90,
        "certify_plan",
        starts="14 days before the certified time ends",
        due_unit="days",
        due_words="the end of the certified time: the plan's duration or 90 days, whichever is shorter",
        stops_booking=True,
        backdated="do_now",
        basis="mixed",
        source="plan's duration or 90 days, whichever is shorter: optimispt.com (verified); 14 days: design choice",
    ),
    "get_authorisation": _task(
        "Get the payer's authorisation",
        "front_desk",
        5,
        "record_authorisation",
        due_rule="authorisation_answer_within",
        starts="the payer is asked (request_authorisation); until the answer no visit can be booked",
        stops_booking=True,
        source="80% wait three days or more, 30% one to two weeks: APTA 2025 survey; 5 days: design choice",
    ),
    "renew_authorisation": _task(
        "Get the payer's authorisation renewed",
        "front_desk",
        5,
        "record_authorisation",
        due_rule="authorisation_renewed_within",
        starts="70% of the visits are used, or 2 are left, or 14 days before the last day",
        due_words="5 open days after the start, and not after the last day",
        stops_booking=True,
    ),
    "record_visit": _task(
        "Record what happened at the visit", "therapists", 1, "record_visit", starts="a visit's time is over"
    ),
    "progress_report": _task(
        "Write the progress report",
        "therapists",
        0,
        "file_progress_report",
        starts="the 10th treatment day of a plan since its last report",
        due_words="closing time of that day",
        basis="mixed",
        source="at least every 10 treatment days: medicalbillingforyou.blogspot.com FAQ (verified), "
        "current CMS wording (unverified)",
    ),
    "review_progress": _task(
        "Review progress",
        "therapists",
        2,
        "review_progress",
        starts="visits, days, scores, missed visits or an answer ask for it",
        pauses_for=ANY_HOLD,
    ),
    "win_back": _task(
        "Win the patient back",
        "front_desk",
        1,
        "record_contact",
        due_rule="win_back_within",
        starts="a visit is missed, or an open plan has had no visit booked for 14 days",
        due_words="1 open day; after each attempt 3 open days more",
        pauses_for=ANY_HOLD,
        ends="a visit is booked, or the plan ends",
        source="call by day 1, a slot within 3 working days: design choice",
    ),
    "answer_surgical_question": _task(
        "Get the surgeon's opinion",
        "therapists",
        10,
        "record_surgical_opinion",
        starts="a review asks for it",
        pauses_for=("patient_ill",),
    ),
    "record_surgery": _task(
        "Confirm that surgery took place",
        "front_desk",
        1,
        "record_surgery",
        "plan_surgery",
        starts="a surgeon decides to operate, or surgery is planned",
        due_words="1 open day after the planned day",
        pauses_for=("surgery_moved",),
    ),
    "review_phase": _task(
        "Review the phase: its gate is still shut",
        "therapists",
        2,
        "review_phase",
        "override_gate",
        starts="a phase has not ended by its review date, or recovery goes off track",
        pauses_for=ANY_HOLD,
    ),
    "sign_summary": _task(
        "Sign the discharge summary",
        "therapists",
        2,
        "sign_summary",
        due_rule="summary_signed_within",
        starts="care ends",
        source="discharge letter within 2 working days: design choice",
    ),
    "chase_receipt": _task(
        "Get the referrer's receipt of the summary",
        "front_desk",
        5,
        "confirm_receipt",
        due_rule="receipt_within",
        starts="the summary is signed",
        ladder=_FROM_REFERRER,
        source="a handover not acknowledged within 5 working days escalates: design choice",
    ),
    "call_patient": _task(
        "Call the patient",
        "therapists",
        3,
        "record_call",
        starts="a follow-up has no answer, shows a change for the worse, or may not be sent",
        pauses_for=PATIENT_CANNOT,
    ),
    "review_hold": _task(
        "Review the hold",
        "intake",
        0,
        "resume",
        "hold",
        starts="a journey is put on hold",
        due_words="the review date that the hold names",
        backdated="do_now",
    ),
    "review_amendment": _task(
        "Review a change that the referrer sent",
        "intake",
        1,
        "review_amendment",
        starts="the same referral comes with other content",
    ),
    "review_cancellation": _task(
        "Decide whether to cancel, as the referrer asks",
        "triage",
        1,
        "review_cancellation",
        starts="the referrer asks to cancel care that has begun",
        ends="the journey ends",
        source="started work is not cancelled by its placer, who asks for it: HL7 Clinical Order Workflows; "
        "1 open day: design choice, not clinically reviewed",
    ),
    "review_message": _task(
        "Look at a message of another system",
        "intake",
        1,
        "review_message",
        starts="a message comes that no rule decides: a discharge from hospital without a procedure, ...",
    ),
    "review_duplicate": _task(
        "Review two journeys of one patient",
        "intake",
        1,
        "review_duplicate",
        starts="two patients' records are merged and both have an open journey",
    ),
    "deliver_notice": _task(
        "Deliver a message that could not be sent",
        "front_desk",
        1,
        "settle_notice",
        starts="a message was refused, came back, or nobody knows whether it arrived",
    ),
    "give_help": _task("Help a colleague", "supervisors", 1, "give_help", starts="somebody asks for help with a task"),
    "accept_handover": _task(
        "Take over from a colleague", "therapists", 1, "accept_handover", starts="tasks are handed over"
    ),
}


class Task(State):
    """Something a person owes on this journey, now. Its id is also the id of its escalation."""

    id: str
    kind: TaskKind
    subject: str
    label: str
    owner: str
    queue: str = ""
    """The queue it belongs to whoever owns it: whose supervisor its ladder tells."""
    opened_at: datetime
    due: datetime
    rung: int = 0
    """Steps of the ladder already taken."""
    acknowledged_by: PersonId | None = None
    quiet_until: datetime | None = None
    """An acknowledgement keeps the ladder silent until then."""
    settled_at: datetime | None = None
    outcome: str | None = None
