"""One journey in memory: drafts are applied, clocks fire and stages follow as `workflows/stage.py` does it.

No Temporal, no database, no clock of the machine: the time is `Driver.now`, and it only moves when a test moves it.
Every action and every journey goes through JSON, as it does on its way through Temporal. What has to hold after any
decision whatever is held against every one of them (`Driver.check`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pathways
from care import action as actions
from care.actor import Actor, Role
from care.calendar import Calendar, Hours
from care.clock import Clock
from care.commit import Commit, Entry
from care.draft import Draft, Refused
from care.journey import REMEMBERED_ACTIONS, Done, Journey, Stage
from care.notice import Notice, Outgoing, Reply
from care.operating_rules import Rulebook
from care.pathway import Pathway
from care.plan import PlanOfCare
from care.red_flag import RedFlag
from care.referral import Clinic, Referral
from care.rules.matching import MATCH, Evidence
from care.rules.registry import rerun
from care.steps import (
    amendments,
    authorisation,
    cancellations,
    certification,
    common,
    corrections,
    discharge,
    editing,
    endings,
    follow_up,
    inbound,
    intake,
    messages,
    migrating,
    phases,
    post_surgery,
    referral,
    reopening,
    reports,
    screening,
    tasks,
    therapy,
    visits,
    winning_back,
)
from care.task import Task
from pathways import loader

Step = Callable[[Draft, Any], object]
OnClock = Callable[[Draft, Clock], object]

TENANT = "demo"
LEAD = "p-lead"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning."""
CALENDAR_AHEAD = timedelta(days=400)
MAX_SIZE = 64 * 1024
NOTE = "note-" + "0" * 32

_MORNING = Hours(opens=time(8), closes=time(12))
_AFTERNOON = Hours(opens=time(13), closes=time(17))
WEEK = (*((_MORNING, _AFTERNOON),) * 4, (_MORNING,), (), ())
"""Fridays close at noon."""


def second(pathway: str) -> Pathway:
    """A second version: the visits of a course, a phase's window, the reviews and the follow-ups are others."""
    first = pathways.load(pathway)
    follow_up = first.follow_up
    moved = tuple(o.model_copy(update={"days": o.days + 10}) for o in follow_up.occasions[1:])
    more = follow_up.occasions[0].model_copy(update={"id": "extra", "label": "Extra", "days": 60})
    stretched = tuple(
        p.model_copy(update={"window_days": (p.window_days[0] + (3 if p.n > 1 else 0), p.window_days[1] + 7)})
        for p in first.phases
    )
    return first.model_copy(
        update={
            "version": 2,
            "review": first.review.model_copy(update={"every_days": first.review.every_days + 14}),
            "dosing": tuple(d.model_copy(update={"visits": (1, 20)}) for d in first.dosing),
            "phases": stretched,
            "follow_up": follow_up.model_copy(update={"occasions": (*moved, more)}),
        }
    )


VERSIONS: dict[str, Pathway] = {f"{id_}@2": second(id_) for id_ in ("low_back_pain", "total_knee_replacement")}
"""Versions of pathways that only tests have."""


def _migrate_pathway(draft: Draft, action: actions.MigratePathway) -> None:
    migrating.check(draft, action)
    label = f"{action.pathway}@{action.to_version}"
    content = VERSIONS.get(label) or pathways.load(action.pathway, action.to_version)
    migrating.migrate(draft, action, content.for_journey())


