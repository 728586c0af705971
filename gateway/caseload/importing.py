"""From rows to journeys: checked against clinic, directory and pathway, tried on a throw-away draft, then stored.

The trial is the very step with which the journey will begin. Stored means that it will begin: the relay starts each
journey in its stage, also when whoever imports is gone by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from activities.clinics import calendar_of
from care.calendar import Calendar
from care.caseload import AdoptedAuthorisation, AdoptedEnding, AdoptedPlan, Adoption, NextVisit, Taken
from care.directory import ClinicEntry, Directory
from care.draft import Draft, Refused
from care.journey import Journey as Course
from care.pathway import Pathway
from care.referral import Clinic, Referral
from care.steps.caseload import actor, adopt
from gateway.caseload import reading
from gateway.caseload.reading import Problem
from gateway.caseload.row import BY_NAME, STAGES
from gateway.inbound.ages import age_in_years
from gateway.relay import ADOPTION
from pathways import loader
from records import caseloads, inbound
from records.database import Database
from records.directory import load

NOON = time(12)
MEDIA_TYPE = "text/csv"
NO_SLOT = "the next visit's slot is taken: it begins without it, and somebody owes a booking"

Status = Literal["accepted", "duplicate", "amendment", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What became of one journey of the file."""

    line: int
    status: Status
    journey: str | None = None
    clinic: str | None = None
    taken: Taken | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Import:
    """Who imports what under which name, and when."""

    tenant: str
    source: str
    by: str | None
    now: datetime
    must_be_signed: bool = True
    """Whether only pathways that a clinician has signed may be named."""


@dataclass(frozen=True)
class Checked:
    """A journey of the file, checked; `record` where it can be stored."""

    outcome: Outcome
    record: inbound.NewMessage | None = None
    raw: bytes = field(default=b"", repr=False)


@dataclass
class _House:
    """What rows are checked against."""

    directory: Directory
    pathways: dict[str, Pathway]
    calendars: dict[str, Calendar] = field(default_factory=dict)
    slots: list[tuple[str, datetime, datetime]] = field(default_factory=list)


async def check(database: Database, rows: list[reading.Journey], what: Import) -> list[Checked]:
    """Every journey of the file, with what is wrong or what it would set going. Nothing is written."""
    # As the journey will carry it: what is accepted here has to fit there too.
    usable = {id_: p.for_journey() for id_, p in loader.usable(must_be_signed=what.must_be_signed).items()}
    house = _House(await load(database, what.tenant), usable)
    house.slots = await caseloads.booked_slots(database, what.tenant, what.now)
    known = await caseloads.known(database, what.tenant, what.source)
    return [_check(row, house, known, what) for row in rows]


async def store(
    database: Database, checked: list[Checked], progress: Callable[[int], None] = lambda done: None
) -> list[Outcome]:
    """Store what was accepted, each journey once. Raises DatabaseAway: what is stored by then stays, and begins."""
    outcomes = []
    for number, one in enumerate(checked, 1):
        outcome = one.outcome
        if one.record is not None:
            stored = await inbound.take_in(database, one.record, one.raw)
            status: Status = "duplicate" if stored.outcome == "duplicate" else "amendment"
            if stored.outcome == "accepted":
                status = "accepted"
            outcome = replace(outcome, status=status, journey=stored.journey)
        outcomes.append(outcome)
        progress(number)
    return outcomes


def _check(row: reading.Journey, house: _House, known: dict[str, tuple[str, str]], what: Import) -> Checked:
    if row.problems:
        return Checked(Outcome(row.line, "refused", problems=tuple(row.problems)))
    if (before := known.get(row.cells["external_id"])) is not None and before[1] == row.digest:
        return Checked(Outcome(row.line, "duplicate", journey=before[0]))
    problems = [Problem(row.line, column, why) for column, why in _unknown(row, house)]
    if problems:
        return Checked(Outcome(row.line, "refused", problems=tuple(problems)))
    try:
        return _accepted(row, house, what, changed=before is not None)
    except Refused as refused:
        column, colon, words = str(refused).partition(": ")
        found = column if colon and column in BY_NAME else None
        problem = Problem(row.line, found, words if found else str(refused))
        return Checked(Outcome(row.line, "refused", problems=(problem,)))


