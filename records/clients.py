"""Registered systems: who they are by their keys, and what they may do."""

from __future__ import annotations

from typing import Any, Literal

import asyncpg
from pydantic import BaseModel, ConfigDict

from records.database import Database, DatabaseRefused

Profile = Literal["cow", "bser", "sdohcc"]
UNIQUE_VIOLATION = "23505"


class RegisteredClient(BaseModel):
    """One system. A client is who its key says it is; there is no secret of ours to keep."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    id: str
    name: str
    scopes: str = ""
    """SMART v2 system scopes, with spaces between."""
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    organisation: str | None = None
    """Identifier of the house it speaks for, `system|value`."""
    hl7_senders: tuple[str, ...] = ()
    """`MSH-3|MSH-4` of its HL7 v2 messages."""
    certificate: str | None = None
    """SHA-256 of its TLS client certificate, hex."""
    hl7_answers: str | None = None
    """Where it takes our HL7 v2 messages, `host:port`; None: nowhere."""
    hl7_answers_tls: bool = True
    profile: Profile = "cow"
    active: bool = True


class ClientExists(Exception):  # noqa: N818 - what is the case
    """A client of that id is registered already; ids are unique over all tenants."""


_ADD = """
insert into continuum.client (tenant, id, name, scopes, jwks, jwks_url, organisation, hl7_senders, certificate, profile,
                              active, hl7_answers, hl7_answers_tls)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""


async def find(database: Database, client: str) -> RegisteredClient | None:
    """The client of that id, of whatever tenant, active or not."""
    row = await database.row("select * from continuum.client where id = $1", client)
    return _client(row) if row is not None else None


async def of_hl7_sender(database: Database, tenant: str, sender: str) -> RegisteredClient | None:
    """The active client that sends HL7 v2 messages as `MSH-3|MSH-4`; None where none does, or more than one."""
    rows = await database.fetch(
        "select * from continuum.client where tenant = $1 and active and hl7_senders ? $2", tenant, sender
    )
    return _client(rows[0]) if len(rows) == 1 else None


async def listed(database: Database, tenant: str) -> list[RegisteredClient]:
    """All clients of a tenant, by id."""
    rows = await database.fetch("select * from continuum.client where tenant = $1 order by id", tenant)
    return [_client(row) for row in rows]


async def add(database: Database, client: RegisteredClient) -> None:
    """Register. Raises ClientExists."""
    c = client
    try:
        await database.execute(
            _ADD,
            *(c.tenant, c.id, c.name, c.scopes, c.jwks, c.jwks_url, c.organisation, list(c.hl7_senders), c.certificate),
            *(c.profile, c.active, c.hl7_answers, c.hl7_answers_tls),
        )
    except DatabaseRefused as refused:
        if refused.sqlstate == UNIQUE_VIOLATION:
            raise ClientExists(client.id) from None
        raise


async def set_keys(
    database: Database, tenant: str, client: str, *, jwks: dict[str, Any] | None, jwks_url: str | None
) -> bool:
    """Give a client other keys; whether there is such a client."""
    row = await database.value(
        "update continuum.client set jwks = $3, jwks_url = $4 where tenant = $1 and id = $2 returning id",
        *(tenant, client, jwks, jwks_url),
    )
    return row is not None


async def set_hl7_answers(database: Database, tenant: str, client: str, address: str | None, *, tls: bool) -> bool:
    """Say where a client takes our HL7 v2 messages; whether there is such a client."""
    row = await database.value(
        "update continuum.client set hl7_answers = $3, hl7_answers_tls = $4 where tenant = $1 and id = $2 returning id",
        *(tenant, client, address, tls),
    )
    return row is not None


async def set_active(database: Database, tenant: str, client: str, active: bool) -> bool:
    """Let a client in, or shut it out; whether there is such a client."""
    row = await database.value(
        "update continuum.client set active = $3 where tenant = $1 and id = $2 returning id", tenant, client, active
    )
    return row is not None


def _client(row: asyncpg.Record) -> RegisteredClient:
    """Only what this version knows: a column of a later one is none of its business."""
    return RegisteredClient.model_validate({n: v for n, v in row.items() if n in RegisteredClient.model_fields})


# --- assertions, each of which counts once

PRUNE_EVERY = 256
"""So many assertions are taken between two clearings of those that have expired."""


class SpentAssertions:
    """Which assertions have been used: one row each, and whoever inserts it has it. Over all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._taken = 0

    async def spend(self, client: str, jti: str, expires_at: float) -> bool:
        """Use an assertion; False where it was used before. `expires_at`: seconds since 1970."""
        self._taken += 1
        if self._taken % PRUNE_EVERY == 0:
            await self._database.execute("delete from continuum.jti where expires_at < now() - interval '10 minutes'")
        row = await self._database.value(
            "insert into continuum.jti (client, jti, expires_at) values ($1, $2, to_timestamp($3))"
            " on conflict do nothing returning jti",
            client,
            jti,
            expires_at,
        )
        return row is not None
