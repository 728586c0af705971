"""The discharge summary: what it tells, what it says of things that are missing, and its two forms.

The courses are invented, and run on the library's own pathways.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

import pathways
from activities.documents import WrittenDocuments
from activities.signatures import DischargeSummary
from activities.summary.compose import compose
from activities.summary.model import Section, Summary
from activities.summary.pdf import as_pdf
from activities.summary.text import as_text
from care.pathway import Pathway
from care.plan import Goal, Origin, PlanOfCare, Value
from records.database import Database

BEGUN = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
NAMES = {
    "Arabic": ("محمد", "الأحمد"),
    "Polish": ("Łucja", "Żółkiewska"),
    "Greek": ("Αθηνά", "Παπαδοπούλου"),
    "Vietnamese": ("Hường", "Nguyễn"),
    "Hebrew": ("שרה", "כהן"),
    "Thai": ("สมชาย", "ใจดี"),
    "Hindi": ("राजेश", "शर्मा"),
}


def day(n: float) -> datetime:
    return BEGUN + timedelta(days=n)


def value(number: float, unit: str) -> Value:
    return Value(value=number, unit=unit, origin=origin())


def origin() -> Origin:
    return Origin(rule="low_back_pain@1 dosing medium_risk", basis="proposed", source="invented")


def plan(**changes: Any) -> dict[str, Any]:
    made = PlanOfCare(
        id="j1:plan:1",
        discipline="physiotherapy",
        label="Exercise-based therapy",
        visits_planned=value(6, "visits"),
        visits_per_week=value(1, "per week"),
        weeks=value(6, "weeks"),
        visit_minutes=value(30, "minutes"),
        interventions=("stay active", "exercise", "manual therapy"),
        started_at=BEGUN,
        visits_attended=5,
        visits_missed=1,
        status="ended",
    )
    return made.model_copy(update=changes).model_dump(mode="json")


def goal(measure: str, op: Any, target: float, baseline: float) -> Goal:
    return Goal(id=f"g:{measure}", measure=measure, op=op, target=target, baseline=baseline, origin=origin())


def row(kind: str, at: float, text: str = "", **data: Any) -> dict[str, Any]:
    """A journal row. `outcome` is the decision's, as `course()` gives it."""
    outcome = data.pop("decided", None)
    return {
        "kind": kind,
        "text": text,
        "at": day(at),
        "person": "p-lang",
        "role": "therapist",
        "pathway": None,
        "data": data,
        "outcome": outcome,
    }


def scores(**taken: list[tuple[float, Any]]) -> list[dict[str, Any]]:
    found = [{"measure": m, "value": v, "at": day(n)} for m, values in taken.items() for n, v in values]
    return sorted(found, key=lambda s: (s["at"], s["measure"]))


def head(**changes: Any) -> dict[str, Any]:
    return {
        "referral_id": "SR-2026-0117",
        "received_at": day(-6),
        "requester": {"name": "Dr Maria Brandt", "organisation": "Brandt Family Practice"},
        "family": "Kowalska",
        "given": "Anna",
        "birth_date": "1971-08-09",
        "clinic": "Riverside Rehabilitation",
        "timezone": "Europe/Berlin",
        **changes,
    }


@pytest.fixture(scope="module")
def back() -> Pathway:
    return pathways.load("low_back_pain")


@pytest.fixture(scope="module")
def knee() -> Pathway:
    return pathways.load("total_knee_replacement")


