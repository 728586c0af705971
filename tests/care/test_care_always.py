"""What holds after any sequence of actions and at any time: walks that hypothesis thinks of.

The promises themselves are in `Driver.check`, held against every commit; here are the walks, and what an action,
a row of the journal and a notice may carry at all.
"""

from __future__ import annotations

import ast
import functools
import re
import typing
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pydantic import BaseModel, ValidationError

import pathways
from care import action as actions
from care.action import Action
from care.actor import Role
from care.card import card
from care.clock import EVENTS
from care.draft import Refused
from care.journey import Journey, Stage
from care.task import TASKS
from pathways import loader
from tests.care.driver import CLOCKS, NOTE, STEPS, Driver
from tests.care.walks import (
    KNEE,
    LOW,
    MEDIUM,
    PHASE_1,
    PHASE_2,
    PHASE_3,
    PHASE_4,
    RECOVERED,
    no_flags,
    to_discharge,
    to_follow_up,
    to_last_phase,
    to_plan,
    to_referral,
    to_rehab,
    to_therapy,
)
from tests.thorough import times

ROOT = Path(__file__).parents[2]


def _authorised() -> Driver:
    driver = to_plan(Driver(), MEDIUM)
    driver.act("request_authorisation", plan=driver.plan.id)
    last_day = driver.now.date() + timedelta(days=30)
    days: dict[str, Any] = {"first_day": driver.now.date(), "last_day": last_day}
    driver.act("record_authorisation", plan=driver.plan.id, decision="granted", visits=4, **days)
    return driver


def _missed(driver: Driver) -> Driver:
    driver.visit(days=1, outcome="no_show")
    return driver


BEGINNINGS: dict[str, Callable[[], Driver]] = {
    "back pain, nothing known": lambda: Driver(None, matched=False, age=None, sex=None, days_since_onset=None),
    "back pain in intake": Driver,
    "back pain in referral": lambda: to_referral(Driver()),
    "back pain accepted, no messages": lambda: to_therapy(Driver(), messages=False),
    "self-care": lambda: to_plan(Driver(days_since_onset=3), LOW),
    "medium risk": lambda: to_plan(Driver(), MEDIUM),
    "an authorisation of few visits": _authorised,
    "a visit missed": lambda: _missed(to_plan(Driver(), MEDIUM)),
    "the first visit missed": lambda: _missed(to_therapy(Driver())),
    "back pain in discharge": lambda: to_discharge(Driver()),
    "back pain in follow-up": lambda: to_follow_up(Driver()),
    "knee in pre-hab": lambda: to_plan(Driver("total_knee_replacement"), KNEE),
    "knee after surgery": lambda: to_rehab(Driver("total_knee_replacement", age=68)),
    "knee in the last phase": lambda: to_last_phase(Driver("total_knee_replacement", age=68)),
}
SCORES = [LOW, MEDIUM, RECOVERED, MEDIUM | {"odi": 70, "nprs": 9}, KNEE, PHASE_1, PHASE_2, PHASE_3, PHASE_4]


@functools.cache
def _beginning(name: str) -> Driver:
    return BEGINNINGS[name]()


def begin(name: str) -> Driver:
    """A journey that has come so far already."""
    return _beginning(name).clone()


