"""Callers whose tokens are made up, in place of the gateway's own authentication."""

from __future__ import annotations

from gateway.access.authentication import NotAuthenticated
from gateway.access.caller import Caller


class Known:
    """Knows tokens by heart."""

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}

    async def caller(self, token: str) -> Caller:
        found = self.callers.get(token)
        if found is None:
            raise NotAuthenticated
        return found
