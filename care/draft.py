"""One decision in the making: the journey as it would become, and everything that has to be written down with it.

A step (see `care/steps/`) receives a draft and changes it. Nothing is true until the draft's `Commit` has reached
PostgreSQL in one statement; a draft that is thrown away, because a rule refused or a slot was taken, leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from care.actor import Actor, system
from care.clock import PAUSED_BY_HOLD, Clock, ClockKind
from care.journey import Journey, Outcome, Stage
from care.model import Model
from care.notice import BusinessStatus, Notice, Outgoing, Reply, TaskStatus, Template
from care.plan import PlanOfCare
from care.rules import Decided, Rule
from care.score import Score, ScoreValue
from care.task import TASKS, Task, TaskKind
from care.visit import Visit

I = TypeVar("I", bound=Model)  # noqa: E741 - inputs
O = TypeVar("O", bound=Model)  # noqa: E741 - outcome

SCORES_KEPT = 3


class Refused(Exception):  # noqa: N818 - the word the caller sees
    """An action that may not be done now: why, and what would be right. Never carries a patient's data."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Entry(Model):
    """One row of the journal."""

    seq: int
    at: datetime
    stage: Stage
    kind: str
    text: str
    actor: Actor
    pathway: str | None
    decided: Decided | None = None
    data: dict[str, Any] = {}
    action_id: str | None = None
    action_digest: str | None = None
    note: str | None = None


class Commit(Model):
    """Everything one decision writes, in one statement."""

    journey: str
    tenant: str
    clinic: str
    stage: Stage
    status: str
    outcome: Outcome | None
    pathway: str | None
    priority: str | None
    waiting_on: str
    next_due: datetime | None
    overdue: bool
    at: datetime
    seq: int
    entries: tuple[Entry, ...]
    plans: tuple[PlanOfCare, ...] = ()
    visits: tuple[Visit, ...] = ()
    scores: tuple[Score, ...] = ()
    tasks: tuple[Task, ...] = ()
    notices: tuple[Notice, ...] = ()
    replies: tuple[Reply, ...] = ()
    stop_messages: bool = False


