"""Who wants to be told of what: subscriptions of a client's own, and webhook endpoints that an operator has added."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from records.database import Database

REFERRAL_TASK = "https://continuum.example/fhir/SubscriptionTopic/referral-task"
"""Every answer to a referral: its coordination Task has changed."""
CONSULT_NOTE = "https://continuum.example/fhir/SubscriptionTopic/consult-note"
"""A signed discharge summary is there."""
TOPICS = (REFERRAL_TASK, CONSULT_NOTE)

Kind = Literal["rest-hook", "email", "webhook"]
Standing = Literal["requested", "active", "error", "off"]
"""`requested`: the handshake comes first. `error`: we gave up; events are numbered and kept. `off`: neither."""


class Filter(BaseModel):
    """A condition on an event: its value of this name is one of these."""

    model_config = ConfigDict(frozen=True)

    name: str
    values: tuple[str, ...]


class Wanted(BaseModel):
    """What somebody may say of a subscription."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    kind: Kind
    topic: str
    filters: tuple[Filter, ...] = ()
    criteria: tuple[str, ...] = ()
    """The filters as they were asked for."""
    url: str = Field(repr=False)
    headers: dict[str, str] = Field(default={}, repr=False)
    content: Literal["empty", "id-only"] = "id-only"
    heartbeat_seconds: int | None = None
    timeout_seconds: int = 20
    reason: str = ""
    contact: str | None = None
    ends_at: datetime | None = None


class Subscription(Wanted):
    """As it stands."""

    id: str
    tenant: str
    owner: str | None
    secrets: tuple[str, ...] = Field(repr=False)
    status: Standing
    trouble: str | None
    version: int
    events: int
    """How many there were since it began, delivered or not."""
    failures: int
    failing_since: datetime | None
    rests_until: datetime
    beats_at: datetime | None
    to_tell: bool
    tell_after: datetime
    created_at: datetime
    updated_at: datetime


async def add(
    database: Database,
    *,
    id: str,  # noqa: A002 - FHIR's word
    tenant: str,
    owner: str | None,
    wanted: Wanted,
    status: Standing = "requested",
    secrets: tuple[str, ...] = (),
    at_most: int | None = None,
) -> Subscription | None:
    """Write a new one. None where its owner has `at_most` already that are not off."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('subscriptions/' || $1 || '/' || $2, 0))",
            tenant,
            owner or "",
        )
        row = await connection.fetchrow(
            "insert into continuum.subscription (id, tenant, owner, status, secrets, kind, topic, filters, criteria,"
            " url, headers, content, heartbeat_seconds, timeout_seconds, reason, contact, ends_at)"
            " select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17"
            " where $18::int is null or (select count(*) from continuum.subscription"
            "   where tenant = $2 and owner is not distinct from $3 and status <> 'off') < $18 returning *",
            id,
            tenant,
            owner,
            status,
            list(secrets),
            *_columns(wanted),
            at_most,
        )
    return Subscription(**dict(row)) if row else None


async def change(
    database: Database,
    tenant: str,
    id: str,  # noqa: A002
    wanted: Wanted,
    status: Standing,
    *,
    version: int,
) -> Subscription | None:
    """Replace what is said of it, if it still has this version; None if it has not.

    Whoever works on it now loses it: what is sent under the old word is not counted. Switched off, nothing waits.
    """
    row = await database.row(
        """
        with changed as (
            update continuum.subscription set status = $4, kind = $5, topic = $6, filters = $7, criteria = $8, url = $9,
                headers = $10, content = $11, heartbeat_seconds = $12, timeout_seconds = $13, reason = $14,
                contact = $15, ends_at = $16, version = version + 1, updated_at = now(), trouble = null,
                to_tell = false, failures = 0, failing_since = null, rests_until = now(), beats_at = null,
                lease = null, leased_until = null
            where tenant = $1 and id = $2 and version = $3 returning *
        ), ended as (
            update continuum.delivery d set status = 'dead', reason = 'switched off by its owner', settled_at = now()
            from changed c where c.status = 'off' and d.subscription = c.id and d.status = 'pending')
        select * from changed
        """,
        tenant,
        id,
        version,
        status,
        *_columns(wanted),
    )
    return Subscription(**dict(row)) if row else None


async def one(database: Database, tenant: str, id: str, *, owner: str | None = None) -> Subscription | None:  # noqa: A002
    """By its id; with `owner`, only if it is theirs."""
    row = await database.row(
        "select * from continuum.subscription where tenant = $1 and id = $2 and ($3::text is null or owner = $3)",
        tenant,
        id,
        owner,
    )
    return Subscription(**dict(row)) if row else None


async def search(
    database: Database, tenant: str, *, owner: str | None = None, status: tuple[str, ...] = (), url: str | None = None
) -> list[Subscription]:
    """Those of an owner, or all; the oldest first."""
    rows = await database.fetch(
        "select * from continuum.subscription where tenant = $1 and ($2::text is null or owner = $2)"
        " and (cardinality($3::text[]) = 0 or status = any($3)) and ($4::text is null or url = $4)"
        " order by created_at, id",
        tenant,
        owner,
        list(status),
        url,
    )
    return [Subscription(**dict(r)) for r in rows]


async def sign_with(database: Database, tenant: str, id: str, secrets: tuple[str, ...]) -> bool:  # noqa: A002
    """From the next attempt on, sign with these. False where there is no such subscription."""
    found = await database.value(
        "update continuum.subscription set secrets = $3 where tenant = $1 and id = $2 returning id",
        tenant,
        id,
        list(secrets),
    )
    return found is not None


def _columns(wanted: Wanted) -> list[Any]:
    said = wanted.model_dump(mode="json")
    return [
        *(said[name] for name in ("kind", "topic", "filters", "criteria", "url", "headers", "content")),
        wanted.heartbeat_seconds,
        wanted.timeout_seconds,
        wanted.reason,
        wanted.contact,
        wanted.ends_at,
    ]
