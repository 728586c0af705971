"""The journal of a draft: whose decision it is, what it decides, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from care.actor import Actor, system
from care.clock import Backdated, Clock
from care.commit import Entry
from care.dates import dated
from care.journey import Journey, RecordedVisit
from care.model import Model, copy_of
from care.notice import Notice, Reply, Stopped
from care.operating_rules import RuleInForce, RuleKind, in_force, usual
from care.plan import PlanOfCare
from care.rules import Decided, Rule
from care.score import Score, ScoreValue
from care.task import Task
from care.visit import Visit

I = TypeVar("I", bound=Model)  # noqa: E741 - inputs
O = TypeVar("O", bound=Model)  # noqa: E741 - outcome


class Refused(Exception):  # noqa: N818 - the word the caller sees
    """An action that may not be done now: why, and what would be right. Never carries a patient's data."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Record:
    """The journal of a draft, and its times."""

    def __init__(
        self,
        journey: Journey,
        now: datetime,
        actor: Actor | None = None,
        *,
        action_id: str | None = None,
        digest: str = "",
        note: str | None = None,
        taking_over: bool = False,
    ) -> None:
        self._before = journey
        # The pathway, the calendar and what was recorded of a visit never change in place: the copy shares them.
        self.journey = journey.model_copy(
            update={
                name: [copy_of(item) for item in getattr(journey, name)]
                for name in ("clocks", "tasks", "flags", "plans", "visits", "scores")
            }
            | {
                name: copy_of(value)
                for name in ("referral", "surgery", "phase", "ending", "follow_up", "winning_back", "screen")
                if (value := getattr(journey, name)) is not None
            }
            | {
                "minted": dict(journey.minted),
                "done": dict(journey.done),
                "outgoing": [waiting for waiting in journey.outgoing if waiting.may_wait(now)],
            }
        )
        self.now = now
        self.actor = actor or system(journey.tenant)
        self.digest = digest
        """Of the action, where it is one: see `care.action.digest`."""
        self._action = {"action_id": action_id, "action_digest": digest or None, "note": note}
        self._entries: list[Entry] = []
        self._applied: dict[str, str] = {}
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

    # --- operating rules

    def rule(self, sets: RuleKind, since: datetime | None = None) -> RuleInForce:
        """What is in force now; for what began earlier, on that day. The clinic's own days count."""
        day = self.journey.the_calendar.local(since or self.now).date()
        return in_force(self.journey.rules, sets, day) or usual(sets)

    def number(self, sets: RuleKind, since: datetime | None = None) -> int:
        """The number that the rule in force sets; the record of this decision names the rule."""
        found = self.rule(sets, since)
        self.applied(found)
        return int(found.value)

    def days(self, sets: RuleKind, since: datetime | None = None) -> timedelta:
        """The same as days by the hour."""
        return timedelta(days=self.number(sets, since))

    def applied(self, rule: RuleInForce) -> None:
        """This decision follows that rule: the next row of the journal says so, or the last one."""
        self._applied[rule.id] = rule.because

    def _rules_applied(self) -> dict[str, ScoreValue]:
        named = "; ".join(f"{id_}: {source}" for id_, source in self._applied.items())
        self._applied = {}
        return {"rules": named} if named else {}

    def name_rules(self) -> None:
        """What was applied after the last row was written stands in that row."""
        if self._applied and self._entries:
            last = self._entries[-1]
            before = f"{last.data['rules']}; " if "rules" in last.data else ""
            named = self._rules_applied()["rules"]
            self._entries[-1] = last.model_copy(update={"data": {**last.data, "rules": f"{before}{named}"}})

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
                data={k: v for k, v in data.items() if v is not None} | self._rules_applied(),
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
        return dated(self.journey.the_calendar.local(moment), "%d %B %Y, %H:%M")

    def local_iso(self, moment: datetime) -> str:
        """The same as a fact, to the minute: each language words it for itself."""
        return dated(self.journey.the_calendar.local(moment), "%Y-%m-%dT%H:%M")
