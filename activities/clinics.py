"""The clinic and its calendar."""

from __future__ import annotations

from datetime import date, time, timedelta
from importlib.metadata import version

import holidays
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Clinics, Preparation
from care.calendar import Calendar, Hours
from care.referral import Clinic
from pathways import loader
from records.clinics import ClinicRow, clinic_of
from records.database import Database

MONTHS_AHEAD = timedelta(days=460)
"""About 15 months: a journey's longest plan is a year."""


class PostgresClinics(Clinics):
    """Reads clinics from PostgreSQL and their country's holidays from a library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="prepare")
    async def prepare(self, tenant: str, suggested_pathway: str | None, today: date) -> Preparation:
        """See `Clinics.prepare`. Retried until the tenant has a clinic: a journey waits rather than fails."""
        row = await clinic_of(self._database, tenant)
        if row is None:
            raise ApplicationError("this tenant has no clinic yet", type="NoClinic")
        return Preparation(
            clinic=Clinic(id=row.id, tenant=tenant, lead=row.lead),
            calendar=calendar_of(row, today),
            pathway=loader.latest().get(suggested_pathway) if suggested_pathway else None,
        )


def calendar_of(clinic: ClinicRow, today: date) -> Calendar:
    """Open days and hours from today on: the week, less public holidays, with the clinic's own overrides."""
    ends = today + MONTHS_AHEAD
    years = range(today.year, ends.year + 1)
    found = holidays.country_holidays(clinic.country, subdiv=clinic.subdivision, years=years)
    closed = {day: name for day, name in sorted(found.items()) if today <= day <= ends}
    for day, reason in clinic.overrides.items():
        if reason:
            closed[date.fromisoformat(day)] = reason
        else:
            closed.pop(date.fromisoformat(day), None)
    return Calendar(
        timezone=clinic.timezone,
        week=tuple(
            tuple(Hours(opens=time.fromisoformat(opens), closes=time.fromisoformat(closes)) for opens, closes in day)
            for day in clinic.week
        ),
        closed=closed,
        starts=today,
        ends=ends,
        source=f"holidays {clinic.country}, and the clinic's overrides",
        version=version("holidays"),
    )
