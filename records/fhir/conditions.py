"""Conditions on the rows of a view. Columns are named by our own tables of search parameters; values are always bound.

A condition is written by `sql`, which puts its values to the end of a list of arguments. Nothing that a caller sent is
ever part of the text: a column is a plain name, or it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

_NAME = re.compile(r"[a-z_]{1,40}")

Bound = datetime | str
"""A moment; or, for a column of text that holds dates (`1970`, `1970-05-01`), a date as text."""

INSIDE_IDENTIFIERS = "$[*]"
INSIDE_CONCEPTS = "$[*].coding[*]"
INSIDE_REFERENCES = "$[*]"
INSIDE_REFERENCED_IDENTIFIERS = "$[*].identifier"


class Condition:
    """What a row has to fulfil."""

    def sql(self, arguments: list[Any]) -> str:
        """Its text, with its values added to the arguments."""
        raise NotImplementedError


@dataclass(frozen=True)
class Is(Condition):
    """The column is one of these values."""

    column: str
    values: tuple[Any, ...]

    def sql(self, arguments: list[Any]) -> str:
        return f"{_column(self.column)} = any({_bind(arguments, list(self.values))})"


@dataclass(frozen=True)
class Missing(Condition):
    """The column has no value, or an empty list."""

    column: str
    json: bool = False

    def sql(self, arguments: list[Any]) -> str:
        column = _column(self.column)
        if not self.json:
            return f"{column} is null"
        return f"coalesce({column} in ('null', '[]', '[null]', '[{{}}]', '[{{}}, {{}}]'), true)"


@dataclass(frozen=True)
class Starts(Condition):
    """The text of one of the columns begins with these words, contains them, or is exactly they."""

    columns: tuple[str, ...]
    words: str
    how: Literal["starts", "contains", "exact"] = "starts"

    def sql(self, arguments: list[Any]) -> str:
        if self.how == "exact":
            value = _bind(arguments, self.words)
            return _any(f"{_column(column)} = {value}" for column in self.columns)
        escaped = re.sub(r"([\\%_])", r"\\\1", self.words.lower())
        value = _bind(arguments, f"{'%' if self.how == 'contains' else ''}{escaped}%")
        return _any(f"lower({_column(column)}) like {value}" for column in self.columns)


@dataclass(frozen=True)
class Holds(Condition):
    """The JSON list of the column has an element, at one of our places in it, with these members.

    A member that is None must not be there.
    """

    column: str
    inside: str
    members: tuple[tuple[str, str | None], ...]

    def sql(self, arguments: list[Any]) -> str:
        if not self.members:
            raise ValueError("a condition without members holds for everything")
        tests = [
            f"!exists(@.{_name(name)})" if value is None else f"@.{_name(name)} == ${_name(name)}"
            for name, value in self.members
        ]
        known = {name: value for name, value in self.members if value is not None}
        path = _bind(arguments, f"{self.inside} ? ({' && '.join(tests)})")
        return f"jsonb_path_exists({_column(self.column)}, {path}::text::jsonpath, {_bind(arguments, known)}, true)"


@dataclass(frozen=True)
class Within(Condition):
    """How the time of a row, a moment or a period, lies to the range of a FHIR date (`low` counts, `high` does not).

    Source: https://hl7.org/fhir/R4/search.html#prefix; a period without an end lasts.
    """

    start: str
    end: str | None
    prefix: Literal["eq", "ne", "gt", "lt", "ge", "le"]
    low: Bound
    high: Bound

    def sql(self, arguments: list[Any]) -> str:
        start, end = _column(self.start), _column(self.end or self.start)
        if self.end is not None and isinstance(self.low, datetime):
            end = f"coalesce({end}, 'infinity')"
        match self.prefix:
            case "eq" | "ne":
                low, high = _bind(arguments, self.low), _bind(arguments, self.high)
                inside = f"({start} >= {low} and {end} < {high})"
                return inside if self.prefix == "eq" else f"not {inside}"
            case "gt":
                return f"{end} >= {_bind(arguments, self.high)}"
            case "lt":
                return f"{start} < {_bind(arguments, self.low)}"
            case "ge":
                return f"{end} >= {_bind(arguments, self.low)}"
            case "le":
                return f"{start} < {_bind(arguments, self.high)}"


@dataclass(frozen=True)
class Through(Condition):
    """The row of another view whose key the column has fulfils this. Of the same tenant: whose rows these are is asked
    of the row that refers to it."""

    column: str
    view: str
    of: Condition

    def sql(self, arguments: list[Any]) -> str:
        inner = self.of.sql(arguments)
        keys = f"select v.key from continuum.fhir_{_name(self.view)} v where {inner}"  # noqa: S608 - names of ours
        return f"{_column(self.column)} = any(array({keys}))"  # found first, and once


@dataclass(frozen=True)
class Not(Condition):
    """It is not so, or not known."""

    of: Condition

    def sql(self, arguments: list[Any]) -> str:
        return f"({self.of.sql(arguments)}) is not true"


@dataclass(frozen=True)
class Any_(Condition):  # noqa: N801 - `Any` is taken
    """One of these; of none, never."""

    of: tuple[Condition, ...]

    def sql(self, arguments: list[Any]) -> str:
        return _any(one.sql(arguments) for one in self.of)


@dataclass(frozen=True)
class All(Condition):
    """All of these; of none, always."""

    of: tuple[Condition, ...]

    def sql(self, arguments: list[Any]) -> str:
        return "(" + (" and ".join(one.sql(arguments) for one in self.of) or "true") + ")"


def _any(texts: Any) -> str:
    return "(" + (" or ".join(texts) or "false") + ")"


def _bind(arguments: list[Any], value: Any) -> str:
    arguments.append(value)
    return f"${len(arguments)}"


def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError("this is not the name of a column or member of ours")
    return name


def _column(name: str) -> str:
    return f"v.{_name(name)}"


def columns_of(names: Collection[str]) -> str:
    """Columns as a list for `select`."""
    return ", ".join(_column(name) for name in names)


def bind(arguments: list[Any], value: Any) -> str:
    """Add a value to the arguments; its place."""
    return _bind(arguments, value)


def column(name: str) -> str:
    """A column of the view, checked to be a plain name."""
    return _column(name)
