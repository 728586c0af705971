"""Notices and replies: what Continuum says to people, and to the referrer's system."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from care.model import Model, Slug
from care.score import ScoreValue

Audience = str
"""`patient`, `referrer`, `queue:NAME`, `supervisor:QUEUE` or `person:ID`; who that is, and where they are reached, is
looked up where the notice is sent (see `care/directory`)."""

Template = Literal[
    "task_due",
    "task_escalated",
    "task_help",
    "handover",
    "red_flag_alarm",
    "referral_answer",
    "visit_booked",
    "visit_reminder",
    "visit_cancelled",
    "missed_visit",
    "slot_offer",
    "self_care_check",
    "plan_ready",
    "summary_ready",
    "summary_reminder",
    "follow_up_due",
    "follow_up_reminder",
    "journey_news",
]

Answer = Literal[
    "accepted", "declined", "redirected", "awaiting_information", "information_reminder", "sent_to_emergency"
]
"""Fact `answer` of a `referral_answer`: what became of the referral."""

News = Literal[
    "urgent",
    "plan_of_care",
    "recertification",
    "progress_report",
    "surgical_opinion",
    "surgery_planned",
    "missed_visits",
    "drop_off",
    "red_flag",
    "on_hold",
    "resumed",
    "corrected",
    "reopened",
    "re_entry",
    "withdrawn",
    "transferred",
    "open_access_ended",
    "journey_complete",
]
"""Fact `news` of a `journey_news`."""

NoticeClass = Literal["alarm", "escalation", "reminder", "patient", "referrer"]


TRIED_FOR = timedelta(days=3)
"""So long a message is tried from when it may leave; then it is lost."""


class NoticeRule(Model):
    """How the messages of one template are treated on their way. Design choices, not clinically reviewed."""

    kind: NoticeClass
    digest: bool = False
    """May wait a little, to go out in one mail with others for the same address."""
    uncertain: Literal["resend", "task", "leave"]
    """When nobody knows whether it left. `resend`: once more, under the same Message-ID, since two are better than
    none. `task`: a person makes sure. `leave`: nothing; what it is about is chased by itself."""
    undelivered: Literal["task", "leave"] = "task"
    """When it certainly did not arrive (refused, bounced, nobody took it in time). `task`: a person takes over."""

    @property
    def needs_consent(self) -> bool:
        """The patient is written to only with consent; staff and the referrer take part in the care."""
        return self.kind == "patient"


_REMINDER = NoticeRule(kind="reminder", digest=True, uncertain="leave")
_PATIENT = NoticeRule(kind="patient", uncertain="task")
_PATIENT_CHASED = NoticeRule(kind="patient", uncertain="leave")
_PATIENT_AGAIN = NoticeRule(kind="patient", uncertain="leave", undelivered="leave")
_REFERRER = NoticeRule(kind="referrer", uncertain="task")

NOTICES: dict[Template, NoticeRule] = {
    "task_due": _REMINDER,
    "task_escalated": NoticeRule(kind="escalation", digest=True, uncertain="leave"),
    "task_help": NoticeRule(kind="reminder", uncertain="leave"),
    "handover": _REMINDER,
    "red_flag_alarm": NoticeRule(kind="alarm", uncertain="resend"),
    "referral_answer": _REFERRER,
    "visit_booked": _PATIENT,
    "visit_reminder": _PATIENT_CHASED,
    "visit_cancelled": _PATIENT,
    "missed_visit": _PATIENT_CHASED,
    "slot_offer": _PATIENT,
    "self_care_check": _PATIENT_CHASED,
    "plan_ready": _PATIENT_AGAIN,
    "summary_ready": _REFERRER,
    "summary_reminder": NoticeRule(kind="referrer", uncertain="leave"),
    "follow_up_due": _PATIENT_CHASED,
    "follow_up_reminder": _PATIENT_AGAIN,
    "journey_news": _REFERRER,
}
"""The table that code, docs and tests share."""


class Notice(Model):
    """One message to one person through a channel, at most once per key (its id).

    `facts` are ids, labels and counts for the template: nothing that names a patient or describes a condition.
    """

    id: str
    to: Audience
    template: Template
    facts: dict[Slug, ScoreValue] = {}
    send_after: datetime
    escalation: str | None = None
    """The task whose ladder this is a step of: all steps of one ladder belong together."""
    digest: bool = False
    """May wait a little, to be sent together with others to the same person."""


BusinessStatus = Literal["2.0", "3.0", "4.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.2", "6.0", "7.0"]
"""BSeR TaskBusinessStatusCS: 2.0 created, 3.0 accepted, 4.0 declined, 5.1.1 event scheduled, 5.1.2 unattended,
5.1.3 event cancelled, 5.1.4 event completed, 5.2 cancellation requested, 6.0 fulfilment cancelled, 7.0 completed."""

TaskStatus = Literal["received", "accepted", "rejected", "in-progress", "on-hold", "cancelled", "failed", "completed"]
"""FHIR R4 Task.status, those that we report."""


class Reply(Model):
    """An answer to the referrer: a stored message with a status, rendered for the wire when it is delivered."""

    id: str
    status: TaskStatus
    business_status: BusinessStatus | None
    reason: Slug | None = None
    at: datetime
    visits_done: int | None = None
    visits_planned: int | None = None


class Outgoing(Model):
    """A notice that waits for its hour, so that later decisions can stop it."""

    id: str
    to: Audience
    send_after: datetime
    """Not before then; what stands then is decided then."""
    about: str | None = None
    """What it is about: a message about a visit that is cancelled does not leave."""

    def may_wait(self, now: datetime) -> bool:
        """Whether it may still be here: its hour is to come, or no mail server may have taken it yet."""
        return now < self.send_after + TRIED_FOR


class Stopped(Model):
    """A notice that is not sent after all, and why."""

    id: str
    reason: str
