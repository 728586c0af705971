"""The floor's own activity, as its workflow knows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from temporalio import activity


class Writes(ABC):
    """The record."""

    @activity.defn(name="write")
    @abstractmethod
    async def write(self, rows: dict[str, Any]) -> int:
        """Write one decision by the same statement as Continuum."""
