"""Kinds of search parameters: each makes a condition on columns of a view out of a value.

A resource type lists its parameters (`resources/`); the CapabilityStatement and the OpenAPI document are written from
the same lists. What is not listed is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from gateway.fhir_server.elements import Setting, key_of
from gateway.fhir_server.registry import ParamType
from gateway.fhir_server.search import values
from gateway.fhir_server.search.values import BadValue
from records.fhir import Any_, Condition, Holds, Is, Missing, Not, Starts, Within
from records.fhir.conditions import (
    INSIDE_CONCEPTS,
    INSIDE_IDENTIFIERS,
    INSIDE_REFERENCED_IDENTIFIERS,
    INSIDE_REFERENCES,
    Bound,
    Through,
)

NEVER = Any_(())


@dataclass(frozen=True)
class Param:
    """One parameter: its name, and the column that it is held against."""

    name: str
    column: str
    kind: ClassVar[ParamType]
    json: ClassVar[bool] = False
    own_modifiers: ClassVar[tuple[str, ...]] = ()

    @property
    def type(self) -> ParamType:
        """As FHIR calls it."""
        return self.kind

    @property
    def modifiers(self) -> tuple[str, ...]:
        """The modifiers that it takes."""
        return ("missing", *self.own_modifiers)

    def condition(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        """What a value (alternatives with commas between) asks for. Raises BadValue."""
        if modifier is not None and modifier not in self.modifiers:
            raise BadValue(f"of modifiers it takes {', '.join(self.modifiers)} alone")
        if modifier == "missing":
            missing = Missing(self.column, self.json)
            return missing if values.boolean(value) else Not(missing)
        found = Any_(tuple(self.one(part, modifier, setting) for part in values.alternatives(value)))
        return Not(found) if modifier == "not" else found

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        """The same for one of the alternatives."""
        raise NotImplementedError


@dataclass(frozen=True)
class Id(Param):
    """`_id`."""

    kind = "token"
    key: Callable[[str], Any] = str

    @property
    def modifiers(self) -> tuple[str, ...]:
        return ()

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        key = self.key(value) if values.ID.fullmatch(value) else None
        return Is("key", (key,)) if key is not None else NEVER


@dataclass(frozen=True)
class Code(Param):
    """A token whose codes are all of one system."""

    kind = "token"
    own_modifiers = ("not",)
    system: str | None = None

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        token = values.token(value)
        if token.system is not None and token.system != self.system:
            return NEVER
        return Is(self.column, (token.code,)) if token.code is not None else Not(Missing(self.column))


@dataclass(frozen=True)
class Flag(Param):
    """True or false."""

    kind = "token"
    own_modifiers = ("not",)

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        return Is(self.column, (values.boolean(value),))


@dataclass(frozen=True)
class Coded(Param):
    """A token that stands for values of ours: a guide's code of a status, LOINC's code of a measure."""

    kind = "token"
    own_modifiers = ("not",)
    meaning: Callable[[Setting, str | None, str], tuple[str, ...]] = lambda _setting, _system, _code: ()

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        token = values.token(value)
        if token.code is None:
            raise BadValue("a code is wanted")
        meant = self.meaning(setting, token.system, token.code)
        return Is(self.column, meant) if meant else NEVER


@dataclass(frozen=True)
class Listed(Param):
    """A token among the identifiers or concepts of a JSON list."""

    kind = "token"
    json = True
    own_modifiers = ("not",)
    inside: ClassVar[str] = INSIDE_IDENTIFIERS
    member: ClassVar[str] = "value"

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        return holds(self.column, self.inside, self.member, values.token(value))


@dataclass(frozen=True)
class Identifiers(Listed):
    """A list of Identifiers."""


@dataclass(frozen=True)
class Concepts(Listed):
    """A list of CodeableConcepts."""

    inside = INSIDE_CONCEPTS
    member = "code"


def holds(column: str, inside: str, member: str, token: values.Token) -> Condition:
    """A token among elements with `system` and a member for its code."""
    members: tuple[tuple[str, str | None], ...] = ((member, token.code),) if token.code is not None else ()
    if token.system is not None:
        members = (*members, ("system", token.system or None))
    return Holds(column, inside, members)


@dataclass(frozen=True)
class Ours(Param):
    """A reference to a resource of ours; the column has its id."""

    kind = "reference"
    target: str = ""
    uuid: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("identifier", self.target) if self.target == "Patient" else (self.target,)

    @property
    def modifiers(self) -> tuple[str, ...]:
        return ("missing", *self.own)

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        if modifier == "identifier":
            held = holds("identifiers", INSIDE_IDENTIFIERS, "value", values.token(value))
            return Through(self.column, "patient", held)
        found = values.reference(value, setting.base)
        if found is None:
            raise BadValue(f"{self.target}/ID is wanted")
        if found.elsewhere or found.type not in (None, self.target):
            return NEVER
        key = self.key(found.id)
        return Is(self.column, (key,)) if key is not None else NEVER

    def key(self, id: str) -> Any:  # noqa: A002 - FHIR's own word
        """A target's id as the column has it; None where there can be none."""
        if not self.uuid:
            return id.replace("U", "_") if self.target == "Practitioner" else key_of(id)
        try:
            return UUID(id)
        except ValueError:
            return None


