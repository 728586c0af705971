"""What every model of care shares: immutable unless it says otherwise, and never echoing a value in an error."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)


class _Value(BaseModel):
    """Never changes, so that a copy of it would be the same thing twice."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self


class Model(_Value):
    """An immutable value that may travel through Temporal.

    Unknown fields are ignored, so that a worker one version behind can still read a journey written by the next.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Strict(_Value):
    """An immutable value written by a person (an action, a pathway): unknown fields are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class State(BaseModel):
    """Part of a journey that changes as the journey goes on.

    Every decision is made on a copy of the journey, and a copy by `copy.deepcopy` took longer than most decisions.
    A journey travels as JSON, so no part of it is in two places, and there is nothing to remember while copying. Most
    fields hold what never changes itself, and are copied together.
    """

    model_config = ConfigDict(hide_input_in_errors=True, validate_assignment=False)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        kind = type(self)
        values = self.__dict__.copy()
        for name in _changing(kind):
            values[name] = copy_of(values[name])
        copied = kind.__new__(kind)
        object.__setattr__(copied, "__dict__", values)
        object.__setattr__(copied, "__pydantic_fields_set__", set(self.__pydantic_fields_set__))
        object.__setattr__(copied, "__pydantic_extra__", None)
        object.__setattr__(copied, "__pydantic_private__", None)
        return copied


T = TypeVar("T")


def copy_of(value: T) -> T:
    """A copy that may be changed; what never changes is shared."""
    kind = type(value)
    how = _HOW.get(kind) or _learn(kind)
    return cast("T", how(value))


def _same(value: Any) -> Any:
    return value


def _list(value: list[Any]) -> list[Any]:
    return [copy_of(one) for one in value]


def _dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return {key: copy_of(one) for key, one in value.items()}


@cache
def _changing(kind: type[BaseModel]) -> tuple[str, ...]:
    """The fields whose values may change in place."""
    return tuple(name for name, field in kind.model_fields.items() if _may_change(field.annotation))


def _may_change(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return not issubclass(annotation, _NEVER_CHANGES)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _may_change(parts[0])
    if origin in (Union, UnionType, tuple):
        return any(_may_change(part) for part in parts if part is not ...)
    return origin is not Literal


def _learn(kind: type) -> Callable[[Any], Any]:
    """Asked once for each kind: hundreds of values are copied for every decision."""
    if issubclass(kind, State):
        how: Callable[[Any], Any] = State.__deepcopy__
    elif issubclass(kind, _Value):
        how = _same
    else:
        how = deepcopy
    _HOW[kind] = how
    return how


_NEVER_CHANGES = (_Value, Enum, str, int, float, bytes, date, datetime, time, timedelta, NoneType)
_HOW: dict[type, Callable[[Any], Any]] = {
    list: _list,
    dict: _dict,
    **dict.fromkeys((str, int, float, bool, type(None), datetime, date, time), _same),
}


class Brief(Strict):
    """Written by a person, and carried by every journey: what is as usual is not written down."""

    @model_serializer(mode="wrap")
    def _unusual(self, write: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """A field is written under its own name, or under its alias where the writer asks for that.

        Values are written as their types say, so that no field of such a model may have a serializer of its own. Where
        fields are chosen by the writer, `write` knows which.
        """
        values = self.__dict__
        unusual = {
            alias if info.by_alias else name: values[name]
            for name, alias, usual in _fields(type(self))
            if values[name] != usual
        }
        if info.include is None and info.exclude is None:
            return unusual
        return {name: value for name, value in write(self).items() if name in unusual}


@cache
def _fields(kind: type[BaseModel]) -> tuple[tuple[str, str, Any], ...]:
    """Name, alias and usual value of each field. Looked up once: a pathway has hundreds of such values."""
    return tuple((name, field.serialization_alias or name, field.default) for name, field in kind.model_fields.items())


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.]{0,63}$")]
"""An identifier from our own content (a measure, a red flag, a pathway): never free text, never from outside."""

PersonId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A person of the directory, by its id. Names stay in PostgreSQL."""

NoteId = Annotated[str, StringConstraints(pattern=r"^note-[0-9a-f]{32}$")]
"""A note kept in PostgreSQL. Free text never enters Temporal; an action carries the id of the note instead."""

NoticeId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,64}:[A-Za-z0-9_.:-]{1,200}$")]
"""A notice, by the id that its journey gave it."""

ActionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
"""What the caller chose to call its action, so that a repeat of it can be known as one."""
