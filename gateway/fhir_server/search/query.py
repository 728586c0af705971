"""A search as it was asked, held against what a resource type can be searched by.

What we do not know is refused, naming what there is: a parameter that is passed over makes a search find too much. Who
prefers otherwise says so (`Prefer: handling=lenient`).
Source: https://hl7.org/fhir/R4/search.html, errors and result parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.answers import Problem
from gateway.fhir_server.elements import Setting
from gateway.fhir_server.negotiation import FORMAT
from gateway.fhir_server.search.params import Ours, Param
from gateway.fhir_server.search.values import BadValue, alternatives
from records.fhir import All, Condition

DEFAULT_COUNT = 20
MOST_COUNT = 100
MOST_PARAMETERS = 50
MOST_ALTERNATIVES = 200
LONGEST = 6_000
"""Letters of all parameters together: they have to fit into the link to the next page."""

PAGE = "_page"
RESULT = ("_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total", "_totalMethod")
"""`_totalMethod` is Aidbox's word for `_total`; its client fhirpy uses it at every server."""
_REPEATED = ("_include", "_revinclude")

Pairs = Sequence[tuple[str, str]]
Total = Literal["none", "accurate"]


class Searched(Protocol):
    """What a query has to know of a type."""

    @property
    def name(self) -> str:
        """The resource type."""
        ...

    @property
    def search(self) -> dict[str, Param]:
        """Its search parameters."""
        ...

    @property
    def orders(self) -> dict[str, str]:
        """What it may be sorted by."""
        ...

    def references(self) -> dict[str, Ours]:
        """What it refers to."""
        ...


@dataclass(frozen=True)
class Included:
    """`_include` or `_revinclude`: resources of `source` and what their parameter refers to."""

    source: str
    param: Ours


@dataclass(frozen=True)
class Query:
    """A search, understood."""

    where: Condition
    pairs: tuple[tuple[str, str], ...]
    """The parameters that were understood, as they were given."""
    passed_over: int = 0
    """How many were not, where the caller prefers that."""
    count: int = DEFAULT_COUNT
    only_count: bool = False
    total: Total = "none"
    sort: str | None = None
    """A column; None: by key."""
    descending: bool = False
    includes: tuple[Included, ...] = ()
    revincludes: tuple[Included, ...] = ()
    elements: frozenset[str] | None = None


def understand(kind: Searched, pairs: Pairs, setting: Setting, types: Iterable[Searched], *, lenient: bool) -> Query:
    """Raises Problem 400, in our own words alone."""
    return _Reader(kind, setting, {one.name: one for one in types}, lenient).read(pairs)