def scores_for(driver: Driver, draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Results of measures, most of them of this pathway; some out of range."""
    chosen: dict[str, Any] = dict(draw(st.sampled_from(SCORES)))
    if driver.journey.pathway is not None and draw(st.integers(0, 4)):
        known = {m.id for m in driver.journey.pathway.measures}
        chosen = {k: v for k, v in chosen.items() if k in known}
    if not draw(st.integers(0, 9)):
        chosen["nprs"] = draw(st.sampled_from([11, -1, "high", 3, 1e9]))
    return chosen


ABOUT = ["diagnosis", "imaging", "contact_details"]
RECIPIENTS = {
    "assign_task": ["person:p-therapist", "queue:triage"],
    "hand_over": ["p-therapist", "p-lead"],
    "note_undelivered": ["patient", "referrer", "queue:front_desk"],
}


def items_for(journey: Journey, draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Answers to the items of an instrument of this pathway, now and then; some make no score."""
    scored = [m for m in journey.pathway.measures if m.scoring is not None] if journey.pathway is not None else []
    if not scored or draw(st.integers(0, 5)):
        return {}
    measure = draw(st.sampled_from(scored))
    assert measure.scoring is not None
    items = measure.scoring.items - (not draw(st.integers(0, 5)))
    return {measure.id: tuple(draw(st.sampled_from([0, 1, 1, 1, None, 5])) for _ in range(items))}


def data_for(name: str, driver: Driver, draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """What somebody might say with this action, sensible more often than not."""
    journey = driver.journey

    def one_of(ids: list[str]) -> str:
        return str(draw(st.sampled_from(ids or ["jtest:nothing:9"])))

    def plan_id() -> str | None:
        if name == "record_contact" and not journey.plans:
            return None
        return one_of([p.id for p in journey.plans][::-1])

    def some_answers() -> dict[str, bool]:
        signs = no_flags(driver) if journey.pathway is not None else {"saddle_numb": False}
        ticked = draw(st.sets(st.sampled_from(sorted(signs)), max_size=2)) if not draw(st.integers(0, 2)) else set()
        return {**signs, **dict.fromkeys(ticked, True)}

    def minutes_or_days() -> int | None:
        found: int | None = draw(st.one_of(st.none(), st.integers(10, 60)))
        return found

    makers: dict[str, Callable[[], Any]] = {
        "scores": lambda: scores_for(driver, draw),
        "items": lambda: items_for(journey, draw),
        "answers": some_answers,
        "flag": lambda: draw(st.sampled_from([f.flag for f in journey.flags] or ["ces"])),
        "plan": plan_id,
        "visit": lambda: one_of([v.id for v in journey.visits]),
        "id": lambda: one_of([s.id for s in journey.scores] + [r.visit.id for r in journey.recorded]),
        "of": lambda: draw(st.sampled_from(["queue:supervisors", "person:p-lead"])),
        "giver": lambda: draw(st.sampled_from([None, "p-therapist"])),
        "rung": lambda: draw(st.sampled_from([None, 0, 1])),
        "notice": lambda: one_of([n.id for n in driver.notices]),
        "order_signed_at": lambda: driver.now - timedelta(days=draw(st.integers(0, 40))),
        "plan_sent_at": lambda: driver.now - timedelta(days=draw(st.integers(0, 40))),
        "visits": lambda: draw(st.integers(0, 12)),
        "first_day": lambda: driver.now.date(),
        "last_day": lambda: driver.now.date() + timedelta(days=draw(st.integers(-1, 60))),
        "task": lambda: one_of([t.id for t in journey.open_tasks]),
        "starts_at": lambda: driver.slot(days=draw(st.integers(0, 10)), minutes=45),
        "review_on": lambda: driver.now + timedelta(days=draw(st.integers(-1, 40))),
        "planned_for": lambda: driver.now + timedelta(days=draw(st.integers(-1, 40))),
        "done_at": lambda: driver.now - timedelta(days=draw(st.integers(-1, 60))),
        "pathway": lambda: draw(st.sampled_from(["low_back_pain", "total_knee_replacement"])),
        "clinician": lambda: "p-therapist",
        "from_version": lambda: journey.pathway.version if journey.pathway and draw(st.integers(0, 4)) else 7,
        "to_version": lambda: draw(st.sampled_from([1, 2, 2])),
        "doses": lambda: draw(st.sampled_from([{}, {"physiotherapy": {"visits": 9, "weeks": 6}}])),
        "conditions": lambda: draw(st.sampled_from([(), ("diabetes",)])),
        "authorised_visits": lambda: draw(st.sampled_from([None, 3])),
        "dose": lambda: {"visits": draw(st.integers(0, 12))},
        "targets": lambda: draw(st.sampled_from([{}, {"odi": 15}, {"knee_flex": 120}])),
        "days_since_onset": minutes_or_days,
        "minutes": minutes_or_days,
        "modalities": lambda: draw(st.sampled_from([(), (), ("heat_pack",)])),
        "messages": lambda: draw(st.booleans()),
        "message": lambda: f"ask-{draw(st.integers(1, 3))}",
        "about": lambda: "hospital_discharge" if name == "note_message" else draw(st.sampled_from(ABOUT)),
    }
    if name in RECIPIENTS:
        makers["to"] = lambda: draw(st.sampled_from(RECIPIENTS[name]))
    made: dict[str, Any] = {}
    for field, info in actions.ACTIONS[name].model_fields.items():
        if field not in Action.model_fields:
            make = makers.get(field)
            made[field] = make() if make else draw(st.sampled_from(choices(info.annotation)))
    if name == "book_visit" and draw(st.booleans()):
        del made["plan"]
    return made


def choices(annotation: Any) -> list[Any]:
    """The words that a field may be."""
    found: list[Any] = [True, False] if annotation is bool else []
    for part in typing.get_args(annotation):
        found += typing.get_args(part) or [None if part is type(None) else part]
    return found


ROLES: list[Role] = ["therapist", "therapist", "coordinator", "on_call"]
ENDINGS = {"withdraw", "record_death", "transfer", "decline", "redirect"}


class Walk(RuleBasedStateMachine):
    """People do things in any order, time goes by, the worker is away for a while."""

    largest = 0
    closed = 0
    stages: typing.ClassVar[set[tuple[str, str]]] = set()
    refusals: typing.ClassVar[set[str]] = set()
    done: typing.ClassVar[set[tuple[str, str]]] = set()

    @initialize(name=st.sampled_from(sorted(BEGINNINGS)))
    def begin(self, name: str) -> None:
        self.driver = begin(name)
        note(f"--- {name}")

    def _open(self) -> bool:
        return self.driver.journey.status != "closed"

    @precondition(_open)
    @rule(data=st.data(), rare=st.integers(0, 19))
    def somebody_acts(self, data: st.DataObject, rare: int) -> None:
        names = sorted(set(STEPS[self.driver.journey.stage]) - (ENDINGS if rare else set()))
        self.act(data.draw(st.sampled_from(names)), data)

    @precondition(_open)
    @rule(data=st.data())
    def somebody_does_what_is_owed(self, data: st.DataObject) -> None:
        settling = {name for task in self.driver.journey.open_tasks for name in TASKS[task.kind].actions}
        names = sorted((settling - ENDINGS) & set(STEPS[self.driver.journey.stage]))
        assume(names)
        self.act(data.draw(st.sampled_from(names)), data)

    def act(self, name: str, data: st.DataObject) -> None:
        driver = self.driver
        driver.wait()
        if driver.journey.status == "closed" or name not in STEPS[driver.journey.stage]:
            return
        said = data_for(name, driver, data.draw)
        role = data.draw(st.sampled_from(ROLES))
        before = driver.trace()
        stage = driver.journey.stage
        note(f"{driver.now} {stage} {name} {said}")
        try:
            driver.act(name, role, note=data.draw(st.sampled_from([NOTE, None])), **said)
            self.done.add((stage, name))
        except Refused as refused:
            note(f"    refused: {refused.kind}")
            self.refusals.add(refused.kind)
            assert driver.trace() == before

    @precondition(_open)
    @rule()
    def the_next_clock_fires(self) -> None:
        note(f"tick: {self.driver.tick()}")

    @precondition(_open)
    @rule(days=st.sampled_from([0.2, 1, 3, 8, 31]))
    def time_goes_by(self, days: float) -> None:
        note(f"wait {days} days")
        self.driver.wait(days=days)

    @precondition(_open)
    @rule(days=st.sampled_from([0.5, 4]))
    def nobody_runs(self, days: float) -> None:
        note(f"worker away for {days} days")
        self.driver.stop_worker(days=days)

    @precondition(_open)
    @rule()
    def a_message_does_not_leave(self) -> None:
        if self.driver.notices:
            self.driver.undelivered(self.driver.notices[-1].id)

    @precondition(lambda self: not self._open())
    @rule(name=st.sampled_from(["note_amendment", "resume", "record_death"]))
    def nothing_is_done_to_a_closed_journey(self, name: str) -> None:
        assert self.driver.refused(name) == "Closed"

    def teardown(self) -> None:
        if not hasattr(self, "driver"):
            return
        driver = self.driver
        Walk.largest = max(Walk.largest, driver.largest)
        Walk.closed += driver.journey.status == "closed"
        told = len(driver.notices)
        if driver.journey.status == "closed":
            driver.wait(days=400)
            assert len(driver.notices) == told
        else:
            driver.check()
            assert card(driver.journey, driver.now)
        assert_nothing_but_known_words(driver)


Walk.TestCase.settings = settings(
    max_examples=times(30, 200),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # the shrinking of such a walk takes longer than reading it
)
TestWalk = Walk.TestCase


def assert_nothing_but_known_words(driver: Driver) -> None:
    """Nothing that a person could have typed: ids, numbers, dates, and words of our own code and content."""
    known = our_words()
    for entry in driver.journal:
        for text in strings(entry.text, entry.kind, entry.data):
            unknown = [w for w in words(text) if w not in known]
            assert not unknown, f"row {entry.seq} ({entry.kind}) says {unknown}"
    for notice in driver.notices:
        for text in strings(notice.facts):
            unknown = [w for w in words(text) if w not in known]
            assert not unknown, f"{notice.template} says {unknown}"
    for reply in driver.replies:
        assert reply.reason is None or all(w in known for w in words(reply.reason))


def strings(*values: Any) -> Iterator[str]:
    """Every string in a value, however deep."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from strings(*value.values())
        elif isinstance(value, list | tuple):
            yield from strings(*value)


def words(text: str) -> list[str]:
    """The words of a text; numbers, dates and our own minted ids are none."""
    text = re.sub(r"\bp-[a-z0-9._-]+", " ", text)  # a person of the directory
    text = re.sub(r"jtest:[a-z]+:\d+(:\w+)*", " ", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+", " ", text)
    return re.findall(r"[^\W\d_]{2,}", text.lower())


MONTHS = {f"{datetime(2026, m, 1):%B}".lower() for m in range(1, 13)}  # noqa: DTZ001


@functools.cache
def our_words() -> frozenset[str]:
    """Every word of `care/` and of our content."""
    texts = [path.read_text("utf-8") for path in (ROOT / "care").rglob("*.py")]
    literals = [
        node.value
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    content = [pathways.load(name).model_dump_json() for name in pathways.latest()]
    content.append(loader.rulebook().model_dump_json())
    return frozenset({word for text in (*literals, *content) for word in words(text)} | MONTHS)


# --- the longest walk


def test_the_longest_walk_stays_small_enough_to_travel(record_property: Callable[[str, object], None]) -> None:
    """Back pain, treated, worse and treated again, four times over, with a score of everything at every visit.

    Actions are named as a caller would name them, with a UUID.
    """
    driver = Driver()
    n = iter(range(10_000))

    def named() -> str:
        return f"018f3c3e-7b1a-7c3e-9d2a-{next(n):012x}"

    act = driver.act
    driver.act = lambda *a, **k: act(*a, **({"action_id": named()} | k))  # type: ignore[method-assign]
    to_plan(driver, MEDIUM)
    for again in range(4):
        for visit in range(12):
            driver.visit(days=2, scores={"nprs": 5, "odi": 41 - visit / 2, "psfs": 4, "groc": 0, "hep_adherence": 50})
            if "review_progress" in driver.owed:
                driver.act("review_progress", "therapist", plan=driver.plan.id, decision="continue", note=NOTE)
        driver.act("record_scores", "therapist", scores=RECOVERED)
        driver.act("review_progress", "therapist", plan=driver.plan.id, decision="discharge", reason="GOALS", note=NOTE)
        driver.act("sign_summary", "therapist")
        driver.act("confirm_receipt", "referrer")
        driver.wait(days=100)
        if again == 3:
            break
        driver.act("answer_follow_up", "patient", scores={"nprs": 9, "odi": 60})
        driver.act("record_call", "therapist", outcome="re_enter")
        driver.visit(days=1)
        driver.act("evaluate", "therapist", scores=MEDIUM, clinician="p-therapist")
        driver.act("certify_plan", "therapist", plan=driver.plan.id, by="signature")
    record_property("largest", driver.largest)
    print(f"largest journey: {driver.largest} bytes; {len(driver.journey.done)} actions remembered")
    assert driver.largest < 64 * 1024


# --- what an action may carry

FREE_TEXT = {
    "Actor.person": "an id of the directory, by its pattern",
    "EnterInError.id": "compared with the ids of the journey's scores and visits; only its own are stored",
    "ClaimTask.task": "compared with the ids of the journey's tasks, never stored",
    "AssignTask.task": "compared with the ids of the journey's tasks, never stored",
    "AcknowledgeTask.task": "compared with the ids of the journey's tasks, never stored",
    "RequestHelp.task": "compared with the ids of the journey's tasks, never stored",
    "GiveHelp.task": "compared with the ids of the journey's tasks, never stored",
    "AcceptHandover.task": "compared with the ids of the journey's tasks, never stored",
    "FileProgressReport.plan": "compared with the ids of the journey's plans, never stored",
    "RequestAuthorisation.plan": "compared with the ids of the journey's plans, never stored",
    "RecordAuthorisation.plan": "compared with the ids of the journey's plans, never stored",
    "EditPlan.plan": "compared with the ids of the journey's plans, never stored",
    "RecordContact.plan": "compared with the ids of the journey's plans, never stored",
    "SettleNotice.task": "compared with the ids of the journey's tasks, never stored",
    "BookVisit.plan": "compared with the ids of the journey's plans; the plan's own id is stored",
    "CancelVisit.visit": "compared with the ids of the journey's visits, never stored",
    "RecordVisit.visit": "compared with the ids of the journey's visits, never stored",
    "CertifyPlan.plan": "compared with the ids of the journey's plans, never stored",
    "ReviewProgress.plan": "compared with the ids of the journey's plans, never stored",
    "RecordScores.scores": "a word only where the measure lists it among its options",
    "RecordVisit.scores": "a word only where the measure lists it among its options",
    "Evaluate.scores": "a word only where the measure lists it among its options",
    "RecordSurgery.scores": "a word only where the measure lists it among its options",
    "AnswerCheck.scores": "a word only where the measure lists it among its options",
    "AnswerFollowUp.scores": "a word only where the measure lists it among its options",
}
"""Fields of actions that are a plain string, and why no free text can enter by them."""


def test_an_action_has_no_free_text() -> None:
    found: set[str] = set()
    for kind in actions.ACTIONS.values():
        for name in kind.model_fields:
            if _takes_anything(kind, name):
                found.add(f"{kind.__name__}.{name}")
    assert found == set(FREE_TEXT) - {"Actor.person"}
    assert set(actions.ACTIONS) == {name for steps in STEPS.values() for name in steps}


def _takes_anything(kind: type[Action], name: str) -> bool:
    """Whether a sentence passes as this field, alone or within a mapping."""
    sentence = "Ann Smith, born 1 May 1970, says that it hurts"
    for value in (sentence, {"nprs": sentence}, {sentence: True}):
        try:
            kind.model_validate({name: value})
        except ValidationError as error:
            if name not in {e["loc"][0] for e in error.errors()}:
                return True
    return False


@pytest.mark.parametrize("name", sorted(actions.ACTIONS))
def test_an_action_refuses_what_it_does_not_know(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        actions.ACTIONS[name].model_validate({"free_text": "Ann Smith"})
    assert "Ann" not in str(refused.value)
    assert any(e["type"] == "extra_forbidden" for e in refused.value.errors())


@given(st.text(min_size=1, max_size=40), st.sampled_from(sorted(set(FREE_TEXT) - {"Actor.person"})))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_a_text_where_an_id_belongs_leaves_no_trace(text: str, field: str) -> None:
    canary = f"Zyx {text}"
    driver = begin("medium risk")
    kind, name = field.split(".")
    action = next(n for n, k in actions.ACTIONS.items() if k.__name__ == kind)
    if action not in STEPS[driver.journey.stage]:
        return
    said: dict[str, dict[str, Any]] = {
        "enter_in_error": {"what": "score"},
        "assign_task": {"to": "queue:triage"},
        "request_help": {"of": "queue:triage"},
        "give_help": {"outcome": "helped"},
        "record_authorisation": {"decision": "denied"},
        "record_contact": {"channel": "phone", "outcome": "not_reached"},
        "settle_notice": {"outcome": "not_needed"},
        "book_visit": {"clinician": "p-therapist", "starts_at": driver.slot(days=2)},
        "cancel_visit": {"reason": "patient"},
        "record_visit": {"outcome": "attended", "visit": "x"},
        "certify_plan": {"by": "signature"},
        "review_progress": {"decision": "continue"},
        "evaluate": {"clinician": "p-therapist"},
        "record_surgery": {"done_at": driver.now},
    }
    data = said.get(action, {}) | {name: {"start_back": canary} if name == "scores" else canary}
    with pytest.raises(Refused) as refused:
        driver.act(action, "therapist", note=NOTE, **data)
    assert "Zyx" not in str(refused.value)
    assert "Zyx" not in driver.journey.model_dump_json()
    assert not any("Zyx" in e.model_dump_json() for e in driver.journal)


# --- the tables agree with each other and with the workflows


def test_every_task_can_be_settled_in_every_stage_in_which_it_may_be_open() -> None:
    anywhere = {
        "handle_red_flag",
        "review_hold",
        "review_amendment",
        "review_message",
        "deliver_notice",
        "chase_receipt",
    }
    for kind in anywhere:
        for steps in STEPS.values():
            assert set(TASKS[kind].actions) & set(steps), kind  # type: ignore[index]
    assert all(task.actions for task in TASKS.values())
    assert {a for task in TASKS.values() for a in task.actions} <= set(actions.ACTIONS)


def test_every_ladder_ends_at_a_named_person() -> None:
    for task in TASKS.values():
        assert 0 in [rung.after_hours for rung in task.ladder]
        assert task.ladder[-1].tell == "named_lead"
        hours = [rung.after_hours for rung in task.ladder]
        assert hours == sorted(set(hours))


def test_certification_and_red_flags_never_pause() -> None:
    for kind in ("certify_plan", "handle_red_flag", "answer_referral", "review_hold", "chase_receipt"):
        assert not TASKS[kind].pauses_for
    assert not EVENTS["visit"].pauses_for


STAGE_FILES = {
    Stage.INTAKE: "intake",
    Stage.REFERRAL: "referral",
    Stage.THERAPY: "therapy",
    Stage.POST_SURGERY_REHAB: "post_surgery_rehab",
    Stage.DISCHARGE: "discharge",
    Stage.FOLLOW_UP: "follow_up",
}


def updates(module: str) -> dict[str, str]:
    """The updates of a workflow module and of those it inherits from, with the step that each carries out."""
    tree = ast.parse((ROOT / "workflows" / f"{module}.py").read_text("utf-8"))
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_actions"):
            found |= updates((node.module or "").removeprefix("workflows."))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("on_"):
            calls = [c for c in ast.walk(node) if isinstance(c, ast.Call) and len(c.args) == 2]
            found[f"self.{node.name}"] = ast.unparse(calls[0].func) if calls else ""
        if isinstance(node, ast.AsyncFunctionDef):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "self.carry_out":
                    found[node.name] = ast.unparse(call.args[1])
    return found


def test_the_driver_does_what_the_workflows_do() -> None:
    """Otherwise these tests would walk through a house that does not exist."""
    for stage, module in STAGE_FILES.items():
        table = updates(module)
        theirs = {name: table.get(step, step) for name, step in table.items() if not name.startswith("self.")}
        ours = {name: f"{step.__module__.rpartition('.')[2]}.{step.__name__}" for name, step in STEPS[stage].items()}
        choosing = theirs.pop("choose_pathway", "")
        assert ("intake.choose_pathway" in choosing) == (stage == Stage.INTAKE)
        ours.pop("choose_pathway", None)
        assert "migrating.migrate(" in theirs.pop("migrate_pathway")
        ours.pop("migrate_pathway")
        assert ours == theirs


def clocks_heard(module: str) -> dict[str, str]:
    """The kinds of clock that a workflow module and those it inherits from dispatch, with the step of each."""
    tree = ast.parse((ROOT / "workflows" / f"{module}.py").read_text("utf-8"))
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("_actions"):
            found |= clocks_heard((node.module or "").removeprefix("workflows."))
    for node in ast.walk(tree):
        if isinstance(node, ast.match_case) and isinstance(node.pattern, ast.MatchValue):
            kind = ast.literal_eval(node.pattern.value)
            call = next(n for n in ast.walk(node.body[0]) if isinstance(n, ast.Call))
            found[kind] = ast.unparse(call.func)
    return found


def test_the_driver_hears_the_clocks_that_the_workflows_hear() -> None:
    for stage, module in STAGE_FILES.items():
        ours = {k: f"{step.__module__.rpartition('.')[2]}.{step.__name__}" for k, step in CLOCKS[stage].items()}
        assert ours == clocks_heard(module)
    assert {k for steps in CLOCKS.values() for k in steps} == set(EVENTS)


def test_every_state_of_the_journey_is_a_model_that_travels() -> None:
    for name in BEGINNINGS:
        driver = begin(name)
        assert isinstance(driver.journey, BaseModel)
        assert type(driver.journey).model_validate_json(driver.journey.model_dump_json()) == driver.journey
