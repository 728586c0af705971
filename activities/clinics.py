"""The clinic and its calendar."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from importlib.metadata import version

import holidays
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.signatures import Clinics, Preparation
from care.calendar import Calendar
from care.directory import ClinicEntry
from care.red_flag import RedFlag
from care.referral import Clinic
from pathways import loader
from records.database import Database
from records.directory import clinic_of

MONTHS_AHEAD = timedelta(days=460)
"""About 15 months: a journey's longest plan is a year."""
HINTED_AT_MOST = 8
"""Flags that a request's words may add to the screen. Design choice, not clinically reviewed."""
MONTHS_BACK = timedelta(days=730)
"""So far back holidays are known, for journeys that began elsewhere; before it the week alone holds."""


class PostgresClinics(Clinics):
    """Reads clinics from PostgreSQL and their country's holidays from a library."""

    def __init__(self, database: Database, *, must_be_signed: bool) -> None:
        self._database = database
        self._must_be_signed = must_be_signed

    @activity.defn(name="prepare")
    async def prepare(
        self,
        tenant: str,
        suggested_pathway: str | None,
        today: date,
        clinic: str | None,
        since: date | None,
        questions: tuple[str, ...],
        payer: str | None,
    ) -> Preparation:
        """See `Clinics.prepare`. Retried until the tenant has a clinic: a journey waits rather than fails."""
        found = await clinic_of(self._database, tenant, clinic)
        if found is None:
            raise ApplicationError("this tenant has no clinic yet", type="NoClinic")
        usable = loader.usable(must_be_signed=self._must_be_signed)
        pathway = usable.get(suggested_pathway) if suggested_pathway else None
        return Preparation(
            clinic=Clinic(
                id=found.id,
                tenant=tenant,
                lead=found.lead,
                quiet_from=found.quiet_from,
                quiet_until=found.quiet_until,
            ),
            calendar=calendar_of(found, today, since),
            pathway=pathway.for_journey() if pathway else None,
            rules=loader.rulebook().for_scope(found.regulator, payer),
            hinted_flags=hinted_flags(questions),
        )


def hinted_flags(signs: Iterable[str]) -> tuple[RedFlag, ...]:
    """The library's flags with these signs, the most urgent first; a few, for a journey has to stay small."""
    wanted = set(signs)
    found = [f for f in loader.red_flags().values() if any(s.id in wanted for s in f.signs)]
    found.sort(key=lambda f: (min((r.urgency for r in f.rules), default="N"), f.id))
    return tuple(f.for_journey() for f in found[:HINTED_AT_MOST])


def has_holidays(country: str, subdivision: str | None) -> bool:
    """Whether the library knows the public holidays of a place."""
    places = holidays.list_supported_countries(include_aliases=True)
    return country in places and (subdivision is None or subdivision in places[country])


def calendar_of(clinic: ClinicEntry, today: date, since: date | None = None) -> Calendar:
    """Open days and hours from today (or a day before) on: the week, less holidays, with the clinic's own overrides."""
    ends = today + MONTHS_AHEAD
    starts = min(today, max(since, today - MONTHS_BACK)) if since else today
    years = range(starts.year, ends.year + 1)
    found = holidays.country_holidays(clinic.country, subdiv=clinic.subdivision, years=years)
    closed = {day: name for day, name in sorted(found.items()) if starts <= day <= ends}
    for day, reason in clinic.overrides.items():
        if reason:
            closed[day] = reason
        else:
            closed.pop(day, None)
    return Calendar(
        timezone=clinic.timezone,
        week=clinic.week,
        closed=closed,
        starts=starts,
        ends=ends,
        source=f"holidays {clinic.country}, and the clinic's overrides",
        version=version("holidays"),
    )
