"""What an ask comes to when it is more than one action of the same name: it depends on where the journey stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.inbound.finding import Found
from records.database import Database
from records.inbound import AskRow


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
Deed = Callable[[Database, AskRow, Found], Awaitable[Decision]]

OF_A_JOURNEY: dict[str, Deed] = {}
OF_THE_REGISTER: dict[str, Callable[[Database, AskRow], Awaitable[None]]] = {}


async def after(database: Database, ask: AskRow, found: Found, result: dict[str, Any]) -> None:
    """What the record keeps once the actions are done."""
