"""One person of the directory, for whoever signs in."""

from __future__ import annotations

from dataclasses import dataclass

from records.database import Database


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Who they are here."""

    id: str
    name: str
    email: str | None
    roles: tuple[str, ...]


async def by_id(database: Database, tenant: str, person: str) -> KnownPerson | None:
    """The person of that id, if they are still there."""
    row = await database.row(
        "select id, name, email, roles from continuum.person where tenant = $1 and id = $2 and active", tenant, person
    )
    return _person(dict(row)) if row is not None else None


async def by_email(database: Database, tenant: str, email: str) -> KnownPerson | None:
    """The one person of that address; None where two share it: an address then says of neither who signed in."""
    rows = await database.fetch(
        "select id, name, email, roles from continuum.person where tenant = $1 and lower(email) = lower($2) and active"
        " limit 2",
        tenant,
        email,
    )
    return _person(dict(rows[0])) if len(rows) == 1 else None


def _person(row: dict[str, object]) -> KnownPerson:
    roles = row["roles"]
    assert isinstance(roles, list)  # noqa: S101 - the column's own form
    email = row["email"]
    return KnownPerson(str(row["id"]), str(row["name"]), None if email is None else str(email), tuple(roles))