def _unknown(row: reading.Journey, house: _House) -> list[tuple[str, str]]:
    """Names in the row that are not in the house."""
    people = {p.id for p in house.directory.people}
    wrong = []

    def within(cells: dict[str, Any], column: str, there: set[str], what: str) -> None:
        if column in cells and cells[column] not in there:
            wrong.append((column, f"{what}; there are: {', '.join(sorted(there)) or 'none'}"))

    within(row.cells, "pathway", set(house.pathways), "no pathway of that name")
    within(row.cells, "clinic", {c.id for c in house.directory.clinics}, "no clinic of that id")
    within(row.cells, "clinician", people, "nobody of that id is in the directory")
    for plan in row.plans:
        within(plan, "next_visit_clinician", people, "nobody of that id is in the directory")
    if not house.directory.clinics:
        wrong.append(("clinic", "this provider has no clinic yet: continuum directory"))
    return wrong


def _accepted(row: reading.Journey, house: _House, what: Import, *, changed: bool) -> Checked:
    """Tried on a draft that is thrown away; raises Refused."""
    cells = row.cells
    entry = next((c for c in house.directory.clinics if c.id == cells.get("clinic")), house.directory.clinics[0])
    zone = ZoneInfo(entry.timezone)
    adoption = _adoption(row, what, zone)
    received = min(datetime.combine(cells["received_on"], NOON, zone).astimezone(UTC), what.now)
    _not_ahead("received_on", cells["received_on"], what.now.astimezone(zone).date())
    referral = _referral(row, received, what.now)
    course = Course(id=f"j{secrets.token_hex(8)}", tenant=what.tenant, stage=adoption.stage, referral=referral)
    clinic = Clinic(
        id=entry.id, tenant=what.tenant, lead=entry.lead, quiet_from=entry.quiet_from, quiet_until=entry.quiet_until
    )
    draft = Draft(course, what.now, actor(course, adoption), taking_over=True)
    pathway = house.pathways[cells["pathway"]]
    calendar = _calendar(house, entry, what.now, adoption.since)
    taken = adopt(draft, adoption, clinic, calendar, pathway)
    notes = list(taken.notes)
    visits = draft.journey.visits
    if any(_overlaps(house.slots, v.clinician, v.starts_at, v.ends_at) for v in visits):
        notes.append(NO_SLOT)
    house.slots += [(v.clinician, v.starts_at, v.ends_at) for v in visits]
    if changed:
        notes.append("taken over before with other content: kept for a person to review")
    outcome = Outcome(
        row.line,
        "amendment" if changed else "accepted",
        clinic=entry.id,
        taken=None if changed else taken,
        notes=tuple(notes),
    )
    return Checked(outcome, _record(row, what, course.id, referral, adoption))


def _calendar(house: _House, entry: ClinicEntry, now: datetime, since: date) -> Calendar:
    """One for each clinic, reaching back as far as any row so far needs."""
    standing = house.calendars.get(entry.id)
    if standing is None or standing.starts > since:
        house.calendars[entry.id] = standing = calendar_of(entry, now.date(), since)
    return standing


def _overlaps(slots: list[tuple[str, datetime, datetime]], clinician: str, start: datetime, end: datetime) -> bool:
    return any(who == clinician and start < ends and begins < end for who, begins, ends in slots)


def _not_ahead(column: str, day: date, today: date) -> None:
    if day > today:
        raise Refused("BadDate", f"{column}: it lies in the future; today or a day before is wanted")


def _adoption(row: reading.Journey, what: Import, zone: ZoneInfo) -> Adoption:
    cells = row.cells
    days = [v for part in (cells, *row.plans) for k, v in part.items() if type(v) is date and k != "birth_date"]
    try:
        return Adoption(
            source=what.source,
            by=what.by,
            since=min(days),
            stage=STAGES[cells["stage"]],
            priority=cells.get("priority"),
            accepted_on=cells.get("accepted_on"),
            clinician=cells.get("clinician"),
            screened=cells.get("red_flags_screened", False),
            plans=tuple(_plan(plan, cells, zone) for plan in row.plans),
            baseline=cells.get("baseline", {}),
            latest=cells.get("latest", {}),
            surgery_on=cells.get("surgery_on"),
            phase=cells.get("phase"),
            ending=_ending(cells),
            follow_ups_answered=cells.get("follow_ups_answered", ()),
        )
    except ValidationError as error:  # an id that is one of ours by its letters and still does not fit
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Refused("NotFit", f"{first['loc'][0]}: an id is wanted: small letters, digits and . _ -") from None


