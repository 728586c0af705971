"""What the linter proves of all content, each shown by a fault: found, with file, line and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from care.clock import EVENTS
from care.steps import common
from care.task import TASKS
from pathways.lint import lint, waits
from tests.pathways.test_pathway_loader_and_linter import LIBRARY, PATHWAY

VIGNETTES = """
pathway: knee_care
vignettes:
- id: one
  title: One
  basis: by_authors
  referral: {age: 60}
  screen: {swollen: true}
  course:
  - {day: 1, evaluate: {odi: 40, knee: 80}, expect: {plan: {all: 6}}}
  - {day: 9, scores: {knee: 95}, expect: {gate: {phase: 1, opens: false, missing: [knee]}}}
  expect: {flags: {clot: E1}, priority: P2}
"""
FILES = {**LIBRARY, "orthopedic/knee_care.yaml": PATHWAY, "vignettes/knee_care.yaml": VIGNETTES}
KNEE = "orthopedic/knee_care.yaml"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder with the small library, pathway and vignette, with one fault planted."""

    def _write(file: str = KNEE, old: str = "", new: str = "") -> Path:
        assert not old or FILES[file].count(old) == 1, old
        for name, text in FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text.replace(old, new) if name == file and old else text, encoding="utf-8")
        return tmp_path

    return _write


def line_of(file: str, words: str) -> int:
    return next(n for n, text in enumerate(FILES[file].splitlines(), 1) if words in text)


STALLED = "- {id: stalled, recommend: change, when: [{fact: weeks, op: '>=', value: 12}], because: b,"
GATE = "gate: [{fact: knee, op: '>=', value: 90}]"
DISCHARGE = "discharge: [{fact: odi, op: <=, value: 20}]"
MEASURES, FLAGS, TRIAGE = "library/measures/general.yaml", "library/red_flags/general.yaml", "library/triage.yaml"
CASE = "vignettes/knee_care.yaml"


def again(text: str) -> str:
    """A progress rule, and one more that holds whenever it does."""
    return f"{text} basis: proposed, source: s}}\n{text.replace('id: stalled', 'id: later')}"