@pytest.fixture
def back_course() -> dict[str, Any]:
    """Low back pain, one plan, two of three goals met, a red flag that was cleared, signed."""
    found = {"findings": [{"flag": "spine_cancer_weak", "suspected": "spinal malignancy, weak signs", "urgency": "E3"}]}
    return {
        "head": head(),
        "pathway": "low_back_pain@1",
        "plans": [
            plan(
                goals=[
                    goal("odi", "<=", 29.4, 42),
                    goal("nprs", "<=", 4, 6),
                    goal("psfs", ">=", 6, 4),
                ]
            )
        ],
        "scores": scores(
            odi=[(0, 42.0), (20, 30.0), (40, 18.0)],
            nprs=[(0, 6.0), (40, 2.0)],
            psfs=[(0, 4.0), (40, 5.0)],
            groc=[(40, 5.0)],
            start_back=[(0, "medium")],
            home_programme=[(0, "not_started"), (40, "independent")],
        ),
        "rows": [
            row("pathway", -5, "Pathway Low back pain with muscle spasm, version 1: chosen"),
            row("screened", -5, "Red flags asked: none found"),
            row("red_flag", 14, "Red flag: spinal malignancy, weak signs (E3)", decided=found),
            row("red_flag_handled", 16, "", flag="spine_cancer_weak", outcome="seen_by_doctor"),
            row("red_flag_handled", 20, "", flag="spine_cancer_weak", outcome="cleared"),
            row("reviewed", 40, "Progress review: discharge", decision="discharge"),
            row("discharge_reason", 41, "Reason for discharge: GOALS", reason="GOALS"),
            row("summary_signed", 42, "Discharge summary signed and sent to the referrer"),
        ],
        "visits": {"attended": 6, "no_show": 1, "cancelled": 1},
        "people": {"p-lang": "Jonas Lang, PT"},
    }


@pytest.fixture
def knee_course() -> dict[str, Any]:
    """Total knee replacement: pre-hab, surgery, phases with one override, not signed yet."""
    rehab = plan(
        id="j2:plan:2",
        label="Rehabilitation after surgery, phases 1 to 4",
        visits_planned=value(34, "visits"),
        weeks=value(26, "weeks"),
        started_at=day(30),
        visits_attended=28,
        interventions=("range of motion", "quadriceps and high-intensity strength from week 1", "gait"),
    )
    prehab = plan(
        id="j2:plan:1",
        label="Exercise before surgery",
        goals=[goal("koos_jr", ">=", 65, 45), goal("tug", "<=", 12, 15.5), goal("knee_flex", ">=", 110, 95)],
        visits_attended=4,
        status="completed",
    )
    return {
        "head": head(family="Öztürk", given="Mehmet Ali", birth_date="1954", referral_id="REF/77"),
        "pathway": "total_knee_replacement@1",
        "plans": [prehab, rehab],
        "scores": scores(
            koos_jr=[(0, 45.0), (72, 58.0), (200, 71.0)],
            tug=[(0, 15.5), (200, 9.5)],
            knee_flex=[(0, 95.0), (33, 80.0), (200, 108.0)],
            knee_ext_deficit=[(0, 5.0), (200, 0.0)],
            nprs=[(0, 5.0), (200, 1.0)],
            sts30=[(72, 9.0), (200, 14.0)],
            gait=[(33, "two_aids_or_frame"), (200, "no_aid")],
        ),
        "rows": [
            row("screened", -2, "Red flags asked: none found"),
            row("surgery_done", 30, "Surgery took place on 1 April 2026; not on record before it: koos_jr.age_days"),
            row("phase", 30, "Phase 1 begins: In hospital", phase=1),
            row("phase", 34, "Phase 2 begins: Motion and early strength", phase=2),
            row("gate_overridden", 80, "Gate of phase 2 overridden by a clinician", phase=2),
            row("phase", 80, "Phase 3 begins: Strength and function", phase=3),
            row("phase", 120, "Phase 4 begins: Return to activity", phase=4),
            row("discharge_reason", 201, "Reason for discharge: GOALS", reason="GOALS"),
        ],
        "visits": {"attended": 33},
        "people": {"p-lang": "Jonas Lang, PT"},
    }


@pytest.fixture
def empty_course() -> dict[str, Any]:
    """Declined at the evaluation: nothing was measured, no plan, and the patient was never matched."""
    return {
        "head": head(family=None, given=None, birth_date=None, requester={}),
        "pathway": "low_back_pain@1",
        "plans": [],
        "scores": [],
        "rows": [row("discharge_reason", 1, "Reason for discharge: DECLINED", reason="DECLINED")],
        "visits": {},
        "people": {},
    }


