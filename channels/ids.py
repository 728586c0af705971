"""Message-IDs: made from what a message is about, so that every attempt of it has the same, and nothing can be read
off them. RFC 5322 section 3.6.4."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


class MessageIds:
    """The Message-IDs of one sender's domain."""

    def __init__(self, domain: str) -> None:
        self._domain = domain

    def of(self, *notices: str) -> str:
        """Of the mail that says these notices. Some receivers collapse copies by it, and a bounce names it."""
        return self._made_from(sorted(notices))

    def thread(self, escalation: str | None) -> str | None:
        """What all mails about one ladder refer to, so that a mail program shows them together. Nobody sends it."""
        return self._made_from(["ladder", escalation]) if escalation else None

    def _made_from(self, parts: Iterable[str]) -> str:
        return f"<{sha256(' '.join(parts).encode()).hexdigest()[:32]}@{self._domain}>"
