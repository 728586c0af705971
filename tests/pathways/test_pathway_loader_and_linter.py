"""The loader refuses what cannot be used, the linter finds what would harm: each provoked by a small broken file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pathways import PathwayError, latest, load, load_all, schema, usable
from pathways.__main__ import main
from pathways.lint import lint

MEASURES = "library/measures/general.yaml"
RED_FLAGS = "library/red_flags/general.yaml"
LIBRARY = {
    MEASURES: """
measures:
- {id: odi, name: ODI, direction: lower_better, minimum: 0, maximum: 100, basis: unverified, source: s}
- {id: knee, name: Knee, direction: higher_better, minimum: 0, maximum: 180, basis: unverified, source: s}
- {id: gait, name: Gait, direction: higher_better, options: [alone, helped], basis: unverified, source: s}
- id: stands
  name: Stands
  direction: higher_better
  norms: [{ages: [18, 120], male: 12, female: 11}]
  basis: unverified
  source: s
""",
    RED_FLAGS: """
red_flags:
- id: clot
  suspected: clot
  signs: [{id: swollen, text: One leg swollen}, {id: red, text: One leg red}]
  rules: [{urgency: E1, any_of: [swollen, red]}]
  action: Doctor
  hold_booking: true
  basis: unverified
  source: s
""",
    "library/triage.yaml": """
