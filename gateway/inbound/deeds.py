"""What an ask comes to when it is more than one action of the same name: it depends on where the journey stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.inbound.decisions.decision import Decision as Decision
from gateway.inbound.decisions.decision import Nothing as Nothing
from gateway.inbound.decisions.decision import Quarantine as Quarantine
from gateway.inbound.decisions.decision import Refuse as Refuse
from gateway.inbound.decisions.decision import Wait as Wait
from gateway.inbound.finding import Found
from records.database import Database
from records.inbound import AskRow

Deed = Callable[[Database, AskRow, Found], Awaitable[Decision]]

OF_A_JOURNEY: dict[str, Deed] = {}
OF_THE_REGISTER: dict[str, Callable[[Database, AskRow], Awaitable[None]]] = {}


async def after(database: Database, ask: AskRow, found: Found, result: dict[str, Any]) -> None:
    """What the record keeps once the actions are done."""
