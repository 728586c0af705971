"""What the API answers with, for its OpenAPI: the rows of the record as they are, and what stands around them.

The same shapes are what the command line prints with `--json`. Fields may be added; none is renamed or taken away.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from care.journey import Stage

Status = Literal["open", "on_hold", "closed"]


class JourneyRow(BaseModel):
    """One journey at a glance."""

    id: str
    clinic: str
    stage: Stage
    status: Status
    outcome: str | None
    pathway: str | None
    priority: str | None
    waiting_on: str
    next_due_at: datetime | None
    overdue: bool
    seq: int
    """The last row of its journal: its version."""
    at: datetime
    patient: str | None


class JourneyPage(BaseModel):
    """Journeys, the most urgent first."""

    items: list[JourneyRow]
    next: str | None
    """What to give as `after` for the next page; null on the last."""
    to_be_started: int
    """Referrals that are stored and whose journey begins in a moment."""


class JournalRow(BaseModel):
    """One thing that happened."""

    seq: int
    stage: Stage
    kind: str
    text: str
    at: datetime
    person: str
    role: str
    on_behalf_of: str | None
    pathway: str | None
    rule: str | None
    rule_version: int | None
    inputs: Any
    outcome: Any
    data: dict[str, Any]
    action_id: str | None
    note: str | None


class Journal(BaseModel):
    """The rows of a journal after one of them."""

    journey: str
    items: list[JournalRow]


class Why(JournalRow):
    """One decision, and whether the rule says the same today; null where the rule is gone."""

    same_today: bool | None


class TaskRow(BaseModel):
    """What somebody owes."""

    id: str
    journey: str
    clinic: str
    kind: str
    subject: str
    label: str
    owner: str
    opened_at: datetime
    due_at: datetime
    rung: int
    settled_at: datetime | None
    outcome: str | None
    acknowledged_by: str | None
    quiet_until: datetime | None


class OpenTaskRow(TaskRow):
    """A task in the list of what is owed."""

    stage: Stage
    priority: str | None
    patient: str | None


class TaskPage(BaseModel):
    """What is owed, soonest due first."""

    items: list[OpenTaskRow]
    next: str | None


class VisitRow(BaseModel):
    """One appointment."""

    id: str
    plan: str | None
    clinician: str
    starts_at: datetime
    ends_at: datetime
    status: str
    reason: str | None


class ScoreRow(BaseModel):
    """One dated result of a measure."""

    id: str
    measure: str
    value: float | str | bool
    at: datetime
    plan: str | None
    in_error: bool


class PlanRow(BaseModel):
    """A plan of care, with the origin of each value in its body."""

    id: str
    status: str
    body: dict[str, Any]


class DocumentRow(BaseModel):
    """A document; its PDF is at `/api/journeys/{journey}/documents/{id}`."""

    id: str
    kind: str
    body: str
    recorded_at: datetime


class JourneyRecord(JourneyRow):
    """One journey with all that belongs to it. What the clinic keeps for itself is missing for who sent the patient."""

    patient_id: UUID | None
    source: str | None
    referral_id: str | None
    received_at: datetime | None
    journal: list[JournalRow]
    plans: list[PlanRow]
    visits: list[VisitRow]
    scores: list[ScoreRow]
    documents: list[DocumentRow]
    tasks: list[TaskRow] = []
    notices: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    replies: list[dict[str, Any]] = []


class Possible(BaseModel):
    """An action that the caller may ask for now."""

    name: str
    title: str
    href: str
    """POST it here."""
    schema_: str = Field(alias="schema")
    """The JSON Schema of its body."""


class PossibleActions(BaseModel):
    """Which actions the caller may ask for now: what the journey's stage takes and the caller's role may."""

    journey: str
    stage: Stage
    status: Status
    seq: int
    items: list[Possible]


class Done(BaseModel):
    """What an action brought about: the journal row it was written to, and where the journey stands."""

    action_id: str
    journey: str
    seq: int
    stage: Stage
    status: str
    text: str


class NotYetConfirmed(BaseModel):
    """Not refused, and not confirmed in time: ask at `status_url`, or repeat it under the same Idempotency-Key."""

    action_id: str
    status_url: str
    detail: str


class ActionStatus(BaseModel):
    """What is on record of an action."""

    action_id: str
    journey: str
    state: Literal["done", "not_confirmed"]
    done: Done | None
    detail: str


class MessageRow(BaseModel):
    """A message that came in."""

    id: UUID
    protocol: str
    sender: str | None
    source: str
    kind: str | None
    outcome: str
    journey: str | None
    code: str | None
    reason: str | None
    path: str | None
    recorded_at: datetime


class Messages(BaseModel):
    """What came in last, newest first."""

    items: list[MessageRow]


class AskRow(BaseModel):
    """Something that a message asked of a journey, without what it says of a patient."""

    id: str
    name: str
    sender: str | None
    kind: str | None
    protocol: str
    journey: str | None
    status: str
    code: str | None
    reason: str | None
    attempts: int
    asked_at: datetime
    inbound: UUID


class Asks(BaseModel):
    """Asks, oldest first."""

    items: list[AskRow]


class Settled(BaseModel):
    """Where an ask stands now."""

    id: str
    status: Literal["waiting", "dismissed"]


class MergedPatients(BaseModel):
    """What a merge moved."""

    outcome: Literal["merged", "done_before"]
    merge: UUID
    into: UUID
    moved: list[str]
    concerned: list[str]


class PatientLink(BaseModel):
    """A link for one patient. Whoever has it may answer for them: it is shown once and kept nowhere."""

    journey: str
    link: str
    token: str
    expires_at: datetime


class Asked(BaseModel):
    """One thing that a patient is asked to give, by its measure."""

    measure: str
    name: str
    unit: str | None
    minimum: float | None
    maximum: float | None
    options: list[str]


class Questionnaire(BaseModel):
    """What a patient is asked now. Without an `action` nothing is."""

    action: Literal["answer_check", "answer_follow_up"] | None
    language: str
    asked: list[Asked]


class Me(BaseModel):
    """Who the token says that the caller is."""

    id: str
    tenant: str
    roles: list[str]
    timezone: str
    """By whose clock the clinic lives (IANA)."""