def section(summary: Summary, heading: str) -> Section:
    return next(s for s in summary.sections if s.heading == heading)


def cells(summary: Summary, heading: str) -> dict[str, tuple[str, ...]]:
    """The rows of a section's table, by their first cell."""
    table = section(summary, heading).table
    assert table is not None
    return {first: rest for first, *rest_ in table.rows for rest in [tuple(rest_)]}


def about(summary: Summary) -> dict[str, str]:
    return dict(summary.about)


# --- what it tells


def test_head_tells_who_which_referral_and_why(back: Pathway, back_course: dict[str, Any]) -> None:
    summary = compose(back_course, back)
    assert about(summary) == {
        "Patient": "Anna Kowalska",
        "Born": "9 August 1971",
        "Referral": "SR-2026-0117",
        "Received": "25 February 2026",
        "Referred by": "Dr Maria Brandt, Brandt Family Practice",
        "Pathway": "Low back pain with muscle spasm, version 1",
        "Discharge": "13 April 2026",
        "Reason": "The goals of care were met",
    }
    assert summary.patient == "Anna Kowalska, born 9 August 1971"
    assert summary.clinic == "Riverside Rehabilitation"


@pytest.mark.parametrize("code", ["GOALS", "MMI", "SELF", "NOSHOW", "MEDICAL", "SURGERY", "PAYER", "DECLINED"])
def test_every_reason_is_put_into_words(code: str, back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["rows"] = [row("discharge_reason", 41, reason=code)]
    assert code not in about(compose(back_course, back))["Reason"]


def test_care_given_counts_visits_of_the_plan(back: Pathway, back_course: dict[str, Any]) -> None:
    care = section(compose(back_course, back), "Care given")
    assert care.table is not None
    assert care.table.rows == (("Physiotherapy", "Exercise-based therapy", "3 March 2026", "5 of 6 visits", "6 weeks"),)
    assert care.paragraphs == ("6 visits attended in all; 1 visit missed without notice.",)
    assert care.items == ("Exercise-based therapy: stay active; exercise; manual therapy",)


def test_a_plan_entered_in_error_is_left_out(back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["plans"].append(plan(label="Wrong patient", status="entered_in_error"))
    assert "Wrong patient" not in as_text(compose(back_course, back))


def test_change_is_held_against_every_threshold_of_the_measure(back: Pathway, back_course: dict[str, Any]) -> None:
    found = cells(compose(back_course, back), "Measures")
    assert found["Oswestry Disability Index"] == (
        "42%",
        "18%",
        "24 points better (57% of the start), above the smallest change that matters (10, and 30%); "
        "beyond measurement error (10.5)",
    )


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (36.0, "6 points better (14% of the start), below the smallest change that matters (10, and 30%);"),
        (32.0, "10 points better (24% of the start), equal to the smallest change that matters (10), but below it as"),
        (41.0, "1 point better (2% of the start), below"),
        (54.6, "12.6 points worse (30% of the start), above the smallest change that matters (10), but equal to it"),
        (42.0, "none"),
    ],
)
def test_change_below_at_and_above_the_threshold(
    last: float, told: str, back: Pathway, back_course: dict[str, Any]
) -> None:
    back_course["scores"] = scores(odi=[(0, 42.0), (40, last)])
    change = cells(compose(back_course, back), "Measures")["Oswestry Disability Index"][-1]
    assert change.startswith(told)


