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
