"""Business time: deadlines fall into opening hours, on days the clinic is open, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from care.calendar import Calendar, Hours
from tests.care.driver import WEEK, calendar

BERLIN = ZoneInfo("Europe/Berlin")
CLINIC = calendar(date(2026, 1, 1))


def berlin(*when: int) -> datetime:
    return datetime(*when, tzinfo=BERLIN)  # type: ignore[misc, arg-type]


def utc(*when: int) -> datetime:
    return berlin(*when).astimezone(UTC)


DAYS = [
    ("from one weekday to the next", utc(2026, 3, 2, 9), 1, utc(2026, 3, 3, 17)),
    ("a day that closes at noon ends at noon", utc(2026, 3, 5, 9), 1, utc(2026, 3, 6, 12)),
    ("over the weekend", utc(2026, 3, 5, 16), 2, utc(2026, 3, 9, 17)),
    ("from a Saturday", utc(2026, 3, 7, 10), 1, utc(2026, 3, 9, 17)),
    ("before opening counts as that day", utc(2026, 3, 2, 3), 1, utc(2026, 3, 3, 17)),
    ("after closing counts as that day too", utc(2026, 3, 2, 22), 1, utc(2026, 3, 3, 17)),
    ("over Easter", utc(2026, 4, 2, 9), 1, utc(2026, 4, 7, 17)),
    ("over the night that loses an hour", utc(2026, 3, 27, 9), 1, utc(2026, 3, 30, 17)),
    ("over the night that gains an hour", utc(2026, 10, 23, 9), 1, utc(2026, 10, 26, 17)),
    ("a zone's date, not UTC's", utc(2026, 3, 3, 0, 30), 1, utc(2026, 3, 4, 17)),
]


@pytest.mark.parametrize(("start", "days", "end"), [d[1:] for d in DAYS], ids=[d[0] for d in DAYS])
def test_business_days(start: datetime, days: int, end: datetime) -> None:
    assert CLINIC.after_days(start, days) == end


HOURS = [
    ("within a morning", utc(2026, 3, 2, 9), 2, utc(2026, 3, 2, 11)),
    ("over the lunch break", utc(2026, 3, 2, 11), 2, utc(2026, 3, 2, 14)),
    ("to the very end of a morning", utc(2026, 3, 2, 9), 3, utc(2026, 3, 2, 12)),
    ("over the night", utc(2026, 3, 2, 16), 4, utc(2026, 3, 3, 11)),
    ("from before opening", utc(2026, 3, 2, 5), 1, utc(2026, 3, 2, 9)),
    ("from after closing", utc(2026, 3, 2, 20), 1, utc(2026, 3, 3, 9)),
    ("from a weekend", utc(2026, 3, 7, 12), 1, utc(2026, 3, 9, 9)),
    ("over a day that closes at noon", utc(2026, 3, 6, 11), 2, utc(2026, 3, 9, 9)),
    ("over a holiday", utc(2026, 5, 13, 16), 2, utc(2026, 5, 15, 9)),
    ("over the night that loses an hour", utc(2026, 3, 27, 11), 4, utc(2026, 3, 30, 11)),
    ("over the night that gains an hour", utc(2026, 10, 23, 11), 4, utc(2026, 10, 26, 11)),
    ("more than a week", utc(2026, 3, 2, 8), 36 + 3, utc(2026, 3, 9, 11)),
    ("half an hour", utc(2026, 3, 2, 8), 0.5, utc(2026, 3, 2, 8, 30)),
]


@pytest.mark.parametrize(("start", "hours", "end"), [h[1:] for h in HOURS], ids=[h[0] for h in HOURS])
def test_business_hours(start: datetime, hours: float, end: datetime) -> None:
    assert CLINIC.after_hours(start, hours) == end


@pytest.mark.parametrize(
    ("start", "passed"),
    [(berlin(2026, 3, 29, 0), 6), (berlin(2026, 10, 25, 0), 6)],
    ids=["the night that loses an hour", "the night that gains an hour"],
)
def test_a_clinic_open_through_the_change_of_the_clocks_counts_hours_that_pass(start: datetime, passed: int) -> None:
    always = CLINIC.model_copy(update={"week": ((Hours(opens=time(0), closes=time(23)),),) * 7})
    end = always.after_hours(start.astimezone(UTC), passed)
    assert end - start.astimezone(UTC) == timedelta(hours=passed)


def test_the_day_itself_is_not_over_before_the_start() -> None:
    after_closing = utc(2026, 3, 2, 20)
    assert CLINIC.after_days(after_closing, 0) == utc(2026, 3, 3, 17)
    assert CLINIC.after_days(utc(2026, 3, 2, 10), 0) == utc(2026, 3, 2, 17)


def test_opening() -> None:
    assert CLINIC.opening(utc(2026, 3, 2, 9)) == utc(2026, 3, 2, 9)
    assert CLINIC.opening(utc(2026, 3, 2, 12, 30)) == utc(2026, 3, 2, 13)
    assert CLINIC.opening(utc(2026, 3, 6, 13)) == utc(2026, 3, 9, 8)
    assert CLINIC.opening(utc(2026, 4, 3, 9)) == utc(2026, 4, 7, 8)


def test_the_result_keeps_the_zone_it_was_asked_in() -> None:
    for result in (CLINIC.after_days(utc(2026, 3, 2, 9), 3), CLINIC.after_hours(utc(2026, 3, 2, 9), 3)):
        assert result.tzinfo is UTC


def test_beyond_its_end_a_calendar_still_knows_the_week() -> None:
    """A therapy may outlast the calendar it began with: then holidays are not known, but weekends are."""
    ends = CLINIC.ends
    assert ends == date(2027, 4, 6)  # a Tuesday
    friday = utc(2027, 4, 9, 9)
    assert CLINIC.after_days(friday, 1) == utc(2027, 4, 12, 17)
    assert CLINIC.after_hours(friday, 4) == utc(2027, 4, 12, 9)
    assert CLINIC.opening(utc(2027, 4, 10, 9)) == utc(2027, 4, 12, 8)


def test_a_clinic_that_never_opens_still_gets_an_answer() -> None:
    never = CLINIC.model_copy(update={"week": ((),) * 7})
    start = utc(2026, 3, 2, 9)
    assert never.after_days(start, 2) >= start
    assert never.after_hours(start, 2) >= start
    assert never.opening(start) >= start


# --- why a slot is refused


def test_a_slot_is_open_from_the_first_to_the_last_minute_and_not_across_a_break() -> None:
    assert CLINIC.is_open(utc(2026, 3, 2, 8), utc(2026, 3, 2, 12))
    assert not CLINIC.is_open(utc(2026, 3, 2, 11, 30), utc(2026, 3, 2, 13, 30))
    assert not CLINIC.is_open(utc(2026, 3, 2, 7, 59), utc(2026, 3, 2, 9))
    assert not CLINIC.is_open(utc(2026, 3, 6, 11, 30), utc(2026, 3, 6, 12, 1))
    assert not CLINIC.is_open(utc(2026, 3, 2, 8), utc(2026, 3, 3, 9))


def test_a_holiday_is_named() -> None:
    assert CLINIC.why_closed(utc(2026, 4, 6, 10)) == "Easter Monday"
    assert CLINIC.why_closed(utc(2026, 3, 7, 10)) == "outside the clinic's opening hours"


# --- properties

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])


@st.composite
def weeks(draw: st.DrawFn) -> tuple[tuple[Hours, ...], ...]:
    """Seven days of up to two stretches each, open on at least one day; never while the clocks change."""

    def day() -> tuple[Hours, ...]:
        minutes = sorted(draw(st.sets(st.integers(16, 95), min_size=0, max_size=4)))
        edges = [time(m // 4, m % 4 * 15) for m in minutes[: len(minutes) // 2 * 2]]
        return tuple(Hours(opens=a, closes=b) for a, b in zip(edges[::2], edges[1::2], strict=True))

    week = tuple(day() for _ in range(7))
    assume(any(week))
    return week


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    closed = draw(st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=12))
    return Calendar(
        timezone=draw(ZONES),
        week=draw(st.one_of(st.just(WEEK), weeks())),
        closed=dict.fromkeys(sorted(closed), "closed"),
        starts=date(2026, 1, 1),
        ends=date(2027, 6, 30),
        source="generated",
        version="1",
    )


def open_at(the_calendar: Calendar, moment: datetime) -> bool:
    return the_calendar.is_open(moment, moment)


@given(calendars(), MOMENTS, st.integers(0, 40))
def test_days_end_in_opening_hours_and_never_before_the_start(c: Calendar, start: datetime, days: int) -> None:
    end = c.after_days(start, days)
    assert end >= start
    assert open_at(c, end)
    assert c.local(end).date() >= c.local(start).date()


@given(calendars(), MOMENTS, st.integers(0, 100))
def test_hours_end_in_opening_hours_and_never_before_the_start(c: Calendar, start: datetime, quarters: int) -> None:
    end = c.after_hours(start, quarters / 4)
    assert end >= start + timedelta(hours=quarters / 4)
    assert open_at(c, end)


@given(calendars(), MOMENTS, MOMENTS, st.integers(0, 20), st.integers(0, 20))
def test_later_and_more_never_end_earlier(c: Calendar, one: datetime, two: datetime, few: int, more: int) -> None:
    first, second = sorted((one, two))
    less, most = sorted((few, more))
    assert c.after_days(first, less) <= c.after_days(second, less)
    assert c.after_days(first, less) <= c.after_days(first, most)
    assert c.after_hours(first, less) <= c.after_hours(second, less)
    assert c.after_hours(first, less) <= c.after_hours(first, most)
    assert c.opening(first) <= c.opening(second)


@given(calendars(), MOMENTS, st.integers(1, 40), st.integers(1, 40))
def test_hours_add_up(c: Calendar, start: datetime, one: int, two: int) -> None:
    at_once = c.after_hours(start, (one + two) / 4)
    assert c.after_hours(c.after_hours(start, one / 4), two / 4) == at_once


@given(calendars(), MOMENTS, st.integers(5, 120))
def test_open_agrees_with_the_hours_of_the_day_and_with_why_closed(c: Calendar, start: datetime, minutes: int) -> None:
    end = start + timedelta(minutes=minutes)
    day = c.local(start).date()
    if c.is_open(start, end):
        assert c.local(end).date() == day
        assert c.hours_on(day)
        assert c.why_closed(start) == "outside the clinic's opening hours"  # no reason of its own
        assert c.opening(start) == start
        assert c.after_hours(start, minutes / 60) == end
    if day in c.closed:
        assert not c.is_open(start, end)
        assert c.why_closed(start) == "closed"


@given(calendars(), MOMENTS)
def test_the_next_opening_is_open_and_nothing_before_it_is(c: Calendar, moment: datetime) -> None:
    opening = c.opening(moment)
    assert opening >= moment
    assert c.is_open(opening, opening)
    between = moment + (opening - moment) / 2
    if moment < between < opening:
        assert not c.is_open(between, between + timedelta(minutes=1))


@given(calendars())
def test_a_calendar_travels_unchanged(c: Calendar) -> None:
    assert Calendar.model_validate_json(c.model_dump_json()) == c