levels: [{code: P2, label: soon, max_wait_days: 10, basis: unverified, source: s}]
rules: []
""",
}
PATHWAY = """
schema_version: 1
id: knee_care
version: 1
name: Knee care
status: draft
service_line: orthopedic
basis: proposed
source: design choice
codes: [{system: http://hl7.org/fhir/sid/icd-10, code: 'M17*', display: Knee}]
eligibility: [anybody]
usual_level: P2
red_flags: [clot]
measures: [odi, knee, gait, stands]
baseline: [odi, knee]
dosing:
- {id: all, label: Us, discipline: physiotherapy, visits: [1, 6], weeks: 6, visits_per_week: 1, basis: mixed, source: s}
goals:
- {id: goal, measure: odi, reach: 20, basis: proposed, source: s}
review: {every_visits: 10, every_days: 30, basis: proposed, source: s}
progress:
- {id: stalled, recommend: change, when: [{fact: weeks, op: '>=', value: 12}], because: b, basis: proposed, source: s}
phases:
- n: 1
  name: One
  window_days: [0, 42]
  visits_per_week: [1, 2]
  gate: [{fact: knee, op: '>=', value: 90}]
  measures: [gait]
  basis: proposed
  source: s
- n: 2
  name: Two
  window_days: [42, 84]
  visits_per_week: [1, 2]
  gate: []
  measures: [stands]
  basis: proposed
  source: s
discharge: [{fact: odi, op: <=, value: 20}]
follow_up:
  anchor: discharge
  occasions: [{id: a, label: A, days: 30}, {id: b, label: B, days: 91}]
  measures: [odi]
  answer_days: 4
  reminders: 2
  worse: [{fact: odi.loss, op: '>=', value: 10}]
  call_within_days: 3
  basis: proposed
  source: s
late_enrolment: {after_days: 90, then: first_phase, basis: proposed, source: s}
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A folder with the small library and one pathway, changed by `old -> new` in any of its files."""

    def _write(*changes: tuple[str, str], file: str = "knee_care.yaml") -> Path:
        texts = LIBRARY | {"knee_care.yaml": PATHWAY}
        for old, new in changes:
            assert texts[file].count(old) == 1, old
            texts[file] = texts[file].replace(old, new)
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return _write


# --- the loader


def test_ids_are_resolved_to_full_entries(write: Write) -> None:
    folder = write()
    pathway = load("knee_care", directory=folder)
    assert [m.name for m in pathway.measures] == ["ODI", "Knee", "Gait", "Stands"]
    assert pathway.red_flags[0].action == "Doctor"
    assert [level.code for level in pathway.triage.levels] == ["P2"]
    assert lint(folder) == []


def test_versions(write: Write) -> None:
    folder = write()
    second = PATHWAY.replace("version: 1\nname", "version: 2\nname")
    (folder / "knee_care_v2.yaml").write_text(second, encoding="utf-8")
    assert set(load_all(folder)) == {("knee_care", 1), ("knee_care", 2)}
    assert load("knee_care", directory=folder).version == 2
    assert load("knee_care", 1, directory=folder).version == 1
    assert latest(folder)["knee_care"].version == 2
    with pytest.raises(PathwayError, match="there is no version 3; there is: 1, 2"):
        load("knee_care", 3, directory=folder)
    (folder / "again.yaml").write_text(second, encoding="utf-8")
    with pytest.raises(PathwayError, match="knee_care@2 is in another file already"):
        load_all(folder)
    assert [f.rule for f in lint(folder)] == ["version_twice"]


def test_no_such_pathway() -> None:
    with pytest.raises(PathwayError, match=r"hip: there is no such pathway; there are: .*low_back_pain, "):
        load("hip")


def test_a_sketch_is_never_used(write: Write) -> None:
    assert set(usable(write(), must_be_signed=False)) == {"knee_care"}
    assert usable(write(), must_be_signed=True) == {}
    assert usable(write(("status: draft", "status: sketch")), must_be_signed=False) == {}


def signed(digest: str) -> tuple[str, str]:
    return (
        "status: draft",
        f"status: signed_off\nsigned_off: {{by: Dr A, 'on': 2026-11-02, digest: {digest}}}",
    )


def test_a_signature_holds_for_the_content_that_was_signed(write: Write) -> None:
    digest = load("knee_care", directory=write()).digest
    folder = write(signed(digest))
    assert set(usable(folder, must_be_signed=True)) == {"knee_care"}
    assert load("knee_care", directory=folder).title == "Knee care, version 1"
    assert lint(folder) == []


def test_a_signature_over_other_content_is_refused_and_says_so(write: Write) -> None:
    digest = load("knee_care", directory=write()).digest
    for edit in (("visits: [1, 6]", "visits: [1, 7]"), ("name: Knee care", "name: Care of knees")):
        with pytest.raises(PathwayError, match=r"signed_off.digest: Dr A signed other content than this"):
            load("knee_care", directory=write(signed(digest), edit))


def test_an_edit_of_the_library_is_seen_by_the_signature(write: Write) -> None:
    folder = write(signed(load("knee_care", directory=write()).digest))
    measures = folder / MEASURES
    text = measures.read_text("utf-8")
    measures.write_text(text.replace("maximum: 100", "maximum: 99", 1), "utf-8")
    assert measures.read_text("utf-8") != text
    with pytest.raises(PathwayError, match="signed other content"):
        load("knee_care", directory=folder)


def test_a_change_to_what_load_all_gave_changes_nothing() -> None:
    load_all().clear()
    assert load_all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "status: draft",
            "status: done",
            r"knee_care.yaml:6: status: Input should be 'sketch', 'draft' or 'signed_off'",
        ),
        (
            "op: '>=', value: 12",
            "op: '=>', value: 12",
            r"knee_care.yaml:\d+: progress\[0\].when\[0\].op: Input should be '<'",
        ),
        ("visits: [1, 6]", "visits: [one, 6]", r"dosing\[0\].visits\[0\]: Input should be a valid integer"),
        ("visits: [1, 6]", "visits: ['1', 6]", r"dosing\[0\].visits\[0\]: Input should be a valid integer"),
        ("every_days: 30", "every_days: yes", r"review.every_days: Input should be a valid integer"),
        ("eligibility:", "eligible:", r"there is no such field; did you mean 'eligibility'\?"),
        ("service_line: orthopedic\n", "", r"service_line: this field is missing"),
        ("version: 1\nname", "version: 1\nversion: 2\nname", r"knee_care.yaml:5: the key 'version' is written twice"),
        (
            "red_flags: [clot]",
            "red_flags: [clots]",
            r"red_flags\[0\]: the library has no 'clots'; did you mean 'clot'\?",
        ),
        ("measures: [odi, knee, gait, stands]", "measures: [odi, odi]", r"measures\[1\]: 'odi' is listed twice"),
        ("red_flags: [clot]", "red_flags: clot", r"red_flags: a list of ids"),
        ("measures: [odi, knee, gait, stands]", "measures: [odi, gait, stands]", r"not listed under measures: knee"),
        ("usual_level: P2", "usual_level: P9", r"triage levels that do not exist: P9"),
        ("value: 12", "value: .inf", r"a number here is not finite"),
        (
            "name: Knee care",
            "name: !!python/object/apply:os.getcwd []",
            r"knee_care.yaml:5: could not determine a constructor",
        ),
        ("name: Knee care", "name: [", r"knee_care.yaml:\d+: "),
        ("label: Us,", "label: Us, or some,", r"dosing\[0\].or some: a comma cut this text in two"),
        ("status: draft", "status: signed_off", r"a signed-off pathway says who signed it"),
    ],
)
def test_the_loader_says_in_one_line_what_would_be_right(write: Write, old: str, new: str, message: str) -> None:
    folder = write((old, new))
    with pytest.raises(PathwayError, match=message) as caught:
        load_all(folder)
    assert "\n" not in str(caught.value)
    assert [f.rule for f in lint(folder)][:1] == ["form"]


@pytest.mark.parametrize("name", [MEASURES, RED_FLAGS])
def test_a_library_entry_written_twice(write: Write, name: str) -> None:
    folder = write()
    text = LIBRARY[name]
    entry = text[text.index("- id: " if name == RED_FLAGS else "- {id: odi") :].split("\n- ")[0]
    (folder / name).write_text(f"{text.rstrip()}\n{entry}\n", encoding="utf-8")
    with pytest.raises(PathwayError, match=r"general.yaml:\d+: \w+\[\d\].id: .* is written twice"):
        load_all(folder)


@pytest.mark.parametrize("text", ["- a list", "", "\xff"])
def test_a_file_that_is_no_mapping(write: Write, text: str) -> None:
    folder = write()
    (folder / "odd.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(PathwayError, match=r"^odd.yaml: "):
        load_all(folder)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(PathwayError):
        load_all(tmp_path / "nowhere")
    assert [f.rule for f in lint(tmp_path / "nowhere")] == ["form"]


def test_every_mistake_of_form_is_one_finding(write: Write) -> None:
    folder = write(("status: draft", "status: done"), ("service_line: orthopedic", "service_line: 3"))
    assert sorted(f.where for f in lint(folder)) == ["service_line", "status"]


# --- the linter

WHEN = "when: [{fact: weeks, op: '>=', value: 12}]"
CODES = "codes: [{system: http://hl7.org/fhir/sid/icd-10, code: 'M17*', display: Knee}]"
FLAG = "rules: [{urgency: E1, any_of: [swollen, red]}]"


def when(criterion: str) -> tuple[str, str]:
    return WHEN, f"when: [{{{criterion}}}]"


@pytest.mark.parametrize(
    ("old", "new", "where", "rule"),
    [
        # criteria
        (*when("fact: oid, op: '>=', value: 1"), "progress[0].when[0].fact", "unknown_fact"),
        (*when("fact: odi.best, op: '>=', value: 1"), "progress[0].when[0].fact", "unknown_fact"),
        (*when("fact: gait.gain, op: '>=', value: 1"), "progress[0].when[0].fact", "unknown_fact"),
        (*when("fact: odi, op: '>=', than: odi.norm"), "progress[0].when[0].than", "unknown_fact"),
        (*when("fact: odi, op: '>='"), "progress[0].when[0]", "value_or_than"),
        (*when("fact: odi, op: '>=', value: 1, than: knee"), "progress[0].when[0]", "value_or_than"),
        (*when("fact: odi, op: '>=', value: 101"), "progress[0].when[0].value", "value_range"),
        (*when("fact: odi.gain, op: '>=', value: 101"), "progress[0].when[0].value", "value_range"),
        (*when("fact: odi, op: '==', value: low"), "progress[0].when[0].value", "value_range"),
        (*when("fact: weeks, op: '>=', value: -1"), "progress[0].when[0].value", "value_range"),
        (*when("fact: gait, op: '==', value: running"), "progress[0].when[0].value", "value_range"),
        (*when("fact: gait, op: '>=', value: alone"), "progress[0].when[0].op", "op_for_words"),
        (*when("fact: odi.loss, op: '>=', value: 1"), "progress[0].when[0].fact", "not_yet_known"),
        ("fact: odi.loss", "fact: knee.loss", "follow_up.worse[0].fact", "never_taken"),
        ("discharge: [{fact: odi, op: <=,", "exclude: [{fact: visits, op: '>',", "exclude[0].fact", "not_yet_known"),
        ("fact: knee, op: '>=', value: 90", "fact: stands, op: '>', value: 9", "phases[0].gate[0].fact", "never_taken"),
        # dosing and goals
        ("label: Us,", "label: Us, when: [{fact: odi, op: '>', value: 1}],", "dosing", "no_catch_all"),
        ("label: Us,", "label: Us, when: [{fact: gait, op: '==', value: alone}],", "dosing[0].when[0].fact",
         "never_taken"),
        ("visits: [1, 6]", "visits: [6, 1]", "dosing[0].visits", "visits_order"),
        ("visits: [1, 6]", "visits: [1, 60]", "dosing[0].visits", "dose_too_short"),
        ("visits: [1, 6]", "self_care: true, visits: [1, 6]", "dosing[0].check_days", "self_care_unchecked"),
        ("visits: [1, 6]", "check_days: [7, 3], visits: [1, 6]", "dosing[0].check_days", "check_days_order"),
        ("visits: [1, 6], weeks: 6", "visits: [0, 0], weeks: 0", "dosing[0]", "dose_empty"),
        ("measure: odi, reach: 20", "measure: stands, reach: 20", "goals[0]", "never_taken"),
        ("measure: odi, reach: 20", "measure: odi, reach: 120", "goals[0].reach", "value_range"),
        ("measure: odi, reach: 20", "measure: odi", "goals[0]", "goal_kind"),
        ("measure: odi, reach: 20", "measure: gait, reach: 20", "goals[0]", "goal_measure"),
        # phases
        ("gate: [{fact: knee, op: '>=', value: 90}]", "gate: []", "phases[0].gate", "no_gate"),
        ("- n: 2", "- n: 3", "phases[1].n", "phase_order"),
        ("window_days: [42, 84]", "window_days: [42, 41]", "phases[1].window_days", "window"),
        ("window_days: [0, 42]", "window_days: [43, 44]", "phases[1].window_days", "window_backwards"),
        # follow-up
        ("label: B, days: 91", "label: B, days: 30", "follow_up.occasions[1].days", "occasion_order"),
        ("label: B, days: 91", "label: B, days: 40", "follow_up.occasions[1].days", "occasion_gap"),
        ("id: b, label: B", "id: a, label: B", "follow_up.occasions", "occasion_twice"),
        ("worse: [{fact: odi.loss, op: '>=', value: 10}]", "worse: []", "follow_up.worse", "no_worse"),
        ("answer_days: 4", "answer_days: 0", "follow_up", "follow_up_days"),
        # head and sources
        ("source: design choice", "source: ' '", "source", "no_source"),
        ("red_flags: [clot]", "red_flags: []", "red_flags", "no_red_flags"),
        (CODES, "codes: []", "codes", "no_codes"),
        ("every_visits: 10", "every_visits: 0", "review.every_visits", "review"),
    ],
)  # fmt: skip
def test_the_linter_finds(write: Write, old: str, new: str, where: str, rule: str) -> None:
    found = {(f.where, f.rule) for f in lint(write((old, new)))}
    assert (where, rule) in found


@pytest.mark.parametrize(
    ("new", "rule"),
    [
        ("rules: [{urgency: N, any_of: [swollen, red]}]", "no_urgent_rule"),
        ("rules: [{urgency: E2, any_of: [red]}, {urgency: E1, any_of: [swollen]}]", "rules_order"),
        ("rules: [{urgency: E1, any_of: [swollen]}]", "sign_unused"),
        ("rules: [{urgency: E1, any_of: [swollen], all_of: [red]}]", "rule_ways"),
        ("rules: [{urgency: E1, also: [swollen, red]}]", "rule_ways"),
        ("rules: [{urgency: E1, at_least: 3}]", "rule_reach"),
        ("rules: [{urgency: E1, score_at_least: 2}]", "rule_reach"),
    ],
)
def test_the_linter_finds_in_red_flags(write: Write, new: str, rule: str) -> None:
    assert rule in {f.rule for f in lint(write((FLAG, new), file=RED_FLAGS))}


def test_one_question_reads_the_same_in_every_flag(write: Write) -> None:
    folder = write()
    other = LIBRARY[RED_FLAGS].replace("red_flags:\n", "").replace("id: clot", "id: clot_too")
    text = LIBRARY[RED_FLAGS].rstrip() + other.replace("One leg red", "One leg reddish")
    (folder / RED_FLAGS).write_text(text, encoding="utf-8")
    (folder / "knee_care.yaml").write_text(PATHWAY.replace("[clot]", "[clot, clot_too]"), encoding="utf-8")
    assert [f.rule for f in lint(folder)] == ["sign_text"]


def test_a_rule_behind_the_catch_all_never_applies(write: Write) -> None:
    line = next(text for text in PATHWAY.splitlines() if text.startswith("- {id: all,"))
    folder = write((line, line + "\n" + line.replace("id: all", "id: late")))
    assert [(f.where, f.rule) for f in lint(folder)] == [("dosing[1]", "unreachable")]


def test_the_therapist_says_a_dose_before_surgery_and_nobody_says_one_after_it(write: Write) -> None:
    numbers = "visits: [1, 6], weeks: 6, visits_per_week: 1, basis: mixed, source: s}"
    said = "- {id: all, label: Us, discipline: physiotherapy, "
    unsaid = f"{said}basis: mixed, source: s}}"
    assert [f.rule for f in lint(write((said + numbers, unsaid)))] == ["dose_missing"]
    after = said.replace("all", "after") + "when: [{fact: weeks_since_surgery, op: '>=', value: 0}], " + numbers
    assert lint(write((said + numbers, f"{after}\n{unsaid}"))) == []
    late = after.replace("value: 0", "value: 6")
    assert [f.rule for f in lint(write((said + numbers, f"{late}\n{unsaid}")))] == ["dose_missing"]


def test_facts_of_surgery_need_phases(write: Write) -> None:
    text = PATHWAY[: PATHWAY.index("phases:")] + PATHWAY[PATHWAY.index("discharge:") :]
    folder = write()
    text = text.replace(WHEN, "when: [{fact: weeks_since_surgery, op: '>=', value: 12}]")
    text = text.replace("anchor: discharge", "anchor: surgery")
    (folder / "knee_care.yaml").write_text(text, encoding="utf-8")
    assert {f.rule for f in lint(folder)} == {"unknown_fact", "no_phases"}


# --- the command line, the schema


def test_lint_on_the_command_line(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint"]) == 0
    assert f"{len(load_all())} pathways, no problem found. This is no clinical sign-off." in capsys.readouterr().out
    folder = str(write(("visits: [1, 6]", "visits: [6, 1]"), ("label: B, days: 91", "label: B, days: 30")))
    assert main(["lint", folder]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0] == "knee_care.yaml:17: dosing[0].visits: fewest first, then most (visits_order)"
    assert main(["lint", "--json", folder]) == 2
    assert [f["rule"] for f in json.loads(capsys.readouterr().out)] == ["visits_order", "occasion_order"]


def test_the_schema_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.is_current(), "run: python -m pathways schema --write"
    assert main(["schema", "--check"]) == 0
    assert main(["schema"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["properties"]["measures"]["items"] == {"type": "string"}
    assert "triage" not in made["required"]


def test_a_schema_that_is_not_current_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema, "text", lambda: "{}")
    assert main(["schema", "--check"]) == 2
    assert "schema --write" in capsys.readouterr().out
