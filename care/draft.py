"""One decision in the making: the journey as it would become, and everything that has to be written down with it.

A step (see `care/steps/`) receives a draft and changes it. Nothing is true until the draft's `Commit` has reached
PostgreSQL in one statement; a draft that is thrown away, because a rule refused or a slot was taken, leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from care import ladder, recorded
from care.actor import Actor, system
from care.clock import EVENTS, Backdated, Clock, ClockKind, HoldReason
from care.commit import Commit, Entry, next_due, overdue, waiting_on
from care.journey import Journey, Outcome, RecordedVisit, Stage
from care.model import Model
from care.notice import NOTICES, BusinessStatus, Notice, Outgoing, Reply, Stopped, TaskStatus, Template
from care.plan import PlanOfCare
from care.recorded import number
from care.rules import Decided, Rule
from care.score import Score, ScoreValue
from care.task import TASKS, Task, TaskKind
from care.visit import Visit

I = TypeVar("I", bound=Model)  # noqa: E741 - inputs
O = TypeVar("O", bound=Model)  # noqa: E741 - outcome

SCORES_KEPT = 3
BASELINES_KEPT = 2
"""The first scores of a measure that are kept: the baseline, and what takes its place should it be wrong."""
VISITS_KEPT = 16


class Refused(Exception):  # noqa: N818 - the word the caller sees
    """An action that may not be done now: why, and what would be right. Never carries a patient's data."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


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
        taking_over: bool = False,
    ) -> None:
        self._before = journey
        # The pathway and the calendar never change in place: the copy shares them.
        self.journey = journey.model_copy(
            update={
                name: [item.model_copy(deep=True) for item in getattr(journey, name)]
                for name in ("clocks", "tasks", "flags", "plans", "visits", "recorded", "scores")
            }
            | {
                name: value.model_copy(deep=True)
                for name in ("referral", "surgery", "phase", "ending", "follow_up", "winning_back")
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
        self._stopped: list[Stopped] = []
        self._closing = False
        self._recorded: RecordedVisit | None = None
        self.taking_over = taking_over
        """A caseload is taken over: clocks that have run out already begin as their kind says, and nobody is told
        what they were told by whoever had the patient until now."""
        self.ran_out: list[tuple[Clock, Backdated]] = []
        """Clocks that had run out before they were taken over."""

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

    def local_words(self, moment: datetime) -> str:
        """A moment as the clinic's own clock shows it."""
        return f"{self.journey.the_calendar.local(moment):%d %B %Y, %H:%M}"

    def local_iso(self, moment: datetime) -> str:
        """The same as a fact, to the minute: each language words it for itself."""
        return f"{self.journey.the_calendar.local(moment):%Y-%m-%dT%H:%M}"

    # --- clocks and tasks

    def start_clock(self, kind: ClockKind, subject: str, due: datetime, label: str) -> None:
        """Start a clock; one of the same kind and subject is replaced, for that is what starting again means.

        What a hold pauses is paused from the beginning when it begins during a hold.
        """
        self.stop_clock(kind, subject)
        ran_out: Backdated | None = None
        if self.taking_over:
            policy = EVENTS[kind].backdated if kind != "task" else self._policy(subject)
            key = f"{self.journey.id}:{kind}:{subject}"
            moment = ladder.taken_over(self.journey.the_calendar, due, policy, self.now, key)
            if moment is None:
                skipped = Clock(id="", kind=kind, subject=subject, label=label, started_at=self.now, due=due)
                self.ran_out.append((skipped, policy))
                return
            ran_out, due = policy if due <= self.now else None, moment
        clock = Clock(id=self.mint("clock"), kind=kind, subject=subject, label=label, started_at=self.now, due=due)
        if ran_out is not None:
            self.ran_out.append((clock, ran_out))
        if self._pauses(clock):
            clock.paused_at = self.now
        self.journey.clocks.append(clock)

    def _policy(self, task_id: str) -> Backdated:
        task = self.journey.task(task_id)
        return TASKS[task.kind].backdated if task is not None else "do_now"

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
        rule, calendar = TASKS[kind], self.journey.the_calendar
        if due is None:
            due = self.now + timedelta(days=rule.due) if rule.due_unit == "days" else self._open_days(rule.due)
        task = Task(
            id=self.mint("task"),
            kind=kind,
            subject=subject,
            label=rule.label,
            owner=owner or f"queue:{rule.owner}",
            queue=rule.owner,
            opened_at=self.now,
            due=due,
            rung=ladder.first_rung(calendar, kind, due, self.now),
        )
        self.journey.tasks.append(task)
        self.save_task(task)
        first = ladder.moment_of(calendar, kind, due, rule.ladder[task.rung])
        self.start_clock("task", task.id, first, f"Due: {rule.label}")
        return task

    def _open_days(self, days: int) -> datetime:
        return self.business_days(days) if days else self.now

    def save_task(self, task: Task) -> None:
        """Write a task as it is now."""
        self._tasks[task.id] = task

    def settle(self, kind: TaskKind, subject: str | None = None, *, outcome: str = "done") -> None:
        """End what was owed; its ladder stops."""
        for task in [
            t for t in self.journey.open_tasks if t.kind == kind and (subject is None or t.subject == subject)
        ]:
            task.settled_at = self.now
            task.outcome = outcome
            self.save_task(task)
            self.stop_clock("task", task.id)
            if kind != "give_help":
                self.settle("give_help", task.id, outcome="no longer needed")

    def reopen_task(self, task: Task) -> None:
        """It is owed after all: the same task, due when it was. The steps of its ladder already taken stay taken."""
        if self.journey.open_task(task.kind, task.subject) is not None:
            return
        again = task.model_copy(update={"settled_at": None, "outcome": None})
        self.journey.tasks.append(again)
        self.save_task(again)
        rungs = TASKS[task.kind].ladder
        rung = rungs[min(task.rung, len(rungs) - 1)]
        moment = ladder.moment_of(self.journey.the_calendar, task.kind, task.due, rung)
        self.start_clock("task", task.id, moment, f"Due: {task.label}")

    def take_up(self, clock: Clock) -> None:
        """A clock of the plan's own runs again, to the moment it had. What a hold pauses stays paused."""
        self.stop_clock(clock.kind, clock.subject)
        again = clock.model_copy()
        self.journey.clocks.append(again)
        if again.paused_at is not None and not self._pauses(again):
            self._go_on(again)
        elif again.paused_at is None and self._pauses(again):
            again.paused_at = self.now

    def settle_all(self, outcome: str) -> None:
        """End everything that was owed: the journey is over."""
        for task in self.journey.open_tasks:
            self.settle(task.kind, task.subject, outcome=outcome)

    def climb(self, task: Task) -> int:
        """Take the next step of a task's ladder and set its clock for the one after. Returns the step taken."""
        step = task.rung
        task.rung += 1
        task.quiet_until = None
        self.save_task(task)
        due = ladder.next_step(self.journey.the_calendar, task, self.now)
        self.start_clock("task", task.id, due, f"Overdue: {task.label}")
        return step

    def silence(self, task: Task, person: str) -> None:
        """Somebody is on it: the next step of the ladder waits a while, and is not taken back."""
        task.acknowledged_by = person
        task.quiet_until = ladder.quiet_until(self.journey.the_calendar, task.kind, self.now)
        self.save_task(task)
        for clock in self.journey.clocks:
            if clock.kind == "task" and clock.subject == task.id:
                clock.due = max(clock.due, task.quiet_until)

    def pause_clocks(self, reason: HoldReason) -> None:
        """Pause what this hold pauses, and let go on what an earlier hold paused and this one does not."""
        self.journey.hold_reason = reason
        for clock in self.journey.clocks:
            if clock.paused_at is None and self._pauses(clock):
                clock.paused_at = self.now
            elif clock.paused_at is not None and not self._pauses(clock):
                self._go_on(clock)

    def resume_clocks(self) -> None:
        """Let paused clocks go on with the time they had left."""
        self.journey.hold_reason = None
        for clock in self.journey.clocks:
            if clock.paused_at is not None:
                self._go_on(clock)

    def _go_on(self, clock: Clock) -> None:
        if clock.paused_at is None:
            return
        late_by = self.now - clock.paused_at
        clock.due += late_by
        clock.paused_at = None
        if clock.kind == "task" and (task := self.journey.task(clock.subject)) is not None:
            task.due += late_by
            self.save_task(task)

    def _pauses(self, clock: Clock) -> bool:
        reason = self.journey.hold_reason
        if clock.kind != "task":
            return reason in EVENTS[clock.kind].pauses_for
        task = self.journey.task(clock.subject)
        return task is not None and reason in TASKS[task.kind].pauses_for

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
        else:
            self.stop_about(visit.id, f"the visit is {visit.status.replace('_', ' ')}")
        self._visits[visit.id] = visit

    def remember_record(self, visit: Visit, scores: list[str]) -> None:
        """Keep what was recorded of a visit for as long as it may turn out to be wrong."""
        kept = [r for r in self.journey.recorded if r.visit.id != visit.id]
        numbers = [number(score) for score in scores]
        record = RecordedVisit(visit=visit.model_copy(deep=True), recorded_at=self.now, scores=numbers)
        self.journey.recorded = [*kept, record][-VISITS_KEPT:]
        self._recorded = record

    def forget_record(self, visit: str) -> None:
        """What was recorded of a visit no longer holds."""
        self.journey.recorded = [r for r in self.journey.recorded if r.visit.id != visit]

    def add_scores(
        self, values: dict[str, ScoreValue], *, plan: str | None = None, at: datetime | None = None
    ) -> list[str]:
        """Record results of measures, taken now or at another time. Returns their ids.

        Raises Refused for a measure the pathway lacks or a value out of its range.
        """
        pathway = self.journey.the_pathway
        added = []
        for measure_id, value in values.items():
            measure = pathway.measure(measure_id)
            if measure is None:
                known = ", ".join(sorted(m.id for m in pathway.measures))
                raise Refused("UnknownMeasure", f"a measure that {pathway.label} does not use; it uses: {known}")
            if (problem := measure.problem_with(value)) is not None:
                raise Refused("BadScore", problem)
            score = Score(id=self.mint("score"), measure=measure_id, value=value, at=at or self.now, plan=plan)
            self.journey.scores.append(score)
            self._scores[score.id] = score
            same = [s for s in self.journey.scores if s.measure == measure_id]
            began = self.journey.care_began
            since = [s for s in same if began is not None and s.at >= began]
            baselines = {s.id for s in (*same[:BASELINES_KEPT], *since[:BASELINES_KEPT])}
            forgotten = {s.id for s in same[:-SCORES_KEPT]} - baselines
            self.journey.scores = [s for s in self.journey.scores if s.id not in forgotten]
            added.append(score.id)
        return added

    def enter_scores_in_error(self, ids: Iterable[str]) -> list[Score]:
        """They stay in the record, marked, and leave the journey. Returns those that the journey still looked at."""
        wrong = set(ids)
        known = [s for s in self.journey.scores if s.id in wrong]
        for score in known:
            score.in_error = True
            self._scores[score.id] = score
        self.journey.scores = [s for s in self.journey.scores if s.id not in wrong]
        return known

    # --- telling people

    def tell(
        self,
        to: str,
        template: Template,
        *,
        send_after: datetime | None = None,
        about: str | None = None,
        escalation: Task | None = None,
        **facts: ScoreValue,
    ) -> None:
        """Queue a notice. The patient is written to only with consent, and not in quiet hours.

        `about` is what the notice stands and falls with (a visit). A step of a ladder (`escalation`) has one id for
        ever, so that nothing alerts twice.
        """
        journey = self.journey
        rule = NOTICES[template]
        if (self.taking_over and send_after is None) or (rule.needs_consent and not journey.referral.consent_messages):
            return
        urgent = escalation is not None and TASKS[escalation.kind].round_the_clock
        moment = self.quiet(to, send_after or self.now)
        notice = Notice(
            id=self.mint("notice") if escalation is None else f"{escalation.id}:rung:{escalation.rung}",
            to=to,
            template=template,
            facts={"stage": journey.stage.label, **facts},
            send_after=moment,
            escalation=escalation.id if escalation else None,
            digest=rule.digest and not urgent,
        )
        self._notices.append(notice)
        if notice.digest:
            return  # sent together with others to the same person, not by this journey
        words = f"{to.split(':', 1)[-1]} ({template})".replace("_", " ")
        later = moment if moment > self.now else None
        journey.outgoing.append(Outgoing(id=notice.id, to=to, words=words, send_after=later, about=about))
        self.schedule_messages()

    def quiet(self, to: str, moment: datetime) -> datetime:
        """The moment itself, or for a patient the end of the quiet hours that it falls into."""
        clinic = self.journey.clinic
        if to != "patient" or clinic is None:
            return moment
        return clinic.may_write_at(self.journey.the_calendar.local(moment)).astimezone(moment.tzinfo)

    def schedule_messages(self) -> None:
        """One clock for all that is queued for later: the earliest of them."""
        later = [o.send_after for o in self.journey.outgoing if o.send_after is not None and o.send_after > self.now]
        standing = next((c for c in self.journey.clocks if c.kind == "messages"), None)
        if not later:
            self.stop_clock("messages")
        elif standing is None or standing.due != min(later):
            self.start_clock("messages", "journey", min(later), "Messages to send")

    def stop_notice(self, notice: str, reason: str) -> None:
        """Do not send it after all. What has left already stays as it is."""
        self._stopped.append(Stopped(id=notice, reason=reason))
        self.journey.outgoing = [o for o in self.journey.outgoing if o.id != notice]

    def stop_about(self, subject: str, reason: str) -> None:
        """Do not send what was queued about something that is no longer so."""
        for outgoing in [o for o in self.journey.outgoing if o.about == subject and o.send_after is not None]:
            self.stop_notice(outgoing.id, reason)
        self.schedule_messages()

    def stop_to_patient(self, reason: str, *, queued_now_too: bool = True) -> None:
        """Do not send the patient what was queued for later, or only what earlier decisions queued."""
        kept = set() if queued_now_too else {n.id for n in self._notices}
        for outgoing in [o for o in self.journey.outgoing if o.to == "patient" and o.send_after is not None]:
            if outgoing.id not in kept:
                self.stop_notice(outgoing.id, reason)
        self.schedule_messages()

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
        if self.taking_over:
            return
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

    @property
    def before(self) -> Journey:
        """The journey as it stood before this decision; not to be changed."""
        return self._before

    def close(self, outcome: Outcome) -> None:
        """End the journey: no plan is under way, nothing is owed any more and no clock runs."""
        for plan in self.journey.active_plans:
            plan.status = "ended"
            self.save_plan(plan)
        self.settle_all(outcome)
        self.stop_to_patient("the journey is closed")
        self.journey.clocks = []
        self.journey.hold_reason = None
        self._closing = True
        self.journey.status = "closed"
        self.journey.outcome = outcome

    def stop_messages(self) -> None:
        """No notice that is queued is sent any more. What the referrer's system is to hear still leaves."""
        self._stop_messages = True
        self._notices = []
        self.journey.outgoing = [o for o in self.journey.outgoing if o.id.startswith(f"{self.journey.id}:reply:")]

    # --- the commit

    def commit(self) -> Commit:
        """What has to be written. Settled tasks leave the journey with it."""
        if self._recorded is not None:
            recorded.complete(self._recorded, self._before, self.journey)
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
            stopped=tuple(self._stopped),
            last_state=self._last_state() if self._closing else None,
        )

    def _last_state(self) -> Journey:
        """The journey before it closed; what it has given out since is not given out again."""
        after = self.journey
        return self._before.model_copy(
            update={"seq": after.seq, "minted": after.minted, "done": after.done, "outgoing": [], "alarms": []}
        )


S = TypeVar("S", PlanOfCare, Visit, Score, Task)


def _copies(items: Iterable[S]) -> tuple[S, ...]:
    return tuple(item.model_copy(deep=True) for item in items)