class Draft:
    """A journey being changed by one actor at one moment."""

    def __init__(
        self,
        journey: Journey,
        now: datetime,
        actor: Actor | None = None,
        *,
        action_id: str | None = None,
        digest: str | None = None,
        note: str | None = None,
    ) -> None:
        # The pathway and the calendar never change in place: the copy shares them.
        self.journey = journey.model_copy(
            update={
                name: [item.model_copy(deep=True) for item in getattr(journey, name)]
                for name in ("clocks", "tasks", "flags", "plans", "visits", "scores")
            }
            | {
                name: value.model_copy(deep=True)
                for name in ("referral", "surgery", "phase", "ending", "follow_up")
                if (value := getattr(journey, name)) is not None
            }
            | {"minted": dict(journey.minted), "done": dict(journey.done), "outgoing": list(journey.outgoing)}
        )
        self.now = now
        self.actor = actor or system(journey.tenant)
        self._action: dict[str, str | None] = {"action_id": action_id, "action_digest": digest, "note": note}
        self._entries: list[Entry] = []
        self._plans: dict[str, PlanOfCare] = {}
        self._visits: dict[str, Visit] = {}
        self._scores: dict[str, Score] = {}
        self._tasks: dict[str, Task] = {}
        self._notices: list[Notice] = []
        self._replies: list[Reply] = []
        self._stop_messages = False

    # --- the record

    def decide(self, rule: Rule[I, O], inputs: I) -> tuple[O, Decided]:
        """Apply a rule; hand the record of it to `write`."""
        return rule.apply(inputs)

    def write(self, kind: str, text: str, *, decided: Decided | None = None, **data: ScoreValue | None) -> None:
        """Add a row to the journal. The first row of an action carries the action's id."""
        self.journey.seq += 1
        action = self._action
        self._action = {}
        self._entries.append(
            Entry(
                seq=self.journey.seq,
                at=self.now,
                stage=self.journey.stage,
                kind=kind,
                text=text,
                actor=self.actor,
                pathway=self.journey.pathway.label if self.journey.pathway else None,
                decided=decided,
                data={k: v for k, v in data.items() if v is not None},
                **action,
            )
        )

    def mint(self, kind: str) -> str:
        """A new id: `journey:kind:n`. Given out once, whatever is retried."""
        self.journey.minted[kind] = number = self.journey.minted.get(kind, 0) + 1
        return f"{self.journey.id}:{kind}:{number}"

    # --- time

    def business_days(self, days: int) -> datetime:
        """Closing time of the n-th open day from now."""
        return self.journey.the_calendar.after_days(self.now, days)

    def after(self, moment: datetime, hours: float, *, round_the_clock: bool) -> datetime:
        """That many hours after a moment, of opening time or of plain time."""
        if round_the_clock:
            return moment + timedelta(hours=hours)
        return self.journey.the_calendar.after_hours(moment, hours) if hours else self._in_hours(moment)

    def _in_hours(self, moment: datetime) -> datetime:
        """The moment itself, closing time included; outside opening hours the next opening."""
        calendar = self.journey.the_calendar
        return moment if calendar.is_open(moment, moment) else calendar.opening(moment)

    def local_words(self, moment: datetime) -> str:
        """A moment as the clinic's own clock shows it."""
        return f"{self.journey.the_calendar.local(moment):%d %B %Y, %H:%M}"

    # --- clocks and tasks

    def start_clock(self, kind: ClockKind, subject: str, due: datetime, label: str) -> Clock:
        """Start a clock; one of the same kind and subject is replaced, for that is what starting again means.

        What a hold pauses is paused from the beginning when it begins during a hold.
        """
        self.stop_clock(kind, subject)
        clock = Clock(id=self.mint("clock"), kind=kind, subject=subject, label=label, started_at=self.now, due=due)
        if self.journey.status == "on_hold" and self._pauses(clock):
            clock.paused_at = self.now
        self.journey.clocks.append(clock)
        return clock

    def stop_clock(self, kind: ClockKind, subject: str | None = None) -> None:
        """Stop clocks of a kind (about a subject)."""
        self.journey.clocks = [
            c for c in self.journey.clocks if c.kind != kind or (subject is not None and c.subject != subject)
        ]

    def open_task(
        self,
        kind: TaskKind,
        subject: str = "journey",
        *,
        due: datetime | None = None,
        owner: str | None = None,
    ) -> Task:
        """Write down what somebody owes, with its deadline. An open task of the same kind and subject stands."""
        if (standing := self.journey.open_task(kind, subject)) is not None:
            return standing
        rule = TASKS[kind]
        due = due or (self.business_days(rule.due_days) if rule.due_days else self.now)
        task = Task(
            id=self.mint("task"),
            kind=kind,
            subject=subject,
            label=rule.label,
            owner=owner or f"queue:{rule.owner}",
            opened_at=self.now,
            due=due,
        )
        self.journey.tasks.append(task)
        self._tasks[task.id] = task
        first = rule.ladder[0]
        self.start_clock(
            "task",
            task.id,
            self.after(due, first.after_hours, round_the_clock=rule.round_the_clock),
            f"Due: {rule.label}",
        )
        return task

    def settle(self, kind: TaskKind, subject: str | None = None, *, outcome: str = "done") -> None:
        """End what was owed; its ladder stops."""
        for task in [
            t for t in self.journey.open_tasks if t.kind == kind and (subject is None or t.subject == subject)
        ]:
            task.settled_at = self.now
            task.outcome = outcome
            self._tasks[task.id] = task
            self.stop_clock("task", task.id)

    def settle_all(self, outcome: str) -> None:
        """End everything that was owed: the journey is over."""
        for task in self.journey.open_tasks:
            self.settle(task.kind, task.subject, outcome=outcome)

    def climb(self, task: Task) -> int:
        """Take the next step of a task's ladder and set its clock for the one after. Returns the step taken.

        After the last step the named lead is told again every open day.
        """
        rule = TASKS[task.kind]
        step = task.rung
        task.rung += 1
        self._tasks[task.id] = task
        if task.rung < len(rule.ladder):
            due = self.after(task.due, rule.ladder[task.rung].after_hours, round_the_clock=rule.round_the_clock)
        else:
            due = self.business_days(1)
        soonest = self.after(self.now + timedelta(minutes=1), 0, round_the_clock=rule.round_the_clock)
        self.start_clock("task", task.id, max(due, soonest), f"Overdue: {rule.label}")
        return step

    def pause_clocks(self) -> None:
        """Pause what a hold pauses; certification, answers owed and red flags go on."""
        for clock in self.journey.clocks:
            if self._pauses(clock):
                clock.paused_at = self.now

    def resume_clocks(self) -> None:
        """Let paused clocks go on with the time they had left."""
        for clock in self.journey.clocks:
            if clock.paused_at is not None:
                late_by = self.now - clock.paused_at
                clock.due += late_by
                clock.paused_at = None
                for task in self.journey.open_tasks:
                    if clock.kind == "task" and task.id == clock.subject:
                        task.due += late_by
                        self._tasks[task.id] = task

    def _pauses(self, clock: Clock) -> bool:
        if clock.paused_at is not None:
            return False
        if clock.kind != "task":
            return PAUSED_BY_HOLD[clock.kind]
        task = next((t for t in self.journey.open_tasks if t.id == clock.subject), None)
        return task is not None and TASKS[task.kind].paused_by_hold

    # --- care

    def save_plan(self, plan: PlanOfCare) -> None:
        """Write a plan as it is now."""
        if self.journey.plan(plan.id) is None:
            self.journey.plans.append(plan)
        self._plans[plan.id] = plan

    def save_visit(self, visit: Visit) -> None:
        """Write a visit as it is now; one that is over leaves the journey and stays in PostgreSQL."""
        self.journey.visits = [v for v in self.journey.visits if v.id != visit.id]
        if visit.status == "booked":
            self.journey.visits.append(visit)
        self._visits[visit.id] = visit

    def add_scores(self, values: dict[str, ScoreValue], *, plan: str | None = None) -> None:
        """Record results of measures. Raises Refused for a measure the pathway lacks or a value out of its range."""
        pathway = self.journey.the_pathway
        for measure_id, value in values.items():
            measure = pathway.measure(measure_id)
            if measure is None:
                known = ", ".join(sorted(m.id for m in pathway.measures))
                raise Refused("UnknownMeasure", f"a measure that {pathway.label} does not use; it uses: {known}")
            if (problem := measure.problem_with(value)) is not None:
                raise Refused("BadScore", problem)
            score = Score(id=self.mint("score"), measure=measure_id, value=value, at=self.now, plan=plan)
            self.journey.scores.append(score)
            self._scores[score.id] = score
            same = [s for s in self.journey.scores if s.measure == measure_id]
            began = self.journey.care_began
            baselines = {same[0].id, *[s.id for s in same if began is not None and s.at >= began][:1]}
            forgotten = {s.id for s in same[:-SCORES_KEPT]} - baselines
            self.journey.scores = [s for s in self.journey.scores if s.id not in forgotten]

    def save_score(self, score: Score) -> None:
        """Write a score as it is now."""
        self._scores[score.id] = score

    # --- telling people

    def tell(self, to: str, template: Template, *, send_after: datetime | None = None, **facts: ScoreValue) -> Notice:
        """Queue a notice. The patient is written to only with consent."""
        notice = Notice(
            id=self.mint("notice"),
            to=to,
            template=template,
            facts={"stage": self.journey.stage.label, **facts},
            send_after=send_after or self.now,
        )
        if to == "patient" and not self.journey.referral.consent_messages:
            return notice
        self._notices.append(notice)
        self.journey.outgoing.append(
            Outgoing(id=notice.id, to=to, words=f"{to.split(':', 1)[-1]} ({template})".replace("_", " "))
        )
        return notice

    def answer_referrer(
        self,
        status: TaskStatus,
        business_status: BusinessStatus | None,
        *,
        reason: str | None = None,
        visits_done: int | None = None,
        visits_planned: int | None = None,
    ) -> None:
        """Queue an answer to the referrer's system, and to the referrer."""
        reply = Reply(
            id=self.mint("reply"),
            status=status,
            business_status=business_status,
            reason=reason,
            at=self.now,
            visits_done=visits_done,
            visits_planned=visits_planned,
        )
        self._replies.append(reply)
        self.journey.outgoing.append(Outgoing(id=reply.id, to="referrer", words=f"the referrer's system ({status})"))

    # --- moving on

    def leave_for(self, stage: Stage) -> None:
        """End this stage; the next begins when this draft is committed."""
        self.journey.next_stage = stage

    def close(self, outcome: Outcome) -> None:
        """End the journey: no plan is under way, nothing is owed any more and no clock runs."""
        for plan in self.journey.active_plans:
            plan.status = "ended"
            self.save_plan(plan)
        self.settle_all(outcome)
        self.journey.clocks = []
        self.journey.status = "closed"
        self.journey.outcome = outcome

    def stop_messages(self) -> None:
        """Nothing queued is sent any more."""
        self._stop_messages = True
        self._notices = []
        self.journey.outgoing = []

    # --- the commit

    def commit(self) -> Commit:
        """What has to be written. Settled tasks leave the journey with it."""
        self.journey.tasks = self.journey.open_tasks
        return Commit(
            journey=self.journey.id,
            tenant=self.journey.tenant,
            clinic=self.journey.clinic.id if self.journey.clinic else "unassigned",
            stage=self.journey.stage,
            status=self.journey.status,
            outcome=self.journey.outcome,
            pathway=self.journey.pathway.label if self.journey.pathway else None,
            priority=self.journey.referral.priority,
            waiting_on=waiting_on(self.journey),
            next_due=next_due(self.journey),
            overdue=overdue(self.journey, self.now),
            at=self.now,
            seq=self.journey.seq,
            entries=tuple(self._entries),
            plans=_copies(self._plans.values()),
            visits=_copies(self._visits.values()),
            scores=_copies(self._scores.values()),
            tasks=_copies(self._tasks.values()),
            notices=tuple(self._notices),
            replies=tuple(self._replies),
            stop_messages=self._stop_messages,
        )


def waiting_on(journey: Journey) -> str:
    """Whom or what the journey waits for: the owner of the most urgent task, else the next event."""
    if journey.status == "closed":
        return "nobody"
    tasks = journey.running_tasks
    if tasks:
        return tasks[0].owner.removeprefix("queue:").removeprefix("person:")
    clock = journey.next_clock
    return clock.kind if clock else "nobody"


def next_due(journey: Journey) -> datetime | None:
    """When something falls due: the most urgent task, else the next event."""
    if journey.running_tasks:
        return journey.running_tasks[0].due
    return journey.next_clock.due if journey.next_clock else None


def overdue(journey: Journey, now: datetime) -> bool:
    """Whether somebody is late; nobody is with what a hold has paused."""
    return any(task.due < now for task in journey.running_tasks)


S = TypeVar("S", PlanOfCare, Visit, Score, Task)


def _copies(items: Iterable[S]) -> tuple[S, ...]:
    return tuple(item.model_copy(deep=True) for item in items)
