"""The clinic of a vignette: its own tenant, open every day, so that day 42 of a course is day 42."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property

import holidays

from activities.clinics import MONTHS_AHEAD, calendar_of
from care.calendar import Calendar, Hours
from care.directory import ClinicEntry
from continuum.site import EXAMPLE_CLINIC, EXAMPLE_DIRECTORY
from records import directory
from records.database import Database

ACCEPTED_AT = 8
"""The hour of the clinic's day at which the referral is accepted; days of a course are counted from then."""

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
        self._now = now

    @cached_property
    def _calendar(self) -> Calendar:
        return calendar_of(self._entry, self._now.date())

    @cached_property
    def _entry(self) -> ClinicEntry:
        """Like the example clinic, but open every day of the year."""
        years = range(self._now.year, (self._now + 2 * MONTHS_AHEAD).year + 1)
        always = ((OPEN,),) * 7
        open_on_holidays = dict.fromkeys(holidays.country_holidays(EXAMPLE_CLINIC.country, years=years), "")
        return EXAMPLE_CLINIC.model_copy(update={"week": always, "overrides": open_on_holidays})

    async def open(self) -> Clinic:
        """A clinic that nobody has been to."""
        tenant = f"vignette_{secrets.token_hex(6)}"
        entry = self._entry.model_copy(update={"tenant": tenant})
        await directory.change(
            self._owner, tenant, "vignettes", lambda _: EXAMPLE_DIRECTORY.model_copy(update={"clinics": (entry,)})
        )
        local = self._calendar.local(self._now)
        begins = local.replace(hour=ACCEPTED_AT, minute=0, second=0, microsecond=0)
        while begins < local + timedelta(hours=1):
            begins += timedelta(days=1)
        return Clinic(tenant, self._calendar, begins.astimezone(UTC))