class _Reader:
    def __init__(self, kind: Searched, setting: Setting, types: dict[str, Searched], lenient: bool) -> None:
        self._kind = kind
        self._setting = setting
        self._types = types
        self._lenient = lenient

    def read(self, pairs: Pairs) -> Query:
        check_size(pairs)
        conditions: list[Condition] = []
        used: list[tuple[str, str]] = []
        result: dict[str, list[str]] = {}
        passed_over = 0
        for name, value in pairs:
            if name in FORMAT:
                continue
            try:
                if name in RESULT:
                    result.setdefault(name, []).append(value)
                else:
                    conditions.append(self._condition(name, value))
            except Problem:
                if not self._lenient:
                    raise
                passed_over += 1
                continue
            used.append((name, value))
        once = {name: self._once(name, values) for name, values in result.items() if name not in _REPEATED}
        sort, descending = self._sort(once.get("_sort"))
        count = self._count(once.get("_count"))
        summary = self._one_of("_summary", once.get("_summary"), ("count", "false"))
        return Query(
            where=All(tuple(conditions)),
            pairs=tuple(used),
            passed_over=passed_over,
            count=count,
            only_count=summary == "count" or count == 0,
            total="accurate" if self._total(once) in _COUNTED else "none",
            sort=sort,
            descending=descending,
            includes=tuple(self._include(value) for value in result.get("_include", ())),
            revincludes=tuple(self._revinclude(value) for value in result.get("_revinclude", ())),
            elements=self._elements(once.get("_elements")),
        )

    def _condition(self, name: str, value: str) -> Condition:
        plain, param, modifier = self._param(name)
        if param is None:
            there = ", ".join((*self._kind.search, *RESULT))
            text = f"{self._kind.name} has no search parameter of that name; there are: {there}"
            raise Problem(400, "not-supported", text)
        if not value:
            raise Problem(400, "value", f"{plain}: a value is wanted")
        if sum(1 for _ in alternatives(value)) > MOST_ALTERNATIVES:
            raise Problem(400, "too-costly", f"{plain}: at most {MOST_ALTERNATIVES} alternatives")
        try:
            return param.condition(value, modifier, self._setting)
        except BadValue as wrong:
            raise Problem(400, "value", f"{plain}: {wrong}") from None

    def _param(self, name: str) -> tuple[str, Param | None, str | None]:
        """A parameter out of its name and modifier; `patient:Patient.identifier` is `patient.identifier`."""
        plain, _, modifier = name.partition(":")
        if "." in modifier:
            target, _, rest = modifier.partition(".")
            reference = self._kind.references().get(plain)
            if reference is None or reference.target != target:
                return plain, None, None
            chained, _, modifier = rest.partition(":")
            plain = f"{plain}.{chained}"
        return plain, self._kind.search.get(plain), modifier or None

    @staticmethod
    def _once(name: str, values: list[str]) -> str:
        if len(set(values)) > 1:
            raise Problem(400, "value", f"{name} is given twice, and differently")
        return values[0]

    @staticmethod
    def _count(value: str | None) -> int:
        if value is None:
            return DEFAULT_COUNT
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise Problem(400, "value", "_count: a number is wanted")
        return min(int(value), MOST_COUNT)

    def _total(self, once: dict[str, str]) -> str | None:
        method = self._one_of("_totalMethod", once.get("_totalMethod"), (*_TOTALS, "count"))
        return self._one_of("_total", once.get("_total"), _TOTALS) or method

    @staticmethod
    def _one_of(name: str, value: str | None, words: tuple[str, ...]) -> str | None:
        if value is not None and value not in words:
            raise Problem(400, "not-supported", f"{name} is one of: {', '.join(words)}")
        return value

    def _sort(self, value: str | None) -> tuple[str | None, bool]:
        if value is None:
            return None, False
        descending, name = value.startswith("-"), value.removeprefix("-")
        if name not in self._kind.orders:
            there = ", ".join(self._kind.orders)
            raise Problem(400, "not-supported", f"_sort: {self._kind.name} can be sorted by one of: {there}")
        column = self._kind.orders[name]
        return (None if column == "key" else column), descending

    def _include(self, value: str) -> Included:
        source, param, target = _three(value)
        found = self._kind.references().get(param) if source == self._kind.name else None
        if found is None or target not in ("", found.target) or found.target not in self._types:
            there = ", ".join(includes_of(self._kind, self._types)) or "none"
            raise Problem(400, "not-supported", f"_include: {self._kind.name} has: {there}")
        return Included(source, found)

    def _revinclude(self, value: str) -> Included:
        source, param, target = _three(value)
        kind = self._types.get(source)
        found = kind.references().get(param) if kind is not None else None
        if found is None or found.target != self._kind.name or target not in ("", found.target):
            there = ", ".join(revincludes_of(self._kind, self._types)) or "none"
            raise Problem(400, "not-supported", f"_revinclude: {self._kind.name} has: {there}")
        return Included(source, found)

    @staticmethod
    def _elements(value: str | None) -> frozenset[str] | None:
        return None if value is None else frozenset(name.strip() for name in value.split(",") if name.strip())


_TOTALS = ("none", "estimate", "accurate")
_COUNTED = ("estimate", "accurate", "count")


def _three(value: str) -> tuple[str, str, str]:
    source, _, rest = value.partition(":")
    param, _, target = rest.partition(":")
    return source, param, target


def includes_of(kind: Searched, types: Mapping[str, Searched]) -> tuple[str, ...]:
    """What `_include` may follow from a type."""
    return tuple(f"{kind.name}:{name}" for name, param in kind.references().items() if param.target in types)


def revincludes_of(kind: Searched, types: Mapping[str, Searched]) -> tuple[str, ...]:
    """What `_revinclude` may follow back to a type."""
    return tuple(
        f"{source}:{name}"
        for source, other in types.items()
        for name, param in other.references().items()
        if param.target == kind.name
    )


def check_size(pairs: Pairs) -> None:
    """Raises Problem 400 for what is more, or longer, than any search needs, and for what is no text."""
    if len(pairs) > MOST_PARAMETERS or sum(len(name) + len(value) for name, value in pairs) > LONGEST:
        text = f"at most {MOST_PARAMETERS} parameters with {LONGEST} letters together; ask in several searches"
        raise Problem(400, "too-costly", text)
    for name, value in pairs:
        if any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in name + value):
            raise Problem(400, "value", "a parameter holds control characters, or is not UTF-8")
