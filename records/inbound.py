"""What came in: raw bytes, what became of them, and what they ask of journeys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Literal
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from records.audit import AuditEntry
from records.database import Database, DatabaseAway, DatabaseRefused
from records.gathering import Gathering

Row = dict[str, Any]
Outcome = Literal["accepted", "asked", "noted", "duplicate", "amendment", "conflict", "refused"]

LEASE_SECONDS = 30.0
"""So long whoever takes an ask up has it to itself; after that it is taken up again, which changes nothing twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReferral:
    """What is stored of one referral: its identity, the patient, and the facts that a workflow may know.

    `matched` says whether codes and words were held against the pathways already; else the relay does that.
    """

    journey: str
    referral_id: str
    patient: Row | BaseModel | None = field(repr=False)
    patient_reference: str | None = field(repr=False)
    birth_date: str | None = field(repr=False)
    gender: str | None = field(repr=False)
    requester: Row | BaseModel = field(repr=False)
    requester_email: str | None = field(repr=False)
    texts: list[str] = field(repr=False)
    codes: list[Row] = field(repr=False)
    facts: Row | BaseModel
    matched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """One message as it is stored. `outcome` is what it would be if nothing like it had come before."""

    inbound: UUID = field(default_factory=uuid4)
    tenant: str
    protocol: Literal["fhir", "hl7v2"]
    sender: str | None
    source: str
    transport_key: str
    sha256: str
    media_type: str
    kind: str
    received_at: datetime
    outcome: Literal["accepted", "asked", "noted", "refused"]
    path: str | None = None
    code: str | None = None
    reason: str | None = None
    referral: NewReferral | None = field(default=None, repr=False)
    asks: tuple[Row, ...] = field(default=(), repr=False)
    audit: AuditEntry | None = None
    """What the audit is to say in the same statement, if it is accepted."""

    def as_json(self) -> str:
        """As `continuum.take_in` takes it."""
        return to_json(self).decode()


class Stored(BaseModel):
    """What became of it. Of a repeat, `inbound` and `asks` are those of the first."""

    model_config = ConfigDict(frozen=True)

    outcome: Outcome
    journey: str | None
    inbound: UUID
    asks: tuple[str, ...]
    audited: bool
    """Whether the audit has said so already."""


MOST_AT_ONCE = 32
MOST_BYTES_AT_ONCE = 1_000_000
"""Of messages that go together; a larger one goes alone."""

_ALONE = "select continuum.take_in($1::text::jsonb, $2)::text"
_TOGETHER = """
with locked as materialized (
    select pg_advisory_xact_lock(lock)
    from (select distinct hashtextextended(delivery, 0) as lock from unnest($3::text[]) as delivery order by lock) d
)
select m.nth, continuum.take_in(m.message::jsonb, m.raw)::text as stored
from (select count(*) from locked) l,
    unnest($1::text[], $2::bytea[]) with ordinality as m(message, raw, nth)
"""
"""The locks of all deliveries first, as `continuum.take_in` takes each, in one order; then the rows, in the order of
their orders. So of two gateways that are sent the same, neither waits for the other while it is waited for."""


async def take_in(database: Database, message: NewMessage, raw: bytes) -> Stored:
    """Store a message and what it means, in one statement (`continuum.take_in`). Raises DatabaseAway, DatabaseRefused.

    Whoever inserts a referral's row first starts its journey; all others learn which it is. Same referral and same
    bytes: a duplicate. Same referral, other bytes: an amendment, for review. Same delivery (transport key), other
    bytes: a conflict, which is kept and changes nothing.

    Messages that come at once share the statement and its commit. Each has its answer after that.
    """
    return await database.companion(_Intake).take_in(message, raw)


_Message = tuple[NewMessage, bytes]