def _needed(cells: dict[str, Any], column: str, because: str) -> Any:
    if column not in cells:
        raise Refused("NotFit", f"{column}: it is missing, and {because} needs it")
    return cells[column]


def _plan(plan: dict[str, Any], cells: dict[str, Any], zone: ZoneInfo) -> AdoptedPlan:
    authorisation = next_visit = None
    if "authorised_visits" in plan:
        because = "an authorisation"
        authorisation = AdoptedAuthorisation(
            visits=plan["authorised_visits"],
            used=plan.get("authorised_used", plan.get("visits_used", 0)),
            first_day=_needed(plan, "authorised_from", because),
            last_day=_needed(plan, "authorised_until", because),
        )
    if "next_visit_at" in plan:
        at: datetime = plan["next_visit_at"]
        who = plan.get("next_visit_clinician") or _needed({**cells, **plan}, "clinician", "a next visit")
        next_visit = NextVisit(
            starts_at=(at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC), clinician=who
        )
    same = ("visits_planned", "visits_per_week", "weeks", "visit_minutes", "last_visit_on", "certified_on")
    return AdoptedPlan(
        discipline=_needed(plan, "discipline", "a plan of care"),
        dose=plan.get("plan_label"),
        clinician=cells.get("clinician"),
        started_on=_needed(plan, "started_on", "a plan of care"),
        visits_used=plan.get("visits_used", 0),
        visits_missed=plan.get("visits_missed", 0),
        last_review_on=plan.get("last_review_on"),
        authorisation=authorisation,
        next_visit=next_visit,
        **{name: plan.get(name) for name in same},
    )


def _ending(cells: dict[str, Any]) -> AdoptedEnding | None:
    if "discharged_on" not in cells:
        return None
    return AdoptedEnding(
        reason=_needed(cells, "discharge_reason", "a discharge"),
        on=cells["discharged_on"],
        signed=cells.get("summary_signed", False),
        receipt_confirmed=cells.get("receipt_confirmed", False),
    )


def _referral(row: reading.Journey, received: datetime, now: datetime) -> Referral:
    cells = row.cells
    birth = cells.get("birth_date")
    sex = cells.get("sex")
    if birth is not None:
        _not_ahead("birth_date", birth, now.date() + timedelta(days=1))
    return Referral(
        received_at=received,
        urgency=cells.get("urgency", "routine"),
        suggested_pathway=cells["pathway"],
        clinic=cells.get("clinic"),
        age=age_in_years(birth.isoformat() if birth else None, now.date()),
        sex=sex if sex in ("male", "female") else None,
        patient_matched=True,
        consent_messages=cells.get("consent_to_messages"),
    )


def _record(
    row: reading.Journey, what: Import, journey: str, referral: Referral, adoption: Adoption
) -> inbound.NewMessage:
    cells = row.cells
    id_ = cells["external_id"]
    birth = cells.get("birth_date")
    facts = {**referral.model_dump(mode="json"), ADOPTION: adoption.model_dump(mode="json")}
    return inbound.NewMessage(
        tenant=what.tenant,
        protocol="fhir",
        sender=None,
        source=what.source,
        transport_key=f"caseload:{row.digest}",
        sha256=row.digest,
        media_type=MEDIA_TYPE,
        kind="caseload",
        received_at=referral.received_at,
        outcome="accepted",
        path="",
        referral=inbound.NewReferral(
            journey=journey,
            referral_id=id_,
            patient={
                "identifiers": [{"system": what.source, "value": id_}],
                "birth_date": birth.isoformat() if birth else None,
                "gender": cells.get("sex"),
                "languages": [cells["language"]] if "language" in cells else [],
                **{name: cells.get(name) for name in ("family", "given", "phone", "email")},
            },
            patient_reference=None,
            birth_date=birth.isoformat() if birth else None,
            gender=cells.get("sex"),
            requester={"name": cells.get("referrer_name"), "email": cells.get("referrer_email"), "reference": None},
            requester_email=cells.get("referrer_email"),
            texts=[],
            codes=[],
            facts=facts,
            matched=True,
        ),
    )