def test_a_change_within_measurement_error_says_so(back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["scores"] = scores(odi=[(0, 42.0), (40, 31.7)])
    change = cells(compose(back_course, back), "Measures")["Oswestry Disability Index"][-1]
    assert "above the smallest change that matters (10)" in change
    assert "within measurement error (10.5)" in change


def test_words_single_scores_and_ratings_of_change_are_not_subtracted(
    back: Pathway, back_course: dict[str, Any]
) -> None:
    found = cells(compose(back_course, back), "Measures")
    assert found["Keele STarT Back, risk group"][1:] == ("not measured again", "not known")
    assert found["Carries out the home programme alone (own measure)"][-1] == "changed"
    start, _, change = found["Global Rating of Change"]
    assert start == "rates the change itself"
    assert change == "5 points better, above the smallest change that matters (3)"


def test_goals_are_judged_by_the_last_score(back: Pathway, back_course: dict[str, Any]) -> None:
    summary = compose(back_course, back)
    assert section(summary, "Goals").paragraphs == ("2 of 3 goals met.",)
    found = cells(summary, "Goals")
    assert found["Oswestry Disability Index"] == ("42%", "at most 29.4%", "18%", "met")
    assert found["Patient-Specific Functional Scale"] == ("4", "at least 6", "5", "not met")


def test_red_flag_tells_how_it_was_handled_and_by_whom(back: Pathway, back_course: dict[str, Any]) -> None:
    flags = section(compose(back_course, back), "Red flags")
    assert flags.paragraphs == ("Asked twice, last on 17 March 2026.",)
    assert flags.table is not None
    assert flags.table.rows == (
        (
            "17 March 2026",
            "Spinal malignancy, weak signs",
            "within 14 days",
            "Seen by doctor, 19 March 2026, Jonas Lang, PT; Cleared, 23 March 2026, Jonas Lang, PT",
        ),
    )


def test_red_flag_without_its_decision_is_told_in_the_journals_words(
    back: Pathway, back_course: dict[str, Any]
) -> None:
    back_course["rows"] = [row("red_flag", 14, "Red flag: cauda equina syndrome (E0)")]
    flags = section(compose(back_course, back), "Red flags")
    assert flags.table is not None
    assert flags.table.rows == (("17 March 2026", "Cauda equina syndrome (E0)", "", "not yet handled"),)


def test_home_programme_and_follow_ups_come_from_the_pathway(back: Pathway, back_course: dict[str, Any]) -> None:
    summary = compose(back_course, back)
    home = section(summary, "Home programme").items
    assert len(home) == len(back.home_programme)
    assert home[0] == "Stay active"
    assert cells(summary, "Follow-up") == {
        "1 week after discharge": ("20 April 2026",),
        "1 month after discharge": ("13 May 2026",),
        "3 months after discharge": ("13 July 2026",),
        "6 months after discharge": ("12 October 2026",),
        "12 months after discharge": ("13 April 2027",),
    }


def test_surgery_phases_and_overrides(knee: Pathway, knee_course: dict[str, Any]) -> None:
    summary = compose(knee_course, knee)
    assert about(summary)["Surgery"] == "1 April 2026"
    assert about(summary)["Born"] == "1954"
    assert cells(summary, "Phases after surgery")["3"] == (
        "Strength and function",
        "22 May 2026, gate overridden by Jonas Lang, PT",
    )
    assert cells(summary, "Measures")["Timed Up and Go"][-1] == (
        "6 s better, above the smallest change that matters (2.5); beyond measurement error (2.5)"
    )
    assert cells(summary, "Measures")["Knee flexion"] == (
        "95°",
        "108°",
        "13 degrees better, above the smallest change that matters (5); beyond measurement error (5)",
    )


def test_days_are_told_once_and_beside_a_score_only_where_they_differ(
    knee: Pathway, knee_course: dict[str, Any]
) -> None:
    summary = compose(knee_course, knee)
    assert section(summary, "Measures").paragraphs == (
        "At the start: 3 March 2026. At the end: 19 September 2026. Where another day stands, it was then.",
    )
    assert cells(summary, "Measures")["30-second chair stand"][:2] == ("9 stands (14 May 2026)", "14 stands")


def test_follow_ups_counted_from_surgery_leave_out_those_already_past(
    knee: Pathway, knee_course: dict[str, Any]
) -> None:
    assert cells(compose(knee_course, knee), "Follow-up") == {
        "6 months after surgery": ("30 September 2026",),
        "12 months after surgery": ("1 April 2027",),
    }


def test_surgery_date_as_data_is_preferred_to_words(knee: Pathway, knee_course: dict[str, Any]) -> None:
    knee_course["rows"] = [row("surgery_done", 31, "Surgery took place", done_at="2026-04-02T06:00:00+00:00")]
    assert about(compose(knee_course, knee))["Surgery"] == "2 April 2026"


# --- signed, or not


def test_signature_and_draft(back: Pathway, back_course: dict[str, Any]) -> None:
    signed = compose(back_course, back)
    assert signed.signed
    assert signed.signature == "Signed by Jonas Lang, PT on 14 April 2026."
    assert signed.written_at == day(42)
    back_course["rows"].pop()
    draft = compose(back_course, back)
    assert not draft.signed
    assert "DRAFT - NOT SIGNED" in as_text(draft)
    assert "DRAFT" not in as_text(signed)


def test_the_signature_of_an_earlier_discharge_does_not_sign_a_later_one(
    back: Pathway, back_course: dict[str, Any]
) -> None:
    back_course["rows"].append(row("discharge_reason", 120, reason="MMI"))
    summary = compose(back_course, back)
    assert not summary.signed
    assert about(summary)["Reason"] == "Plateau: no further measurable gain"


def test_answers_after_the_signature_change_nothing(back: Pathway, back_course: dict[str, Any]) -> None:
    before = compose(back_course, back)
    back_course["scores"] += scores(odi=[(49, 60.0)])
    assert compose(back_course, back) == before


# --- what is missing is said to be missing


def test_nothing_measured_and_no_patient(back: Pathway, empty_course: dict[str, Any]) -> None:
    summary = compose(empty_course, back)
    assert about(summary)["Patient"] == "name not on record"
    assert about(summary)["Born"] == "not on record"
    assert "Referred by" not in about(summary)
    assert section(summary, "Care given").paragraphs == ("No plan of care was made.",)
    assert section(summary, "Measures").paragraphs == ("Nothing was measured.",)
    assert section(summary, "Goals").paragraphs == ("No goals were set in numbers.",)
    assert section(summary, "Red flags").paragraphs == ("No red-flag screen is on record.",)
    assert as_pdf(summary).startswith(b"%PDF-")


def test_an_empty_record_crashes_nothing() -> None:
    summary = compose({}, None)
    assert about(summary)["Discharge"] == "no discharge is on record"
    assert about(summary)["Pathway"] == "none was chosen"
    assert as_text(summary)
    assert as_pdf(summary).startswith(b"%PDF-")


def test_a_pathway_that_cannot_be_read_is_named_and_its_lack_told(back_course: dict[str, Any]) -> None:
    summary = compose(back_course, None)
    assert about(summary)["Pathway"] == "low_back_pain@1"
    assert "low_back_pain@1" in section(summary, "Not in this summary").paragraphs[0]
    assert cells(summary, "Measures")["Odi"][-1] == "-24"


def test_names_from_outside_cannot_break_lines_or_turn_the_reading_direction(
    back: Pathway, back_course: dict[str, Any]
) -> None:
    back_course["head"] |= {"given": "An\u202ena\n\x00", "family": "Kowal\u200bska", "clinic": None}
    summary = compose(back_course, back)
    assert about(summary)["Patient"] == "Anna Kowalska"
    assert summary.clinic == "Clinic not on record"


@pytest.mark.parametrize(
    ("written", "told"),
    [("1971-08", "August 1971"), ("1971", "1971"), ("about 1970", "about 1970"), ("", "not on record")],
)
def test_birth_dates_of_every_precision(written: str, told: str, back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["head"]["birth_date"] = written
    assert about(compose(back_course, back))["Born"] == told


# --- as text


@pytest.mark.parametrize("which", ["back", "knee", "empty"])
def test_text_fits_80_columns(which: str, request: pytest.FixtureRequest, back: Pathway, knee: Pathway) -> None:
    course = request.getfixturevalue(f"{which}_course")
    lines = as_text(compose(course, knee if which == "knee" else back)).splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line != line.rstrip()]


def test_table_columns_are_aligned(back: Pathway, back_course: dict[str, Any]) -> None:
    lines = as_text(compose(back_course, back)).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("Goal "))
    column = lines[at].index("Result")
    results = [line[column:] for line in lines[at + 2 : at + 12] if line[column:].strip()]
    assert results[:3] == ["met", "met", "not met"]


