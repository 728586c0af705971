"""What a draft does to clocks and tasks."""

from __future__ import annotations

from datetime import datetime, timedelta

from care import ladder
from care.clock import EVENTS, Backdated, Clock, ClockKind, HoldReason
from care.draft.record import Record
from care.task import TASKS, Task, TaskKind


class Obligations(Record):
    """Clocks and tasks of the journey being changed."""

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
            days = self.number(rule.due_rule) if rule.due_rule is not None else rule.due
            due = self.now + timedelta(days=days) if rule.due_unit == "days" else self._open_days(days)
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
