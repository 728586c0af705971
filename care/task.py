"""Tasks: something a person owes, with an owner, a due time and an escalation ladder."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from care.model import Model, State
from care.score import Basis

TaskKind = Literal[
    "match_patient",
    "complete_intake",
    "missing_information",
    "answer_referral",
    "handle_red_flag",
    "book_visit",
    "evaluate",
    "certify_plan",
    "record_visit",
    "review_progress",
    "answer_surgical_question",
    "record_surgery",
    "review_phase",
    "sign_summary",
    "chase_receipt",
    "call_patient",
    "review_hold",
    "review_amendment",
    "deliver_notice",
]


class Rung(Model):
    """One step of a ladder: so long after the due time, tell somebody. Hours are hours of opening time."""

    after_hours: float
    tell: Literal["owner", "supervisor", "named_lead"]


class TaskRule(Model):
    """What is owed, by whom, and how it is chased. The table that code, docs and tests share."""

    label: str
    owner: str
    """A queue of the clinic's directory; the ladder ends at the clinic's named lead, then daily."""
    due_days: int
    """Open days from when the task is opened to its deadline, where nothing more particular is said."""
    ladder: tuple[Rung, ...]
    paused_by_hold: bool
    round_the_clock: bool = False
    """The ladder runs on plain hours, not on the clinic's opening hours."""
    actions: tuple[str, ...]
    """What settles it."""
    basis: Basis = "proposed"
    source: str = "design choice, not clinically reviewed"


_USUAL = (
    Rung(after_hours=0, tell="owner"),
    Rung(after_hours=4, tell="supervisor"),
    Rung(after_hours=8, tell="named_lead"),
)
_AT_ONCE = (Rung(after_hours=0, tell="owner"), Rung(after_hours=0.5, tell="named_lead"))

_DESIGN = "design choice, not clinically reviewed"


def _task(
    label: str,
    owner: str,
    due_days: int,
    *actions: str,
    paused_by_hold: bool = False,
    ladder: tuple[Rung, ...] = _USUAL,
    round_the_clock: bool = False,
    basis: Basis = "proposed",
    source: str = _DESIGN,
) -> TaskRule:
    return TaskRule(
        label=label,
        owner=owner,
        due_days=due_days,
        ladder=ladder,
        paused_by_hold=paused_by_hold,
        round_the_clock=round_the_clock,
        actions=actions,
        basis=basis,
        source=source,
    )


TASKS: dict[TaskKind, TaskRule] = {
    "match_patient": _task("Match the patient", "intake", 1, "match_patient"),
    "complete_intake": _task("Complete the intake", "intake", 1, "screen", "record_consent", "choose_pathway"),
    "missing_information": _task("Get what is missing from the referrer", "intake", 5, "receive_information"),
    "answer_referral": _task(
        "Answer the referral",
        "triage",
        2,
        "accept",
        "decline",
        "redirect",
        source="triage result to the referrer within 2 working days: design choice after Tasmania's P1",
    ),
    "handle_red_flag": _task(
        "Handle the red flag", "on_call", 0, "handle_red_flag", ladder=_AT_ONCE, round_the_clock=True
    ),
    "book_visit": _task("Book the next visit", "front_desk", 2, "book_visit", paused_by_hold=True),
    "evaluate": _task("Evaluate and make the plan of care", "therapists", 1, "evaluate", paused_by_hold=True),
    "certify_plan": _task(
        "Get the plan of care certified",
        "therapists",
        0,
        "certify_plan",
        basis="verified",
        source="signed within 30 days of first treatment: Noridian, outpatient therapy certification (2025-09-08)",
    ),
    "record_visit": _task("Record what happened at the visit", "therapists", 1, "record_visit"),
    "review_progress": _task("Review progress", "therapists", 2, "review_progress", paused_by_hold=True),
    "answer_surgical_question": _task("Get the surgeon's opinion", "therapists", 10, "record_surgical_opinion"),
    "record_surgery": _task("Confirm that surgery took place", "front_desk", 1, "record_surgery", "plan_surgery"),
    "review_phase": _task(
        "Review the phase: its gate is still shut",
        "therapists",
        2,
        "review_phase",
        "override_gate",
        paused_by_hold=True,
    ),
    "sign_summary": _task(
        "Sign the discharge summary",
        "therapists",
        2,
        "sign_summary",
        source="discharge letter within 2 working days: design choice",
    ),
    "chase_receipt": _task(
        "Get the referrer's receipt of the summary",
        "front_desk",
        5,
        "confirm_receipt",
        source="a handover not acknowledged within 5 working days escalates: design choice",
    ),
    "call_patient": _task("Call the patient", "therapists", 3, "record_call"),
    "review_hold": _task("Review the hold", "intake", 0, "resume", "hold"),
    "review_amendment": _task("Review a change that the referrer sent", "intake", 1, "review_amendment"),
    "deliver_notice": _task("Deliver a message that could not be sent", "front_desk", 1, "settle_notice"),
}


class Task(State):
    """Something a person owes on this journey, now."""

    id: str
    kind: TaskKind
    subject: str
    label: str
    owner: str
    opened_at: datetime
    due: datetime
    rung: int = 0
    """Steps of the ladder already taken."""
    settled_at: datetime | None = None
    outcome: str | None = None