class _Intake:
    """Takes in what comes to one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering: Gathering[_Message, Stored] = Gathering(self._take, how_many=_how_many)

    async def take_in(self, message: NewMessage, raw: bytes) -> Stored:
        return await self._gathering.put((message, raw))

    async def _take(self, messages: Sequence[_Message]) -> Sequence[Stored | Exception]:
        if len(messages) > 1:
            with suppress(DatabaseRefused):
                return await self._together(messages)
            # One of them cannot be stored, and nothing of the others was. Which one it is each finds out alone.
        return [await self._alone(message, raw) for message, raw in messages]

    async def _together(self, messages: Sequence[_Message]) -> Sequence[Stored]:
        order = sorted(range(len(messages)), key=lambda n: _order_of(messages[n][0]))
        rows = await self._database.fetch(
            _TOGETHER,
            [messages[n][0].as_json() for n in order],
            [messages[n][1] for n in order],
            ["/".join(_delivery_of(message)) for message, _ in messages],
        )
        stored = {order[row["nth"] - 1]: Stored.model_validate_json(row["stored"]) for row in rows}
        return [stored[n] for n in range(len(messages))]

    async def _alone(self, message: NewMessage, raw: bytes) -> Stored | Exception:
        try:
            return Stored.model_validate_json(await self._database.value(_ALONE, message.as_json(), raw))
        except (DatabaseAway, DatabaseRefused) as error:
            return error


def _how_many(waiting: Sequence[_Message]) -> int:
    """Of those that wait, the first ones that go together: no two of one delivery or one order, for of such two it is
    told by the time of their rows which came first, and what goes together has one time."""
    seen: set[tuple[str, ...]] = set()
    size = 0
    for count, (message, raw) in enumerate(islice(waiting, MOST_AT_ONCE)):
        size += len(raw)
        names = {("delivery", *_delivery_of(message)), ("order", *_order_of(message))}
        if count and (size > MOST_BYTES_AT_ONCE or not seen.isdisjoint(names)):
            return count
        seen |= names
    return min(len(waiting), MOST_AT_ONCE)


def _delivery_of(message: NewMessage) -> tuple[str, str, str]:
    return message.tenant, message.source, message.transport_key


def _order_of(message: NewMessage) -> tuple[str, str, str]:
    """A message that brings no order is like no other."""
    return message.tenant, message.source, message.referral.referral_id if message.referral else str(message.inbound)


class AskRow(BaseModel):
    """An ask as it stands."""

    model_config = ConfigDict(frozen=True)

    id: str
    inbound: UUID
    tenant: str
    sender: str | None
    name: str
    about: Row = Field(repr=False)
    data: Row
    actor: Row | None
    note: str | None = Field(repr=False)
    journey: str | None
    status: str
    code: str | None
    reason: str | None
    result: Row | None
    attempts: int
    asked_at: datetime


_ASK = (
    "id, inbound, tenant, sender, name, about, data, actor, note, journey, status, code, reason, result, attempts,"
    " asked_at"
)


async def asks_to_do(database: Database, limit: int = 20) -> list[AskRow]:
    """Asks that are due, oldest first, leased to the caller: others leave them alone for a while."""
    rows = await database.fetch(
        f"""
        with due as (
            select id from continuum.ask where status = 'waiting' and due_at <= now()
            order by due_at, id limit $1 for update skip locked)
        update continuum.ask a set due_at = now() + make_interval(secs => $2), attempts = a.attempts + 1
        from due where a.id = due.id returning {", ".join(f"a.{c.strip()}" for c in _ASK.split(","))}
        """,  # noqa: S608 - names of our own columns
        limit,
        LEASE_SECONDS,
    )
    return sorted((AskRow(**dict(r)) for r in rows), key=lambda a: (a.asked_at, a.id))


async def ask(database: Database, id_: str, tenant: str | None = None) -> AskRow | None:
    """One ask; of one tenant, where that is given."""
    row = await database.row(
        f"select {_ASK} from continuum.ask where id = $1 and ($2::text is null or tenant = $2)",  # noqa: S608
        id_,
        tenant,
    )
    return AskRow(**dict(row)) if row else None


async def settle(
    database: Database,
    id_: str,
    status: str,
    *,
    journey: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    result: Row | None = None,
    by: str | None = None,
    of_no_journey: bool = False,
) -> bool:
    """Say how an ask ended. False when it was settled otherwise before: the first word stands.

    `of_no_journey`: whatever journey it had, none has it before it; a new wait, of which somebody has to be told.
    """
    return bool(
        await database.value(
            "update continuum.ask set status = $2, journey = case when not $8 then coalesce($3, journey) end,"
            " told_at = case when not $8 then told_at end, code = $4, reason = $5,"
            " result = $6, settled_by = $7, settled_at = now()"
            " where id = $1 and status not in ('done', 'dismissed') returning true",
            id_,
            status,
            journey,
            code,
            reason,
            result,
            by,
            of_no_journey,
        )
    )


async def keep_decided(database: Database, id_: str, decided: Row | None) -> None:
    """What an ask came to, until it is settled: whoever goes on with it does the same. None: it is decided anew."""
    await database.execute("update continuum.ask set result = $2 where id = $1 and status = 'waiting'", id_, decided)


async def try_later(database: Database, id_: str, seconds: float, reason: str) -> None:
    """It cannot be done yet; `reason` says why to whoever looks."""
    await database.execute(
        "update continuum.ask set due_at = now() + make_interval(secs => $2), reason = $3"
        " where id = $1 and status = 'waiting'",
        id_,
        seconds,
        reason,
    )


async def replay(database: Database, tenant: str, id_: str, by: str, journey: str | None = None) -> bool:
    """Try a dead, refused or quarantined ask once more, perhaps for the journey that a person named."""
    return bool(
        await database.value(
            "update continuum.ask set status = 'waiting', attempts = 0, due_at = now(), code = null, reason = null,"
            " journey = coalesce($4, journey), settled_at = null, settled_by = $3"
            " where id = $1 and tenant = $2 and status in ('dead', 'refused', 'quarantined') returning true",
            id_,
            tenant,
            by,
            journey,
        )
    )


async def asks(database: Database, tenant: str, statuses: tuple[str, ...], limit: int = 200) -> list[Row]:
    """Asks of these statuses, oldest first, without what they say of a patient."""
    rows = await database.fetch(
        "select a.id, a.name, a.sender, i.kind, i.protocol, a.journey, a.status, a.code, a.reason, a.attempts,"
        " a.asked_at, a.inbound from continuum.ask a join continuum.inbound i on i.id = a.inbound"
        " where a.tenant = $1 and a.status = any($2) order by a.recorded_at, a.id limit $3",
        tenant,
        list(statuses),
        limit,
    )
    return [dict(r) for r in rows]


async def messages(database: Database, tenant: str, *, outcome: str | None = None, limit: int = 200) -> list[Row]:
    """What came in last, newest first, without the bytes."""
    rows = await database.fetch(
        "select id, protocol, sender, source, kind, outcome, journey, code, reason, path, recorded_at"
        " from continuum.inbound where tenant = $1 and ($2::text is null or outcome = $2)"
        " order by recorded_at desc, id limit $3",
        tenant,
        outcome,
        limit,
    )
    return [dict(r) for r in rows]


async def raw(database: Database, tenant: str, inbound: UUID) -> tuple[bytes, str] | None:
    """The bytes of a message as they came, and their media type."""
    row = await database.row(
        "select raw, media_type from continuum.inbound where tenant = $1 and id = $2", tenant, inbound
    )
    return (row["raw"], row["media_type"]) if row else None


async def untold(database: Database) -> dict[str, list[str]]:
    """Asks that wait for a person of whom nobody was told, by tenant: those that no journey has a task for."""
    rows = await database.fetch(
        "select tenant, array_agg(id order by id) as ids from continuum.ask where told_at is null"
        " and (status = 'dead' or (status = 'quarantined' and journey is null)) group by tenant order by tenant"
    )
    return {r["tenant"]: r["ids"] for r in rows}


async def told(database: Database, ids: list[str]) -> None:
    """Somebody was told of these."""
    await database.execute("update continuum.ask set told_at = now() where id = any($1)", ids)
