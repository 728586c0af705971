"""Business time: a clinic's open days and hours, as plain data a workflow can carry.

A calendar library cannot run inside a workflow; an activity builds this from one (see `activities/calendars.py`)
and the journey carries the result, with its source and version, so that every deadline can be worked out again.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from care.model import Model


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
        zone = ZoneInfo(self.timezone)
        day = self.local(start).date()
        while day <= self.ends:
            for stretch in self.hours_on(day):
                opens = max(datetime.combine(day, stretch.opens, zone), self.local(start))
                closes = datetime.combine(day, stretch.closes, zone)
                if closes - opens > timedelta(0):
                    if left <= closes - opens:
                        return (opens + left).astimezone(start.tzinfo)
                    left -= closes - opens
            day += timedelta(days=1)
        return start + timedelta(days=(day - self.local(start).date()).days)

    def after_days(self, start: datetime, days: int) -> datetime:
        """The end of the last opening hour of the n-th open day after start's own day."""
        zone = ZoneInfo(self.timezone)
        day = self.local(start).date()
        left = days
        while left > 0 or not self.hours_on(day):
            day += timedelta(days=1)
            if day > self.ends:
                break
            if self.hours_on(day):
                left -= 1
        stretches = self.hours_on(day)
        closes = stretches[-1].closes if stretches else self.local(start).time()
        return datetime.combine(day, closes, zone).astimezone(start.tzinfo)

    def opening(self, moment: datetime) -> datetime:
        """The moment itself when the clinic is open then, else its next opening."""
        zone = ZoneInfo(self.timezone)
        day = self.local(moment).date()
        while day <= self.ends:
            for stretch in self.hours_on(day):
                opens = datetime.combine(day, stretch.opens, zone)
                closes = datetime.combine(day, stretch.closes, zone)
                if self.local(moment) < closes:
                    return max(opens, self.local(moment)).astimezone(moment.tzinfo)
            day += timedelta(days=1)
        return moment
