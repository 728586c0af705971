"""Business time: a clinic's open days and hours, as plain data a workflow can carry.

A calendar library cannot run inside a workflow; an activity builds this from one (see `activities/calendars.py`)
and the journey carries the result, with its source and version, so that every deadline can be worked out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from care.model import Model

MOST_DAYS_CLOSED = 366
"""Beyond a calendar's end, for so many days an open day is looked for: a clinic that never opens ends the search."""


class Hours(Model):
    """One stretch of opening time within a day, local to the clinic."""

    opens: time
    closes: time


class Calendar(Model):
    """When a clinic is open, between `starts` and `ends` (dates, local)."""

    timezone: str
    week: tuple[tuple[Hours, ...], ...]
    """Seven days, Monday first; an empty day is closed."""
    closed: dict[date, str] = {}
    """Days closed although the week says open, and why."""
    starts: date
    ends: date
    source: str
    version: str

    def hours_on(self, day: date) -> tuple[Hours, ...]:
        """The opening hours of one day; none when the clinic is closed."""
        return () if day in self.closed else self.week[day.weekday()]

    def local(self, moment: datetime) -> datetime:
        """The moment on the clinic's own clock."""
        return moment.astimezone(ZoneInfo(self.timezone))

    def begins(self, day: date) -> datetime:
        """The first moment of a day of the clinic's."""
        return datetime.combine(day, time.min, ZoneInfo(self.timezone)).astimezone(UTC)

    def is_open(self, start: datetime, end: datetime) -> bool:
        """Whether the clinic is open during the whole of start to end."""
        first, last = self.local(start), self.local(end)
        return first.date() == last.date() and any(
            hours.opens <= first.time() and last.time() <= hours.closes for hours in self.hours_on(first.date())
        )

    def why_closed(self, moment: datetime) -> str:
        """Words for a slot refused: the holiday's name, or that the clinic is closed then."""
        return self.closed.get(self.local(moment).date(), "outside the clinic's opening hours")

    def after_hours(self, start: datetime, hours: float) -> datetime:
        """The moment at which that many hours of opening time have passed since start."""
        left = timedelta(hours=hours)
        for day in self._days_from(start):
            for opens, closes in self._open_on(day):
                begins = max(opens, start)
                if begins < closes:
                    if left <= closes - begins:
                        return (begins + left).astimezone(start.tzinfo)
                    left -= closes - begins
        return start + left

    def before_hours(self, end: datetime, hours: float) -> datetime:
        """The moment from which on that many hours of opening time pass until end."""
        left = timedelta(hours=hours)
        last = self.local(end).date()
        for day in (last - timedelta(days=n) for n in range(MOST_DAYS_CLOSED)):
            for opens, closes in reversed(self._open_on(day)):
                until = min(closes, end)
                if opens < until:
                    if left <= until - opens:
                        return (until - left).astimezone(end.tzinfo)
                    left -= until - opens
        return end - left

    def after_days(self, start: datetime, days: int) -> datetime:
        """The end of the last opening hour of the n-th open day after start's own day, and not before start."""
        own_day = self.local(start).date()
        left = days
        for day in self._days_from(start):
            stretches = self._open_on(day)
            if not stretches:
                continue
            left -= day > own_day
            if left <= 0 and stretches[-1][1] >= start:
                return stretches[-1][1].astimezone(start.tzinfo)
        return start + timedelta(days=days)

    def opening(self, moment: datetime) -> datetime:
        """The moment itself when the clinic is open then, else its next opening."""
        for day in self._days_from(moment):
            for opens, closes in self._open_on(day):
                if moment < closes:
                    return max(opens, moment).astimezone(moment.tzinfo)
        return moment

    def _days_from(self, moment: datetime) -> Iterator[date]:
        """The moment's own day and those after it. After `ends` the week still holds, only holidays are not known."""
        first = self.local(moment).date()
        return (first + timedelta(days=n) for n in range(max((self.ends - first).days, 0) + MOST_DAYS_CLOSED))

    def _open_on(self, day: date) -> list[tuple[datetime, datetime]]:
        """The stretches of opening time of one day, in UTC, where an hour is always an hour."""
        zone = ZoneInfo(self.timezone)
        return [
            (
                datetime.combine(day, hours.opens, zone).astimezone(UTC),
                datetime.combine(day, hours.closes, zone).astimezone(UTC),
            )
            for hours in self.hours_on(day)
        ]
