"""What came of reading a PlanDefinition."""

from __future__ import annotations

from dataclasses import dataclass

from care.pathway import Pathway


@dataclass(frozen=True)
class Imported:
    """It became a pathway."""

    pathway: Pathway
    unchanged: bool
    """Our own export, as it was. Otherwise a sketch, whose `gaps` say what is missing."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why not: which element, and what would be right."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Refused:
    """It did not become one."""

    title: str
    reasons: tuple[Reason, ...]