COMMON: dict[str, Step] = {
    "migrate_pathway": _migrate_pathway,
    "hold": endings.hold,
    "resume": endings.resume,
    "withdraw": endings.withdraw,
    "record_death": endings.record_death,
    "transfer": endings.transfer,
    "confirm_receipt": common.confirm_receipt,
    "handle_red_flag": screening.handle_red_flag,
    "screen": screening.screen,
    "sign_screen": screening.sign_screen,
    "record_consent": common.record_consent,
    "record_scores": common.record_scores,
    "enter_in_error": corrections.enter_in_error,
    "note_amendment": amendments.note_amendment,
    "review_amendment": amendments.review_amendment,
    "note_cancellation": cancellations.note_cancellation,
    "review_cancellation": cancellations.review_cancellation,
    "note_message": inbound.note_message,
    "review_message": inbound.review_message,
    "settle_notice": messages.settle_notice,
    "note_undelivered": messages.note_undelivered,
    "note_merge": corrections.note_merge,
    "review_duplicate": corrections.review_duplicate,
    "claim_task": tasks.claim,
    "assign_task": tasks.assign,
    "acknowledge_task": tasks.acknowledge,
    "request_help": tasks.request_help,
    "give_help": tasks.give_help,
    "hand_over": tasks.hand_over,
    "accept_handover": tasks.accept_handover,
}
ANSWERING: dict[str, Step] = {
    "ask_referrer": intake.ask_referrer,
    "receive_information": intake.receive_information,
    "decline": intake.decline,
    "redirect": intake.redirect,
}
VISITS: dict[str, Step] = {
    "book_visit": visits.book,
    "cancel_visit": visits.cancel,
    "certify_plan": certification.certify,
    "edit_plan": editing.edit_plan,
    "file_progress_report": reports.file_progress_report,
    "request_authorisation": authorisation.request,
    "record_authorisation": authorisation.record,
    "record_contact": winning_back.record_contact,
    "override_gate": phases.override_gate,
    "review_phase": phases.review_phase,
}


def _choose_pathway(draft: Draft, action: actions.ChoosePathway) -> None:
    intake.choose_pathway(draft, action, pathways.load(action.pathway).for_journey())


STEPS: dict[Stage, dict[str, Step]] = {
    Stage.INTAKE: {
        **COMMON,
        **ANSWERING,
        "screen": intake.screen,
        "sign_screen": intake.sign_screen,
        "handle_red_flag": intake.handle_red_flag,
        "choose_pathway": _choose_pathway,
        "match_patient": intake.match_patient,
        "record_consent": intake.record_consent,
    },
    Stage.REFERRAL: {**COMMON, **ANSWERING, "accept": referral.accept},
    Stage.THERAPY: {
        **COMMON,
        **VISITS,
        "record_scores": therapy.record_scores,
        "record_visit": therapy.record_visit,
        "evaluate": therapy.evaluate,
        "review_progress": therapy.review_progress,
        "answer_check": therapy.answer_check,
        "record_surgical_opinion": therapy.record_surgical_opinion,
        "plan_surgery": therapy.plan_surgery,
        "record_surgery": therapy.record_surgery,
    },
    Stage.POST_SURGERY_REHAB: {
        **COMMON,
        **VISITS,
        "record_scores": post_surgery.record_scores,
        "record_visit": post_surgery.record_visit,
    },
    Stage.DISCHARGE: {
        **COMMON,
        "sign_summary": discharge.sign_summary,
        "reopen_care": reopening.reopen_care,
    },
    Stage.FOLLOW_UP: {
        **COMMON,
        "confirm_receipt": follow_up.confirm_receipt,
        "handle_red_flag": follow_up.handle_red_flag,
        "answer_follow_up": follow_up.answer,
        "record_call": follow_up.record_call,
        "re_enter": follow_up.re_enter,
        "reopen_care": reopening.reopen_care,
    },
}
"""What people may do in each stage; a test holds this table against `workflows/`."""

TREATING: dict[str, OnClock] = {
    "visit": visits.over,
    "recertification": certification.runs_out,
    "authorisation_ends": authorisation.ends,
    "drop_off": winning_back.dropped_off,
    "gate_opens": phases.gate_opens,
    "phase_review": phases.review_date,
}
CLOCKS: dict[Stage, dict[str, OnClock]] = {
    Stage.INTAKE: {},
    Stage.REFERRAL: {},
    Stage.THERAPY: {
        **TREATING,
        "review_due": therapy.review_due,
        "self_care_check": therapy.self_care_check,
    },
    Stage.POST_SURGERY_REHAB: {
        **TREATING,
    },
    Stage.DISCHARGE: {},
    Stage.FOLLOW_UP: {
        "follow_up": follow_up.due,
        "follow_up_answer": follow_up.no_answer,
        "open_access": follow_up.window_closed,
    },
}

ENTER: dict[Stage, Callable[[Draft], None]] = {
    Stage.REFERRAL: referral.enter,
    Stage.THERAPY: therapy.enter,
    Stage.POST_SURGERY_REHAB: post_surgery.enter,
    Stage.DISCHARGE: discharge.enter,
    Stage.FOLLOW_UP: follow_up.enter,
}


