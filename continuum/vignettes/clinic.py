"""The clinic of a vignette: its own tenant, open on the days of its course, so that day 42 of it is day 42."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from activities.clinics import MONTHS_AHEAD, calendar_of
from care.calendar import Calendar, Hours
from continuum.site import EXAMPLE_CLINIC, EXAMPLE_DIRECTORY
from records import directory
from records.database import Database

ACCEPTED_AT = 8
"""The hour of the clinic's day at which the referral is accepted; days of a course are counted from then."""

NOW_AND_THEN = 12
"""Days: a plan of care is certified anew from 14 days before its end on, and a visit is booked in that time."""
OPEN = Hours(opens=time(8), closes=time(18))


@dataclass(frozen=True)
class Clinic:
    """Where one vignette takes place; nobody else takes its appointments."""

    tenant: str
    calendar: Calendar
    begins: datetime
    """When the referral is received, and accepted: 08:00 of the clinic's next day."""

    def at(self, day: int, hour: int, minute: int = 0) -> datetime:
        """An hour of the n-th day."""
        local = self.calendar.local(self.begins) + timedelta(days=day)
        return local.replace(hour=hour, minute=minute).astimezone(UTC)


class Clinics:
    """Opens clinics, one for each vignette."""

    def __init__(self, owner: Database, now: datetime) -> None:
        self._owner = owner
        self._today = now.astimezone(ZoneInfo(EXAMPLE_CLINIC.timezone))

    async def open(self, days: Iterable[int]) -> Clinic:
        """A clinic that nobody has been to, open on these days of the course, on the days after them, and now and then.

        On other days there is nobody whom the course is not about and who would have to be reminded.
        """
        begins = self._today.replace(hour=ACCEPTED_AT, minute=0, second=0, microsecond=0)
        while begins < self._today + timedelta(hours=1):
            begins += timedelta(days=1)
        first = begins.date()
        open_on = {first + timedelta(days=n) for day in (0, *days) for n in (day, day + 1)}
        open_on |= {first + timedelta(days=n) for n in range(0, MONTHS_AHEAD.days + 1, NOW_AND_THEN)}
        overrides = {
            day: "" if day in open_on else "nothing happens"
            for day in (self._today.date() + timedelta(days=n) for n in range(MONTHS_AHEAD.days + 1))
        }
        tenant = f"vignette_{secrets.token_hex(6)}"
        entry = EXAMPLE_CLINIC.model_copy(update={"tenant": tenant, "week": ((OPEN,),) * 7, "overrides": overrides})
        await directory.change(
            self._owner, tenant, "vignettes", lambda _: EXAMPLE_DIRECTORY.model_copy(update={"clinics": (entry,)})
        )
        return Clinic(tenant, calendar_of(entry, self._today.date()), begins.astimezone(UTC))