@pytest.mark.parametrize("script", NAMES)
def test_text_keeps_names_as_they_are_written(script: str, back: Pathway, back_course: dict[str, Any]) -> None:
    given, family = NAMES[script]
    back_course["head"] |= {"given": given, "family": family}
    assert f"Patient      {given} {family}\n" in as_text(compose(back_course, back))


# --- as PDF


def read(pdf: bytes) -> list[str]:
    """The text of each page of an uncompressed PDF: glyphs, put back into characters by each font's own map.

    One line for each run of text; Arabic and Hebrew stand in the order in which they are seen.
    """
    objects = dict(re.findall(rb"\n(\d+) 0 obj\n(.*?)\nendobj", pdf, re.DOTALL))
    names = {
        name: objects[n]
        for names in re.findall(rb"/Font <<(.*?)>>", pdf, re.DOTALL)
        for name, n in re.findall(rb"/(F\d+) (\d+) 0 R", names)
    }
    fonts: dict[bytes, dict[bytes, str]] = {}
    for name, font in names.items():
        found = re.search(rb"/ToUnicode (\d+) 0 R", font)
        assert found
        pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", objects[found[1]])
        fonts[name] = {bytes.fromhex(g.decode()): bytes.fromhex(c.decode()).decode("utf-16-be") for g, c in pairs}
    contents = [
        objects[n]
        for page in objects.values()
        if b"/Type /Page\n" in page
        for n in re.findall(rb"/Contents (\d+) 0 R", page)
    ]
    return [_read_page(page, fonts) for page in contents]


