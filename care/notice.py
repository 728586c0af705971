"""Notices and replies: what Continuum says to people, and to the referrer's system."""

from __future__ import annotations

from datetime import datetime
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
    "visit_cancelled",
    "visit_reminder",
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
    """Something committed that has still to be handed to its channel, in a coordinator's words."""

    id: str
    to: Audience
    words: str
    send_after: datetime | None = None
    """Not before then; what stands then is decided then."""
    about: str | None = None
    """What it is about: a message about a visit that is cancelled does not leave."""


class Stopped(Model):
    """A notice that is not sent after all, and why."""

    id: str
    reason: str
