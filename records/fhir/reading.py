"""One row, a page of rows, or their number: of one tenant, and of what a caller may see of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from records.database import Database
from records.fhir.conditions import All, Condition, bind, column, columns_of

Row = dict[str, Any]

Seen = Literal["sender", "author", "patient", "tenant"]
"""Whose rows of a view are, for who sees only their own: whoever sent the referral; also who wrote this itself; whoever
sent a referral of this patient; everybody of the tenant."""


@dataclass(frozen=True)
class Own:
    """A caller who sees only their own: by the name under which they send, and by their verified address."""

    sender: str
    email: str | None = None


@dataclass(frozen=True)
class Scope:
    """What of the record a caller may see: a tenant's, or only their own of it."""

    tenant: str
    own: Own | None = None


@dataclass(frozen=True)
class Position:
    """Where a page begins: after the row of this key (and, in another order than by key, of this value)."""

    key: Any
    value: Any = None


@dataclass(frozen=True)
class Page:
    """Rows, and whether there are more."""

    rows: list[Row]
    more: bool


async def read(
    database: Database,
    view: str,
    scope: Scope,
    seen: Seen,
    columns: Collection[str],
    where: Condition,
) -> Row | None:
    """The one row that fulfils a condition and that this caller may see; None where there is none."""
    arguments: list[Any] = []
    sql = f"select {columns_of(columns)} {_from(view, scope, seen, where, arguments)} limit 1"
    row = await database.row(sql, *arguments)
    return dict(row) if row else None


async def find(
    database: Database,
    view: str,
    scope: Scope,
    seen: Seen,
    columns: Collection[str],
    where: Condition,
    *,
    limit: int,
    after: Position | None = None,
    by: str | None = None,
    descending: bool = False,
) -> Page:
    """A page of rows in the order of their keys, or of a column and then their keys.

    A key never changes, so that in its order a walk through the pages sees every row that is there from beginning to
    end exactly once, whatever comes in or changes meanwhile.
    """
    arguments: list[Any] = []
    text = _from(view, scope, seen, where, arguments)
    order = [column("key")] if by is None else [column(by), column("key")]
    if after is not None:
        values = [after.key] if by is None else [after.value, after.key]
        places = ", ".join(bind(arguments, value) for value in values)
        text += f" and ({', '.join(order)}) {'<' if descending else '>'} ({places})"
    direction = " desc" if descending else ""
    ordered = ", ".join(name + direction for name in order)
    place = bind(arguments, limit + 1)
    sql = f"select {columns_of(columns)} {text} order by {ordered} limit {place}"
    rows = [dict(row) for row in await database.fetch(sql, *arguments)]
    return Page(rows[:limit], len(rows) > limit)


async def count(database: Database, view: str, scope: Scope, seen: Seen, where: Condition) -> int:
    """How many rows there are."""
    arguments: list[Any] = []
    return int(await database.value(f"select count(*) {_from(view, scope, seen, where, arguments)}", *arguments))


def _from(view: str, scope: Scope, seen: Seen, where: Condition, arguments: list[Any]) -> str:
    """The view, and who may see what of it; names are those of `column`, everything else is bound."""
    tenant = bind(arguments, scope.tenant)
    text = f"from continuum.{column(view).removeprefix('v.')} v where v.tenant = {tenant}"
    if scope.own is not None and seen != "tenant":
        sender, mail = bind(arguments, scope.own.sender), bind(arguments, scope.own.email)
        theirs = f"{{0}}.sender = {sender} or lower({{0}}.{{1}}) = lower({mail}::text)"
        if seen == "patient":
            text += (
                " and exists (select from continuum.referral r where r.tenant = v.tenant and r.patient = v.seen_through"
                f" and ({theirs.format('r', 'requester_email')}))"
            )
        else:
            author = f" or v.author = {sender}" if seen == "author" else ""
            text += f" and ({theirs.format('v', 'email')}{author})"
    return f"{text} and {All((where,)).sql(arguments)}"