def _read_page(page: bytes, fonts: dict[bytes, dict[bytes, str]]) -> str:
    """Fonts are looked up as a reader does: none that an earlier page has set is still set here."""
    text, font = "", {}
    for name, glyphs, end in re.findall(rb"/(F\d+) [\d.]+ Tf|\(((?:\\.|[^\\)])*)\) Tj|(ET Q)", page, re.DOTALL):
        if name:
            font = fonts[name]
        elif end:
            text += "\n"
        codes = re.sub(rb"\\(.)", lambda m: {b"r": b"\r", b"n": b"\n"}.get(m[1], m[1]), glyphs, flags=re.DOTALL)
        text += "".join(font.get(codes[n : n + 2], "") for n in range(0, len(codes), 2))
    return text


def test_pdf_is_the_same_for_the_same_summary(back: Pathway, back_course: dict[str, Any]) -> None:
    assert as_pdf(compose(back_course, back)) == as_pdf(compose(back_course, back))


def test_pdf_is_dated_by_the_summary_and_names_no_patient_in_its_metadata(
    back: Pathway, back_course: dict[str, Any]
) -> None:
    pdf = as_pdf(compose(back_course, back), compress=False)
    assert b"/CreationDate (D:20260414090000" in pdf
    for name in ("Kowalska", "SR-2026-0117"):
        assert name.encode() not in pdf
        assert name.encode("utf-16-be") not in pdf


def test_every_page_names_clinic_patient_and_its_number(knee: Pathway, knee_course: dict[str, Any]) -> None:
    pages = read(as_pdf(compose(knee_course, knee), compress=False))
    assert len(pages) == 2
    for n, page in enumerate(pages, 1):
        lines = page.splitlines()
        assert {"Riverside Rehabilitation", "Discharge summary · draft, not signed"} <= set(lines)
        assert lines[-2:] == ["Mehmet Ali Öztürk, born 1954", f"page {n} of 2"]