def calendar(today: date, *, timezone: str = "Europe/Berlin") -> Calendar:
    """A clinic's business time for 460 days from a day on."""
    closed = {
        date(2026, 4, 3): "Good Friday",
        date(2026, 4, 6): "Easter Monday",
        date(2026, 5, 1): "Labour Day",
        date(2026, 5, 14): "Ascension Day",
        date(2026, 5, 25): "Whit Monday",
        date(2026, 12, 25): "Christmas Day",
        date(2027, 1, 1): "New Year's Day",
        date(2027, 3, 26): "Good Friday",
        date(2027, 3, 29): "Easter Monday",
    }
    return Calendar(
        timezone=timezone,
        week=WEEK,
        closed=closed,
        starts=today,
        ends=today + timedelta(days=460),
        source="written for the tests",
        version="1",
    )


_SIZES: dict[int, tuple[object, int]] = {}


def _size(part: object) -> int:
    """The bytes of a pathway or a calendar within the journey; worked out once for each."""
    if not isinstance(part, Pathway | Calendar):
        return len('"pathway":null,')
    if id(part) not in _SIZES:
        _SIZES[id(part)] = (part, len(part.model_dump_json().encode()))
    return _SIZES[id(part)][1] + len(f'"{type(part).__name__.lower()}":,')


