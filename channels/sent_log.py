"""What has left the house, in a file of its own: a record that is restored from a backup does not know it any more.

One line for each message before an attempt, and one after it that says how it ended. Ids and digests only. Several
workers of one machine may write to one file: a line is one write.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

How = Literal["trying", "sent", "uncertain", "not"]
"""`trying`: an attempt begins; `not`: it certainly did not leave."""


class Leaving(BaseModel):
    """One notice in one message. `digest` is of what it says and to whom, as the record computes it; empty: unknown."""

    model_config = ConfigDict(frozen=True)

    notice: str
    digest: str


class Line(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    message_id: str
    how: How
    notices: tuple[Leaving, ...]


class Left(BaseModel):
    """A notice that has left, or may have."""

    model_config = ConfigDict(frozen=True)

    notice: str
    digest: str
    outcome: Literal["sent", "uncertain"]
    message_id: str
    at: datetime


class SentLog:
    """Writes the log. Without a path nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def note(self, how: How, message_id: str, notices: Sequence[Leaving]) -> None:
        """Write a line. Raises OSError: what cannot be noted must not leave."""
        if self._path is None:
            return
        line = Line(at=datetime.now(UTC), message_id=message_id, how=how, notices=tuple(notices))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line.model_dump_json().encode() + b"\n")
        finally:
            os.close(descriptor)

    def ended(self, outcome: str, message_id: str, notices: Sequence[Leaving]) -> None:
        """How an attempt ended, in the words of `channels.mail.Sent`. That is never a reason to fail: the line before
        the attempt stands, and says that it may have left."""
        how: How = "sent" if outcome == "sent" else "uncertain" if outcome == "uncertain" else "not"
        try:
            self.note(how, message_id, notices)
        except OSError:
            return


def left_since(lines: Iterable[bytes], since: datetime) -> list[Left]:
    """What has left, or may have, from a moment on: each notice once. Lines that are none (a log may be cut off) are
    passed over."""
    found: dict[tuple[str, str], Left] = {}
    for raw in lines:
        try:
            line = Line.model_validate_json(raw)
        except ValidationError:
            continue
        if line.at < since:
            continue
        for one in line.notices:
            key = (one.notice, one.digest)
            before = found.get(key)
            if before is not None and before.outcome == "sent":
                continue
            if line.how == "not":
                found.pop(key, None)
                continue
            found[key] = Left(
                **one.model_dump(),
                outcome="sent" if line.how == "sent" else "uncertain",
                message_id=line.message_id,
                at=line.at,
            )
    return list(found.values())