def test_pdf_tells_what_the_text_tells(back: Pathway, back_course: dict[str, Any]) -> None:
    summary = compose(back_course, back)
    words = " ".join(" ".join(read(as_pdf(summary, compress=False))).split())
    for section in summary.sections:
        for told in (section.heading, *section.paragraphs, *section.items):
            assert told in words
        for line in section.table.rows if section.table else ():
            for cell in line:
                assert cell in words
    assert summary.signature in words


@pytest.mark.parametrize("script", NAMES)
def test_pdf_has_the_letters_of_every_name(script: str, back: Pathway, back_course: dict[str, Any]) -> None:
    given, family = NAMES[script]
    back_course["head"] |= {"given": given, "family": family}
    page = read(as_pdf(compose(back_course, back), compress=False))[0]
    assert set(given + family) <= set(page)
    assert "U+" not in page


def test_a_joiner_does_not_swap_the_parts_of_a_persian_name(back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["head"] |= {"given": "علی\u200cرضا", "family": "کریمی"}
    summary = compose(back_course, back)
    assert "علی\u200cرضا کریمی" in as_text(summary)
    assert "علیرضا کریمی"[::-1] in read(as_pdf(summary, compress=False))[0]


def test_what_no_font_has_is_shown_by_its_number_and_explained(
    back: Pathway, back_course: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.summary.pdf._wide_font", lambda: None)
    back_course["head"] |= {"given": "伟", "family": "张 🦴"}
    summary = compose(back_course, back)
    assert "伟 张 🦴" in as_text(summary)
    pages = read(as_pdf(summary, compress=False))
    assert "[U+4F1F] [U+5F20] [U+1F9B4]\n" in pages[0]
    assert "[U+…] stands for characters that the fonts of this file do not have" in pages[-1]


def test_an_endless_name_and_clinic_do_not_crash(back: Pathway, back_course: dict[str, Any]) -> None:
    back_course["head"] |= {"given": "Wolfeschlegelstein" * 20, "family": "x " * 300, "clinic": "Haus" * 60}
    assert as_pdf(compose(back_course, back)).startswith(b"%PDF-")


# --- written and saved


class Shelf:
    """Stands in for PostgreSQL: one course to read, and what was saved."""

    def __init__(self, course: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.saved: list[dict[str, Any]] = []
        self.course = course
        monkeypatch.setattr("records.documents.course", self._course)
        monkeypatch.setattr("records.documents.save", self._save)

    async def _course(self, database: Any, tenant: str, journey: str) -> dict[str, Any]:
        return self.course

    async def _save(self, database: Any, **document: Any) -> None:
        self.saved.append(document)

    async def write(self) -> dict[str, Any]:
        """Run the activity; the document that it saved."""
        wanted = DischargeSummary(journey="j1", tenant="t1", document="j1:document:1")
        activity = WrittenDocuments(cast(Database, None))
        assert await ActivityEnvironment().run(activity.write_summary, wanted) == "j1:document:1"
        return self.saved[-1]


async def test_the_activity_writes_both_forms_under_the_documents_id(
    back_course: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = await Shelf(back_course, monkeypatch).write()
    assert (saved["document"], saved["journey"], saved["tenant"]) == ("j1:document:1", "j1", "t1")
    assert "Pathway      Low back pain with muscle spasm, version 1" in saved["body"]
    assert saved["pdf"].startswith(b"%PDF-")


async def test_another_version_never_stands_in_for_the_pinned_one(
    back_course: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    back_course["pathway"] = "low_back_pain@99"
    saved = await Shelf(back_course, monkeypatch).write()
    assert "Pathway      low_back_pain@99" in saved["body"]
    assert "Not in this summary" in saved["body"]
    assert "Home programme\n" not in saved["body"]
