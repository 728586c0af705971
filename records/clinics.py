"""Clinics, and who stands behind a queue's or a person's id."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from records.database import Database


class ClinicRow(BaseModel):
    """A clinic with its hours. `week` is seven lists of [opens, closes], Monday first."""

    tenant: str
    id: str
    name: str
    lead: str
    timezone: str
    country: str
    subdivision: str | None = None
    week: list[list[list[str]]]
    overrides: dict[str, str] = {}
    """Days closed on top of the country's holidays: ISO date to reason; an empty reason opens a holiday."""


class Contact(BaseModel):
    """A queue (`queue:triage`) or a person (`person:p-lead`), and where messages to it go."""

    id: str
    name: str
    email: str


async def clinic_of(database: Database, tenant: str) -> ClinicRow | None:
    """The tenant's clinic."""
    row = await database.row("select * from continuum.clinic where tenant = $1 order by id limit 1", tenant)
    if row is None:
        return None
    return ClinicRow(**dict(row))


async def save(database: Database, clinic: ClinicRow, contacts: list[Contact]) -> None:
    """Write a clinic and its contacts, where they are not there yet."""
    body: dict[str, Any] = clinic.model_dump()
    async with database.connection() as connection, connection.transaction():
        await connection.execute(
            "insert into continuum.clinic (tenant, id, name, lead, timezone, country, subdivision, week, overrides)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (tenant, id) do nothing",
            *(body[k] for k in ("tenant", "id", "name", "lead", "timezone", "country", "subdivision")),
            clinic.week,
            clinic.overrides,
        )
        await connection.executemany(
            "insert into continuum.contact (tenant, id, name, email) values ($1, $2, $3, $4)"
            " on conflict (tenant, id) do nothing",
            [(clinic.tenant, c.id, c.name, c.email) for c in contacts],
        )
