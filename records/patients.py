"""Patients in the register: two records that turned out to be one person's are merged, and nothing is lost."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from care.actor import Actor
from records.database import Database


class MergeRefused(Exception):  # noqa: N818
    """Why two records cannot be merged."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Merged(BaseModel):
    """What a merge moved."""

    model_config = ConfigDict(frozen=True)

    outcome: Literal["merged", "done_before"]
    merge: UUID
    into: UUID
    moved: tuple[str, ...]
    """Journeys whose referral pointed to the record that was merged."""
    concerned: tuple[str, ...]
    """All journeys of the patient now."""


class ToNote(BaseModel):
    """A journey that has not been told of a merge yet."""

    model_config = ConfigDict(frozen=True)

    merge: UUID
    journey: str
    tenant: str
    other_open: bool


async def of_journey(database: Database, tenant: str, journey: str) -> UUID | None:
    """The patient of a journey; None where there is no such journey, or its patient is not known yet."""
    found = await database.value(
        "select patient from continuum.referral where tenant = $1 and journey = $2", tenant, journey
    )
    return found if isinstance(found, UUID) else None


async def languages(database: Database, tenant: str, journey: str) -> list[str]:
    """The languages of a journey's patient, BCP 47, most wanted first; none where that is not known."""
    found = await database.value(
        "select p.languages from continuum.referral r join continuum.patient p on p.id = r.patient"
        " where r.tenant = $1 and r.journey = $2",
        tenant,
        journey,
    )
    return [str(tag) for tag in found or ()]


async def merge(database: Database, *, from_patient: UUID, into: UUID, note: str, actor: Actor) -> Merged:
    """Merge one record into another, in one transaction. A repeat changes nothing and says what the first did.

    Raises MergeRefused for a record that is unknown here, the same twice, or merged elsewhere already.
    """
    if from_patient == into:
        raise MergeRefused("SamePatient", "both are the same record")
    async with database.connection() as connection, connection.transaction():
        # In the order of their ids: two merges at once never wait for each other.
        rows = await connection.fetch(
            "select id, merged_into from continuum.patient where tenant = $1 and id = any($2) order by id for update",
            actor.tenant,
            [from_patient, into],
        )
        found = {row["id"]: row["merged_into"] for row in rows}
        if len(found) < 2:
            raise MergeRefused("NoSuchPatient", "no patient of that id is in this register")
        if found[from_patient] is not None:
            return await _before(connection, from_patient, into)
        if found[into] is not None:
            raise MergeRefused("MergedAlready", f"the record to merge into was itself merged into {found[into]}")
        return await _merge(connection, from_patient, into, note, actor)


async def _before(connection: Any, from_patient: UUID, into: UUID) -> Merged:
    row = await connection.fetchrow("select * from continuum.patient_merge where from_patient = $1", from_patient)
    if row is None or row["into_patient"] != into:
        raise MergeRefused("MergedAlready", "this record was merged into another before")
    return Merged(
        outcome="done_before", merge=row["id"], into=into, moved=tuple(row["moved"]), concerned=tuple(row["concerned"])
    )


async def _merge(connection: Any, from_patient: UUID, into: UUID, note: str, actor: Actor) -> Merged:
    moved = await connection.fetch(
        "update continuum.referral set patient = $2 where patient = $1 returning journey", from_patient, into
    )
    concerned = await connection.fetch(
        "select journey from continuum.referral where patient = $1 order by received_at, journey", into
    )
    await connection.execute("update continuum.patient set merged_into = $2 where id = $1", from_patient, into)
    journeys = sorted(row["journey"] for row in moved)
    all_of_them = [row["journey"] for row in concerned]
    merge_id = await connection.fetchval(
        "insert into continuum.patient_merge (tenant, from_patient, into_patient, moved, concerned, person, role, note)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) returning id",
        actor.tenant,
        from_patient,
        into,
        journeys,
        all_of_them,
        actor.person,
        actor.role,
        note,
    )
    return Merged(outcome="merged", merge=merge_id, into=into, moved=tuple(journeys), concerned=tuple(all_of_them))


async def merges_to_note(database: Database, limit: int = 50) -> list[ToNote]:
    """Open journeys whose journal does not speak of a merge yet, and whether the patient has another open one."""
    rows = await database.fetch(
        """
        select m.id as merge, j.id as journey, j.tenant, exists (
            select 1 from unnest(m.concerned) as other(id) join continuum.journey o on o.id = other.id
            where other.id <> j.id and o.status <> 'closed') as other_open
        from continuum.patient_merge m cross join unnest(m.concerned) as c(id)
        join continuum.journey j on j.id = c.id and j.status <> 'closed'
        where not exists (select 1 from continuum.journal l
            where l.journey = j.id and l.action_id = 'merge-' || m.id)
        order by m.recorded_at, j.id limit $1
        """,
        limit,
    )
    return [ToNote.model_validate(dict(row)) for row in rows]


async def update_details(
    database: Database, tenant: str, patient: UUID, inbound: UUID, details: dict[str, Any]
) -> bool:
    """Write what a message says of a patient; what it leaves out stays. What stood there before is kept.

    `details` has any of family, given, birth_date, gender, phone, email. False where nothing is different.
    """
    async with database.connection() as connection, connection.transaction():
        row = await connection.fetchrow(
            "select family, given, birth_date, gender, phone, email from continuum.patient"
            " where tenant = $1 and id = $2 for update",
            tenant,
            patient,
        )
        new = {k: v for k, v in details.items() if v and row is not None and row[k] != v}
        if row is None or not new:
            return False
        await _keep_before(connection, tenant, patient, inbound, {k: row[k] for k in new})
        merged = {**dict(row), **new}
        await connection.execute(
            "update continuum.patient set family = $2, given = $3, birth_date = $4, gender = $5, phone = $6, email = $7"
            " where id = $1",
            patient,
            *(merged[k] for k in ("family", "given", "birth_date", "gender", "phone", "email")),
        )
    return True


async def add_numbers(
    database: Database, tenant: str, patient: UUID, inbound: UUID, numbers: list[dict[str, Any]]
) -> None:
    """The patient bears these numbers too, from now on; those that they had stay."""
    async with database.connection() as connection, connection.transaction():
        standing = await connection.fetchval(
            "select identifiers from continuum.patient where tenant = $1 and id = $2 for update", tenant, patient
        )
        new = [one for one in numbers if one not in standing]
        if not new:
            return
        await _keep_before(connection, tenant, patient, inbound, {"identifiers": standing})
        await connection.execute(
            "update continuum.patient set identifiers = $2 where id = $1", patient, [*standing, *new]
        )


async def _keep_before(connection: Any, tenant: str, patient: UUID, inbound: UUID, before: dict[str, Any]) -> None:
    await connection.execute(
        "insert into continuum.patient_change (tenant, patient, inbound, before) values ($1, $2, $3, $4)",
        tenant,
        patient,
        inbound,
        before,
    )
