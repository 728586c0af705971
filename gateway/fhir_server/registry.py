"""What the FHIR server can do, as its parts declare it; `/fhir/metadata` is written from here and from nothing else.

Whoever adds routes declares what they do, once, where the routes are:

    declare(
        Interactions(
            "ServiceRequest",
            interactions={"create", "update"},
            conditional_create=True,
            operations=(Operation("expunge", "http://example/OperationDefinition/expunge"),),
            documentation="A create is acknowledged once it is stored.",
        )
    )
    declare_system("transaction", "batch", operations=(Operation("process-message", DEFINITION),))

Declarations of one type add up: reading declares `read` and its search parameters, writing adds `create`. A declaration
made twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

T = TypeVar("T")
Interaction = Literal["read", "vread", "update", "patch", "delete", "history-instance", "create", "search-type"]
SystemInteraction = Literal["transaction", "batch"]
ParamType = Literal["number", "date", "string", "token", "reference", "uri", "special"]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation by its name (without `$`) and the canonical address of its OperationDefinition."""

    name: str
    definition: str
    documentation: str | None = None


@dataclass(frozen=True, slots=True)
class SearchParam:
    """A search parameter, as the CapabilityStatement names it."""

    name: str
    type: ParamType
    documentation: str | None = None


@dataclass(frozen=True)
class Interactions:
    """What can be done with one resource type."""

    type: str
    interactions: Collection[Interaction] = frozenset()
    conditional_create: bool = False
    conditional_read: bool = False
    """If-None-Match answers 304."""
    update_create: bool = False
    search: tuple[SearchParam, ...] = ()
    includes: tuple[str, ...] = ()
    revincludes: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    documentation: str = ""


@dataclass
class Declared:
    """All that was declared."""

    types: dict[str, Interactions] = field(default_factory=dict)
    system: set[SystemInteraction] = field(default_factory=set)
    operations: tuple[Operation, ...] = ()


_DECLARED = Declared()


def declare(one: Interactions) -> None:
    """Say what can be done with a type, beside what was said of it before."""
    before = _DECLARED.types.get(one.type)
    _DECLARED.types[one.type] = one if before is None else _together(before, one)


def declare_system(*interactions: SystemInteraction, operations: tuple[Operation, ...] = ()) -> None:
    """Say what the server can do beside single types."""
    _DECLARED.system.update(interactions)
    _DECLARED.operations = _joined(_DECLARED.operations, operations)


def declared() -> Declared:
    """What was declared so far."""
    return Declared(dict(_DECLARED.types), set(_DECLARED.system), _DECLARED.operations)


def _together(a: Interactions, b: Interactions) -> Interactions:
    return replace(
        a,
        interactions=frozenset(a.interactions) | frozenset(b.interactions),
        conditional_create=a.conditional_create or b.conditional_create,
        conditional_read=a.conditional_read or b.conditional_read,
        update_create=a.update_create or b.update_create,
        search=_joined(a.search, b.search),
        includes=_joined(a.includes, b.includes),
        revincludes=_joined(a.revincludes, b.revincludes),
        profiles=_joined(a.profiles, b.profiles),
        operations=_joined(a.operations, b.operations),
        documentation=" ".join(_joined(*((one.documentation,) for one in (a, b) if one.documentation))),
    )


def _joined(*parts: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(one for part in parts for one in part))
