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
    computed: bool = False,
) -> Page:
    """A page of rows in the order of their keys, or of a column and then their keys. `computed`: the columns cost more
    than finding the rows, so that these are found first.

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
    wanted = dict.fromkeys(("key", *([by] if by else ()), *(() if computed else columns)))
    rows_of = f"select {columns_of(wanted)} {text}"
    if scope.own is not None:
        # Who sees their own has few rows: PostgreSQL is to find these first, and not to walk in the order of the page
        # through everybody's until it has met enough of them.
        rows_of = f"select {columns_of(wanted)} from ({rows_of} offset 0) v"  # noqa: S608 - names of ours
    sql = f"{rows_of} order by {ordered} limit {place}"
    if computed:
        keys = f"select v.key from ({sql}) v"  # noqa: S608
        sql = f"select {columns_of(columns)} from {_name(view)} v where v.key = any(array({keys})) order by {ordered}"  # noqa: S608
    rows = [dict(row) for row in await database.fetch(sql, *arguments)]
    return Page(rows[:limit], len(rows) > limit)


async def count(database: Database, view: str, scope: Scope, seen: Seen, where: Condition) -> int:
    """How many rows there are."""
    arguments: list[Any] = []
    return int(await database.value(f"select count(*) {_from(view, scope, seen, where, arguments)}", *arguments))


def _from(view: str, scope: Scope, seen: Seen, where: Condition, arguments: list[Any]) -> str:
    """The view, and who may see what of it; names are those of `column`, everything else is bound."""
    tenant = bind(arguments, scope.tenant)
    text = f"from {_name(view)} v where v.tenant = {tenant}"
    if scope.own is not None and seen != "tenant":
        sender = bind(arguments, scope.own.sender)
        named = {"patient": "r.requester_email"}.get(seen, "v.email")
        theirs = f"{'r' if seen == 'patient' else 'v'}.sender = {sender}"
        if scope.own.email is not None:
            theirs += f" or lower({named}) = lower({bind(arguments, scope.own.email)}::text)"
        if seen == "author":
            theirs += f" or v.author = {sender}"
        if seen == "patient":
            patients = f"select r.patient from continuum.referral r where r.tenant = {tenant} and ({theirs})"  # noqa: S608
            text += f" and v.seen_through = any(array({patients}))"
        else:
            text += f" and ({theirs})"
    return f"{text} and {All((where,)).sql(arguments)}"


def _name(view: str) -> str:
    return f"continuum.{column(view).removeprefix('v.')}"