class Driver:
    """One journey, what became of it, and what was written down."""

    def __init__(
        self,
        suggested: str | None = "low_back_pain",
        *,
        age: int | None = 45,
        sex: str | None = "female",
        matched: bool = True,
        days_since_onset: int | None = 20,
        urgency: str = "routine",
        now: datetime = START,
        timezone: str = "Europe/Berlin",
        evidence: Evidence | None = None,
        hinted_flags: tuple[RedFlag, ...] = (),
        regulator: str | None = None,
        payer: str | None = None,
        rules: Rulebook | None = None,
    ) -> None:
        self.now = now
        self.journal: list[Entry] = []
        self.commits: list[Commit] = []
        self.notices: list[Notice] = []
        self.replies: list[Reply] = []
        self.alarms: list[Notice] = []
        self.waiting: dict[str, datetime] = {}
        """Notices that wait for their hour, as the record has them."""
        self.left: dict[str, datetime] = {}
        """Notices and replies that have left, and when. Reminders that wait for a digest are not among them."""
        self.stopped: dict[str, str] = {}
        """Notices that were stopped, and why."""
        self.tasks: dict[str, Task] = {}
        self.minted: set[str] = set()
        self.largest = 0
        self._acted = 0
        self.journey = Journey(
            id="jtest",
            tenant=TENANT,
            referral=Referral(
                received_at=now,
                urgency=urgency,
                suggested_pathway=suggested,
                age=age,
                sex=sex,
                patient_matched=matched,
                days_since_onset=days_since_onset,
                payer=payer,
            ),
            rules=(rules or loader.rulebook()).for_scope(regulator, payer),
        )
        if evidence is not None:
            match, decided = MATCH.apply(evidence)
            suggested = match.settled
            self.journey.referral = self.journey.referral.model_copy(
                update={
                    "suggested_pathway": suggested,
                    "candidates": tuple(c.pathway for c in match.candidates),
                    "questions": match.questions,
                    "matching": decided,
                }
            )
        pathway = pathways.load(suggested).for_journey() if suggested else None
        clinic = Clinic(id="clinic", tenant=TENANT, lead=LEAD)
        self.timezone = timezone
        self._apply(lambda d: intake.enter(d, clinic, calendar(now.date(), timezone=timezone), pathway, hinted_flags))

    # --- time

    def wait(self, until: datetime | None = None, **delta: float) -> None:
        """Let time pass; clocks fire on their way, each at its own moment and in their order."""
        target = until if until is not None else self.now + timedelta(**delta)
        while (moment := self._next_moment()) is not None and moment <= target:
            self.now = max(self.now, moment)
            self._let_happen()
        self.now = max(self.now, target)

    def tick(self) -> Clock | None:
        """Let time pass until the next clock has fired. Returns it."""
        clock = self._next_clock()
        if clock is not None:
            while (hour := min(self.waiting.values(), default=clock.due)) < clock.due:
                self.now = max(self.now, hour)
                self._post()
            self.now = max(self.now, clock.due)
            self._fire()
        return clock

    def stop_worker(self, **delta: float) -> None:
        """Let time pass while nobody runs: what fell due meanwhile fires late."""
        self.now += timedelta(**delta)

    def _next_moment(self) -> datetime | None:
        """When something happens by itself: a clock runs out, or the hour of a message comes."""
        clock = self._next_clock()
        return min([*self.waiting.values(), *([clock.due] if clock is not None else [])], default=None)

    def _let_happen(self) -> None:
        clock = self._next_clock()
        if clock is not None and clock.due <= self.now:
            self._fire()
        else:
            self._post()

    def _next_clock(self) -> Clock | None:
        return self.journey.next_clock if self.journey.status != "closed" else None

    def _fire(self) -> None:
        def fire(d: Draft) -> None:
            due_now = [c for c in self.journey.clocks if c.paused_at is None and c.due <= self.now]
            for clock in sorted(due_now, key=lambda c: c.due):
                standing = any(c.id == clock.id for c in d.journey.clocks)
                if standing and d.journey.next_stage is None:
                    self._on_clock(d, clock)

        self._apply(fire)

    def _on_clock(self, d: Draft, clock: Clock) -> None:
        step = CLOCKS[self.journey.stage].get(clock.kind)
        if step is not None:
            step(d, clock)
        elif clock.kind == "task":
            tasks.due(d, clock)
        else:
            d.stop_clock(clock.kind, clock.subject)

    # --- people

    def act(
        self,
        name: str,
        role: Role = "coordinator",
        *,
        person: str = "p-someone",
        note: str | None = None,
        stage: Stage | None = None,
        seq: int | None = None,
        action_id: str | None = None,
        tenant: str = TENANT,
        **data: Any,
    ) -> Commit:
        """Somebody does something. Raises Refused, and then nothing has changed."""
        self.wait()
        if name not in STEPS[self.journey.stage]:
            raise Refused("NoSuchAction", f"{self.journey.stage} has no {name}")
        self._acted += 1
        kind = actions.ACTIONS[name]
        said = kind(
            action_id=action_id or f"a-{self._acted}",
            actor=Actor(person=person, role=role, tenant=tenant),
            expected=actions.Expected(stage=stage or self.journey.stage, seq=seq),
            note=note,
            **data,
        )
        action = kind.model_validate_json(said.model_dump_json())
        digest = actions.digest(action)
        before = self.state()
        step = STEPS[self.journey.stage][name]
        try:
            common.check_expected(self.journey, action)
            self._raise_alarms(action)
            draft = Draft(
                self.journey, self.now, action.actor, action_id=action.action_id, digest=digest, note=action.note
            )
            step(draft, action)
        finally:
            assert self.state() == before, f"{name} changed the journey it was made from"
        draft.journey.done[action.action_id] = Done(digest=digest, seq=draft.journey.seq, stage=self.journey.stage)
        for forgotten in list(draft.journey.done)[:-REMEMBERED_ACTIONS]:
            del draft.journey.done[forgotten]
        return self._commit(draft, before)

    def refused(self, name: str, role: Role = "coordinator", **data: Any) -> str:
        """Somebody tries something that is refused. Returns the kind of refusal; nothing has changed."""
        self.wait()
        before = self.trace()
        try:
            self.act(name, role, **data)
        except Refused as refused:
            assert self.trace() == before, f"{name} was refused and changed something"
            return refused.kind
        raise AssertionError(f"{name} was not refused")

    def undelivered(self, notice: str) -> None:
        """A message to the referrer was lost."""
        self.act("note_undelivered", "system", notice=notice, to="referrer")

    def _raise_alarms(self, action: actions.Action) -> None:
        answers = screening.said_in(self.journey, action)
        try:
            self.alarms += screening.alarms(self.journey, answers, action.action_id, self.now)
        except Refused:
            return

    # --- shorthand

    def slot(self, *, days: float = 0, minutes: int = 30) -> datetime:
        """The next moment, from so many days on, at which the clinic is open for that long."""
        the_calendar = self.journey.the_calendar
        moment = self.now + timedelta(days=days, minutes=5)
        moment = moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        while not the_calendar.is_open(moment, moment + timedelta(minutes=minutes)):
            moment += timedelta(hours=1)
        return moment

    def visit(
        self,
        *,
        days: float = 0,
        scores: dict[str, Any] | None = None,
        answers: dict[str, bool] | None = None,
        outcome: str = "attended",
    ) -> Commit:
        """Book a visit, let its time come, and record what happened."""
        starts_at = self.slot(days=days, minutes=45)
        self.act("book_visit", clinician="p-therapist", starts_at=starts_at)
        booked = next(v for v in self.journey.visits if v.starts_at == starts_at)
        self.wait(until=booked.ends_at - timedelta(minutes=1))
        return self.act(
            "record_visit",
            "therapist",
            visit=booked.id,
            outcome=outcome,
            scores=scores or {},
            answers=answers or {},
        )

    def at(self, stage: Stage) -> bool:
        """Whether the journey is in this stage."""
        return self.journey.stage == stage

    @property
    def plan(self) -> PlanOfCare:
        """The one plan of care under way."""
        (plan,) = self.journey.active_plans
        return plan

    @property
    def owed(self) -> set[str]:
        """The kinds of task that are open."""
        return {t.kind for t in self.journey.open_tasks}

    def clock(self, kind: str) -> Clock:
        """The one clock of a kind."""
        (clock,) = [c for c in self.journey.clocks if c.kind == kind]
        return clock

    def task_clock(self, kind: str) -> Clock:
        """The clock of the one open task of a kind."""
        (task,) = [t for t in self.journey.open_tasks if t.kind == kind]
        (clock,) = [c for c in self.journey.clocks if c.kind == "task" and c.subject == task.id]
        return clock

    def kinds(self, since: int = 0) -> list[str]:
        """The kinds of journal row written after a row."""
        return [e.kind for e in self.journal if e.seq > since]

    def told(self, to: str, template: str | None = None) -> list[Notice]:
        """The notices to somebody."""
        return [n for n in self.notices if n.to == to and template in (None, n.template)]

    def state(self) -> tuple[object, object, str]:
        """The journey as it stands, to compare; pathway and calendar are frozen, so that they themselves will do."""
        rest = self.journey.model_dump_json(exclude={"pathway", "calendar"})
        return self.journey.pathway, self.journey.calendar, rest

    def trace(self) -> tuple[object, ...]:
        """The journey and how much was written down, to compare."""
        return (*self.state(), len(self.journal), len(self.notices), len(self.replies), len(self.tasks))

    def size(self) -> int:
        """How many bytes the journey takes as JSON."""
        pathway, the_calendar, rest = self.state()
        return len(rest.encode()) + sum(_size(part) for part in (pathway, the_calendar))

    def clone(self) -> Driver:
        """Another driver that stands where this one does."""
        shared = {id(part): part for part in (self.journey.pathway, self.journey.calendar)}
        return copy.deepcopy(self, shared)

    # --- the commit

    def _apply(self, step: Callable[[Draft], object]) -> Commit:
        before = self.state()
        draft = Draft(self.journey, self.now)
        step(draft)
        assert self.state() == before, "a step changed the journey it was made from"
        return self._commit(draft, before)

    def _commit(self, draft: Draft, before: tuple[object, object, str]) -> Commit:
        commit = draft.commit()
        assert self.state() == before
        self._record(commit)
        self.journey = draft.journey
        self.largest = max(self.largest, self.size())
        self._send(commit)
        last = self.commits[-1]
        assert Commit.model_validate_json(last.model_dump_json()) == last, "a commit that does not travel"
        if self.journey.next_stage is None or self.journey.status == "closed":
            self.check()
            return commit
        self._continue_as(self.journey.next_stage)
        return commit

    def _send(self, commit: Commit) -> None:
        """What is not queued for later leaves at once."""
        if commit.stop_messages:
            self.waiting = {}
        for notice in [n for n in commit.notices if not n.digest]:
            if notice.send_after > commit.at:
                self.waiting[notice.id] = notice.send_after
            else:
                self.left[notice.id] = self.now
        self.left |= {reply.id: self.now for reply in commit.replies}
        for stopped in commit.stopped:  # what has left by then has left
            if self.waiting.pop(stopped.id, None) is not None:
                self.stopped[stopped.id] = stopped.reason

    def _post(self) -> None:
        """The post comes: what waits and whose hour has come leaves, or does not (`activities/post.py`)."""
        listed = {o.id: o for o in self.journey.outgoing}
        to = {n.id: n.to for n in self.notices}
        for id_ in [i for i, hour in self.waiting.items() if hour <= self.now]:
            hour = self.waiting.pop(id_)
            if self.journey.status == "closed":
                self.stopped[id_] = messages.CLOSED
                continue
            waited = listed.get(id_, Outgoing(id=id_, to=to[id_], send_after=hour))
            reached = messages.verdict(self.journey, waited, self.now)
            if reached.stopped is not None:
                self.stopped[id_] = reached.stopped
            elif reached.waits_until is not None:
                self.waiting[id_] = reached.waits_until
            else:
                self.left[id_] = self.now

    def _record(self, commit: Commit) -> None:
        last = self.journal[-1].seq if self.journal else 0
        assert [e.seq for e in commit.entries] == list(range(last + 1, last + 1 + len(commit.entries)))
        assert commit.seq == last + len(commit.entries)
        if commit.stop_messages:
            assert not commit.notices
        ids = [n.id for n in commit.notices] + [r.id for r in commit.replies]
        assert not self.minted & set(ids)
        assert len(ids) == len(set(ids))
        self.minted |= set(ids)
        for entry in commit.entries:
            if entry.decided is not None:
                assert rerun(entry.decided) == entry.decided.outcome, "a decision does not come out again"
        self.journal += commit.entries
        self.commits.append(commit)
        self.notices += commit.notices
        self.replies += commit.replies
        self.tasks |= {t.id: t for t in commit.tasks}
        assert not set(self.stopped) & set(self.left), "a message that has left cannot be stopped"

    def _continue_as(self, stage: Stage) -> None:
        text = self.journey.model_dump_json()
        assert len(text.encode()) == self.size()
        travelled = Journey.model_validate_json(text)
        assert travelled == self.journey
        self.journey = travelled
        today = self.now.date()
        if self.journey.the_calendar.ends - today <= CALENDAR_AHEAD:
            self.journey.calendar = calendar(today, timezone=self.timezone)
        self._apply(ENTER[stage])

    # --- what always holds

    def check(self) -> None:
        """The promises that every state of every journey keeps."""
        journey = self.journey
        assert self.size() < MAX_SIZE, "a journey has grown too large to travel"
        assert [e.seq for e in self.journal] == list(range(1, journey.seq + 1))
        if journey.status == "closed":
            assert not journey.clocks, "a closed journey has a clock"
            assert not journey.open_tasks, "a closed journey owes something"
            assert all(t.settled_at is not None for t in self.tasks.values())
            return
        assert journey.next_clock is not None, "an open journey without a live clock"
        assert len({c.id for c in journey.clocks}) == len(journey.clocks)
        pairs = [(c.kind, c.subject) for c in journey.clocks]
        assert len(set(pairs)) == len(pairs), "two clocks of one kind about one subject"
        chased = sorted(c.subject for c in journey.clocks if c.kind == "task")
        assert chased == sorted(t.id for t in journey.open_tasks), "a task without its clock, or a clock without one"
        if journey.status == "open":
            assert all(c.paused_at is None for c in journey.clocks), "a paused clock although nothing is on hold"
        else:
            assert "review_hold" in self.owed, "a hold without a review"
        for task in journey.open_tasks:
            plan = journey.plan(task.subject) if task.kind == "book_visit" else None
            if plan is not None and not plan.self_care and journey.stage == Stage.THERAPY:
                watched = any(c.kind == "drop_off" and c.subject == plan.id for c in journey.clocks)
                looked_at = any(journey.open_task(k, plan.id) for k in ("win_back", "review_progress"))
                assert watched or looked_at, "a patient without a visit whom nobody will miss"
        open_in_record = {t.id for t in self.tasks.values() if t.settled_at is None}
        assert open_in_record == {t.id for t in journey.open_tasks}, "the record and the journey owe different things"
