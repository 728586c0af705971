"""Rows of a caseload: CSV and JSON lines, several plans, and errors that say where and what would be right."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caseload.reading import BadFile, Journey, read
from gateway.caseload.row import BY_NAME, COLUMNS, template

HEAD = "external_id,pathway,stage,received_on"
GOOD = "A-1,low_back_pain,therapy,2026-01-12"
SECRET = "Zq7Secret"


def one(text: str) -> Journey:
    (journey,) = read(text.encode())
    return journey


def problem(text: str) -> tuple[int, str | None, str]:
    (found,) = one(text).problems
    return found.line, found.column, found.what


def test_the_template_can_be_read_and_has_every_column() -> None:
    first, second = read(template().encode())
    assert not first.problems
    assert not second.problems
    assert first.plans[0]["visits_used"] == 3
    assert second.cells["baseline"] == {"nprs": 6.0, "odi": 38.0}
    assert template().splitlines()[0].split(",") == [c.name for c in COLUMNS]


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["no BOM", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_files_as_spreadsheets_write_them(before: bytes, end: str, delimiter: str) -> None:
    text = end.join([HEAD, GOOD, ""]).replace(",", delimiter)
    (journey,) = read(before + text.encode())
    assert not journey.problems
    assert journey.external_id == "A-1"
    assert journey.line == 2


def test_a_cell_with_a_line_break_keeps_its_lines_and_those_after_it() -> None:
    text = f'{HEAD},baseline\n{GOOD},"nprs=6;\nodi=42"\nA-2,low_back_pain,nowhere,2026-01-12,\n'
    first, second = read(text.encode())
    assert first.cells["baseline"] == {"nprs": 6.0, "odi": 42.0}
    assert first.raw.decode().count("\n") == 2
    assert [p.line for p in second.problems] == [4]


def test_several_rows_of_one_patient_are_several_plans() -> None:
    more = f"{HEAD},family,discipline,visits_used\n"
    rows = f"{GOOD},Fernsby,physiotherapy,3\n{GOOD},,psychology,1\n"
    journey = one(more + rows)
    assert not journey.problems
    assert [(p["discipline"], p["visits_used"]) for p in journey.plans] == [("physiotherapy", 3), ("psychology", 1)]
    differs = one(more + rows + "A-1,stroke,,2026-01-12,,physiotherapy,1\n")
    assert {(p.line, p.column) for p in differs.problems} == {(4, "pathway")}
    assert SECRET not in str(one(more + rows.replace(",,psy", f",{SECRET},psy")).problems)


def test_a_row_that_was_pasted_twice_is_no_second_plan() -> None:
    row = f"{GOOD},physiotherapy,3\n"
    twice = problem(f"{HEAD},discipline,visits_used\n{row}{row}")
    assert twice[:2] == (3, "external_id")
    assert "another plan" in twice[2]


def test_json_lines_say_the_same_as_csv() -> None:
    by_csv = one(f"{HEAD},discipline,visits_used,consent_to_messages,latest\n{GOOD},physiotherapy,3,yes,nprs=4\n")
    said: dict[str, Any] = dict(zip(HEAD.split(","), GOOD.split(","), strict=True))
    said |= {"consent_to_messages": True, "latest": {"nprs": 4}}
    by_json = one(json.dumps({**said, "plans": [{"discipline": "physiotherapy", "visits_used": 3}]}))
    assert (by_json.cells, by_json.plans) == (by_csv.cells, by_csv.plans)
    assert by_json.digest == by_csv.digest
    assert by_json.digest != one(json.dumps({**said, "urgency": "stat"})).digest


WRONG = [
    ("received_on", "12.1.2026", "2026-03-02"),
    ("received_on", "2026-02-30", "2026-03-02"),
    ("stage", "cured", "follow_up"),
    ("sex", "m", "unknown"),
    ("email", SECRET, "name@clinic.example"),
    ("urgency", "soon", "routine"),
    ("consent_to_messages", "maybe", "yes or no"),
    ("baseline", SECRET, "nprs=6"),
    ("baseline", "{", "nprs=6"),
    ("latest", "nprs=inf", "nprs=6"),
    ("visits_used", "-1", "from 0 to 1000"),
    ("visits_used", "9" * 500, "from 0 to 1000"),
    ("visits_per_week", "nan", "above 0"),
    ("next_visit_at", "tomorrow", "2026-03-02T10:30"),
    ("clinician", SECRET, "an id is wanted"),
    ("phase", "two", "whole number"),
    ("family", "x" * 201, "at most 200"),
    ("discharge_reason", SECRET, "GOALS"),
]


@pytest.mark.parametrize(("column", "value", "right"), WRONG, ids=[f"{w[0]} {w[1][:12]}" for w in WRONG])
def test_a_wrong_cell_is_named_with_what_would_be_right(column: str, value: str, right: str) -> None:
    cells = {**dict(zip(HEAD.split(","), GOOD.split(","), strict=True)), column: value}
    out = io.StringIO()
    writer = csv.DictWriter(out, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    for text in (out.getvalue(), json.dumps(cells)):
        line, named, what = problem(text)
        assert named == column
        assert right in what
        assert SECRET not in what
        assert line in (1, 2)


def test_a_required_column_that_is_empty_is_missing() -> None:
    assert problem(f"{HEAD}\nA-1,low_back_pain,therapy,\n") == (2, "received_on", "it is missing")


BAD = [
    (b"", "empty"),
    (f"{HEAD},{SECRET}\n{GOOD},1\n".encode(), "column 5"),
    (f"{HEAD},stage\n".encode(), "twice"),
    (b"external_id,stage\n", "missing: pathway, received_on"),
    (f'{HEAD}\n"A-1,{SECRET}'.encode(), "quotation mark"),
    (HEAD.encode() + b"\n\xff", "line 2: this is not UTF-8"),
    (HEAD.encode() + b"\n\0", "zero byte"),
]


@pytest.mark.parametrize(("content", "why"), BAD, ids=[b[1] for b in BAD])
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, why: str) -> None:
    with pytest.raises(BadFile, match=why) as bad:
        read(content)
    assert SECRET not in str(bad.value)


def test_the_same_patient_on_two_json_lines_is_told() -> None:
    said = json.dumps(dict(zip(HEAD.split(","), GOOD.split(","), strict=True)))
    first, second = read(f"{said}\n{said}\n".encode())
    assert not first.problems
    assert [(p.line, p.column) for p in second.problems] == [(2, "external_id")]


@given(st.text(max_size=60), st.sampled_from(sorted(BY_NAME)))
def test_whatever_stands_in_a_cell_is_read_or_refused_without_repeating_it(value: str, column: str) -> None:
    cells = {**dict(zip(HEAD.split(","), GOOD.split(","), strict=True)), column: f"{SECRET}{value}"}
    try:
        (journey,) = read(json.dumps(cells).encode())
    except BadFile:
        return
    assert not any(SECRET in p.what or SECRET in str(p.column) for p in journey.problems)


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_bad_file(content: bytes) -> None:
    for before in (b"", HEAD.encode() + b"\n", b"{"):
        try:
            found = read(before + content)
        except BadFile:
            continue
        assert all(isinstance(j, Journey) for j in found)


def test_a_moment_may_name_its_offset() -> None:
    plan = one(f"{HEAD},next_visit_at\n{GOOD},2026-03-02T10:30+04:00\n").plans[0]
    assert plan["next_visit_at"] == datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
