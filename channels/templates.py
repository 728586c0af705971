"""What notices say. No clinical content and no patient's name in a subject or a first line: the record has it."""

from __future__ import annotations

from collections.abc import Mapping

from care.notice import Template
from care.score import ScoreValue

_SIGNED = "\n\nThis message was sent by Continuum; please do not answer it."
_FOR_STAFF = "\n\nThe record: continuum show {journey}"
_STAFF: set[Template] = {"task_due", "task_escalated", "task_help", "handover", "red_flag_alarm"}

_ANSWERS = {
    "accepted": "Your referral was accepted. We will arrange the first visit with the patient.",
    "declined": "We cannot take this referral on. Reason: {reason}. It stays with you to decide what comes next.",
    "redirected": "This referral belongs elsewhere: {door}.",
    "information_reminder": "We still wait for something from you, to act on your referral: {about}.",
    "awaiting_information": "To act on your referral we still need from you: {about}.",
    "sent_to_emergency": "There is urgent news about this patient. Please call the clinic now.",
}

_NEWS = {
    "urgent": "There is urgent news about this patient. Please call the clinic today.",
    "plan_of_care": "The plan of care has been made. It needs your signature within 30 days of the first visit.",
    "recertification": "The plan of care needs your signature again. Please see the record.",
    "progress_report": "A progress report is ready for you. Please see the record.",
    "missed_visits": "The patient has missed visits. Please see the record.",
    "drop_off": "The patient has stopped coming, and we could not win them back so far. Please see the record.",
    "surgical_opinion": "Your opinion is asked for. Please see the record.",
    "surgery_planned": "A date has been set. Please see the record.",
    "on_hold": "The care of this patient is on hold for now. We will tell you when it goes on.",
    "resumed": "The care of this patient goes on.",
    "re_entry": "The patient has come back into therapy on the same referral.",
    "open_access_ended": "The time in which the patient could come back without a new referral has ended.",
    "journey_complete": "The follow-up of a year is complete; this referral is closed.",
}

_TEMPLATES: dict[Template, tuple[str, str]] = {
    "task_due": ("To do: {task}", "This is due now: {task}.\nDue: {due}"),
    "task_escalated": ("Overdue: {task}", "This is overdue and has come to you: {task}.\nIt was due: {due}"),
    "task_help": ("A colleague asks for help", "You are asked for help with: {task}."),
    "handover": ("Handed over to you", "Tasks that were handed over to you: {tasks}. Please read the note and accept."),
    "red_flag_alarm": (
        "ALARM {urgency}: act now",
        "A red flag of urgency {urgency} was raised just now. Open the record and act at once; then record what became"
        " of it (handle_red_flag).",
    ),
    "referral_answer": ("About your referral", "{answer}"),
    "visit_booked": ("Your appointment", "You have an appointment on {when}. If you cannot come, please call us."),
    "visit_cancelled": ("Your appointment is cancelled", "The appointment on {when} does not take place."),
    "visit_reminder": ("Your appointment", "This is a reminder of your appointment on {when}."),
    "missed_visit": ("We missed you", "We missed you today. Please call us for another appointment."),
    "slot_offer": ("An appointment for you", "We have kept an appointment for you. Please call us."),
    "self_care_check": ("How is it going?", "Please tell us how you are: a few questions wait for you."),
    "plan_ready": ("Your plan", "Your plan is ready. Your therapist will go through it with you."),
    "summary_ready": (
        "A summary for you",
        "The summary of the finished course of care is ready ({document}). Please confirm that you have it.",
    ),
    "summary_reminder": ("Please confirm receipt", "Please confirm that you have the summary of this course of care."),
    "follow_up_due": ("How are you today?", "It is time for your follow-up: {occasion}. A few questions wait for you."),
    "follow_up_reminder": ("A reminder", "We have not heard from you yet: {occasion}. A few questions wait for you."),
    "journey_news": ("News about your referral", "{news}"),
}


def render(template: Template, facts: Mapping[str, ScoreValue], *, journey: str, name: str | None) -> tuple[str, str]:
    """Subject and body. A fact that a template names and that is missing shows as a dash."""
    subject, body = _TEMPLATES[template]
    words = _Words({**facts, "journey": journey})
    if "answer" in facts:
        words["answer"] = _ANSWERS[str(facts["answer"])].format_map(words)
    if "news" in facts:
        words["news"] = _NEWS[str(facts["news"])].format_map(words)
    hello = f"Dear {name}," if name else "Hello,"  # not a template: a name may hold braces
    sender = (_FOR_STAFF if template in _STAFF else "") + _SIGNED
    return subject.format_map(words), f"{hello}\n\n{(body + sender).format_map(words)}"


class _Words(dict[str, ScoreValue]):
    def __missing__(self, key: str) -> str:
        return "-"
