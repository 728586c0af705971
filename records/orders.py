"""Orders as they stand, for whoever wants to change what is being done about them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from records.database import Database


class Onlooker(BaseModel):
    """Whose eyes an order is looked up with. `sender` None: staff, who see all of their tenant's."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tenant: str
    sender: str | None = None
    email: str | None = None
    journey: str | None = None
    """The one journey that a patient's link is for."""


class Standing(BaseModel):
    """An order, and where the journey that it began is now."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    journey: str
    source: str
    referral_id: str
    sender: str | None
    received_at: datetime
    version: int
    """Of the order: how many contents its sender has sent."""
    changed_at: datetime
    """When the last of them came."""
    stage: str
    status: Literal["open", "on_hold", "closed"]
    task_version: int
    """Of the Task that carries its execution."""
    state: str
    """Of that Task, in the words of the view `fhir_task`."""
    self_care: bool
    """Whether the patient exercises at home by a plan, and is asked by message how it goes."""
    profile: Literal["cow", "bser", "sdohcc"]
    """The guide that its sender follows."""


_VISIBLE = """($3::text is null or r.sender = $3 or r.journey = $5
    or ($4::text is not null and lower(r.requester_email) = lower($4)))"""

_STANDING = f"""
select r.journey, r.source, r.referral_id, r.sender, r.received_at, o.version, o.updated_at as changed_at,
    coalesce(j.stage, 'Intake') as stage, coalesce(j.status, 'open') as status, t.version as task_version,
    t.state, exists (select from continuum.plan p where p.journey = r.journey and p.status = 'active'
        and (p.body->>'self_care')::boolean) as self_care, coalesce(c.profile, 'cow') as profile
from continuum.referral r
join continuum.fhir_service_request o on o.key = r.journey and o.tenant = r.tenant
join continuum.fhir_task t on t.key = r.journey and t.tenant = r.tenant
left join continuum.journey j on j.id = r.journey
left join continuum.client c on c.tenant = r.tenant and 'client:' || c.id = r.sender
where r.tenant = $1 and r.journey = $2 and {_VISIBLE}
"""  # noqa: S608 - our own words


async def standing(database: Database, who: Onlooker, journey: str) -> Standing | None:
    """The order of a journey; None where there is none that `who` may see."""
    row = await database.row(_STANDING, who.tenant, journey, who.sender, who.email, who.journey)
    return Standing.model_validate(dict(row)) if row else None


async def taken_before(
    database: Database, tenant: str, source: str, transport_key: str, sha256: str
) -> Literal["same", "other"] | None:
    """Whether a delivery of that key came before, with these bytes or with others."""
    found = await database.value(
        "select sha256 = $4 from continuum.inbound where tenant = $1 and source = $2 and transport_key = $3"
        " and outcome not in ('refused', 'conflict', 'duplicate') order by recorded_at limit 1",
        tenant,
        source,
        transport_key,
        sha256,
    )
    return None if found is None else "same" if found else "other"


async def open_of_patient(database: Database, who: Onlooker, patient: UUID) -> list[str]:
    """The open journeys of a patient of the register, as far as `who` may see them."""
    rows = await database.fetch(
        f"""
        select r.journey from continuum.referral r
        join continuum.patient p on p.tenant = r.tenant and p.id = $2 and r.patient = coalesce(p.merged_into, p.id)
        left join continuum.journey j on j.id = r.journey
        where r.tenant = $1 and coalesce(j.status, 'open') <> 'closed' and {_VISIBLE}
        order by r.received_at, r.journey
        """,  # noqa: S608 - our own words
        who.tenant,
        patient,
        who.sender,
        who.email,
        who.journey,
    )
    return [row["journey"] for row in rows]


async def score_of_row(database: Database, journey: str, seq: int, measure: str) -> str | None:
    """The score of a measure that was recorded up to this row of the journal."""
    found = await database.value(
        "select id from continuum.score where journey = $1 and seq <= $2 and measure = $3"
        " order by seq desc, length(id) desc, id desc limit 1",
        journey,
        seq,
        measure,
    )
    return found if isinstance(found, str) else None


class VisitStanding(BaseModel):
    """A visit, and the version of its Appointment."""

    model_config = ConfigDict(frozen=True)

    visit: str
    version: int


async def visit(database: Database, journey: str, id_: str) -> VisitStanding | None:
    """A visit of this journey."""
    row = await database.row(
        "select key as visit, version from continuum.fhir_appointment where journey = $1 and key = $2", journey, id_
    )
    return VisitStanding.model_validate(dict(row)) if row else None