@dataclass(frozen=True)
class Sent(Param):
    """A reference as the sender wrote it, or its identifier (`:identifier`): nothing of ours stands behind it."""

    kind = "reference"
    json = True
    own_modifiers = ("identifier",)

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        if modifier == "identifier":
            return holds(self.column, INSIDE_REFERENCED_IDENTIFIERS, "value", values.token(value))
        return Holds(self.column, INSIDE_REFERENCES, (("reference", values.plain(value)),))


@dataclass(frozen=True)
class OursOrSent(Param):
    """A person of ours in one column, or somebody else in a list of references."""

    kind = "reference"
    own_modifiers = ("identifier",)
    sent: str = ""

    def condition(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        ours, sent = Ours(self.name, self.column, target="Practitioner"), Sent(self.name, self.sent)
        if modifier == "missing":
            both = (Missing(self.column), Missing(self.sent, json=True))
            return _both(both) if values.boolean(value) else Not(_both(both))
        if modifier == "identifier":
            return sent.condition(value, modifier, setting)
        if modifier is not None:
            raise BadValue("of modifiers it takes missing, identifier alone")
        return Any_(tuple(ours.one(one, None, setting) for one in values.alternatives(value)))


def _both(conditions: tuple[Condition, ...]) -> Condition:
    return Not(Any_(tuple(Not(one) for one in conditions)))


@dataclass(frozen=True)
class Date(Param):
    """A moment, or with `end` a period; `as_text` where the columns hold dates as text."""

    kind = "date"
    end: str | None = None
    as_text: bool = False

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        found = values.date(value)
        return Within(self.column, self.end, found.prefix, self._bound(found.low), self._bound(found.high))

    def _bound(self, moment: datetime) -> Bound:
        return f"{moment:%Y-%m-%d}" if self.as_text else moment


@dataclass(frozen=True)
class String(Param):
    """Words, whatever their case: a beginning of them unless `:contains` or `:exact` is asked for."""

    kind = "string"
    own_modifiers = ("contains", "exact")
    more: tuple[str, ...] = ()

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        words = values.plain(value)
        columns = (self.column, *self.more)
        if modifier == "exact":
            return Starts(columns, words, "exact")
        return Starts(columns, words, "contains" if modifier == "contains" else "starts")


@dataclass(frozen=True)
class Uri(Param):
    """An address, exactly."""

    kind = "uri"

    def one(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        return Is(self.column, (values.plain(value),))


@dataclass(frozen=True)
class Chained(Param):
    """A parameter of the patient, through the reference to them: `patient.birthdate`."""

    of: Param

    @property
    def type(self) -> ParamType:
        return self.of.type

    @property
    def modifiers(self) -> tuple[str, ...]:
        return self.of.modifiers

    def condition(self, value: str, modifier: str | None, setting: Setting) -> Condition:
        return Through(self.column, "patient", self.of.condition(value, modifier, setting))
