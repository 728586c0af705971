"""What may be decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that has to come first has not come yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A person decides."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be done, and never will."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is so already, or nothing follows from it."""

    reason: str


Decision = Sequence[tuple[str, dict[str, Any]]] | Wait | Quarantine | Refuse | Nothing
