"""The journey: one referral's whole course, as the state that its workflow carries from stage to stage.

Kept small (under 64 KB, measured in the tests): counts and latest facts, not histories. The record is PostgreSQL.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import WrapValidator, model_validator

from care.actor import Actor
from care.calendar import Calendar
from care.caseload import Adoption
from care.clock import Clock, HoldReason
from care.gate import Facts
from care.model import ActionId, NoteId, PersonId, Slug, State
from care.notice import Audience, Notice, Outgoing
from care.operating_rules import RuleInForce
from care.pathway import Pathway, Phase
from care.plan import Counted, PlanOfCare, WinningBack
from care.red_flag import Held, RedFlag, Urgency
from care.referral import Clinic, Referral
from care.score import Score
from care.sharing import one_for_all
from care.stage import Stage as Stage
from care.task import Task, TaskKind
from care.visit import Visit

Outcome = Literal[
    "completed",
    "refused",
    "redirected",
    "withdrawn",
    "died",
    "transferred",
    "emergency",
    "entered_in_error",
]
"""How a journey closed."""


class OpenFlag(State):
    """A red flag that was raised on this journey."""

    id: str
    flag: Slug
    urgency: Urgency
    raised_at: datetime
    hold_booking: bool
    held: Held | None = None
    """How long it forbids to book; None on journeys from before red flags said so."""
    handled_at: datetime | None = None
    outcome: str | None = None


class OpenQuestions(State):
    """A red flag that could still be as urgent as this, and the questions that would settle it."""

    flag: Slug
    urgency: Urgency
    ask: list[Slug]


class ScreenUnderWay(State):
    """A red-flag screen of which something is not answered yet; in intake, also what was answered already."""

    answers: dict[Slug, bool | None] = {}
    """None: asked, and the answer is not known."""
    open: list[OpenQuestions] = []
    settled: list[Slug] = []
    """Red flags whose open questions a clinician has settled, by an all-clear or a signature."""

    @property
    def urgent(self) -> bool:
        """Whether an answer still missing may mean an emergency, or the same day."""
        return any(o.urgency in ("E0", "E1") for o in self.open)

    @property
    def ask(self) -> list[str]:
        """The questions still to be asked, most urgent first."""
        return list(dict.fromkeys(sign for o in self.open for sign in o.ask))


class Surgery(State):
    """An operation, planned or done."""

    planned_for: datetime | None = None
    done_at: datetime | None = None


class PhaseState(State):
    """The phase a patient is in, after surgery or within therapy."""

    n: int
    entered_at: datetime
    opened_by: Literal["gate", "override", "start"] = "start"
    counted_from: datetime | None = None
    """What the windows of the phases count from; None (of old): from surgery."""


class Ending(State):
    """Why therapy ended, and the scores at that moment."""

    reason: str
    at: datetime
    facts: Facts = {}
    signed_by: PersonId | None = None
    document: str | None = None
    received_at: datetime | None = None
    stage: Stage | None = None
    """Where care ended."""
    plans: list[str] = []
    """The plans that ended with it."""
    tasks: list[Task] = []
    clocks: list[Clock] = []
    """What was owed and awaited when care ended, should the ending be a mistake."""


class FollowUpState(State):
    """Follow-ups: which are to come, which is waiting for an answer."""

    to_come: list[Slug] = []
    waiting: Slug | None = None
    """The occasion whose answer is awaited."""
    reminders_sent: int = 0


REMEMBERED_ACTIONS = 20
"""So many actions a journey knows by their ids. An older one is answered from the journal, which has them all."""


class Done(State):
    """An action already carried out: what it was (a digest) and its answer."""

    digest: str
    seq: int
    stage: Stage


class RecordedVisit(State):
    """A visit that is over, as long as its record may still turn out to be wrong."""

    visit: Visit
    recorded_at: datetime
    scores: list[int] = []
    """The scores taken at it: the numbers of their ids."""
    counted: Counted = Counted()
    opened: list[int] = []
    """The tasks that its record opened: the numbers of their ids."""
    settled: list[Task] = []
    """What its record ended beside its own task, as it stood before."""


class Reopening(State):
    """A closed journey is to go on: who wants it, under which action id, and why."""

    actor: Actor
    action_id: ActionId
    reason: Literal["death_in_error", "closed_by_mistake"]
    note: NoteId


class Journey(State):
    """One referral's whole course."""

    id: str
    tenant: Slug
    stage: Stage = Stage.INTAKE
    status: Literal["open", "on_hold", "closed"] = "open"
    outcome: Outcome | None = None
    hold_reason: HoldReason | None = None
    adoption: Adoption | None = None
    """Set by whoever starts a journey that is taken over from elsewhere; its first decision takes it away."""
    reopening: Reopening | None = None
    """Set by whoever starts a closed journey again; its first decision takes it away."""
    referral: Referral
    clinic: Clinic | None = None
    calendar: Calendar | None = None
    pathway: Annotated[Pathway | None, WrapValidator(one_for_all)] = None
    """Most of the journey's bytes; journeys of one pathway have one object between them while they are in memory."""
    rules: tuple[RuleInForce, ...] = ()
    """The operating rules of its payer, its clinic's regulator and the house; none for journeys from before."""
    clocks: list[Clock] = []
    tasks: list[Task] = []
    flags: list[OpenFlag] = []
    screened: bool = False
    screen: ScreenUnderWay | None = None
    conditions: list[Slug] = []
    """Other conditions the patient has, of those the pathway asks about."""
    hinted_flags: tuple[RedFlag, ...] = ()
    """Red flags at which the request's words hint: screened for on whichever pathway."""
    lasting_signs: list[Slug] = []
    """Signs answered yes that stay true, counted in every later screen."""
    modality_answers: dict[Slug, bool] = {}
    """What was answered about treatments (heat, cold, ...), until it is answered otherwise."""
    plans: list[PlanOfCare] = []
    visits: list[Visit] = []
    """Those still to come or not yet recorded; the rest is counted in the plans and kept in PostgreSQL."""
    recorded: list[RecordedVisit] = []
    """The last visits recorded, so that what was recorded wrongly can be undone."""
    scores: list[Score] = []
    """Of each measure the first and the last three; all of them are in PostgreSQL."""
    winning_back: WinningBack | None = None
    """Before there is a plan of care; afterwards each plan has its own."""
    first_visits_missed: int = 0
    """Visits missed before there is a plan of care."""
    surgery: Surgery | None = None
    surgical_opinion: Literal["asked", "conservative", "operate"] | None = None
    phase: PhaseState | None = None
    ending: Ending | None = None
    follow_up: FollowUpState | None = None
    open_access_until: datetime | None = None
    """Until then the patient may come back with the same problem, without a new referral."""
    entered_at: datetime | None = None
    care_began: datetime | None = None
    """When therapy was entered last: baselines and gains are counted from here."""
    seq: int = 0
    """The number of the last journal row."""
    minted: dict[str, int] = {}
    """How many ids of each kind have been given out, so that every side effect has its own for ever."""
    done: dict[str, Done] = {}
    outgoing: list[Outgoing] = []
    """Notices that wait for their hour. All others are no more the journey's once they are committed."""
    alarms: list[Notice] = []
    """Alarms not yet sent, handed on at the border of a stage."""
    next_stage: Stage | None = None
    going_on: bool = False
    """The next stage goes on where it stood, and begins nothing anew."""

    @model_validator(mode="before")
    @classmethod
    def _from_before_the_post(cls, read: Any) -> Any:
        """Journeys once handed over their messages themselves: they had a clock for those that waited, and had all of
        them listed. What waits is still listed, and the rest is on its way without them."""
        if isinstance(read, dict):
            clocks, outgoing = read.get("clocks"), read.get("outgoing")
            if isinstance(clocks, list):
                read = read | {"clocks": [c for c in clocks if not isinstance(c, dict) or c.get("kind") != "messages"]}
            if isinstance(outgoing, list):
                waits = [o for o in outgoing if not isinstance(o, dict) or o.get("send_after") is not None]
                read = read | {"outgoing": waits}
        return read

    @property
    def the_pathway(self) -> Pathway:
        """The pathway, in stages that cannot be without one."""
        if self.pathway is None:
            raise LookupError("this journey has no pathway yet")
        return self.pathway

    @property
    def the_calendar(self) -> Calendar:
        """The clinic's calendar; every stage begins by making sure of it."""
        if self.calendar is None:
            raise LookupError("this journey has no calendar yet")
        return self.calendar

    @property
    def open_tasks(self) -> list[Task]:
        """What is owed now, soonest due first."""
        return sorted((t for t in self.tasks if t.settled_at is None), key=lambda t: (t.due, t.id))

    @property
    def running_tasks(self) -> list[Task]:
        """What is owed now and not paused by a hold, soonest due first."""
        paused = {c.subject for c in self.clocks if c.paused_at is not None}
        return [t for t in self.open_tasks if t.id not in paused]

    @property
    def open_flags(self) -> list[OpenFlag]:
        """Red flags nobody has handled yet."""
        return [f for f in self.flags if f.handled_at is None]

    @property
    def active_plans(self) -> list[PlanOfCare]:
        """Plans of care under way."""
        return [p for p in self.plans if p.status == "active"]

    @property
    def next_clock(self) -> Clock | None:
        """The clock that runs out first; of several at one moment, the one started first."""
        running = [c for c in self.clocks if c.paused_at is None]
        return min(running, key=lambda c: c.due, default=None)

    def plan(self, id: str) -> PlanOfCare | None:  # noqa: A002 - the field's own word
        """The plan of that id."""
        return next((p for p in self.plans if p.id == id), None)

    def visit(self, id: str) -> Visit | None:  # noqa: A002
        """The visit of that id, if it is still to come or to be recorded."""
        return next((v for v in self.visits if v.id == id), None)

    def task(self, id: str) -> Task | None:  # noqa: A002
        """The open task of that id."""
        return next((t for t in self.open_tasks if t.id == id), None)

    def open_task(self, kind: TaskKind, subject: str | None = None) -> Task | None:
        """The open task of a kind (about a subject), if there is one."""
        return next((t for t in self.open_tasks if t.kind == kind and (subject is None or t.subject == subject)), None)

    def booked(self, plan: str | None) -> list[Visit]:
        """The visits of a plan (without one: from before there is a plan) that are to come or to be recorded."""
        return [v for v in self.visits if v.plan == plan]

    def after_quiet_hours(self, to: Audience, moment: datetime) -> datetime:
        """The moment itself, or for a patient the end of the quiet hours that it falls into."""
        if to != "patient" or self.clinic is None:
            return moment
        return self.clinic.may_write_at(self.the_calendar.local(moment)).astimezone(moment.tzinfo)

    @property
    def onset_at(self) -> datetime | None:
        """When the complaint began, as far as the referral says."""
        days = self.referral.days_since_onset
        return None if days is None else self.referral.received_at - timedelta(days=days)

    def phase_content(self) -> Phase | None:
        """What the pathway says of the phase the patient is in."""
        if self.phase is None or self.pathway is None:
            return None
        return next((p for p in self.pathway.phases if p.n == self.phase.n), None)
