"""Search values taken apart, and conditions made of them: pure, and no word of a caller in any statement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answers import Problem
from gateway.fhir_server.elements import Setting
from gateway.fhir_server.resources import SEARCHED, TYPES
from gateway.fhir_server.search import values
from gateway.fhir_server.search.cursor import Cursor, Sealer
from gateway.fhir_server.search.query import Query, understand
from gateway.fhir_server.search.values import BadValue, Local, Token
from records.fhir import Position

SETTING = Setting("https://continuum.example/fhir")


def understood(kind: str, *pairs: tuple[str, str], lenient: bool = False) -> Query:
    return understand(TYPES[kind], pairs, SETTING, SEARCHED, lenient=lenient)


def refused(kind: str, *pairs: tuple[str, str]) -> Problem:
    with pytest.raises(Problem) as found:
        understood(kind, *pairs)
    assert found.value.status == 400
    return found.value


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("2026", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("2026-02", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("2026-12", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2024-02-29", "2024-02-29T00:00", "2024-03-01T00:00"),
        ("2026-11-29T08:30Z", "2026-11-29T08:30", "2026-11-29T08:31"),
        ("2026-11-29T08:30:15Z", "2026-11-29T08:30:15", "2026-11-29T08:30:16"),
        ("2026-11-29T08:30:15.250Z", "2026-11-29T08:30:15.250", "2026-11-29T08:30:15.251"),
        ("2026-11-29T08:30:15+04:00", "2026-11-29T04:30:15", "2026-11-29T04:30:16"),
        ("2026-11-29T08:30:15 04:00", "2026-11-29T04:30:15", "2026-11-29T04:30:16"),
        ("2026-11-29T08:30:15-05:00", "2026-11-29T13:30:15", "2026-11-29T13:30:16"),
    ],
)
def test_a_date_is_the_span_that_it_stands_for(value: str, low: str, high: str) -> None:
    for prefix in ("", *values.PREFIXES):
        found = values.date(prefix + value)
        assert (found.low, found.high) == tuple(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (low, high))
        assert found.prefix == (prefix or "eq")


@pytest.mark.parametrize(
    "value",
    [
        *("", "today", "2026-13", "2026-02-30", "2026-1-1", "99999", "9999", "0000", "2026-11-29T25:00", "ap2026"),
        *("2026-11-29T08", "gt", "eqne2026", "２０２６", "2026-11-29T08:30:15+99:99:00", "2026-11-29 "),
    ],
)
def test_what_is_no_date_is_refused(value: str) -> None:
    with pytest.raises(BadValue):
        values.date(value)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("active", Token(None, "active")),
        ("http://a|b", Token("http://a", "b")),
        ("|b", Token("", "b")),
        ("http://a|", Token("http://a", None)),
        (r"a\|b", Token(None, "a|b")),
        (r"http://a|b\,c\|d", Token("http://a", "b,c|d")),
    ],
)
def test_tokens(value: str, token: Token) -> None:
    assert values.token(value) == token


@pytest.mark.parametrize("value", ["a|b|c", "|"])
def test_what_is_no_token_is_refused(value: str) -> None:
    with pytest.raises(BadValue):
        values.token(value)


def test_alternatives_end_at_commas_that_are_not_escaped() -> None:
    assert list(values.alternatives(r"a\,b,c\\,d")) == [r"a\,b", r"c\\", "d"]
    assert values.plain(r"a\,b\\") == "a,b\\"


def test_references() -> None:
    base = SETTING.base
    assert values.reference("Patient/1", base) == Local("Patient", "1")
    assert values.reference("1", base) == Local(None, "1")
    assert values.reference(f"{base}/Patient/1", base) == Local("Patient", "1")
    assert values.reference(f"{base}/Patient/1/_history/3", base) == Local("Patient", "1")
    assert values.reference("https://other.example/fhir/Patient/1", base) == Local("Patient", "1", elsewhere=True)
    assert values.reference("urn:uuid:1/2", base) is None


# --- a query


def test_what_is_not_known_is_refused_by_our_list_alone() -> None:
    problem = refused("Task", ("stauts", "Quillfeather"))
    assert "status" in problem.text
    assert "business-status" in problem.text
    assert "stauts" not in problem.text
    assert "Quillfeather" not in problem.text
    assert problem.code == "not-supported"


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("Task", "status:exact", "requested"),
        ("Task", "status:missing", "perhaps"),
        ("Task", "authored-on", "yesterday"),
        ("Task", "authored-on:not", "2026"),
        ("Task", "status", ""),
        ("Task", "patient:Group", "1"),
        ("Task", "patient:Group.identifier", "1"),
        ("Task", "patient.shoe-size", "43"),
        ("Task", "_sort", "owner"),
        ("Task", "_count", "-1"),
        ("Task", "_count", "ten"),
        ("Task", "_include", "Task:nothing"),
        ("Task", "_include", "*"),
        ("Task", "_include", "Patient:link"),
        ("Task", "_include:iterate", "Task:patient"),
        ("Task", "_revinclude", "Observation:patient"),
        ("Task", "_summary", "text"),
        ("Task", "_total", "roughly"),
        ("Task", "_has:Observation:patient:code", "x"),
        ("Task", "_filter", "status eq requested"),
        ("Patient", "active", "yes"),
        ("Patient", "identifier", "a|b|c"),
        ("Task", "_id", ",".join(f"a{n}" for n in range(201))),
    ],
)
def test_what_cannot_be_searched_is_refused(kind: str, name: str, value: str) -> None:
    refused(kind, (name, value))


def test_too_much_is_refused() -> None:
    assert refused("Task", *[("_id", "a")] * 51).code == "too-costly"
    assert refused("Task", ("identifier", "a" * 10_000)).code == "too-costly"
    assert refused("Task", ("identifier", "a\0b")).code == "value"
    assert refused("Task", ("identifier", "a\ud800b")).code == "value"


def test_result_parameters_are_given_once() -> None:
    refused("Task", ("_count", "1"), ("_count", "2"))
    assert understood("Task", ("_count", "2"), ("_count", "2")).count == 2
    assert understood("Task", ("_count", "5000")).count == 100
    assert understood("Task", ("_summary", "count")).only_count
    assert understood("Task", ("_count", "0")).only_count


def test_a_caller_may_prefer_that_it_is_passed_over() -> None:
    query = understood("Task", ("status", "requested"), ("shoe-size", "43"), lenient=True)
    assert query.pairs == (("status", "requested"),)
    assert query.passed_over == 1


def test_every_parameter_of_every_type_makes_a_statement() -> None:
    """Whatever the kind of parameter, there is a value that it takes."""
    for kind in SEARCHED:
        for name, param in kind.search.items():
            value = {"date": "2026", "number": "1"}.get(param.type, "true")
            arguments: list[object] = []
            assert understood(kind.name, (name, value)).where.sql(arguments).strip()
            if "missing" in param.modifiers:
                assert "null" in understood(kind.name, (f"{name}:missing", "true")).where.sql([])


AWKWARD = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["' or 1=1 --", "$1", "'; drop table continuum.task; --", r"\'", "%_%", '"', "a|b' or '1'='1"]),
)
NAMES = st.sampled_from([(kind.name, name) for kind in SEARCHED for name in kind.search])
MODIFIERS = st.sampled_from(["", ":missing", ":not", ":identifier", ":contains", ":exact", ":Patient", ":", ":x"])


@given(NAMES, MODIFIERS, AWKWARD)
def test_nothing_that_is_asked_gets_into_a_statement(name: tuple[str, str], modifier: str, value: str) -> None:
    kind, parameter = name
    try:
        query = understood(kind, (parameter + modifier, value))
    except Problem:
        return
    arguments: list[object] = []
    text = query.where.sql(arguments)
    mark = "Quillfeather7731"
    try:
        other = understood(kind, (parameter + modifier, value.replace("a", mark) + mark))
    except Problem:
        return
    assert mark not in other.where.sql([])
    assert text.count("$") >= len(arguments)


# --- links to pages


def test_a_link_keeps_its_search_to_itself() -> None:
    sealer = Sealer((b"k" * 32,))
    now = datetime(2026, 11, 29, 8, 30, 0, 5, tzinfo=UTC)
    cursor = Cursor("Task", (("patient.identifier", "urn:mrn|Quillfeather"),), Position("j1", now))
    token = sealer.seal(cursor)
    assert sealer.open(token) == cursor
    assert "Quillfeather" not in token
    rotated = Sealer((b"n" * 32, b"k" * 32))
    assert rotated.open(token) == cursor
    for bad in (token[:-2] + "xx", "", "x" * 20_000, "é", Sealer((b"o" * 32,)).seal(cursor)):
        with pytest.raises(Problem) as found:
            sealer.open(bad)
        assert found.value.status == 400


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year < 9998))
def test_a_moment_is_within_the_date_that_it_is_written_as(moment: datetime) -> None:
    found = values.date(moment.isoformat(timespec="seconds").replace("+00:00", "Z"))
    assert found.low <= moment < found.high
    assert found.high - found.low == timedelta(seconds=1)