@pytest.mark.parametrize(
    ("file", "old", "new", "at", "rule", "right"),
    [
        # every wait has an end
        (TRIAGE, "max_wait_days: 10", "max_wait_days: -1", "max_wait_days", "wait_without_end", "0 or more"),
        (KNEE, "call_within_days: 3", "call_within_days: 0", "follow_up:", "follow_up_days", "1 or more"),
        # every state can be reached and left
        (KNEE, STALLED, again(STALLED), STALLED, "unreachable", "later never applies: stalled stands before it"),
        (
            KNEE,
            DISCHARGE,
            f"{DISCHARGE[:-1]}, {{fact: odi, op: '>', value: 20}}]",
            "discharge:",
            "never_holds",
            "these never hold together for odi: <= 20 and > 20",
        ),
        (
            KNEE,
            GATE,
            f"{GATE[:-1]}, {{fact: gait, op: '==', value: alone}}, {{fact: gait, op: in, value: [helped]}}]",
            GATE,
            "never_holds",
            "these never hold together for gait",
        ),
        (
            TRIAGE,
            "rules: []",
            "rules: [{level: P2, when: []}, {level: P2, when: []}]",
            "rules:",
            "unreachable",
            "one before it holds",
        ),
        # every gate has criteria, a review, and somebody who may open it
        (KNEE, GATE, "gate: []", GATE, "no_gate", "say what must be met"),
        (KNEE, "window_days: [0, 42]", "window_days: [42, 42]", "window_days: [0, 42]", "window", "the review"),
        # measures exist, are taken by then, and have their own unit
        (KNEE, "fact: knee, op: '>='", "fact: kne, op: '>='", GATE, "unknown_fact", "there is no fact 'kne'"),
        (
            KNEE,
            "fact: knee, op: '>=', value: 90",
            "fact: stands, op: '>', value: 9",
            GATE,
            "never_taken",
            "add it to the measures taken",
        ),
        (
            KNEE,
            "fact: knee, op: '>=', value: 90",
            "fact: knee, op: '>=', value: 90, unit: degrees",
            GATE,
            "unit",
            "knee has no unit",
        ),
        (
            KNEE,
            "fact: knee, op: '>=', value: 90",
            "fact: knee, op: '>=', value: 90, only_if: {fact: weeks, op: '>=', value: 2, unit: days}",
            GATE,
            "unit",
            "weeks is in weeks, not in days",
        ),
        (
            KNEE,
            "measure: odi, reach: 20",
            "measure: odi, reach: 20, unit: points",
            "measure: odi",
            "unit",
            "odi is in no unit, not in points",
        ),
        # every recurrence stops
        (
            KNEE,
            "fact: weeks, op: '>='",
            "fact: odi, op: '>='",
            "progress:",
            "review_never_ends",
            "add a rule on reviews_without_gain, weeks or visits",
        ),
        (KNEE, DISCHARGE, "discharge: []", "progress:", "review_never_ends", "no rule ever recommends discharge"),
        (KNEE, "reminders: 2", "reminders: 6", "reminders:", "recurrence", "then a person calls"),
        # late enrolment is decided
        (
            KNEE,
            "late_enrolment: {after_days: 90, then: first_phase, basis: proposed, source: s}\n",
            "",
            "schema_version",
            "no_late_enrolment",
            "late_enrolment: {after_days, then, basis, source}",
        ),
        # no message names a patient
        (KNEE, "label: Us,", "label: 'For {name}',", "label: Us", "names_patient", "no placeholders"),
        (FLAGS, "text: One leg red", "text: 'Mrs Miller''s leg red'", "One leg red", "names_patient", "'Mrs M'"),
        (MEASURES, "name: Knee", "name: 'Knee of [patient name]'", "name: Knee", "names_patient", "no placeholders"),
        # what is in the library is found there
        (FLAGS, "any_of: [swollen, red]", "any_of: [swollen]", "id: clot", "sign_unused", "no rule looks at"),
        # vignettes
        (CASE, "pathway: knee_care", "pathway: knee_cares", "pathway:", "unknown_pathway", "did you mean 'knee_care'"),
        (CASE, "swollen: true", "swolen: true", "screen:", "unknown_id", "did you mean 'swollen'"),
        (CASE, "odi: 40", "odi: 400", "evaluate:", "value_range", "odi lies between 0 and 100"),
        (CASE, "clot: E1", "clot: E0", "clot: E1", "never_expected", "no rule of clot ever says E0"),
        (CASE, "plan: {all: 6}", "plan: {some: 6}", "plan:", "unknown_id", "there is no dosing rule of this pathway"),
        (CASE, "missing: [knee]", "missing: [gait]", "missing:", "unknown_id", "there is no criterion of this gate"),
        (CASE, "gate: {phase: 1", "gate: {phase: 7", "gate:", "never_expected", "this pathway has no such phase"),
        (CASE, "priority: P2", "priority: P9", "priority:", "unknown_id", "there is no triage level 'P9'"),
        (CASE, "basis: by_authors", "basis: boundary", "id: one", "form", "cites: say where this is written"),
    ],
)
def test_a_planted_fault_is_found(write: Write, file: str, old: str, new: str, at: str, rule: str, right: str) -> None:
    found = [f for f in lint(write(file, old, new)) if f.rule == rule]
    assert found, [str(f) for f in lint(write(file, old, new))]
    assert found[0].file == file
    assert found[0].line in (line_of(file, at), line_of(file, at) + 1)
    assert right in found[0].what


def test_without_a_fault_nothing_is_found(write: Write) -> None:
    assert lint(write()) == []


def test_a_task_that_nobody_owns_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "review_phase", TASKS["review_phase"].model_copy(update={"owner": ""}))
    (first, _) = lint(write())
    assert (first.rule, first.line) == ("wait_without_owner", line_of(KNEE, "window_days: [0, 42]"))


def test_a_wait_after_which_nothing_comes_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "call_patient", TASKS["call_patient"].model_copy(update={"ladder": ()}))
    monkeypatch.setitem(EVENTS, "review_due", EVENTS["review_due"].model_copy(update={"then": ""}))
    assert {(f.rule, f.where) for f in lint(write())} == {
        ("wait_without_end", "review"),
        ("wait_without_end", "follow_up"),
    }


def test_a_gate_that_nobody_may_open_is_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "CLINICIANS", set())
    assert common.CLINICIANS
    assert {f.rule for f in lint(write())} == {"no_override"}
